"""Asks sources what they have posted: each in its time, the window of its last days, all lists to their end.

What a day counts moves only once all was read to its end. A reading that fails is tried again as polls are: soon, then
later each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from connectors.kit import Fetch, Poll, sources
from connectors.kit.http import session
from connectors.kit.sources.declarations import Access, Parent, Stream
from connectors.kit.sources.fetching.answers import fetch_record
from connectors.kit.sources.page_reader import NO_LIST, PageAbsentError
from connectors.kit.sources.paging.streams import ParentRecord, parents_in, poll_of_parents, poll_of_stream
from connectors.kit.sources.polling import Page, poll_pages
from connectors.kit.sources.reconciling.asking import parent_target, polls_of_window
from connectors.kit.sources.reconciling.declared import Window
from connectors.kit.sources.records import decode_body
from pipeline.access.reconciles import reconcile_access, why_not_asked
from pipeline.errors import ConfigurationError, RecordError, TerminalError, TransientError
from pipeline.health.completeness import STREAM
from pipeline.intake.arrivals import JSON
from pipeline.intake.instances import SourceBook, SourceInstance
from pipeline.intake.poll_reports import PollReport
from pipeline.intake.polls import run_held
from pipeline.intake.reconciling.progress import Progress, begin_progress
from pipeline.intake.reconciling.records import Reading
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings, settings, settings_read_at
from pipeline.settings.polled_sources import settings_digest
from pipeline.settings.reconciled_sources import ReconciledSource, reconciled_sources
from pipeline.store.engine import transaction
from pipeline.store.events import cursors
from pipeline.store.events.reconciled import DayCount, forget_days, keep_days

_Pages = Iterator[tuple[Page, list[Mapping[str, Any]]]]
_RUN_SECONDS = 180.0  # of one that beat started; by hand it takes what it takes
_KEPT_DAYS = 400
_GONE = "fetch_gone"  # of a record that its source no longer has
_MOST_SAID = 3  # reasons why lists were not read to their end
_END = "all lists were read to their end"
_TOO_LONG = (
    "reading one of its lists takes over {:.0f} s: what was missing until there came in, days are not counted;"
    " set sources.{}.reconcile.window_days lower, or run `afluente source reconcile {}`"
)


@dataclass
class ReconcileReport:
    """What one reading found. `days` are empty where it ended by an error: then no day's numbers have moved."""

    poll: PollReport
    days: Mapping[date, DayCount] = field(default_factory=dict)


def due_reconciles() -> list[tuple[str, str]]:
    """(source, brand) of which the time has come. Raises TransientError if the database is away."""
    known = settings()
    asked = {}
    for source in reconciled_sources(known, sources()):
        if source.brand is not None and (source.fault or _why_not(known, source) is None):
            digest = settings_digest(known, source.slug, source.connector)
            asked[source.brand, source.slug, STREAM] = digest
    if not asked:
        return []
    with transaction(synchronous=False) as connection:
        cursors.wake_polls(connection, asked, settings_read_at=settings_read_at())
        due = cursors.due_polls(connection, list(asked))
    return [(slug, brand) for brand, slug, _ in due]


def run_reconcile(slug: str, brand: str, *, at_once: bool = False, begin: date | None = None) -> ReconcileReport:
    """Ask a source what it has posted, if it is due and nobody else does. `at_once`: due or not, however long it takes.
    `begin`: the first day, in place of the window's.

    Faults of the source end the reading and stand in the report and in `cursors.last_error`.
    Raises UnknownSourceError, ConfigurationError for a source that cannot be asked, and TransientError if our own
    database is away.
    """
    known = settings()
    instance = SourceBook(known).find(brand, slug)
    source = next((each for each in reconciled_sources(known, sources()) if each.slug == slug), None)
    if source is None or source.brand != brand:
        raise ConfigurationError(
            f"source {slug}: {source.why_not if source else 'it cannot be asked what it has posted'}"
        )
    report = ReconcileReport(PollReport())

    def read(cursor: cursors.StoredCursor, poll_report: PollReport) -> bool:
        poll_report.starts_over = True
        position = None if at_once else cursor.position
        report.days = _read(known, instance, source, poll_report, position=position, at_once=at_once, begin=begin)
        return poll_report.end is not None

    report.poll = run_held(known, instance, STREAM, read, at_once=at_once, every_seconds=source.every_seconds)
    return report


