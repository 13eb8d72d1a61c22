"""Sessions as rows: found by the digest of what the browser holds, ended by deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.users.users import RolesByBrand

_SEEN_EVERY_SECONDS = 60  # the row is written no more often than that


class SessionRow(msgspec.Struct, frozen=True):
    """An open session. `rules` is the digest of the settings by which its roles were given."""

    session_id: UUID
    user_id: UUID
    issuer: str
    subject: str
    name: str | None
    auth: str
    roles: RolesByBrand
    entitled: RolesByBrand
    rules: bytes
    sealed: bytes | None
    network: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime

    def __repr__(self) -> str:
        return f"<SessionRow {self.session_id}>"


_COLUMNS = (
    "s.session_id, s.user_id, u.issuer, u.subject, u.name, s.auth, s.roles, s.entitled, s.rules, s.sealed, s.network,"
    " s.created_at, s.seen_at, s.ends_at"
)
_OPEN = "u.disabled_at IS NULL AND s.ends_at > now() AND s.seen_at > now() - %(idle)s * interval '1 minute'"


def open_session(
    connection: Connection,
    session_id: UUID,
    digest: bytes,
    user_id: UUID,
    *,
    sid: str | None,
    auth: str,
    roles: Mapping[str, Sequence[str]],
    entitled: Mapping[str, Sequence[str]],
    rules: bytes,
    sealed: bytes | None,
    network: str,
    hours: int,
) -> None:
    """Two statements: sessions that are over for a day go with it."""
    connection.exec_driver_sql("DELETE FROM user_sessions WHERE ends_at < now() - interval '1 day'")
    connection.exec_driver_sql(
        """
        INSERT INTO user_sessions
            (session_id, digest, user_id, sid, auth, roles, entitled, rules, sealed, network, ends_at)
        VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, now() + %s * interval '1 hour')
        """,
        (
            session_id,
            digest,
            user_id,
            None if sid is None else arrays.clean(sid),
            auth,
            _json(roles),
            _json(entitled),
            rules,
            sealed,
            network,
            hours,
        ),
    )


def find_session(connection: Connection, digest: bytes, *, idle_minutes: int) -> SessionRow | None:
    """The open session, which counts as used now. One statement, two where its last use is over a minute ago."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM user_sessions s JOIN users u USING (user_id)"  # noqa: S608 - put together from constants
        f" WHERE s.digest = %(digest)s AND {_OPEN}",
        {"digest": digest, "idle": idle_minutes},
    ).first()
    if row is None:
        return None
    connection.exec_driver_sql(
        "UPDATE user_sessions SET seen_at = now() WHERE digest = %s AND seen_at < now() - %s * interval '1 second'",
        (digest, _SEEN_EVERY_SECONDS),
    )
    return _session(row)


def sessions_of(connection: Connection, user_id: UUID | None, *, idle_minutes: int) -> list[SessionRow]:
    """A user's open sessions, or everybody's, newest first. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM user_sessions s JOIN users u USING (user_id)"  # noqa: S608 - put together from constants
        f" WHERE {_OPEN} AND (%(user)s::uuid IS NULL OR s.user_id = %(user)s) ORDER BY s.created_at DESC",
        {"user": user_id, "idle": idle_minutes},
    )
    return [_session(row) for row in rows]


def end_session(connection: Connection, digest: bytes) -> bool:
    """By what the browser holds. One statement."""
    return connection.exec_driver_sql("DELETE FROM user_sessions WHERE digest = %s", (digest,)).rowcount > 0


def end_own_session(connection: Connection, user_id: UUID, session_id: UUID) -> bool:
    """By its id, if it is this user's. One statement."""
    return (
        connection.exec_driver_sql(
            "DELETE FROM user_sessions WHERE session_id = %s AND user_id = %s", (session_id, user_id)
        ).rowcount
        > 0
    )


def end_sessions_of(connection: Connection, user_id: UUID) -> int:
    """How many ended. One statement."""
    return connection.exec_driver_sql("DELETE FROM user_sessions WHERE user_id = %s", (user_id,)).rowcount


def end_sessions_entitled_otherwise(
    connection: Connection, user_id: UUID, entitled: Mapping[str, Sequence[str]], rules: bytes
) -> int:
    """Sessions of a user whose groups gave other roles than these. How many ended. One statement."""
    return connection.exec_driver_sql(
        "DELETE FROM user_sessions WHERE user_id = %s AND (entitled <> %s::jsonb OR rules <> %s)",
        (user_id, _json(entitled), rules),
    ).rowcount


def end_sessions_at_provider(
    connection: Connection, issuer: str, *, subject: str | None, sid: str | None
) -> list[UUID]:
    """Ids of the users whose sessions ended: of a provider's session, or all of a subject. One statement."""
    rows = connection.exec_driver_sql(
        """
        DELETE FROM user_sessions s USING users u
        WHERE u.user_id = s.user_id AND u.issuer = %(issuer)s
            AND (%(subject)s::text IS NULL OR u.subject = %(subject)s) AND (%(sid)s::text IS NULL OR s.sid = %(sid)s)
        RETURNING s.user_id
        """,
        {"issuer": issuer, "subject": subject, "sid": sid},
    )
    return [user_id for (user_id,) in rows]


def note_logout_token(connection: Connection, digest: bytes, *, keep_seconds: int) -> bool:
    """Whether a logout token comes for the first time. Two statements."""
    connection.exec_driver_sql("DELETE FROM logout_tokens WHERE kept_until < now()")
    return (
        connection.exec_driver_sql(
            "INSERT INTO logout_tokens (digest, kept_until) VALUES (%s, now() + %s * interval '1 second')"
            " ON CONFLICT DO NOTHING",
            (digest, keep_seconds),
        ).rowcount
        > 0
    )


def _json(roles: Mapping[str, Sequence[str]]) -> str:
    return msgspec.json.encode(roles).decode()


def _session(row: Sequence[object]) -> SessionRow:
    values = [bytes(value) if isinstance(value, memoryview) else value for value in row]
    return SessionRow(*values)  # type: ignore[arg-type]  # the columns' types are those of the table
