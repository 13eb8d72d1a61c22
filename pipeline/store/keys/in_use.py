"""Which keys may have sealed something that is stored: one that is missing is noticed before anything needs it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from pipeline.crypto.encryption import cipher
from pipeline.errors import ConfigurationError


def note_sealing_key(connection: Connection) -> None:
    """The key that seals from now on; where none was ever noted and something is stored, every one that is set."""
    key_ids = cipher().key_ids
    is_first = not connection.exec_driver_sql("SELECT EXISTS (SELECT FROM sealing_keys)").scalar_one()
    is_older = is_first and connection.exec_driver_sql("SELECT EXISTS (SELECT FROM keyring)").scalar_one()
    for key_id in key_ids if is_older else key_ids[:1]:
        connection.exec_driver_sql(
            "INSERT INTO sealing_keys AS kept (key_id) VALUES (%s)"
            " ON CONFLICT (key_id) DO UPDATE SET unused_since = NULL WHERE kept.unused_since IS NOT NULL",
            (key_id,),
        )


def require_keys(connection: Connection) -> None:
    """Raises ConfigurationError if something that is stored may need a key that is not set any more."""
    missing = [key_id for key_id in read_keys_in_use(connection) if key_id not in cipher().key_ids]
    if missing:
        raise ConfigurationError(
            f"what is stored is sealed with key {' and '.join(missing)}, which is not among AFLUENTE_SECRET_KEYS:"
            " add the old key after the new one; if it is lost for good, `afluente keys reseal --give-up"
            f" {missing[0]}` lets everything else go on"
        )


def read_keys_in_use(connection: Connection) -> list[str]:
    """Ids of the keys that may have sealed something that is stored, the first used first."""
    return list(
        connection.exec_driver_sql(
            "SELECT key_id FROM sealing_keys WHERE unused_since IS NULL ORDER BY first_used_at, key_id"
        ).scalars()
    )


def read_droppable_keys(connection: Connection) -> dict[str, datetime]:
    """Ids of the keys that nothing that is stored needs any more, and since when that is known."""
    rows = connection.exec_driver_sql(
        "SELECT key_id, unused_since FROM sealing_keys WHERE unused_since IS NOT NULL ORDER BY first_used_at, key_id"
    )
    return {row.key_id: row.unused_since for row in rows}


def note_needed(connection: Connection, key_ids: Sequence[str]) -> None:
    """That something was found under these, so that none counts as one that can go. One that was given up, and is not
    set, stays so."""
    connection.exec_driver_sql(
        "UPDATE sealing_keys SET unused_since = NULL WHERE key_id = ANY(%s) AND unused_since IS NOT NULL",
        ([key_id for key_id in key_ids if key_id in cipher().key_ids],),
    )


def note_unused(connection: Connection, key_ids: Sequence[str]) -> int:
    """That nothing stored needs them any more, or that somebody gave them up. Gives how many were known in use."""
    result = connection.exec_driver_sql(
        "UPDATE sealing_keys SET unused_since = now() WHERE key_id = ANY(%s) AND unused_since IS NULL", (list(key_ids),)
    )
    return int(result.rowcount)
