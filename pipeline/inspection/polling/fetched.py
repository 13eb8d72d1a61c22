"""Sources that send ids alone, by hand: which records are still to be read, and a reading now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from connectors.kit.registry import sources
from connectors.kit.sources.fetching.fetch import fetch_of
from pipeline.errors import UsageError
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.fetching.runs import FetchReport, run_fetches
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import connector_name
from pipeline.store.engine import transaction
from pipeline.store.fetches.fetches import want_again
from pipeline.store.fetches.pauses import FetchState, end_pause, fetch_states

_FETCH_SECONDS = 30.0
_LOOK_SECONDS = 0.5  # while the quota is used up for the moment


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
    return fetch_of(sources().get(connector_name(settings(), slug))) is not None


def _count(slug: str, brand: str) -> int:
    with transaction(synchronous=False) as connection:
        return sum(state.waiting for state in fetch_states(connection) if (state.source, state.brand) == (slug, brand))
