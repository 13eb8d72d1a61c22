"""`import --wait`: looks until the events of an import have ended and their people's deliveries are made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.output import print_note

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LEAST_PAUSE_SECONDS = 0.2
_MOST_PAUSE_SECONDS = 5.0
_PAUSES_PER_LOOK = 40  # looking takes a fortieth of the time at most, however large the import
_STILL_SECONDS = 60.0  # nothing moved for so long: say so


@dataclass(frozen=True)
class Span:
    """The events of an import: of one source and brand, from id `first` to `last`.

    `first` None: every row had come before, so whatever the source sent until now is waited for.
    """

    source: str
    brand: str
    first: UUID | None
    last: UUID

    @classmethod
    def of_ids(cls, source: str, brand: str, first: UUID | None, last: UUID | None) -> Span:
        """From the ids of the first and the last event made. Ids of one millisecond are in no order, so all of the
        first's and of the last's millisecond belong to it."""
        if first is None or last is None:
            from pipeline.records import new_id

            return cls(source, brand, None, _greatest_of_its_millisecond(new_id()))
        return cls(source, brand, UUID(int=first.int >> 80 << 80), _greatest_of_its_millisecond(last))


@dataclass(frozen=True)
class Look:
    """What one look found: events and deliveries that have not ended."""

    events_left: int
    deliveries_left: int


def wait_until_ended(span: Span, on_look: Callable[[Look], None]) -> None:
    """Look until all events have ended and no delivery that they led to is left. `on_look` is called each time."""
    moved_at = time.monotonic()
    former: Look | None = None
    ended_at: datetime | None = None
    while True:
        began = time.monotonic()
        with database(timeout_seconds=0) as connection:
            found, ended_at = _look(connection, span, ended_at)
        on_look(found)
        if ended_at is not None and not found.deliveries_left:
            return
        now = time.monotonic()
        if found != former:
            former, moved_at = found, now
        elif now - moved_at > _STILL_SECONDS:
            moved_at = now
            print_note(
                f"nothing has moved for {_STILL_SECONDS:.0f} s: {found.events_left} leads and {found.deliveries_left}"
                " deliveries wait. `afluente status` shows why; Ctrl-C ends the waiting, not the work"
            )
        time.sleep(min(_MOST_PAUSE_SECONDS, max(_LEAST_PAUSE_SECONDS, _PAUSES_PER_LOOK * (now - began))))


def read_states(span: Span) -> dict[str, int]:
    """The import's events by state; none if every row had come before."""
    from pipeline.records import EVENT_STATES
    from pipeline.store.events.progress import count_states

    if span.first is None:
        return dict.fromkeys(EVENT_STATES, 0)
    with database(timeout_seconds=0) as connection:
        return count_states(connection, source=span.source, brand=span.brand, first=span.first, last=span.last)


def _look(connection: Connection, span: Span, ended_at: datetime | None) -> tuple[Look, datetime | None]:
    """Deliveries are wanted in the transaction that ends an event. So once no event is left, those wanted until that
    moment are all there are, and later ones are somebody else's."""
    from pipeline.store.events import progress

    if ended_at is None:
        left = progress.count_left(connection, source=span.source, brand=span.brand, last=span.last)
        if left:
            return Look(left, 0), None
        ended_at = progress.now(connection)
    deliveries = progress.count_deliveries_left(
        connection,
        source=span.source,
        brand=span.brand,
        first=span.first or UUID(int=0),
        last=span.last,
        until=ended_at,
    )
    return Look(0, deliveries), ended_at


def _greatest_of_its_millisecond(event_id: UUID) -> UUID:
    return UUID(int=event_id.int | (1 << 80) - 1)
