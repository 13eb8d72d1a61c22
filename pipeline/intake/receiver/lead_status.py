"""Where one lead is: what `GET /v1/leads/{event_id}` answers. Ids and states only, nothing of the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from pipeline.store.deliveries.tables import deliveries
from pipeline.store.engine import transaction
from pipeline.store.events.tables import events, quarantine


def read_status(event_id: UUID) -> dict[str, Any] | None:
    """State, person, deliveries and open quarantine entry of an event; None if there is no such event.

    Raises TransientError if the database is away.
    """
    with transaction(synchronous=False) as connection:
        event = connection.execute(
            select(
                *(events.c[name] for name in ("event_id", "external_id", "brand", "source", "lane", "state", "reason")),
                *(events.c[name] for name in ("received_at", "occurred_at", "settled_at", "person_id", "channel")),
            ).where(events.c.event_id == event_id)
        ).first()
        if event is None:
            return None
        parked = connection.execute(
            select(quarantine.c.quarantine_id, quarantine.c.stage, quarantine.c.code, quarantine.c.field)
            .add_columns(quarantine.c.message)
            .where(quarantine.c.event_id == event_id, quarantine.c.resolution == "open")
        ).first()
        sent = []
        if event.person_id is not None:
            sent = list(
                connection.execute(
                    select(
                        *(deliveries.c[name] for name in ("destination", "state", "wanted_version", "sent_version")),
                        *(deliveries.c[name] for name in ("external_id", "attempts", "last_error", "loaded_at")),
                    )
                    .where(deliveries.c.person_id == event.person_id)
                    .order_by(deliveries.c.destination)
                )
            )
    answer = _plain(event._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    answer["quarantine"] = None if parked is None else _plain(parked._mapping)  # noqa: SLF001
    answer["deliveries"] = [_plain(row._mapping) for row in sent]  # noqa: SLF001
    return answer


def _plain(row: Any) -> dict[str, Any]:
    return {str(name): _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
