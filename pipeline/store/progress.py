"""How far a range of events of one source has come: what `afluente import --wait` looks at, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import EVENT_STATES

_STATES = """
SELECT state, count(*) FROM events
WHERE event_id BETWEEN %(first)s AND %(last)s AND source = %(source)s AND brand = %(brand)s
GROUP BY state
"""
# From the few deliveries that are due to the many events, not the other way round: at the end this is cheap.
_DELIVERIES = """
SELECT count(*) FROM deliveries d
WHERE d.state IN ('due', 'in_flight') AND EXISTS (
    SELECT FROM touches t WHERE t.person_id = d.person_id AND t.event_id BETWEEN %(first)s AND %(last)s
)
"""


@dataclass(frozen=True, slots=True)
class RangeProgress:
    """Events by state, and deliveries still to be made for the people these events belong to."""

    states: dict[str, int]
    deliveries_left: int

    @property
    def events(self) -> int:
        return sum(self.states.values())

    @property
    def events_left(self) -> int:
        return self.states["pending"] + self.states["in_flight"]

    @property
    def has_ended(self) -> bool:
        return not (self.events_left or self.deliveries_left)


def read_progress(connection: Connection, *, source: str, brand: str, first: UUID, last: UUID) -> RangeProgress:
    """Progress of a source's events from id `first` to `last`. Two statements.

    Ids carry their time, so a range is what came between two moments; what else the source sent then is counted too.
    """
    bounds = {"first": first, "last": last, "source": source, "brand": brand}
    found = {str(state): int(count) for state, count in connection.exec_driver_sql(_STATES, bounds)}
    left = connection.exec_driver_sql(_DELIVERIES, bounds).scalar_one()
    return RangeProgress({state: found.get(state, 0) for state in EVENT_STATES}, int(left))