def forget_reconciled() -> None:
    """Forget what was counted more than a year ago."""
    with transaction() as connection:
        forget_days(connection, before=_today() - timedelta(days=_KEPT_DAYS))


def _why_not(known: Settings, source: ReconciledSource) -> str | None:
    try:
        return why_not_asked(known, source)
    except ConfigurationError:
        return None  # a reference leads nowhere: the run says so


def _read(
    known: Settings,
    instance: SourceInstance,
    source: ReconciledSource,
    report: PollReport,
    *,
    position: str | None,
    at_once: bool,
    begin: date | None,
) -> Mapping[date, DayCount]:
    """Nothing, and no `end` in the report, where the time for one run is up: the next one goes on from there."""
    if source.fault or (why_not := why_not_asked(known, source)) is not None:
        raise ConfigurationError(source.fault or why_not or "")
    window = _window(source, begin)
    progress = begin_progress(window, _days_of(window), position)
    reading = Reading(instance, source.reconcile, progress.window, progress.counted(), report, progress.text())
    lists = _Lists(known, source, progress, deadline=None if at_once else time.monotonic() + _RUN_SECONDS)
    try:
        _read_lists(known, source, reading, lists)
    except _TimeIsUpError:
        if not progress.has_moved:  # so would the next run
            raise TransientError(_TOO_LONG.format(_RUN_SECONDS, source.slug, source.slug)) from None
        report.starts_over = False
        _keep_position(instance, progress.text())
        return {}
    if progress.cut:
        _keep_position(instance, None)
        raise TerminalError(f"{'; '.join(progress.cut)}: what else it lists came in, days are not counted")
    with transaction() as connection:
        keep_days(connection, instance.brand, instance.slug, reading.days, read_to=progress.window.end)
        cursors.move_cursor(connection, instance.brand, instance.slug, STREAM, position=None)
    report.end = _END
    return reading.days


def _read_lists(known: Settings, source: ReconciledSource, reading: Reading, lists: _Lists) -> None:
    """Every list to its end, but for those that were before. Raises _TimeIsUpError."""
    base = known.source(source.slug).url
    polls = polls_of_window(source.reconcile, reading.window, source.options, base=base)
    for number, (poll, options) in enumerate(polls):
        paced = replace(poll, rate_per_second=source.calls_per_second)
        for name, pages in lists.of(paced, options):
            place = f"{number}/{name}"
            if lists.progress.is_read(place):
                continue
            for page, parents in pages:
                reading.take(page, parents)
            lists.progress.finish(place, reading.days)
            reading.position = lists.progress.text()


def _keep_position(instance: SourceInstance, position: str | None) -> None:
    with transaction() as connection:
        cursors.move_cursor(connection, instance.brand, instance.slug, STREAM, position=position)


class _TimeIsUpError(Exception):
    """The time for one run."""


