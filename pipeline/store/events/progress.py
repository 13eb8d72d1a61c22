"""How far the events of one source have come: what `afluente import --wait` looks at, whatever the import's size.

Ids carry their time, so an import is a range of ids. What else the source sent meanwhile is counted with it: waiting
for too much is harmless.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import EVENT_STATES
from pipeline.store.events.reasons import TOLD_REASON

_STATES = f"""
SELECT state, {TOLD_REASON}, count(*) FROM events
WHERE event_id BETWEEN %(first)s AND %(last)s AND source = %(source)s AND brand = %(brand)s
GROUP BY 1, 2
"""  # noqa: S608 - put together from constants
_LEFT = """
SELECT count(*) FROM events
WHERE state IN ('pending', 'in_flight') AND event_id <= %(last)s AND source = %(source)s AND brand = %(brand)s
"""
# From the few deliveries that are due to the many events, not the other way round: at the end this is cheap.
_DELIVERIES = """
SELECT count(*) FROM deliveries d
WHERE d.state IN ('due', 'in_flight') AND d.brand = %(brand)s AND d.wanted_at <= %(until)s AND EXISTS (
    SELECT FROM evidence v JOIN evidence_events x USING (evidence_id) JOIN events e ON e.event_id = x.event_id
    WHERE v.person_id = d.person_id AND x.event_id BETWEEN %(first)s AND %(last)s AND e.source = %(source)s
)
"""
_DELIVERED = """
WITH came AS (
    SELECT DISTINCT person_id FROM events
    WHERE event_id BETWEEN %(first)s AND %(last)s AND source = %(source)s AND brand = %(brand)s AND state = 'settled'
)
SELECT d.destination, d.state, q.code, count(*) FROM came JOIN deliveries d USING (person_id)
LEFT JOIN quarantine q ON q.person_id = d.person_id AND q.destination = d.destination AND q.resolution = 'open'
    AND d.state = 'quarantined'
GROUP BY d.destination, d.state, q.code
"""
_FIRST_ID = UUID(int=0)


class States(msgspec.Struct, frozen=True):
    """Events by state, every state named, and those suppressed by the reason."""

    counts: dict[str, int]
    suppressed_for: dict[str, int] = {}


def count_states(connection: Connection, *, source: str, brand: str, first: UUID, last: UUID) -> States:
    """Events of a source from id `first` to `last`. One statement."""
    values: dict[str, Any] = {"source": source, "brand": brand, "first": first, "last": last}
    states = States(dict.fromkeys(EVENT_STATES, 0))
    for state, reason, count in connection.exec_driver_sql(_STATES, values):
        states.counts[state] += int(count)
        if reason is not None:
            states.suppressed_for[reason] = int(count)
    return States(states.counts, dict(sorted(states.suppressed_for.items())))


def count_left(connection: Connection, *, source: str, brand: str, last: UUID) -> int:
    """Events of a source up to id `last` that have not ended."""
    return int(connection.exec_driver_sql(_LEFT, {"source": source, "brand": brand, "last": last}).scalar_one())


def count_deliveries_left(
    connection: Connection, *, source: str, brand: str, last: UUID, until: datetime, first: UUID = _FIRST_ID
) -> int:
    """Deliveries still to be made that were wanted until then, of people of these events."""
    values = {"source": source, "brand": brand, "first": first, "last": last, "until": until}
    return int(connection.exec_driver_sql(_DELIVERIES, values).scalar_one())


def count_deliveries(
    connection: Connection, *, source: str, brand: str, first: UUID, last: UUID
) -> dict[tuple[str, str, str | None], int]:
    """Deliveries of the people of these events by (destination, state, why a human must look). One statement."""
    values: dict[str, Any] = {"source": source, "brand": brand, "first": first, "last": last}
    rows = connection.exec_driver_sql(_DELIVERED, values)
    return {(destination, state, code): int(count) for destination, state, code, count in rows}


def now(connection: Connection) -> datetime:
    """The database's clock: `wanted_at` is written by it."""
    moment: datetime = connection.exec_driver_sql("SELECT now()").scalar_one()
    return moment


def count_pending_up_to(connection: Connection, most: int) -> int:
    """How many events of all sources wait for a chain; not counted beyond `most`."""
    return int(
        connection.exec_driver_sql(
            "SELECT count(*) FROM (SELECT FROM events WHERE state = 'pending' AND losses = 0 LIMIT %s) AS waiting",
            (most,),
        ).scalar_one()
    )
