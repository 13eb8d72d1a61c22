"""The parts of a running receiver, made once and handed to its routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from connectors.kit import Connector
from pipeline.crypto.encryption import cipher
from pipeline.errors import TransientError
from pipeline.intake.instances import BrokenSourceError, SourceBook, SourceInstance, UnknownSourceError
from pipeline.intake.lane_hints import LaneHints
from pipeline.intake.posted.readers import Readers
from pipeline.intake.receiver.admission import Admission
from pipeline.intake.receiver.answers import RefusedError, refused_later
from pipeline.intake.receiver.body_work import BodyWork
from pipeline.intake.receiver.group_writer import Committed, GroupWriter
from pipeline.intake.receiver.guarded_keys import GuardedKeys
from pipeline.intake.receiver.metrics import IntakeMetrics
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.intake.receiver.readiness import HANGS, Readiness
from pipeline.intake.receiver.request_counts import HANDSHAKE, TAKEN, RequestCounts, say_there
from pipeline.intake.secret_renewals import SecretRenewals
from pipeline.logs import get_logger
from pipeline.settings.edges.residency import region_of
from pipeline.settings.loading import Settings
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.webhooks.hook_keys import HookKeys, judge_hooks

_ASKER_THREADS = 2  # with the writers' two they stay within the connections of one process
_RESOLVER_THREADS = 2
_ANSWER_SECONDS = 5.0  # for a question to the database: one that hangs is as good as away
_log = get_logger(__name__)
Answered = TypeVar("Answered")


@dataclass
class Receiver:
    """Built in the process that serves: it holds threads and connections."""

    settings: Settings
    connectors: Mapping[str, Connector]
    writer: GroupWriter = field(init=False)
    book: SourceBook = field(init=False)
    admission: Admission = field(init=False)
    renewals: SecretRenewals = field(init=False)
    body_work: BodyWork = field(default_factory=BodyWork)
    hints: LaneHints = field(default_factory=LaneHints)
    metrics: IntakeMetrics = field(init=False)
    request_counts: RequestCounts = field(default_factory=lambda: RequestCounts(say=say_there))
    keys: GuardedKeys = field(init=False)
    hook_keys: HookKeys = field(init=False)
    readiness: Readiness = field(init=False)
    readers: Readers = field(init=False)
    askers: ThreadPoolExecutor = field(init=False)
    probes: ThreadPoolExecutor = field(init=False)
    resolvers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.writer = GroupWriter(on_commit=self._committed)
        self.book = SourceBook(self.settings, self.connectors)
        self.renewals = SecretRenewals(self.book)
        self.admission = Admission(self.settings, RateLimits())
        self.metrics = IntakeMetrics(self.settings, queued=lambda: self.writer.queued)
        self.readiness = Readiness(self.settings)
        self.keys = GuardedKeys(self.settings, on_change=lambda: judge_hooks(self.settings))
        self.hook_keys = HookKeys(self.settings)
        self.readers = Readers(set_up_sources(self.settings, self.connectors), on_end=self.metrics.note_reader_end)
        self.askers = ThreadPoolExecutor(_ASKER_THREADS, thread_name_prefix="intake-asker")
        self.probes = ThreadPoolExecutor(1, thread_name_prefix="intake-probe")
        self.resolvers = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="intake-resolver")

    def start(self) -> None:
        """Called in the event loop. Raises ConfigurationError if there is no key to seal bodies with."""
        cipher()
        self.writer.start()
        self.hints.start()
        self.request_counts.start()
        self.keys.start()
        self.hook_keys.start()
        self.readers.start()

    def stop(self) -> None:
        """Blocks until what waited is stored."""
        self.writer.stop()
        self.hints.stop()
        self.request_counts.stop()
        self.keys.stop()
        self.hook_keys.stop()
        self.metrics.stop()
        self.body_work.stop()
        self.readers.stop()
        self.askers.shutdown(wait=False, cancel_futures=True)
        self.probes.shutdown(wait=False, cancel_futures=True)
        self.resolvers.shutdown(wait=False, cancel_futures=True)

    async def ask(self, question: Callable[[], Answered]) -> Answered:
        """What a question to the database gives, asked in a thread. Raises TransientError if that takes too long."""
        return await self._ask(self.askers, question)

    async def look_up(self, question: Callable[[], Answered]) -> Answered:
        """As `ask`, of what asks name servers: one that hangs is in the way of no question to the database."""
        return await self._ask(self.resolvers, question)

    async def ask_readiness(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and report; in a thread of its own, so that no other question is in its way."""
        try:
            return await self._ask(self.probes, self.readiness.ask)
        except TransientError:
            return HANGS

    async def _ask(self, threads: ThreadPoolExecutor, question: Callable[[], Answered]) -> Answered:
        # With the context of the request: who acts is part of it.
        asked = asyncio.get_running_loop().run_in_executor(threads, copy_context().run, question)
        try:
            return await asyncio.wait_for(asked, _ANSWER_SECONDS)
        except TimeoutError:
            raise TransientError(f"no answer within {_ANSWER_SECONDS:g} s") from None

    def note_request(self, source: str, outcome: str, seconds: float, *, is_handshake: bool = False) -> None:
        """Count a request. `source` must be a known one, a route's word, or "unknown"."""
        self.metrics.note_request(source, outcome, seconds)
        self.request_counts.note(source, HANDSHAKE if is_handshake and outcome == TAKEN else outcome)

    def find_source(self, brand: str, slug: str) -> SourceInstance:
        """The source that a request names. Raises RefusedError: 404 if there is none, 503 while its file is broken."""
        try:
            return self.book.find(brand, slug)
        except UnknownSourceError:  # whose text names the others: that is nobody's business here
            raise RefusedError(
                404, "unknown_source", "there is no such source here; `afluente source list` names those there are"
            ) from None
        except BrokenSourceError as error:
            _log.error("source_broken", remedy=str(error))
            raise refused_later(503, "source_broken", "this source is broken here; send it again", seconds=60) from None

    def refuse_elsewhere(self, brand: str, request: Request) -> None:
        """421 for a brand whose data is to stay in another region, before anything of the body is read."""
        entry = self.settings.brands_elsewhere.get(brand)
        if entry is None:
            return
        address = {"address": f"{entry.receiver_url.rstrip('/')}{request.url.path}"} if entry.receiver_url else {}
        raise RefusedError(
            421,
            "wrong_region",
            f"leads of this brand are taken in the region {region_of(entry.data_region)}; send them there",
            headers={"Connection": "close"},
            **address,
        )

    def public_address(self, request: Request) -> str:
        """The address of a request as its sender was told it: some sign it."""
        told = self.settings.receiver.public_url
        if told is None:
            return str(request.url)
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.scope.get("raw_path", b"").decode("latin-1") or request.url.path
        return f"{told.rstrip('/')}{path}{query}"

    def _committed(self, committed: Committed) -> None:
        self.hints.tell(committed.lanes, committed.fetches)
        self.metrics.note_commit(committed)
