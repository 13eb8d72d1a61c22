"""Service keys as they are stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from pipeline.records.base import Fact
from pipeline.store import arrays

_COLUMNS = (
    "key_id, name, digest, role, scopes, brands, sources, networks, created_at, created_by, expires_at, last_used_on,"
    " revoked_at"
)


class StoredKey(Fact, frozen=True):
    """One key. `digest` is the SHA-256 of the key, which itself is not kept. `expires_at` None: never."""

    key_id: str
    name: str
    digest: bytes
    role: str | None
    scopes: tuple[str, ...]
    brands: tuple[str, ...]
    sources: tuple[str, ...]
    networks: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_on: date | None = None
    revoked_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<StoredKey {self.key_id}>"


def add_key(connection: Connection, key: StoredKey) -> None:
    """One statement."""
    connection.exec_driver_sql(
        "INSERT INTO service_keys (key_id, name, digest, role, scopes, brands, sources, networks, created_by,"
        " expires_at) VALUES (%s, %s, %s, %s, %s::text[], %s::text[], %s::text[], %s::text[], %s, %s)",
        (
            key.key_id,
            arrays.clean(key.name),
            key.digest,
            key.role,
            arrays.texts(key.scopes),
            arrays.texts(key.brands),
            arrays.texts(key.sources),
            arrays.texts(key.networks),
            arrays.clean(key.created_by),
            key.expires_at,
        ),
    )


def read_keys(connection: Connection, *, only_live: bool = False) -> list[StoredKey]:
    """Every key, oldest first; `only_live`: without those that are revoked or expired. One statement."""
    live = " WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())" if only_live else ""
    rows = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM service_keys{live} ORDER BY created_at, key_id")  # noqa: S608 - put together from constants
    return [_key(row) for row in rows]


def read_key(connection: Connection, key_id: str) -> StoredKey | None:
    """One statement."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM service_keys WHERE key_id = %s",  # noqa: S608 - put together from constants
        (arrays.clean(key_id),),
    ).one_or_none()
    return None if row is None else _key(row)


def revoke_key(connection: Connection, key_id: str) -> bool:
    """False if there is none that is not revoked yet. One statement."""
    return (
        connection.exec_driver_sql(
            "UPDATE service_keys SET revoked_at = now() WHERE key_id = %s AND revoked_at IS NULL",
            (arrays.clean(key_id),),
        ).rowcount
        > 0
    )


def note_used(connection: Connection, key_ids: Collection[str]) -> None:
    """That these were used today (UTC). One statement, which changes each key once a day."""
    connection.exec_driver_sql(
        "UPDATE service_keys SET last_used_on = current_date WHERE key_id = ANY(%s::text[])"
        " AND last_used_on IS DISTINCT FROM current_date",
        (arrays.texts(sorted(key_ids)),),
    )


def _key(row: Sequence[Any]) -> StoredKey:
    key_id, name, digest, role, scopes, brands, sources, networks, *rest = row
    return StoredKey(
        key_id, name, bytes(digest), role, tuple(scopes), tuple(brands), tuple(sources), tuple(networks), *rest
    )
