"""Polled sources: each page's events and the position behind them are stored in one transaction.

So a poll may be killed anywhere: the next one goes on where the last page was committed, and what it reads again is
recognized by its idempotency keys. Only one poll of a source runs at a time, by a hold on its cursor.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from connectors.kit import DropFolder, Mailbox, Poll, sources
from connectors.kit.http import session
from connectors.kit.sources.paging.streams import poll_of_stream, stream_named
from connectors.kit.sources.parts import BESIDE, Beside, Part
from connectors.kit.sources.polling import Page, Rejected, poll_pages
from pipeline.access.sources import poll_access, renew_secrets
from pipeline.errors import ConfigurationError, QuotaError, TerminalError, TransientError, place_of
from pipeline.hints import hint_dispatch
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.bodies import beside_of_page
from pipeline.intake.contents import store_events
from pipeline.intake.families import Family
from pipeline.intake.folders.scans import read_folder
from pipeline.intake.instances import SourceBook, SourceInstance
from pipeline.intake.mail.collecting import read_mailbox
from pipeline.intake.poll_reports import HOLD_SECONDS, RUN_SECONDS, PollReport
from pipeline.intake.posted.records import seen_record
from pipeline.logs import get_logger
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings, settings, settings_read_at
from pipeline.settings.polled_sources import (
    STREAM,
    address_digest,
    poll_of,
    poll_seconds,
    polled_sources,
    settings_digest,
    streams_of,
)
from pipeline.store.engine import transaction
from pipeline.store.events import cursors

_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 900.0
# A human must act: soon after the first failure he may be at it, later an hour notices when it was done.
_TERMINAL_PAUSES_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
_RENEWED_SECONDS = 1.0  # what it is asked with has changed meanwhile
_TERMINAL = "terminal: "  # begins `cursors.last_error` of a source that waits for a human
_VIA = "pull"  # how a polled record came, as stored requests hold it: kept for good (docs/decisions/0019)
_MOVED = "the address was changed: the source was read from its beginning"
# How what is collected is read, a kind a row: True if there is nothing more now, False if the time for a run is up.
_COLLECTORS: dict[type, Callable[[Settings, SourceInstance, cursors.StoredCursor, PollReport, str | None], bool]] = {
    DropFolder: read_folder,
    Mailbox: read_mailbox,
}
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _PolledList:
    """What one run reads: a source of a brand as its poll is, of which stream, and whose address its position will be.

    `scope`: of the ids of its records; `beside`: what its records are read with, next to their page."""

    instance: SourceInstance
    poll: Poll
    stream: str
    read_from: str
    scope: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)


def due_polls() -> list[tuple[str, ...]]:
    """What `run_poll` takes for every polled list whose time has come: source, brand, and the stream where there are
    several. Raises TransientError if the database is away.

    A source whose settings have changed since its last run, or that failed before they were read, is due.
    """
    known = settings()
    digests = {
        (source.brand, source.slug, stream): settings_digest(known, source.slug, source.connector)
        for source in polled_sources(known, sources())
        if source.brand is not None and source.why_not is None
        for stream in source.streams
    }
    with transaction(synchronous=False) as connection:
        cursors.wake_polls(connection, digests, settings_read_at=settings_read_at())
        due = cursors.due_polls(connection, list(digests))
    return [(source, brand, stream) if stream != STREAM else (source, brand) for brand, source, stream in due]


def run_poll(
    slug: str, brand: str, stream: str = STREAM, *, at_once: bool = False, begin_at: str | None = None
) -> PollReport:
    """Read a polled source, or one stream of it, from its position to its end, if it is due and nobody else does.

    `at_once`: due or not. `begin_at` is a position in place of the stored one. Faults of the source end the poll and
    stand in the report and in `cursors.last_error`; the next one comes later each time.
    Raises UnknownSourceError, and TransientError if our own database is away.
    """
    known = settings()
    instance = SourceBook(known).find(brand, slug)
    if stream not in streams_of(instance.connector):  # it was taken out of the settings meanwhile
        return PollReport(ran=False)
    collect = _COLLECTORS.get(type(instance.connector.intake))

    def read(cursor: cursors.StoredCursor, report: PollReport) -> bool:
        if collect is not None:
            return collect(known, instance, cursor, report, begin_at)
        return _read(known, instance, stream, cursor, report, at_once=at_once, begin_at=begin_at)

    return run_held(known, instance, stream, read, at_once=at_once)


def run_held(
    known: Settings,
    instance: SourceInstance,
    stream: str,
    read: Callable[..., bool],
    *,
    at_once: bool,
    every_seconds: float | None = None,
) -> PollReport:
    """`read(cursor, report)`, with the hold on the stream, and what became of it noted. `every_seconds`: if not those
    of its polls."""
    with transaction() as connection:
        cursor = cursors.lock_cursor(
            connection,
            instance.brand,
            instance.slug,
            stream,
            hold_seconds=HOLD_SECONDS,
            at_once=at_once,
            settings_digest=settings_digest(known, instance.slug, instance.connector),
        )
    if cursor is None:
        return PollReport(ran=False)
    report = PollReport()
    try:
        is_done = read(cursor, report)
        every = every_seconds or poll_seconds(known, instance.slug, instance.connector)
        failures, next_run = 0, every if is_done else 0.0
    except QuotaError as error:
        report.error, failures, next_run = str(error), 0, max(error.retry_after, 1.0)
        report.quota_wait = next_run
        if report.starts_over:  # soon it would come as far and no further, and use up for good what others need too
            failures = _failures(cursor, report)
            next_run = max(next_run, _backoff(failures, None))
    except TransientError as error:
        failures = _failures(cursor, report)
        report.error, next_run = str(error), _backoff(failures, error.retry_after)
    except (TerminalError, ConfigurationError) as error:
        failures = _failures(cursor, report)
        report.error, report.is_terminal, next_run = _TERMINAL + str(error), True, _terminal_pause(failures)
        if renew_secrets(known, instance.slug, instance.brand, instance.connector):
            next_run = _RENEWED_SECONDS
    except Exception as error:  # a bug in reading this source must not become a loop that asks it all the time
        failures = _failures(cursor, report)
        report.error = _TERMINAL + place_of(error)
        _finish(instance, stream, report, _terminal_pause(failures), failures)
        raise
    _finish(instance, stream, report, next_run, failures)
    _log_end(instance, cursor, report, next_run)
    return report


def _read(
    known: Settings,
    instance: SourceInstance,
    stream: str,
    cursor: cursors.StoredCursor,
    report: PollReport,
    *,
    at_once: bool,
    begin_at: str | None,
) -> bool:
    """Store page after page. True if the source has nothing more now, False if the time for one run is up."""
    poll = poll_of(known, instance.slug, instance.connector)
    if stream == STREAM:
        return _read_list(known, instance, cursor, report, poll=poll, stream=stream, begin_at=begin_at)
    declared = stream_named(poll, stream)
    if declared.parent is None:
        own = poll_of_stream(poll, declared)
        return _read_list(known, instance, cursor, report, poll=own, stream=stream, begin_at=begin_at, scope=stream)
    family = Family(known, instance, poll, declared, declared.parent, at_once=at_once, begin_at=begin_at)
    return family.read(report, run_held, _read_list, seconds=RUN_SECONDS)


def _read_list(
    known: Settings,
    instance: SourceInstance,
    cursor: cursors.StoredCursor,
    report: PollReport,
    *,
    poll: Poll,
    stream: str,
    begin_at: str | None,
    scope: str = "",
    beside: Mapping[str, Any] | None = None,
) -> bool:
    """As `_read`, of one list."""
    as_read = replace(instance, connector=replace(instance.connector, intake=poll)) if stream else instance
    read_from = address_digest(poll, instance.connector)
    polled = _PolledList(as_read, poll, stream, read_from, scope, beside or {})
    position = begin_at or cursor.position
    if begin_at is None and position is not None and cursor.read_from not in (None, read_from):
        position = None
        report.note(_MOVED)
    access = poll_access(known, instance.slug, instance.brand, instance.connector, poll)
    deadline = time.monotonic() + RUN_SECONDS
    reach = reach_of_source(known, instance.slug)
    with session(poll.url, max_answer_bytes=poll.max_answer_bytes, reach=reach) as http:
        for page in poll_pages(poll, position=position, access=access, session=http):
            _store_page(polled, page, report)
            for note in page.notes:
                report.note(note)
            if page.is_last:
                report.end = page.end
                return True
            if time.monotonic() > deadline:
                return False
    return True


def _store_page(polled: _PolledList, page: Page, report: PollReport) -> None:
    """The page's events and the position behind them, all or nothing."""
    instance = polled.instance
    events = [_rejected_event(instance, rejected, report.pages + 1) for rejected in page.rejected]
    beside = beside_of_page(instance.connector, page.answer)
    if polled.beside:
        beside = {BESIDE: {**beside.get(BESIDE, {}), **polled.beside}}
    shared = Beside(beside[BESIDE], is_transport=True) if beside else None
    for index, record in enumerate(page.records):
        origin = {"via": _VIA, "page": report.pages + 1, "index": index, STORED: AS_IT_CAME, **beside}
        envelope = Envelope(JSON, orjson.dumps(record), {}, origin)
        seen = seen_record(instance.connector, Part("", record, shared))
        events.append(new_event(instance, seen, envelope, index=index, scope=polled.scope))
    with transaction() as connection:
        receipts = store_events(connection, events)
        cursors.move_cursor(
            connection,
            instance.brand,
            instance.slug,
            polled.stream,
            position=page.next_position,
            hold_seconds=HOLD_SECONDS,
            read_from=polled.read_from,
        )
    repeated = sum(receipt.repeated for receipt in receipts)
    report.pages += 1
    report.rejected += len(page.rejected)
    report.repeated += repeated
    report.revised += sum(receipt.revised for receipt in receipts)
    report.accepted += len(receipts) - repeated
    if repeated < len(receipts):
        hint_dispatch(instance.lane)


