"""Group commit: requests hand over their events and sleep; two threads store whatever waits, one transaction a group.

A request is answered only after the commit that holds its events. The queue is bounded: when the database is slow or
away, requests are refused at once rather than piled up. docs/decisions/0010-receiver.md has the figures.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import AfluenteError, TransientError
from pipeline.intake.contents import store_events
from pipeline.logs import get_logger
from pipeline.records import NewEvent, Receipt
from pipeline.store.engine import transaction

WAITING_EVENTS = 5_000  # in the queue; a sender with more gets 503 at once
WAIT_SECONDS = 10.0  # for a commit; most senders wait 5 to 30 s for an answer
_log = get_logger(__name__)


class OverloadedError(TransientError):
    """More events wait for the database than may wait."""


@dataclass(slots=True)
class _Waiting:
    """Events of one request: stored together or not at all."""

    events: Sequence[NewEvent]
    answer: asyncio.Future[list[Receipt]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit did: `seconds` is the time between taking the group and its commit. `lanes` have events to map,
    `fetches` are (source, brand) of which records are to be read first."""

    events: int
    seconds: float
    lanes: frozenset[str]
    fetches: frozenset[tuple[str, str]] = frozenset()


def store_group(events: Sequence[NewEvent]) -> list[Receipt]:
    """Store events in one synchronous transaction of their own."""
    with transaction() as connection:
        return store_events(connection, events)


class GroupWriter:
    """Collects events of concurrent requests into few commits.

    `on_commit` is called from a writer thread after each commit; it must be quick and must not raise.
    """

    def __init__(
        self,
        *,
        store: Callable[[Sequence[NewEvent]], list[Receipt]] = store_group,
        on_commit: Callable[[Committed], None] = lambda _: None,
        threads: int = 2,
        group_events: int = 500,
    ) -> None:
        self._store = store
        self._on_commit = on_commit
        self._group_events = group_events
        self._queue: deque[_Waiting] = deque()
        self._queued = 0  # events in the queue
        self._changed = threading.Condition()
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"intake-writer-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]

    def start(self) -> None:
        """Called in the event loop whose requests will wait."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_seconds: float = 20.0) -> None:
        """Store what waits, then end. Blocks until then, at most `timeout_seconds`."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    async def write(self, events: Sequence[NewEvent]) -> list[Receipt]:
        """Receipts in the order of `events`, after the commit that stored all of them.

        Raises OverloadedError if too much waits already, TransientError if the database did not commit in time: then
        it may or may not hold the events, and the sender's second try is recognized by its idempotency keys.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(events, loop.create_future())
        with self._changed:
            if self._is_stopping:
                raise TransientError("the receiver is stopping")
            if self._queue and self._queued + len(events) > WAITING_EVENTS:
                raise OverloadedError(f"{self._queued} events wait for the database already")
            self._queue.append(waiting)
            self._queued += len(events)
            self._changed.notify()
        limit = loop.call_later(WAIT_SECONDS, _expire, waiting.answer)  # far cheaper than wait_for
        try:
            return await waiting.answer
        finally:
            limit.cancel()

    @property
    def queued(self) -> int:
        """Events that wait for a writer."""
        return self._queued

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._is_stopping:
                    self._changed.wait()
                if not self._queue:
                    return
                group = self._take()
            self._write_group(group)

    def _take(self) -> list[_Waiting]:
        group = [self._queue.popleft()]
        size = len(group[0].events)
        while self._queue and size + len(self._queue[0].events) <= self._group_events:
            group.append(self._queue.popleft())
            size += len(group[-1].events)
        self._queued -= size
        return group

    def _write_group(self, group: list[_Waiting]) -> None:
        group = [waiting for waiting in group if not waiting.answer.done()]  # too late for the others
        if not group:
            return
        events = [event for waiting in group for event in waiting.events]
        begun = time.perf_counter()
        try:
            receipts = self._store_with_one_retry(events)
        except AfluenteError as error:
            _log.warning("group_not_committed", events=len(events), error=str(error))
            self._wake(group, error)
        except Exception as error:  # noqa: BLE001 - a bug, or one record that no table takes: find whose it is
            if len(group) == 1:
                _log.error("events_not_stored", events=len(events), error=type(error).__name__)
                self._wake(group, error)
                return
            for half in (group[: len(group) // 2], group[len(group) // 2 :]):
                self._write_group(half)
        else:
            self._on_commit(
                Committed(
                    len(events),
                    time.perf_counter() - begun,
                    frozenset(event.lane for event in events if not event.to_fetch),
                    frozenset((event.source, event.brand) for event in events if event.to_fetch),
                )
            )
            self._wake(group, receipts)

    def _store_with_one_retry(self, events: Sequence[NewEvent]) -> list[Receipt]:
        """After a restart of the database each pooled connection is stale once: that must not cost a sender its 2xx."""
        try:
            return self._store(events)
        except TransientError:
            return self._store(events)

    def _wake(self, group: Sequence[_Waiting], result: list[Receipt] | Exception) -> None:
        """Answer the requests of a group: one call into the event loop, not one a request."""
        if self._loop is None:
            raise AssertionError("a writer writes only after start()")
        try:
            self._loop.call_soon_threadsafe(_settle, group, result)
        except RuntimeError:  # the loop has ended: nobody is left to be told
            _log.debug("answer_without_loop")


def _settle(group: Sequence[_Waiting], result: list[Receipt] | Exception) -> None:
    at = 0
    for waiting in group:
        begin, at = at, at + len(waiting.events)
        if waiting.answer.done():
            continue
        if isinstance(result, Exception):
            waiting.answer.set_exception(result)
        else:
            waiting.answer.set_result(result[begin:at])


def _expire(answer: asyncio.Future[list[Receipt]]) -> None:
    if not answer.done():
        answer.set_exception(TransientError(f"the database did not commit within {WAIT_SECONDS:g} s"))
