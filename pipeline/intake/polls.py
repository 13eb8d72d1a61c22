"""Polled sources: each page's events and the position behind them are stored in one transaction.

So a poll may be killed anywhere: the next one goes on where the last page was committed, and what it reads again is
recognized by its idempotency keys. Only one poll of a source runs at a time, by a hold on its cursor.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from connectors.kit import Poll
from connectors.kit.http import session
from connectors.kit.sources.parts import BESIDE, Beside, Part
from connectors.kit.sources.polling import Page, poll_pages
from pipeline.errors import ConfigurationError, QuotaError, TerminalError, TransientError, place_of
from pipeline.hints import hint_dispatch
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.bodies import beside_of_page, seen_record
from pipeline.intake.contents import store_events
from pipeline.intake.instances import SourceBook, SourceInstance
from pipeline.logs import get_logger
from pipeline.records import AS_IT_CAME, STORED, Envelope
from pipeline.settings.loading import Settings, settings
from pipeline.store.engine import transaction
from pipeline.store.events import cursors

STREAM = ""  # a source is one stream; several would be several source instances
_HOLD_SECONDS = 120.0  # longer than one page can take, waits included; after a kill the next poll comes this late
_RUN_SECONDS = 240.0  # then the poll ends where it is and another goes on: a worker's time is bounded
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 900.0
_TERMINAL_PAUSE_SECONDS = 3600.0  # a human must act; asking once an hour notices when it was done
_TERMINAL = "terminal: "  # begins `cursors.last_error` of a source that waits for a human
_VIA = "pull"  # how a polled record came, as stored requests hold it: kept for good (docs/decisions/0019)
_log = get_logger(__name__)


@dataclass
class PollReport:
    """What one poll brought. `revised`: how many of the accepted say something else of a known record. `error` is why
    it ended early; `is_terminal` that a human must act. `ran` is False if somebody else was polling or it was not due.
    """

    accepted: int = 0
    repeated: int = 0
    revised: int = 0
    pages: int = 0
    error: str | None = None
    is_terminal: bool = False
    ran: bool = True


def due_polls() -> list[tuple[str, str]]:
    """(source, brand) of every polled source whose time has come. Raises TransientError if the database is away."""
    polls = [(instance.brand, instance.slug, STREAM) for instance in _polled_instances(settings())]
    with transaction(synchronous=False) as connection:
        return [(source, brand) for brand, source, _ in cursors.due_polls(connection, polls)]


def run_poll(slug: str, brand: str, *, force: bool = False) -> PollReport:
    """Read a polled source from its position to its end, if it is due (`force`: due or not) and nobody else does.

    Faults of the source end the poll and stand in the report and in `cursors.last_error`; the next one comes later each
    time. Raises UnknownSourceError, and TransientError if our own database is away.
    """
    known = settings()
    instance = SourceBook(known).find(brand, slug)
    with transaction() as connection:
        cursor = cursors.lock_cursor(connection, brand, slug, STREAM, hold_seconds=_HOLD_SECONDS, force=force)
    if cursor is None:
        return PollReport(ran=False)
    report = PollReport()
    next_run = _every_seconds(known, instance)
    try:
        is_done = _read(known, instance, cursor.position, report)
        next_run = next_run if is_done else 0.0
    except QuotaError as error:
        report.error, next_run = str(error), max(error.retry_after, 1.0)
    except TransientError as error:
        report.error, next_run = str(error), _backoff(cursor, error.retry_after, made_progress=report.pages > 0)
    except (TerminalError, ConfigurationError) as error:
        report.error, report.is_terminal, next_run = _TERMINAL + str(error), True, _TERMINAL_PAUSE_SECONDS
    except Exception as error:  # a bug in reading this source must not become a loop that asks it all the time
        report.error = _TERMINAL + place_of(error)
        _finish(instance, report.error, _TERMINAL_PAUSE_SECONDS)
        raise
    _finish(instance, report.error, next_run)
    _log_end(instance, report, next_run)
    return report


def _read(known: Settings, instance: SourceInstance, position: str | None, report: PollReport) -> bool:
    """Store page after page. True if the source has nothing more now, False if the time for one run is up."""
    poll = _poll_of(known, instance)
    declared = _declaration(instance)
    token = known.source_token(instance.slug, declared.token.name if declared.token else None)
    deadline = time.monotonic() + _RUN_SECONDS
    with session(poll.url) as http:
        pages: Iterator[Page] = poll_pages(poll, position=position, token=token, session=http)
        for page in pages:
            _store_page(instance, page, report)
            if page.is_last:
                return True
            if time.monotonic() > deadline:
                return False
    return True


def _store_page(instance: SourceInstance, page: Page, report: PollReport) -> None:
    """The page's events and the position behind them, all or nothing."""
    events = []
    beside = beside_of_page(instance.connector, page.answer)
    shared = Beside(beside[BESIDE], is_transport=True) if beside else None
    for index, record in enumerate(page.records):
        origin = {"via": _VIA, "page": report.pages + 1, "index": index, STORED: AS_IT_CAME, **beside}
        envelope = Envelope(JSON, orjson.dumps(record), {}, origin)
        events.append(
            new_event(instance, seen_record(instance.connector, Part("", record, shared)), envelope, index=index)
        )
    with transaction() as connection:
        receipts = store_events(connection, events)
        cursors.move_cursor(
            connection,
            instance.brand,
            instance.slug,
            STREAM,
            position=page.next_position,
            hold_seconds=_HOLD_SECONDS,
        )
    repeated = sum(receipt.repeated for receipt in receipts)
    report.pages += 1
    report.repeated += repeated
    report.revised += sum(receipt.revised for receipt in receipts)
    report.accepted += len(receipts) - repeated
    if repeated < len(receipts):
        hint_dispatch(instance.lane)