class _Lists:
    """The pages of all lists of a source, each with what its records belong to. In `progress`: why some of it was not
    read, as sentences: then nobody knows how much there is."""

    def __init__(
        self, known: Settings, source: ReconciledSource, progress: Progress, *, deadline: float | None
    ) -> None:
        self.progress = progress
        self._known, self._source, self._deadline = known, source, deadline
        self._reach = reach_of_source(known, source.slug)
        self._next_at = 0.0

    def of(self, poll: Poll, options: Mapping[str, Any]) -> Iterator[tuple[str, _Pages]]:
        """Each list by a name that it has again in the next run. Pages are asked for as they are taken."""
        if not poll.streams:
            yield "", self._alone(poll, options)
        for stream in poll.streams:
            if stream.parent is None:
                yield stream.name, self._alone(poll_of_stream(poll, stream), options)
            else:
                for parent in self._parents(poll, stream, stream.parent):
                    yield f"{stream.name}/{parent.id}", self._of_parent(poll, stream, parent, options)

    def _alone(self, poll: Poll, options: Mapping[str, Any]) -> _Pages:
        for page in self._ask(poll):
            yield page, [options]

    def _parents(self, poll: Poll, stream: Stream, parent: Parent) -> list[ParentRecord]:
        parents, has_more = parents_in(self._ask(poll_of_parents(poll, parent)), parent)
        if has_more:
            self._cut_off(f"the list of parents of its {stream.name} is longer than it may be")
        return parents

    def _of_parent(self, poll: Poll, stream: Stream, parent: ParentRecord, options: Mapping[str, Any]) -> _Pages:
        whole: Mapping[str, Any] | None = None
        try:
            for page in self._ask(poll_of_stream(poll, stream, parent.id)):
                if whole is None and page.records:
                    whole = self._whole(poll, parent.id) or parent.record
                yield page, [whole or parent.record, options]
        except PageAbsentError as error:  # one of them is not given: the others are
            is_none = stream.parent is not None and stream.parent.may_lack and error.status == HTTPStatus.NOT_FOUND
            if not (is_none and whole is None):
                self._cut_off(str(error))
        except RecordError as error:
            self._cut_off(f"what the records of {stream.name} belong to cannot be read: {error.message}")

    def _whole(self, poll: Poll, parent_id: str) -> Mapping[str, Any] | None:
        """None where the list has all of it, and for one that is gone since it was listed. Raises RecordError for one
        that is there and cannot be read: its records would come in without what they are read by."""
        target = parent_target(self._source.reconcile, poll, parent_id)
        if target is None:
            return None
        fetch = Fetch(url=target.url, max_answer_bytes=poll.max_answer_bytes)
        access = self._wait_for_turn(poll)
        try:
            with session(target.url, max_answer_bytes=poll.max_answer_bytes, reach=self._reach) as http:
                body = fetch_record(fetch, target, access=access, http=http, what=f"source {self._source.slug}")
        except RecordError as error:
            if error.code == _GONE:
                return None
            raise
        whole = decode_body(body, JSON, formats=("json",))
        return whole if isinstance(whole, dict) else None

    def _ask(self, poll: Poll) -> Iterator[Page]:
        """Each list keeps the pace in itself; here they keep it among each other."""
        access = self._wait_for_turn(poll)
        with session(poll.url, max_answer_bytes=poll.max_answer_bytes, reach=self._reach) as http:
            for number, page in enumerate(poll_pages(poll, position=None, access=access, session=http)):
                self._next_at = time.monotonic() + 1 / poll.rate_per_second
                if page.is_cut:
                    told = "; ".join(page.notes) or f"it ended by {page.end}, and may have more"
                    self._cut_off(f"the list at {urlsplit(poll.url).path} was not read to its end: {told}")
                elif number == 0 and page.answer is NO_LIST:  # behind others it is the end
                    self._cut_off(f"the list at {urlsplit(poll.url).path} is none: its answer holds nothing at all")
                yield page
                if not page.is_last:
                    self._check_time()

    def _check_time(self) -> None:
        """Before each call, whatever it asks for. Raises _TimeIsUpError."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _TimeIsUpError

    def _cut_off(self, why: str) -> None:
        if why not in self.progress.cut and len(self.progress.cut) < _MOST_SAID:
            self.progress.cut.append(why)

    def _wait_for_turn(self, poll: Poll) -> Access | None:
        self._check_time()
        access = reconcile_access(self._known, self._source, poll)
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        self._next_at = time.monotonic() + 1 / poll.rate_per_second
        return access


def _window(source: ReconciledSource, begin: date | None) -> Window:
    """From the beginning of a day on, so that days are whole."""
    first = begin or _today() - timedelta(days=source.window_days)
    begins_at = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return Window(begins_at, max(datetime.now(UTC) - timedelta(seconds=source.grace_seconds), begins_at))


def _days_of(window: Window) -> dict[date, DayCount]:
    """Every day of it, so that one without records is known to have none."""
    last = window.end - timedelta(microseconds=1)
    count = (last.date() - window.begin.date()).days + 1
    return {window.begin.date() + timedelta(days=number): DayCount() for number in range(max(count, 0))}


def _today() -> date:
    return datetime.now(UTC).date()
