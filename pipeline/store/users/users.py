"""Users: one row for each subject of an issuer. Who somebody is never depends on a name or an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store.arrays import clean

LOCAL = "local"  # the issuer of administrators made on the server
RolesByBrand = dict[str, list[str]]


class User(msgspec.Struct, frozen=True):
    """`roles` as of the last sign-in, brand to roles."""

    user_id: UUID
    issuer: str
    subject: str
    name: str | None
    roles: RolesByBrand
    created_at: datetime
    signed_in_at: datetime | None
    disabled_at: datetime | None
    sessions: int = 0

    def __repr__(self) -> str:
        return f"<User {self.user_id}>"


_COLUMNS = "u.user_id, u.issuer, u.subject, u.name, u.roles, u.created_at, u.signed_in_at, u.disabled_at"


def lock_user(connection: Connection, issuer: str, subject: str, name: str | None) -> User:
    """The user of this subject, made if there was none, and locked: sign-ins of one user take turns. One statement."""
    row = connection.exec_driver_sql(
        "INSERT INTO users AS u (issuer, subject, name) VALUES (%s, %s, %s)"  # noqa: S608 - put together from constants
        f" ON CONFLICT (issuer, subject) DO UPDATE SET name = coalesce(excluded.name, u.name) RETURNING {_COLUMNS}",
        (clean(issuer), clean(subject), None if name is None else clean(name)),
    ).one()
    return User(*row)


def note_roles(
    connection: Connection, user_id: UUID, roles: Mapping[str, Sequence[str]], *, is_signed_in: bool
) -> None:
    """What the groups give now; and that the user is in, if so. One statement."""
    connection.exec_driver_sql(
        "UPDATE users SET roles = %s::jsonb, signed_in_at = CASE WHEN %s THEN now() ELSE signed_in_at END"
        " WHERE user_id = %s",
        (msgspec.json.encode(roles).decode(), is_signed_in, user_id),
    )


def find_users(connection: Connection, text: str | None = None, *, limit: int = 1_000) -> list[User]:
    """Users whose id, subject or name this is, all of them without one, with their open sessions. One statement."""
    rows = connection.exec_driver_sql(
        f"""
        SELECT {_COLUMNS}, count(s.digest) FILTER (WHERE s.ends_at > now())
        FROM users u LEFT JOIN user_sessions s USING (user_id)
        WHERE %(text)s::text IS NULL OR %(text)s IN (u.user_id::text, u.subject, u.name)
        GROUP BY u.user_id ORDER BY u.created_at, u.user_id LIMIT %(limit)s
        """,  # noqa: S608 - put together from constants
        {"text": text, "limit": limit},
    )
    return [User(*row) for row in rows]


def set_disabled(connection: Connection, user_id: UUID, *, is_disabled: bool) -> bool:
    """Whether that changed anything. One statement."""
    return (
        connection.exec_driver_sql(
            "UPDATE users SET disabled_at = CASE WHEN %(off)s THEN now() END"
            " WHERE user_id = %(id)s AND (disabled_at IS NOT NULL) <> %(off)s",
            {"off": is_disabled, "id": user_id},
        ).rowcount
        > 0
    )
