"""Sources that are asked, by hand: how their polls go and a poll now, from where one likes; which records are still to
be read by the ids that came, and a reading now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from connectors.kit.registry import sources
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.polling import Position, position_from
from pipeline.errors import ConfigurationError, RefusedError, UsageError
from pipeline.health.polls import PollState, poll_states
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.fetching.runs import FetchReport, run_fetches
from pipeline.intake.polls import PollReport, run_poll
from pipeline.settings.loading import settings
from pipeline.settings.polled_sources import declared_poll, poll_of
from pipeline.store.engine import transaction
from pipeline.store.events.cursors import read_cursors
from pipeline.store.fetches.fetches import want_again
from pipeline.store.fetches.pauses import FetchState, end_pause, fetch_states

BEGINNING = "beginning"
_FETCH_SECONDS = 30.0
_LOOK_SECONDS = 0.5  # while the quota is used up for the moment


class Polled(msgspec.Struct, frozen=True):
    """What a poll brought. `end`: by what the source's end was known, None if an `error` came first. `cursor`: where
    the next one reads on. `rejected` of the accepted are no records, and go to quarantine."""

    source: str
    brand: str
    pages: int
    accepted: int
    repeated: int
    revised: int
    rejected: int
    end: str | None
    notes: list[str]
    error: str | None
    cursor: str | None


def poll_now(
    slug: str,
    *,
    brand: str | None = None,
    begin_at: str | None = None,
    on_progress: Callable[[int], None] = lambda _accepted: None,
) -> Polled:
    """Read a polled source to its end, due or not: from where it was read to, or from `begin_at` (`beginning`, or a
    value of its cursor as the source writes it). What it had before is recognized, and comes in once.

    Raises UsageError, RefusedError if it is switched off or somebody is polling it, TransientError if the database is
    away.
    """
    instance = find_instance(slug, brand)
    try:
        declared_poll(slug, instance.connector)
        poll = poll_of(settings(), slug, instance.connector)
        position = _begin(begin_at, lambda value: position_from(poll, value, now=datetime.now(UTC)))
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    if not instance.enabled:
        raise RefusedError(f"{slug} is switched off: sources.{slug}.enabled is false in afluente.yaml")
    total = PollReport()
    while total.end is None and total.error is None:
        report = run_poll(slug, instance.brand, at_once=True, begin_at=position)
        if not report.ran:
            raise RefusedError(
                f"{slug} is being polled at this moment: `afluente source status {slug}` shows how it goes."
                " After a kill, the poll that ended so is waited for some minutes"
            )
        _add(total, report)
        on_progress(total.accepted)
        position = None
    (state,) = [state for state in read_states(slug) if state.brand in (instance.brand, None)]
    counts = {name: getattr(total, name) for name in Polled.__struct_fields__ if hasattr(total, name)}
    return Polled(source=slug, brand=instance.brand, cursor=state.cursor, **counts)


def read_states(slug: str | None = None) -> list[PollState]:
    """How the polls of each source go, or of one. Raises UsageError for a source that comes in another way."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        cursors = read_cursors(connection)
    states = [state for state in poll_states(settings(), cursors) if slug in (None, state.source)]
    if slug is not None and not states:
        raise UsageError(f"{slug} is not polled: `afluente source list` shows how its leads come")
    return states


def _begin(begin_at: str | None, position_of: Callable[[str], str]) -> str | None:
    if begin_at is None:
        return None
    return Position().text() if begin_at == BEGINNING else position_of(begin_at)


def _add(total: PollReport, report: PollReport) -> None:
    for name in ("accepted", "repeated", "revised", "rejected", "pages"):
        setattr(total, name, getattr(total, name) + getattr(report, name))
    total.end, total.error = report.end, report.error
    total.notes += [note for note in report.notes if note not in total.notes]


class Fetched(msgspec.Struct, frozen=True):
    """What reading came to. `waiting` are those that are left, `error` why, `asked_again` those that were named."""

    source: str
    brand: str
    fetched: int
    retried: int
    quarantined: int
    waiting: int
    asked_again: int = 0
    error: str | None = None


def fetch_now(slug: str, *, brand: str | None = None, again: Sequence[UUID] = ()) -> Fetched:
    """Read what a source has under the ids that wait, though it is paused; and once more what it has under those of
    `again`, events that have ended.

    Raises UsageError for a source that sends whole records, and for events that are not of it; TransientError if the
    database is away.
    """
    instance = find_instance(slug, brand)
    if fetch_of(instance.connector) is None:
        raise UsageError(f"{slug} sends whole records: nothing is read by an id. `afluente source list` shows how")
    with transaction() as connection:
        end_pause(connection, slug, instance.brand)
        known = want_again(connection, slug, instance.brand, again) if again else []
    if missing := sorted(set(map(str, again)) - set(map(str, known))):
        raise UsageError(
            f"{missing[0]} is no event of {slug} that has ended: one that is in quarantine is read again by"
            " `afluente quarantine replay`"
        )
    total, until = FetchReport(), time.monotonic() + _FETCH_SECONDS
    while (waits := _count(slug, instance.brand)) and time.monotonic() < until:
        report = run_fetches(slug, instance.brand, budget_seconds=until - time.monotonic(), at_once=True)
        for name in ("fetched", "retried", "quarantined"):
            setattr(total, name, getattr(total, name) + getattr(report, name))
        total.error = report.error
        if report.error or report.retried or _count(slug, instance.brand) in (0, waits):
            break
        time.sleep(_LOOK_SECONDS)
    return Fetched(
        slug,
        instance.brand,
        total.fetched,
        total.retried,
        total.quarantined,
        _count(slug, instance.brand),
        len(known),
        total.error,
    )


def read_fetches(slug: str | None = None) -> list[FetchState]:
    """What waits of each source that sends ids, or of one. Raises UsageError for a source that there is not."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        return [state for state in fetch_states(connection) if slug in (None, state.source)]


def is_fetched(slug: str) -> bool:
    """Whether a source sends ids. Raises UsageError for one that there is not."""
    check_source(slug)
    return fetch_of(sources().get(settings().source(slug).connector or slug)) is not None


def _count(slug: str, brand: str) -> int:
    with transaction(synchronous=False) as connection:
        return sum(state.waiting for state in fetch_states(connection) if (state.source, state.brand) == (slug, brand))
