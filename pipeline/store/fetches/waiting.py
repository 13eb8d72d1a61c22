"""One record that is to be read, with what keeps it waiting."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import Connection

_WAITING = """
SELECT attempts, last_error, error FROM fetches f
LEFT JOIN fetch_pauses p ON p.source = f.source AND p.brand = f.brand AND p.until > now()
WHERE event_id = %s
"""


class WaitingRecord(msgspec.Struct, frozen=True):
    """`last_error` is its own, `error` that of its source, which nobody asks now."""

    attempts: int
    last_error: str | None
    error: str | None


def read_waiting(connection: Connection, event_id: UUID) -> WaitingRecord | None:
    """None for an event whose record is not waited for. One statement."""
    row = connection.exec_driver_sql(_WAITING, (event_id,)).first()
    return None if row is None else WaitingRecord(*row)
