"""Imports a file of leads: streaming, in constant memory for text of any length, and again harmlessly.

One thread reads and seals, another stores, a transaction a batch: sealing the next rows overlaps with PostgreSQL's
work on the last. A row's idempotency key is its own id, or its content: so an interrupted import is simply run again,
and two equal rows count as one accepted and one repeated.
"""

from __future__ import annotations

import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.intake.contents import store_events
from pipeline.intake.files.reading import AS_FOUND, OpenedFile, ReadAs, event_of, open_rows
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.lane_hints import LaneHints
from pipeline.logs import get_logger
from pipeline.records import NewEvent, Parked, Receipt, Stage
from pipeline.store.engine import transaction
from pipeline.store.events.dropped_files import RowCounts
from pipeline.store.events.quarantine import park_now

__all__ = [
    "ImportReport",
    "Progress",
    "RejectedRow",
    "UnreadableFileError",
    "import_file",
]

_BATCH_ROWS = 1_000
_BATCHES_AHEAD = 3
_HINT_SECONDS = 1.0
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_SHOWN_ROWS = 1_000  # bad rows that a report lists; all of them are in quarantine
_PAUSES_SECONDS = (0.5, 2.0, 5.0, 10.0, 15.0)  # a database that restarts
_log = get_logger(__name__)


@dataclass(frozen=True)
class RejectedRow:
    """A row that went to quarantine as soon as it was stored. `message` names the line and holds no value."""

    line: int
    code: str
    message: str


@dataclass
class ImportReport:
    """What became of a file. `accepted` rows are stored now (the rejected ones among them), `repeated` were before.
    `revised`: how many of the accepted say something else of an id that was known.

    `rejected` is their number, `rejected_rows` the first 1,000. `first_event_id` and `last_event_id` span the accepted
    events. `dates`: which order of day and month was found in which column.
    """

    accepted: int = 0
    repeated: int = 0
    revised: int = 0
    rejected: int = 0
    rejected_rows: list[RejectedRow] = field(default_factory=list)
    first_event_id: UUID | None = None
    last_event_id: UUID | None = None
    notes: TableNotes = field(default_factory=TableNotes)
    dates: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_whole: bool = True  # False: the piece that was asked for ended before the file

    @property
    def rows(self) -> int:
        return self.accepted + self.repeated


Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Piece:
    """A part of a file, for whoever reads it in several turns: the rows after `skip`, until `is_over()`.

    `note` is called in the transaction that stores rows, so that its account of them holds after a kill.
    """

    skip: int = 0
    is_over: Callable[[], bool] = lambda: False
    note: Callable[[Connection, RowCounts], None] = lambda _connection, _rows: None


WHOLE = Piece()


def import_file(
    path: Path,
    *,
    source: str,
    brand: str,
    on_progress: Progress = lambda _rows, _line: None,
    read_as: ReadAs = AS_FOUND,
    piece: Piece = WHOLE,
) -> ImportReport:
    """Store every row of a file as an event of `source`; bad rows go to quarantine with their line and reason.

    `on_progress` gets the number of rows stored so far and the line of the last one, about once a batch.
    Raises UnknownSourceError; UnreadableFileError if the file is no table, or its dates can be read in two ways
    (nothing is stored then); TransientError if
    the database stays away: what was stored stays stored, and a second run repeats nothing.
    """
    with _garbage_collected_seldom():
        file = open_rows(path, source=source, brand=brand, read_as=read_as)
        return _import(file, on_progress, piece)


def _import(file: OpenedFile, on_progress: Progress, piece: Piece) -> ImportReport:
    begun = time.perf_counter()
    report = ImportReport(notes=file.notes, dates=file.dates)
    store = _Store(file.instance.lane, report, on_progress, piece)
    store.start()
    try:
        batch = _Batch()
        for row in islice(file.rows, piece.skip, None):
            batch.add(row, event_of(file, row))
            if len(batch.events) >= _BATCH_ROWS:
                store.put(batch)
                batch = _Batch()
                if piece.is_over():
                    report.is_whole = False
                    break
        store.put(batch)
        store.finish()
    except BaseException:
        store.abandon()
        raise
    report.seconds = time.perf_counter() - begun
    _log.info(
        "file_imported",
        source=file.instance.slug,
        brand=file.instance.brand,
        accepted=report.accepted,
        repeated=report.repeated,
        revised=report.revised,
        rejected=report.rejected,
        seconds=round(report.seconds, 2),
    )
    return report