def _rejected_event(instance: SourceInstance, rejected: Rejected, page: int) -> NewEvent:
    """What is no record is stored as well: mapping it will put it into quarantine, alone."""
    origin = {"via": _VIA, "page": page, "index": rejected.index, "rejected": rejected.why}
    digest = hashlib.sha256(b"rejected\x00" + rejected.body).digest()
    return new_event(instance, {}, Envelope(JSON, rejected.body, {}, origin), digest=digest)


def _finish(
    instance: SourceInstance, stream: str, report: PollReport, next_run_in_seconds: float, failures: int
) -> None:
    with transaction() as connection:
        cursors.finish_poll(
            connection,
            instance.brand,
            instance.slug,
            stream,
            next_run_in_seconds=next_run_in_seconds,
            error=report.error,
            failures=failures,
            note="; ".join(report.notes) or None,
        )


def _failures(cursor: cursors.StoredCursor, report: PollReport) -> int:
    """How many runs in a row have failed, this one included: one that stored a page begins a new row, unless the next
    one reads it again."""
    return 1 if report.pages and not report.starts_over else cursor.failures + 1


def _terminal_pause(failures: int) -> float:
    return _TERMINAL_PAUSES_SECONDS[min(failures, len(_TERMINAL_PAUSES_SECONDS)) - 1]


def _backoff(failures: int, retry_after: float | None) -> float:
    """Seconds until the next try: twice the last wait, with jitter, so that many sources do not come back as one."""
    if retry_after is not None:
        return max(retry_after, 1.0)
    pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20), _LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret


def _log_end(instance: SourceInstance, cursor: cursors.StoredCursor, report: PollReport, next_run: float) -> None:
    log = _log.warning if report.error else _log.info
    log(
        "source_polled",
        source=instance.slug,
        brand=instance.brand,
        stream=cursor.stream,
        pages=report.pages,
        accepted=report.accepted,
        repeated=report.repeated,
        next_in_seconds=round(next_run, 1),
        **({"error": report.error} if report.error else {}),
    )
    for note in report.notes:
        if note not in (cursor.note or ""):  # once, not with each poll
            _log.warning("source_noted", source=instance.slug, brand=instance.brand, note=note)