def _finish(instance: SourceInstance, error: str | None, next_run_in_seconds: float) -> None:
    with transaction() as connection:
        cursors.finish_poll(
            connection,
            instance.brand,
            instance.slug,
            STREAM,
            next_run_in_seconds=next_run_in_seconds,
            error=error,
        )


def _backoff(cursor: cursors.StoredCursor, retry_after: float | None, *, made_progress: bool) -> float:
    """Seconds until the next try: twice the last wait, with jitter, so that many sources do not come back as one."""
    if retry_after is not None:
        return max(retry_after, 1.0)
    waited = 0.0
    if cursor.last_error is not None and not made_progress and cursor.last_run_at and cursor.next_run_at:
        waited = (cursor.next_run_at - cursor.last_run_at).total_seconds()
    pause = min(max(2 * waited, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret


def _polled_instances(known: Settings) -> list[SourceInstance]:
    """Polled sources that are switched on and have an address: their own, or the sandbox's in a rehearsal.

    Where there are several brands, `sources.<slug>.brands` must say whose leads a feed holds: it is not read for all.
    """
    return [
        instance
        for instance in SourceBook(known).of_brands()
        if isinstance(instance.connector.intake, Poll)
        and instance.enabled
        and (len(known.brands) == 1 or known.source(instance.slug).brands is not None)
        and _is_addressed(known, instance)
    ]


def _is_addressed(known: Settings, instance: SourceInstance) -> bool:
    return known.source(instance.slug).url is not None or _rehearsal_url(known, instance) is not None


def _declaration(instance: SourceInstance) -> Poll:
    intake = instance.connector.intake
    if not isinstance(intake, Poll):
        raise ConfigurationError(f"the source {instance.slug} is not polled; it comes by {type(intake).__name__}")
    return intake


def _poll_of(known: Settings, instance: SourceInstance) -> Poll:
    """The declaration with what afluente.yaml says of this instance."""
    declared = _declaration(instance)
    entry = known.source(instance.slug)
    url = entry.url or _rehearsal_url(known, instance)
    if url is None:
        raise ConfigurationError(f"set sources.{instance.slug}.url in afluente.yaml: it says which address to poll")
    return dataclasses.replace(declared, url=url, rate_per_second=entry.rate_per_second or declared.rate_per_second)


def _rehearsal_url(known: Settings, instance: SourceInstance) -> str | None:
    """Without a CRM of one's own the sandbox is the source too: its address in place of the declared one's.

    Only for a source that afluente.yaml mentions: nobody finds invented leads among his own unasked.
    """
    declared = urlsplit(_declaration(instance).url)
    if not known.uses_sandbox or instance.slug not in known.sources or declared.hostname != "127.0.0.1":
        return None
    return known.destinations["sandbox"].base_url.rstrip("/") + declared.path


def _every_seconds(known: Settings, instance: SourceInstance) -> float:
    return float(known.source(instance.slug).every_seconds or _declaration(instance).every_seconds)


def _log_end(instance: SourceInstance, report: PollReport, next_run: float) -> None:
    log = _log.warning if report.error else _log.info
    log(
        "source_polled",
        source=instance.slug,
        brand=instance.brand,
        pages=report.pages,
        accepted=report.accepted,
        repeated=report.repeated,
        revised=report.revised,
        next_in_seconds=round(next_run, 1),
        **({"error": report.error} if report.error else {}),
    )
