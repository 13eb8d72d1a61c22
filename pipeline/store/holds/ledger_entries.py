"""Which entries of the ledger this database knows: after a backup is restored it lacks those that came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


def note_entry(connection: Connection, digest: bytes, *, request_id: UUID, kind: str, at: datetime) -> None:
    """Say that what an entry is about stands in the database with this transaction. One statement."""
    connection.exec_driver_sql(
        "INSERT INTO ledger_entries (hash, request_id, kind, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (digest, request_id, kind, at),
    )


def unknown_entries(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of these entries that are not known. One statement."""
    if not digests:
        return set()
    rows = connection.exec_driver_sql(
        "SELECT asked.hash FROM unnest(%s::bytea[]) AS asked (hash)"
        " WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.hash = asked.hash)",
        (arrays.blobs(digests),),
    )
    return {bytes(digest) for digest in rows.scalars()}


def count_others(connection: Connection, digests: Sequence[bytes]) -> int:
    """How many entries are known besides these. One statement."""
    return int(
        connection.exec_driver_sql(
            "SELECT count(*) FROM ledger_entries WHERE hash <> ALL(%s::bytea[])", (arrays.blobs(digests),)
        ).scalar_one()
    )
