"""What was recorded when events settled, batch by batch: their statements of consent and the source of their touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Consent
from pipeline.store import arrays


@dataclass
class Recorded:
    """Of one event. `source`, `medium` and `campaign` are those of its own touch, not of what it remembered."""

    consents: list[Consent] = field(default_factory=list)
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None


def read_recorded(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, Recorded]:
    """By event; one that did not settle is left out. Two statements."""
    recorded: dict[UUID, Recorded] = {}
    for event_id, *attributed in connection.exec_driver_sql(_TOUCHES, (arrays.uuids(event_ids),)):
        recorded[event_id] = Recorded([], *attributed)
    for event_id, *consent in connection.exec_driver_sql(_CONSENTS, (arrays.uuids(event_ids),)):
        recorded.setdefault(event_id, Recorded()).consents.append(Consent(*consent))
    return recorded


_TOUCHES = """
SELECT event_id, source, coalesce(medium, details->>'medium'), campaign FROM touches
WHERE position = 0 AND event_id = ANY(%s::uuid[])
"""
_CONSENTS = f"""
SELECT event_id, {", ".join(Consent.__struct_fields__)} FROM consents
WHERE event_id = ANY(%s::uuid[]) ORDER BY event_id, purpose, channel
"""  # noqa: S608 - put together from constants
