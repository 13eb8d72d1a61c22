"""Reads what is due of one source, for a bounded time, and decides what each failure means for it and for the others.

of one record   gone, forbidden, unreadable: it goes to quarantine with the reason, the others go on
of the moment   an error of the source, a silence: this record later; several in a row: the source is left alone
of the quota    nobody asks until it is over
of the token    nobody asks until it works again; one record is tried now and then, so that it goes on by itself
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from connectors.kit import Connector, sources
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from pipeline.access.fetches import fetch_setup
from pipeline.delivery.backoff import backoff_seconds
from pipeline.errors import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError, place_of
from pipeline.hints import hint_dispatch
from pipeline.intake.fetching.calls import FetchCalls, WaitingForQuotaError
from pipeline.intake.instances import BrokenSourceError, SourceBook, UnknownSourceError
from pipeline.lanes import LANES
from pipeline.logs import get_logger
from pipeline.records import Parked, RawEvent, Stage
from pipeline.settings.fetched_sources import fetching_sources
from pipeline.settings.loading import settings
from pipeline.settings.polled_sources import settings_digest
from pipeline.settings.set_up_sources import connector_name
from pipeline.stages.mapping.stored_records import read_arrival
from pipeline.store.engine import transaction
from pipeline.store.events.events import read_events
from pipeline.store.fetches import fetches, pauses

_AT_ONCE = 5  # records of a claim: a killed worker holds up no more, until its lease is over
_WORKERS = 2  # of one source at a time: the others are for others
_FAILED_IN_A_ROW = 3  # then it is the source, not the record
_MOST_ATTEMPTS = 15  # about nine hours of them
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0
# A human must act: somebody may be at it at once; later a call in ten minutes notices that it was done.
_TERMINAL_PAUSES_SECONDS = (5.0, 30.0, 120.0, 300.0, 600.0)
_log = get_logger(__name__)


class _Stop(Exception):  # noqa: N818 - no error: the end of a run
    """No more calls in this run; why stands in the report."""


@dataclass
class FetchReport:
    """What one run came to. `error` is why it ended early; `is_terminal` that a human must act. `more_due`: its time
    was over before everything was read. `ran` is False if others were at it, or if nobody is to ask now."""

    fetched: int = 0
    retried: int = 0
    quarantined: int = 0
    error: str | None = None
    is_terminal: bool = False
    more_due: bool = False
    ran: bool = True


def due_fetches() -> list[tuple[str, str]]:
    """(source, brand) of every source of which something is to be read now. A pause ends where settings have changed.

    Raises TransientError if the database is away."""
    known = settings()
    digests = {
        slug: settings_digest(known, slug, connector) for slug, connector in fetching_sources(known, sources()).items()
    }
    if not digests:
        return []
    with transaction(synchronous=False) as connection:
        pauses.end_outdated(connection, digests)
        return fetches.due_sources(connection)


def run_fetches(slug: str, brand: str, *, budget_seconds: float, at_once: bool = False) -> FetchReport:
    """Read what is due of a source. `at_once`: though it is paused. Faults of the source stand in the report, and are
    kept for `status`. Raises TransientError if our own database is away."""
    run = _Run(slug, brand)
    with transaction(synchronous=False) as connection:
        pause = pauses.read_pause(connection, slug, brand)
        if pause is not None and pause[1] and not at_once:
            return FetchReport(ran=False)
        if fetches.count_claims(connection, slug, brand) >= _WORKERS and not at_once:
            return FetchReport(ran=False)
    run.failures = pause[0] if pause is not None else 0
    run.is_paused = pause is not None
    run.read_all(time.monotonic() + budget_seconds)
    report = run.report
    if report.fetched or report.quarantined or report.retried or report.error:
        log = _log.warning if report.error else _log.info
        log(
            "records_fetched",
            source=slug,
            brand=brand,
            fetched=report.fetched,
            retried=report.retried,
            quarantined=report.quarantined,
            **({"error": report.error} if report.error else {}),
        )
    return report


@dataclass
class _Run:
    """One run for one source. `failures`: runs in a row that the source failed before it; while there are any, one
    record is tried at a time, and its failure is the source's."""

    slug: str
    brand: str
    report: FetchReport = field(default_factory=FetchReport)
    failures: int = 0
    is_paused: bool = False
    _in_a_row: int = 0
    _claim: UUID | None = None

    def read_all(self, until: float) -> None:
        try:
            connector = self._connector()
            fetch = fetch_of(connector)
            if fetch is None:
                self._free_all(until)
            else:
                self._read_all(connector, fetch, until)
        except _Stop:
            self._give_back()
        except BaseException:
            self._give_back()
            raise

    def _free_all(self, until: float) -> None:
        """Its declaration has changed: it sends whole records."""
        while attempts := self._claim_some(until):
            self._free(attempts)

    def _read_all(self, connector: Connector, fetch: Fetch, until: float) -> None:
        attempts = self._claim_some(until)
        if not attempts:
            return
        with self._calls(connector, fetch) as calls:
            while attempts:
                self._read_claimed(calls, fetch, connector, attempts, until)
                attempts = self._claim_some(until)

    def _connector(self) -> Connector:
        try:
            return SourceBook(settings()).find(self.brand, self.slug).connector
        except (UnknownSourceError, BrokenSourceError) as error:
            self._pause_terminal(str(error))
            raise _Stop from error

    def _calls(self, connector: Connector, fetch: Fetch) -> FetchCalls:
        try:
            setup = fetch_setup(settings(), self.slug, fetch, connector, brand=self.brand)
        except ConfigurationError as error:
            self._pause_terminal(str(error))
            raise _Stop from error
        return FetchCalls(settings(), self.slug, setup)

    def _claim_some(self, until: float) -> dict[UUID, int]:
        """{event: failed attempts} of what this run reads next; empty if nothing is due, or the time is over."""
        if time.monotonic() >= until:
            self.report.more_due = True
            return {}
        with transaction() as connection:
            self._claim, attempts = fetches.claim_fetches(
                connection,
                self.slug,
                self.brand,
                limit=1 if self.failures else _AT_ONCE,
                lease_seconds=settings().tuning.lease_seconds,
            )
        return attempts

    def _read_claimed(
        self, calls: FetchCalls, fetch: Fetch, connector: Connector, attempts: dict[UUID, int], until: float
    ) -> None:
        with transaction(synchronous=False) as connection:
            raw_events = read_events(connection, list(attempts))
        for raw in sorted(raw_events, key=lambda raw: raw.event_id):
            if time.monotonic() > until:
                self.report.more_due = True
                raise _Stop
            self._read_one(calls, fetch, connector, raw, attempts[raw.event_id])

    def _read_one(self, calls: FetchCalls, fetch: Fetch, connector: Connector, raw: RawEvent, attempts: int) -> None:
        calls_before = calls.made
        try:
            record = read_arrival(raw, connector)
            if not fetch.applies_to(record):
                self._free([raw.event_id])
                return
            fetched = calls.read(record)
        except RecordError as error:
            self._park(raw.event_id, error)
            if calls.made > calls_before:
                self._went_well()
        except WaitingForQuotaError:
            raise _Stop from None  # not paused: the sweep comes back in a moment
        except QuotaError as error:
            self._pause(error.retry_after, str(error), failures=0)
            raise _Stop from error
        except TransientError as error:
            self._put_off(raw.event_id, attempts, error)
        except (TerminalError, ConfigurationError) as error:
            self._pause_terminal(str(error))
            raise _Stop from error
        except Exception as error:  # noqa: BLE001 - a bug in one record's path: it is that record's own
            _log.error("fetch_failed", event_id=str(raw.event_id), place=place_of(error))
            self._park(raw.event_id, RecordError("bug", message=place_of(error)))
        else:
            with transaction() as connection:
                is_held, lane = fetches.store_fetched(connection, self._held, raw.event_id, fetched)
            if is_held:
                self.report.fetched += 1
                self._went_well()
            if lane is not None:
                hint_dispatch(lane)

    @property
    def _held(self) -> UUID:
        if self._claim is None:
            raise RuntimeError("nothing was claimed yet")
        return self._claim

    def _went_well(self) -> None:
        """The source answers, so it is asked as usual from now on."""
        self._in_a_row = self.failures = 0
        if self.is_paused:
            with transaction(synchronous=False) as connection:
                pauses.end_pause(connection, self.slug, self.brand)
            self.is_paused = False

    def _put_off(self, event_id: UUID, attempts: int, error: TransientError) -> None:
        is_probe = self.failures > 0
        if not is_probe and attempts + 1 >= _MOST_ATTEMPTS:
            why = f"{error}; tried {attempts + 1} times. `afluente quarantine replay` tries again"
            self._park(event_id, RecordError("fetch_failed", message=why))
            return
        wait = backoff_seconds(attempts + 1, retry_after=error.retry_after, base=_FIRST_PAUSE_SECONDS)
        with transaction() as connection:
            fetches.put_off(
                connection,
                self._held,
                event_id,
                seconds=0 if is_probe else wait,
                error=str(error),
                is_attempt=not is_probe,
            )
        self.report.retried += 1
        self._in_a_row += 1
        if is_probe or self._in_a_row >= _FAILED_IN_A_ROW:
            self._pause(
                backoff_seconds(
                    self.failures + 1,
                    retry_after=error.retry_after,
                    base=_FIRST_PAUSE_SECONDS,
                    longest=_LONGEST_PAUSE_SECONDS,
                ),
                str(error),
                failures=self.failures + 1,
            )
            raise _Stop from error

    def _pause_terminal(self, why: str) -> None:
        self.report.is_terminal = True
        seconds = _TERMINAL_PAUSES_SECONDS[min(self.failures, len(_TERMINAL_PAUSES_SECONDS) - 1)]
        self._pause(seconds, why, failures=self.failures + 1)

    def _pause(self, seconds: float, why: str, *, failures: int) -> None:
        self.report.error = why
        known = settings()
        connector = sources().get(connector_name(known, self.slug))
        with transaction() as connection:
            pauses.pause(
                connection,
                self.slug,
                self.brand,
                seconds=max(seconds, 1.0),
                error=why,
                is_terminal=self.report.is_terminal,
                failures=failures,
                settings_digest=settings_digest(known, self.slug, connector) if connector else "",
            )

    def _park(self, event_id: UUID, error: RecordError) -> None:
        parked = Parked(event_id, Stage.FETCH, error.code, error.message, error.field)
        with transaction() as connection:
            self.report.quarantined += fetches.park_fetch(connection, self._held, parked)

    def _free(self, event_ids: Iterable[UUID]) -> None:
        with transaction() as connection:
            fetches.free_fetches(connection, self._held, event_ids)
        for lane in LANES:
            hint_dispatch(lane)

    def _give_back(self) -> None:
        """What was claimed and not read is due at once for somebody else; else, its lease runs out."""
        if self._claim is not None:
            try:
                with transaction() as connection:
                    fetches.release_fetches(connection, self._claim)
            except TransientError:
                _log.warning("fetches_left_to_their_lease", source=self.slug)
