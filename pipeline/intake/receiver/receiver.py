"""The parts of a running receiver, made once and handed to its routes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.kit import Connector
from pipeline.crypto.encryption import cipher
from pipeline.intake.instances import BrokenSourceError, SourceBook, SourceInstance, UnknownSourceError
from pipeline.intake.lane_hints import LaneHints
from pipeline.intake.receiver.answers import RefusedError, refused_later
from pipeline.intake.receiver.group_writer import Committed, GroupWriter
from pipeline.intake.receiver.metrics import IntakeMetrics
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.intake.receiver.readiness import Readiness
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings

_READER_THREADS = 2  # with the writers' two they stay within the connections of one process
_log = get_logger(__name__)


@dataclass
class Receiver:
    """Built in the process that serves: it holds threads and connections."""

    settings: Settings
    connectors: Mapping[str, Connector]
    writer: GroupWriter = field(init=False)
    book: SourceBook = field(init=False)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    hints: LaneHints = field(default_factory=LaneHints)
    metrics: IntakeMetrics = field(init=False)
    readiness: Readiness = field(init=False)
    readers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.writer = GroupWriter(on_commit=self._committed)
        self.book = SourceBook(self.settings, self.connectors)
        self.metrics = IntakeMetrics(self.settings, queued=lambda: self.writer.queued)
        self.readiness = Readiness(self.settings)
        self.readers = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="intake-reader")

    def start(self) -> None:
        """Called in the event loop. Raises ConfigurationError if there is no key to seal bodies with."""
        cipher()
        self.writer.start()
        self.hints.start()

    def stop(self) -> None:
        """Blocks until what waited is stored."""
        self.writer.stop()
        self.hints.stop()
        self.metrics.stop()
        self.readers.shutdown(wait=False, cancel_futures=True)

    def find_source(self, brand: str, slug: str) -> SourceInstance:
        """The source that a request names. Raises RefusedError: 404 if there is none, 503 while its file is broken."""
        try:
            return self.book.find(brand, slug)
        except UnknownSourceError as error:
            raise RefusedError(404, "unknown_source", str(error)) from None
        except BrokenSourceError as error:
            _log.error("source_broken", remedy=str(error))
            raise refused_later(503, "source_broken", "this source is broken here; send it again", seconds=60) from None

    def _committed(self, committed: Committed) -> None:
        self.hints.tell(committed.lanes)
        self.metrics.note_commit(committed)
