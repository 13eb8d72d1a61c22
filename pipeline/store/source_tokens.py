"""Tokens that sources gave us. A row is locked while its token is renewed, so that one process asks for a new one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

TokenKey = tuple[str, str]  # brand, source
ASKED, GIVEN, REFUSED = "asked", "given", "refused"
STATES = (ASKED, GIVEN, REFUSED)
_USED_SHARE_OF_LIFE = 0.8  # then it is renewed: its remaining life covers a token server that is away


class StoredToken(msgspec.Struct, frozen=True):
    """A token of a source of a brand. `state`: `asked` before the first one came, `given`, or `refused` since the
    source takes back what it gave. `granted_for` is a digest of whom it is meant for: it is shown to nobody else.

    `due_in_seconds`: until it should be renewed, by the database's clock; None if its life is not known. `sealed` holds
    the token and what gets the next one.
    """

    brand: str
    source: str
    state: str
    granted_for: str | None
    sealed: bytes | None
    scopes: str | None
    connected_at: datetime | None
    refreshed_at: datetime | None
    expires_at: datetime | None
    last_error: str | None
    due_in_seconds: float | None
    is_over: bool

    def __repr__(self) -> str:
        return f"<StoredToken {self.brand}/{self.source} {self.state}>"


_COLUMNS = (
    "brand, source, state, granted_for, sealed, scopes, connected_at, refreshed_at, expires_at, last_error,"
    f" extract(epoch FROM refreshed_at + {_USED_SHARE_OF_LIFE} * (expires_at - refreshed_at)"
    " - clock_timestamp())::float8, coalesce(expires_at <= clock_timestamp(), false)"
)


def read_tokens(connection: Connection) -> dict[TokenKey, StoredToken]:
    """Every token. One statement."""
    rows = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM source_tokens")  # noqa: S608 - put together from constants
    return {(token.brand, token.source): token for token in map(_token, rows)}


def read_token(connection: Connection, brand: str, source: str) -> StoredToken | None:
    """One statement."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM source_tokens WHERE (brand, source) = (%s, %s)",  # noqa: S608 - put together from constants
        (brand, source),
    ).first()
    return None if row is None else _token(row)


def lock_token(connection: Connection, brand: str, source: str) -> StoredToken:
    """The token, which nobody else renews until this transaction ends. Who waits for it sees what became of it.

    Raises TransientError if somebody has it for longer than `lock_timeout`.
    """
    connection.exec_driver_sql(
        "INSERT INTO source_tokens (brand, source) VALUES (%s, %s) ON CONFLICT DO NOTHING", (brand, source)
    )
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM source_tokens WHERE (brand, source) = (%s, %s) FOR UPDATE",  # noqa: S608 - put together from constants
        (brand, source),
    ).one()
    return _token(row)


def write_token(
    connection: Connection,
    brand: str,
    source: str,
    *,
    sealed: bytes,
    granted_for: str,
    life_seconds: float | None,
    scopes: str | None,
    is_connected: bool,
) -> None:
    """Keep a new token. `is_connected`: a human agreed just now; else it was renewed, and `scopes` None leaves those
    that are known."""
    connection.exec_driver_sql(
        """
        INSERT INTO source_tokens AS kept
            (brand, source, state, granted_for, sealed, scopes, connected_at, refreshed_at, expires_at)
        VALUES (%(brand)s, %(source)s, 'given', %(granted_for)s, %(sealed)s, %(scopes)s,
            CASE WHEN %(is_connected)s THEN clock_timestamp() END, clock_timestamp(),
            clock_timestamp() + make_interval(secs => %(life)s::float8))
        ON CONFLICT (brand, source) DO UPDATE SET state = 'given', granted_for = excluded.granted_for,
            sealed = excluded.sealed,
            scopes = CASE WHEN %(is_connected)s THEN excluded.scopes ELSE coalesce(excluded.scopes, kept.scopes) END,
            connected_at = coalesce(excluded.connected_at, kept.connected_at),
            refreshed_at = excluded.refreshed_at, expires_at = excluded.expires_at, last_error = NULL
        """,
        {
            "brand": brand,
            "source": source,
            "granted_for": granted_for,
            "sealed": sealed,
            "scopes": None if scopes is None else arrays.clean(scopes),
            "is_connected": is_connected,
            "life": life_seconds,
        },
    )


def note_refusal(connection: Connection, brand: str, source: str, *, error: str, is_final: bool) -> None:
    """Why no new token came. `is_final`: the source took back what it gave, and asking again is of no use."""
    connection.exec_driver_sql(
        "UPDATE source_tokens SET last_error = %s, state = CASE WHEN %s THEN 'refused' ELSE state END"
        " WHERE (brand, source) = (%s, %s)",
        (arrays.clean(error), is_final, brand, source),
    )


def forget_token(connection: Connection, brand: str, source: str) -> bool:
    """True if there was one."""
    result = connection.exec_driver_sql("DELETE FROM source_tokens WHERE (brand, source) = (%s, %s)", (brand, source))
    return bool(result.rowcount)


def _token(row: Sequence[Any]) -> StoredToken:
    token = StoredToken(*row)
    return token if token.sealed is None else msgspec.structs.replace(token, sealed=bytes(token.sealed))