@contextmanager
def _garbage_collected_seldom() -> Iterator[None]:
    """Thousands of rows are held at a time, none of them in a cycle: looking through them at every few hundred
    allocations took a fifth of an import's time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(max(_OBJECTS_BETWEEN_COLLECTIONS, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class _Batch:
    """Rows of one transaction."""

    def __init__(self) -> None:
        self.events: list[NewEvent] = []
        self.bad: list[tuple[int, FileRow]] = []  # index in `events`, row
        self.last_line = 0

    def add(self, row: FileRow, event: NewEvent) -> None:
        if row.code is not None:
            self.bad.append((len(self.events), row))
        self.events.append(event)
        self.last_line = row.line


class _Store:
    """The thread that stores batches, and the accounts it keeps."""

    def __init__(self, lane: str, report: ImportReport, on_progress: Progress, piece: Piece) -> None:
        self._lane = lane
        self._piece = piece
        self._report = report
        self._on_progress = on_progress
        self._batches: queue.Queue[_Batch | None] = queue.Queue(_BATCHES_AHEAD)
        self._error: BaseException | None = None
        self._is_abandoned = False
        self._hints = LaneHints(pause_seconds=_HINT_SECONDS)
        self._thread = threading.Thread(target=self._run, name="import-store", daemon=True)

    def start(self) -> None:
        self._hints.start()
        self._thread.start()

    def put(self, batch: _Batch) -> None:
        while batch.events:
            if self._error is not None:
                raise self._error
            try:
                self._batches.put(batch, timeout=0.5)
            except queue.Full:
                continue
            return

    def finish(self) -> None:
        """Wait until everything is stored. Raises what storing raised."""
        while self._thread.is_alive():
            try:
                self._batches.put(None, timeout=0.5)
            except queue.Full:
                continue
            break
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Ctrl-C, or an unreadable place: what is being stored is finished, the rest is left to a second run."""
        self._is_abandoned = True
        self._thread.join(10)

    def _run(self) -> None:
        try:
            while not self._is_abandoned:
                try:
                    batch = self._batches.get(timeout=0.2)
                except queue.Empty:
                    continue
                if batch is None:
                    break
                self._store(batch)
        except BaseException as error:  # noqa: BLE001 - carried to the reading thread, which raises it
            self._error = error
        finally:
            self._hints.stop()

    def _store(self, batch: _Batch) -> None:
        receipts = self._patiently(batch)
        report = self._report
        fresh = [receipt.event_id for receipt in receipts if not receipt.repeated]
        report.accepted += len(fresh)
        report.repeated += len(receipts) - len(fresh)
        report.revised += sum(receipt.revised for receipt in receipts)
        if fresh:
            report.first_event_id = report.first_event_id or fresh[0]
            report.last_event_id = fresh[-1]
            self._hints.tell([self._lane])
        for index, row in batch.bad:
            if not receipts[index].repeated:
                report.rejected += 1
                if len(report.rejected_rows) < _SHOWN_ROWS:
                    report.rejected_rows.append(RejectedRow(row.line, row.code or "", row.message))
        self._on_progress(report.rows, batch.last_line)

    def _patiently(self, batch: _Batch) -> list[Receipt]:
        for pause in _PAUSES_SECONDS:
            try:
                return _insert(batch, self._piece)
            except TransientError as error:
                if self._is_abandoned:
                    raise
                _log.warning("import_waits_for_database", seconds=pause, error=str(error))
                time.sleep(pause)
        return _insert(batch, self._piece)


def _insert(batch: _Batch, piece: Piece) -> list[Receipt]:
    """Events and the quarantine entries of the bad ones, all or nothing."""
    with transaction() as connection:
        receipts = store_events(connection, batch.events)
        bad = [
            Parked(receipts[index].event_id, Stage.INTAKE, row.code or "", row.message)
            for index, row in batch.bad
            if not receipts[index].repeated
        ]
        park_now(connection, bad)
        repeated = sum(receipt.repeated for receipt in receipts)
        revised = sum(receipt.revised for receipt in receipts)
        piece.note(connection, RowCounts(len(receipts) - repeated, repeated, revised, len(bad)))
    return receipts
