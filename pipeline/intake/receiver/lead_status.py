"""Where one lead is: what `GET /v1/leads/{event_id}` answers. Ids and states only, nothing of the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.store import reports
from pipeline.store.engine import transaction


def read_status(event_id: UUID) -> dict[str, Any] | None:
    """State, person, deliveries and open quarantine entry of an event; None if there is no such event.

    Raises TransientError if the database is away.
    """
    with transaction(synchronous=False) as connection:
        status = reports.read_status(connection, event_id)
    if status is None:
        return None
    return {
        **_plain(status.event),
        "quarantine": None if status.quarantine is None else _plain(status.quarantine),
        "deliveries": [_plain(delivery) for delivery in status.deliveries],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
