"""Sources that post, asked by hand what they have posted; and what was expected of each, by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from connectors.kit.registry import sources
from pipeline.errors import ConfigurationError, RefusedError, UsageError
from pipeline.health.completeness import ReconcileState, percent_of, reconcile_states
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.reconciling.runs import run_reconcile
from pipeline.settings.loading import settings
from pipeline.settings.reconciled_sources import MOST_DAYS, reconciled_sources
from pipeline.store.engine import transaction
from pipeline.store.events.cursors import read_cursors
from pipeline.store.events.reconciled import read_days, read_last_whole_days


class CompleteDay(msgspec.Struct, frozen=True):
    """What a source lists for a day of UTC (`expected`), and how that came: `received`, it posted it; `recovered`, it
    was asked for it. `percent`: received of expected, None of nothing. `is_whole`: the day was over when it was
    read."""

    source: str
    brand: str
    day: date
    expected: int
    received: int
    recovered: int
    percent: float | None
    is_whole: bool
    checked_at: datetime


class Reconciled(msgspec.Struct, frozen=True):
    """What asking a source came to. `accepted`: came in now. `rejected` entries of its list went to quarantine."""

    source: str
    brand: str
    pages: int
    accepted: int
    rejected: int
    days: list[CompleteDay]
    notes: list[str]
    error: str | None


def reconcile_now(slug: str, *, brand: str | None = None, begin: date | None = None) -> Reconciled:
    """Ask a source what it has posted since the beginning of its window, or of the day `begin`, due or not.

    Raises UsageError for one that cannot be asked, with what to do; RefusedError while it is being asked;
    TransientError if the database is away.
    """
    instance = find_instance(slug, brand)
    if not is_reconciled(slug):
        raise UsageError(f"{slug} cannot be asked what it has posted: docs/completeness.md lists those that can")
    today = datetime.now(UTC).date()
    if begin is not None and not today - timedelta(days=MOST_DAYS) <= begin <= today:
        raise UsageError(f"is {begin}; allowed: a day of the last {MOST_DAYS}", argument="from")
    (state,) = read_reconciles(slug)
    if state.why_not is not None:
        raise UsageError(f"{slug} is not asked what it has posted: {state.why_not}")
    try:
        report = run_reconcile(slug, instance.brand, at_once=True, begin=begin)
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    if not report.poll.ran:
        raise RefusedError(f"{slug} is being asked at this moment: `afluente source status {slug}` shows how it goes")
    kept = {day.day: day for day in read_completeness(slug, since=min(report.days, default=today))}
    return Reconciled(
        source=slug,
        brand=instance.brand,
        pages=report.poll.pages,
        accepted=report.poll.accepted,
        rejected=report.poll.rejected,
        days=[kept[day] for day in sorted(report.days) if day in kept],
        notes=report.poll.notes,
        error=report.poll.error,
    )


def read_completeness(slug: str | None = None, *, since: date) -> list[CompleteDay]:
    """Day by day, of each source that was asked, or of one. Raises UsageError for a source that there is not."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        days = read_days(connection, since=since, source=slug)
    return [
        CompleteDay(
            day.source,
            day.brand,
            day.day,
            day.expected,
            day.received,
            day.recovered,
            percent_of(day.received, day.expected),
            day.is_whole,
            day.checked_at,
        )
        for day in days
    ]


def read_reconciles(slug: str | None = None) -> list[ReconcileState]:
    """How asking goes, of each source that can be asked, or of one."""
    with transaction(synchronous=False) as connection:
        cursors, days = read_cursors(connection), read_last_whole_days(connection)
    return [state for state in reconcile_states(settings(), cursors, days) if slug in (None, state.source)]


def is_reconciled(slug: str) -> bool:
    """Whether a source can be asked. Raises UsageError for one that there is not."""
    check_source(slug)
    return any(source.slug == slug for source in reconciled_sources(settings(), sources()))
