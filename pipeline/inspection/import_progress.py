"""How far an import is: what became of its files, in which states its rows are, and waiting until all of them have
ended and their people's deliveries are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from pipeline.intake.files.imports import ImportReport
    from pipeline.store.events.progress import States

_LEAST_PAUSE_SECONDS = 0.2
_MOST_PAUSE_SECONDS = 5.0
_PAUSES_PER_LOOK = 40  # looking takes a fortieth of the time at most, however large the import
STILL_SECONDS = 60.0  # nothing moved for so long: `on_still` is called


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

    @classmethod
    def of_reports(cls, source: str, brand: str, reports: Iterable[ImportReport]) -> Span:
        """From the first event to the last one of several files of one import."""
        reports = list(reports)
        firsts = [report.first_event_id for report in reports if report.first_event_id]
        lasts = [report.last_event_id for report in reports if report.last_event_id]
        return cls.of_ids(source, brand, min(firsts, default=None), max(lasts, default=None))


@dataclass(frozen=True)
class Look:
    """What one look found: events and deliveries that have not ended."""

    events_left: int
    deliveries_left: int

    @property
    def left(self) -> tuple[bool, int]:
        """Whether it is deliveries that are left, as those come after all events; and how many."""
        return not self.events_left, self.events_left or self.deliveries_left


@dataclass
class ImportDeliveries:
    """What one destination has of an import's people. `refused` by reason: they wait for a human. `why` the others
    wait, if anything keeps them back."""

    sent: int = 0
    waiting: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    why: str | None = None

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())


@dataclass(frozen=True)
class ImportResult:
    """What became of an import of several files: each that was read with its report, each that was not with the reason.

    `states` counts its events by state. What else the source sent meanwhile is among them, so a surplus says nothing
    (`afluente balance` is exact); `difference` is the number of rows that are in no state, which must never happen.
    """

    files: list[tuple[Path, ImportReport]]
    unreadable: list[tuple[Path, str]]
    states: dict[str, int]
    deliveries: dict[str, ImportDeliveries] | None = None  # by destination, of an import that was waited for
    suppressed_for: dict[str, int] = field(default_factory=dict)  # why those that are suppressed are

    @property
    def is_delivered(self) -> bool:
        """No CRM refused anybody, and none still waits; of an import that was not waited for nobody knows."""
        known = (self.deliveries or {}).values()
        return not any(deliveries.refused or deliveries.waiting for deliveries in known)

    @property
    def accepted(self) -> int:
        return sum(report.accepted for _, report in self.files)

    @property
    def repeated(self) -> int:
        return sum(report.repeated for _, report in self.files)

    @property
    def revised(self) -> int:
        return sum(report.revised for _, report in self.files)

    @property
    def rejected(self) -> int:
        return sum(report.rejected for _, report in self.files)

    @property
    def difference(self) -> int:
        return max(0, self.accepted - sum(self.states.values()))


def wait_until_ended(
    span: Span,
    on_look: Callable[[Look], None] = lambda _look: None,
    on_still: Callable[[Look], None] = lambda _look: None,
) -> None:
    """Look until all events have ended and no delivery that they led to is left.

    `on_look` is called each time, `on_still` once for every STILL_SECONDS in which nothing moved. Raise in one of them
    to end the waiting; the work goes on. Raises TransientError if the database stays away.
    """
    from pipeline.store.engine import transaction

    moved_at = looked_at = time.monotonic()
    former: Look | None = None
    ended_at: datetime | None = None
    while True:
        began = time.monotonic()
        with transaction(timeout_seconds=0) as connection:
            look, ended_at = _look(connection, span, ended_at)
        on_look(look)
        if ended_at is not None and not look.deliveries_left:
            return
        now = time.monotonic()
        pause = pause_seconds(look, former, look_took=now - began, between=began - looked_at)
        looked_at = began
        if look != former:
            former, moved_at = look, now
        elif now - moved_at > STILL_SECONDS:
            moved_at = now
            on_still(look)
        time.sleep(pause)


def pause_seconds(look: Look, former: Look | None, *, look_took: float, between: float) -> float:
    """How long to wait until the next look: the longer, the more looking costs, but for half of the time that what is
    left takes at the pace since the `former` look, `between` seconds before. So the end is noticed soon."""
    pause = min(_MOST_PAUSE_SECONDS, max(_LEAST_PAUSE_SECONDS, _PAUSES_PER_LOOK * look_took))
    (are_deliveries, left), (were_deliveries, before) = look.left, (former or look).left
    if are_deliveries != were_deliveries:
        return _LEAST_PAUSE_SECONDS  # most of them were made meanwhile
    if left >= before:
        return pause
    return max(_LEAST_PAUSE_SECONDS, min(pause, left * between / (before - left) / 2))


def read_states(span: Span) -> States:
    """The import's events by state; none if every row had come before."""
    from pipeline.records import EVENT_STATES
    from pipeline.store.engine import transaction
    from pipeline.store.events.progress import States, count_states

    if span.first is None:
        return States(dict.fromkeys(EVENT_STATES, 0))
    with transaction(timeout_seconds=0) as connection:
        return count_states(connection, source=span.source, brand=span.brand, first=span.first, last=span.last)


def read_deliveries(span: Span) -> dict[str, ImportDeliveries]:
    """What became of the import's people, by destination; of nobody if every row had come before."""
    from pipeline.inspection.waiting import why_destination_waits
    from pipeline.store.engine import transaction
    from pipeline.store.events.progress import count_deliveries

    by_destination: dict[str, ImportDeliveries] = {}
    if span.first is None:
        return by_destination
    with transaction(timeout_seconds=0) as connection:
        counts = count_deliveries(connection, source=span.source, brand=span.brand, first=span.first, last=span.last)
    for (destination, state, code), count in sorted(counts.items(), key=str):
        deliveries = by_destination.setdefault(destination, ImportDeliveries())
        if state == "sent":
            deliveries.sent += count
        elif state == "quarantined":
            reason = code or "quarantined"
            deliveries.refused[reason] = deliveries.refused.get(reason, 0) + count
        else:
            deliveries.waiting += count
            deliveries.why = deliveries.why or why_destination_waits(destination)
    return by_destination


def why_all_wait(brand: str) -> dict[str, str]:
    """What keeps the calls to a brand's destinations back, by destination; without those that take calls."""
    from pipeline.inspection.waiting import why_destination_waits
    from pipeline.settings.loading import settings

    reasons = {name: why_destination_waits(name) for name in settings().destinations_for(brand)}
    return {name: reason for name, reason in reasons.items() if reason}


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
