"""Reads what people took back in a CRM: each object from the last change that is known on, page by page within the
quota of its account. A page's statements, what its records said and the next page's cursor are stored in one
transaction: who is stopped goes on there.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import msgspec

from connectors.kit import ChangesPage, TellsChanges, Watched
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.permits import CallPermits
from pipeline.errors import AfluenteError, ConfigurationError, QuotaError, TerminalError, TransientError
from pipeline.hints import hint_dispatch
from pipeline.intake.crm_consents.taking import take_page
from pipeline.intake.crm_consents.watching import digest_of, watched_of
from pipeline.lanes import LANES
from pipeline.logs import get_logger
from pipeline.settings.consent_settings import WatchedObject
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import PERSON
from pipeline.store.deliveries import crm_consents as stored
from pipeline.store.engine import transaction
from pipeline.targets import Target, targets_of

_HOLD_SECONDS = 120.0  # for a page, which is a call and a transaction
_PATIENCE_SECONDS = 2.0  # for a grant; longer waits are those of the next task
_BUDGET_SECONDS = 60.0  # then the next task goes on
_SHORTEST_PAUSE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 1_800.0
_log = get_logger(__name__)


class ReadReport(msgspec.Struct):
    """What a run came to. `waits` of them for a quota, a halted CRM, or after a failure. `undated`: records that were
    left out, as they say not when they were changed."""

    objects: int = 0
    records: int = 0
    statements: int = 0
    undated: int = 0
    waits: int = 0


def due_destinations() -> list[str]:
    """Destinations of which an object is to be read. Raises TransientError if the database is away."""
    wanted = {
        (name, object_name)
        for name, configured in settings().destinations.items()
        if configured.enabled
        for object_name in configured.reads_consent
    }
    if not wanted:
        return []
    with transaction(synchronous=False) as connection:
        states = stored.read_states(connection)
    return sorted({name for name, object_name in wanted if _is_due(states.get((name, object_name)))})


def _is_due(state: stored.ReadState | None) -> bool:
    return state is None or state.is_due


def read_due(destination: str) -> ReadReport:
    """Read the objects of a destination that are due, for a bounded time. What the CRM does raises nothing: it is noted
    and tried again. Raises TransientError if our own database is away."""
    report = ReadReport()
    configured = settings().destinations.get(destination)
    if configured is None or not configured.enabled:
        return report
    until = time.monotonic() + _BUDGET_SECONDS
    for object_name, declared in configured.reads_consent.items():
        if time.monotonic() < until:
            _read_object(_Wanted(destination, object_name, declared), report, until)
    if report.statements:
        for lane in LANES:
            hint_dispatch(lane)
    return report


class _Wanted(NamedTuple):
    """An object that is to be read."""

    destination: str
    object: str
    declared: WatchedObject


class _NotNowError(TransientError):
    """There is no grant of the quota, or the CRM is halted: a wait is no failure."""


class _OvertakenError(Exception):
    """This process stood still for so long that another one took over the reading."""


def _read_object(wanted: _Wanted, report: ReadReport, until: float) -> None:
    destination, object_name, declared = wanted
    with transaction() as connection:
        begun = stored.begin_reading(
            connection, destination, object_name, settings_digest=digest_of(declared), hold_seconds=_HOLD_SECONDS
        )
    if begun is None:
        return
    report.objects += 1
    try:
        is_done = _read_pages(wanted, begun, report, until)
    except _OvertakenError:
        _log.warning("crm_consents_overtaken", destination=destination)
        return
    except AfluenteError as error:
        report.waits += 1
        _put_off(wanted, error, begun.failures)
        return
    every = settings().destinations[destination].reads_consent_seconds
    with transaction() as connection:
        if is_done:
            stored.end_reading(connection, destination, object_name, begun=begun, next_run_in_seconds=every)
        else:
            stored.pause_reading(connection, destination, object_name, begun=begun)


def _read_pages(wanted: _Wanted, begun: stored.Reading, report: ReadReport, until: float) -> bool:
    """Whether the last page was read."""
    destination, object_name, declared = wanted
    target = next(target for target in targets_of(destination) if target.subject == PERSON)
    timeout = settings().destinations[destination].timeout_seconds
    permits = CallPermits(target, is_hot=False, probe_seconds=timeout)
    watched, cursor = watched_of(object_name, declared), begun.cursor
    asked = {cursor}
    while time.monotonic() < until:
        page = _page(target, permits, watched, begun, cursor)
        if page.cursor is not None and page.cursor in asked:
            raise TerminalError(f"{destination}: the page after this one was read before: it would never end")
        asked.add(page.cursor)
        latest = max((record.changed_at for record in page.records), default=None)
        is_first = begun.since is None
        with transaction() as connection:
            statements = take_page(connection, destination, object_name, declared, page.records, is_first=is_first)
            if not stored.note_page(
                connection,
                destination,
                object_name,
                begun=begun._replace(cursor=cursor),
                cursor=page.cursor,
                latest=latest,
                hold_seconds=_HOLD_SECONDS,
            ):
                raise _OvertakenError
        if page.undated:
            _log.warning("crm_consents_undated", destination=destination, object=object_name, records=page.undated)
        report.undated += page.undated
        report.statements += statements
        report.records += len(page.records)
        cursor = page.cursor
        if cursor is None:
            return True
    return False


def _page(
    target: Target, permits: CallPermits, watched: Watched, begun: stored.Reading, cursor: str | None
) -> ChangesPage:
    """One call, with a grant of the account's quota."""
    until = time.monotonic() + _PATIENCE_SECONDS
    writer, wait = permits.acquire()
    while writer is None and time.monotonic() + wait < until:
        time.sleep(wait)  # a token that is about to drop
        writer, wait = permits.acquire()
    if writer is None:
        raise _NotNowError(f"{target.destination} cannot be asked now: {permits.waits_for}", retry_after=wait)
    if not isinstance(writer.writer, TellsChanges):
        permits.put_back()
        title = kind_of(target.destination, settings().destinations[target.destination]).title
        raise ConfigurationError(
            f"destinations.{target.destination}.reads_consent: {title} does not tell what was changed there"
        )
    try:
        page = writer.writer.list_changes(watched, begun.since, cursor)
    except (TransientError, QuotaError) as error:
        permits.report(error, writer.usage)
        raise
    except (TerminalError, ConfigurationError):
        permits.report(None, writer.usage)  # who may not read this may write all the same
        raise
    permits.report(None, writer.usage)
    return page


def _put_off(wanted: _Wanted, error: AfluenteError, failures: int) -> None:
    is_wait = isinstance(error, _NotNowError | QuotaError)
    pause = _SHORTEST_PAUSE_SECONDS if is_wait else _FIRST_PAUSE_SECONDS * 2 ** min(failures, 10)
    asked = getattr(error, "retry_after", None) or 0.0
    with transaction() as connection:
        stored.put_off(
            connection,
            wanted.destination,
            wanted.object,
            error=str(error),
            failures=failures if is_wait else failures + 1,
            next_run_in_seconds=min(max(asked, pause), _LONGEST_PAUSE_SECONDS),
        )
    _log.warning("crm_consents_not_read", destination=wanted.destination, failures=failures)
