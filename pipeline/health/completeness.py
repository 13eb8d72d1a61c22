"""Whether what sources say they have posted came: how the readings of their lists go, and what was missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec
from prometheus_client.core import GaugeMetricFamily

from connectors.kit.registry import sources
from pipeline.access.reconciles import why_not_asked
from pipeline.errors import AfluenteError, ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.loading import Settings
from pipeline.settings.reconciled_sources import ReconciledSource, reconciled_sources
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events.cursors import PollKey, StoredCursor, read_cursors
from pipeline.store.events.reconciled import ReconciledDay, read_last_whole_days

STREAM = "~reconcile"  # of `cursors`: no stream of a poll is called so
_LOOK_BACK_DAYS = 7
_PROBE_SECONDS = 10.0


class ReconcileState(msgspec.Struct, frozen=True):
    """A source of a brand that can be asked what it has posted. `why_not`: why it is not, else None. `checked_at`: when
    a whole day was read last. `day` and the numbers are of that day, None where it is over a week ago: records that the
    source lists, those that it posted here, those that were found by asking, and the share that it posted in percent
    (None where it lists none)."""

    source: str
    brand: str | None
    why_not: str | None
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    is_running: bool = False
    last_error: str | None = None
    failures: int = 0
    note: str | None = None
    day: date | None = None
    expected: int | None = None
    received: int | None = None
    recovered: int | None = None
    percent: float | None = None
    checked_at: datetime | None = None


def percent_of(received: int, expected: int) -> float | None:
    """To a tenth, rounded down: 100 means all. None of nothing."""
    return None if expected == 0 else received * 1_000 // expected / 10


def reconcile_states(
    known: Settings, cursors: Mapping[PollKey, StoredCursor], days: Iterable[ReconciledDay]
) -> list[ReconcileState]:
    """Every declared source that can be asked, by name. `days`: as read_last_whole_days gives them."""
    whole = {(day.brand, day.source): day for day in days}
    return [
        _state(
            source,
            _why_not(known, source),
            cursors.get((source.brand or "", source.slug, STREAM)),
            whole.get((source.brand or "", source.slug)),
        )
        for source in reconciled_sources(known, sources())
    ]


def find_completeness_problems(states: Sequence[ReconcileState]) -> list[str]:
    """Sources whose lists cannot be read, and such as did not post all of the last whole day, as sentences."""
    return [trouble.sentence for state in states for trouble in _troubles(state)]


def check_completeness(known: Settings) -> Iterator[Check]:
    """A check for each source that is asked, or that is set up and could be."""
    try:
        with transaction(synchronous=False, timeout_seconds=_PROBE_SECONDS) as connection:
            states = reconcile_states(known, read_cursors(connection), read_last_whole_days(connection))
    except (AfluenteError, StoreError):
        return  # the database has a check of its own
    for state in states:
        label = f"completeness of {state.source}"
        if state.why_not is not None:
            if state.source in known.sources:
                yield passed(label, f"is not asked what it has posted: {state.why_not}")
            continue
        troubles = list(_troubles(state))
        for trouble in troubles:
            if trouble.is_settled:
                yield passed(label, f"{trouble.sentence}: {trouble.remedy}")
            else:
                yield failed(label, trouble.sentence, trouble.remedy)
        if not troubles:
            yield passed(label, _told(state))
    asked = {state.source for state in states}
    for slug in sorted(known.sources):
        if slug not in asked and known.source(slug).reconcile not in (None, False):
            detail = f"sources.{slug}.reconcile says how it is asked what it has posted, and it cannot be asked"
            yield failed(f"completeness of {slug}", detail, "take it away; docs/completeness.md lists those that can")


def completeness_gauges(states: Sequence[ReconcileState]) -> Iterator[GaugeMetricFamily]:
    """Of the sources that are asked."""
    names, now = ["source", "brand"], datetime.now(UTC)
    share = GaugeMetricFamily(
        "afluente_source_completeness_ratio",
        "Of the records that the source lists for the last whole day, the share that it posted here by itself",
        labels=names,
    )
    age = GaugeMetricFamily(
        "afluente_source_reconcile_age_seconds",
        "Since the list of the source was last read to its end for a whole day",
        labels=names,
    )
    for state in states:
        if state.why_not is None and state.checked_at is not None and state.brand is not None:
            if state.day is not None:
                ratio = (state.received or 0) / state.expected if state.expected else 1.0
                share.add_metric([state.source, state.brand], ratio)
            age.add_metric([state.source, state.brand], max((now - state.checked_at).total_seconds(), 0.0))
    yield from (share, age)


class _Trouble(NamedTuple):
    """`is_settled`: nothing is missing any more, though a human should look how it came to it."""

    sentence: str
    remedy: str
    is_settled: bool = False


def _troubles(state: ReconcileState) -> Iterator[_Trouble]:
    if state.why_not is not None:
        return
    name = f"source {state.source}" + (f" of {state.brand}" if state.brand not in (None, "default") else "")
    if state.last_error is not None:
        again = f"mend it; it is tried again by itself, or at once by `afluente source reconcile {state.source}`"
        yield _Trouble(f"{name}: what it has posted cannot be read: {state.last_error}", again)
    if state.expected and state.received is not None and state.received < state.expected:
        lost, percent = state.expected - state.received, percent_of(state.received, state.expected)
        found = f"{lost} did not come by themselves ({percent:g} % did); {state.recovered} were found by asking it"
        look = f"`afluente source completeness --source {state.source}` tells the days"
        remedy = f"see in its settings whether it still posts here, and with what answers; {look}"
        told = f"{name}: of {state.expected} records that it lists for {state.day}, {found}, and came in"
        yield _Trouble(told, remedy, is_settled=state.received + (state.recovered or 0) >= state.expected)


def _told(state: ReconcileState) -> str:
    if state.day is None:
        return "no whole day was compared yet with what it lists"
    return f"all {state.expected} records that it lists for {state.day} came by themselves"


def _why_not(known: Settings, source: ReconciledSource) -> str | None:
    """A reference of the settings that leads nowhere is no reason: the reading fails, and says so."""
    try:
        return None if source.fault else why_not_asked(known, source)
    except ConfigurationError:
        return None


def _state(
    source: ReconciledSource, why_not: str | None, row: StoredCursor | None, day: ReconciledDay | None
) -> ReconcileState:
    now = datetime.now(UTC)
    checked_at = day.checked_at if day else None
    if day is not None and day.day < now.date() - timedelta(days=_LOOK_BACK_DAYS):
        day = None  # no news; that nothing was read since then is
    return ReconcileState(
        source=source.slug,
        brand=source.brand,
        why_not=why_not,
        last_run_at=row.last_run_at if row else None,
        next_run_at=row.next_run_at if row and why_not is None else None,
        is_running=bool(row and row.held_until and row.held_until > now),
        last_error=source.fault or (row.last_error if row and why_not is None else None),
        failures=row.failures if row and why_not is None else 0,
        note=row.note if row else None,
        day=day.day if day else None,
        expected=day.expected if day else None,
        received=day.received if day else None,
        recovered=day.recovered if day else None,
        percent=percent_of(day.received, day.expected) if day else None,
        checked_at=checked_at,
    )
