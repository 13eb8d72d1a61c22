"""Work on bodies beside the event loop: checked, unpacked and sealed in a few threads, read in other processes.

What is small is done at once. A larger body is done elsewhere while the loop serves the others; a source that sends
many of them waits for its own, and beyond a number or a time it is asked to come back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.intake.posted.readers import MOST
from pipeline.intake.receiver.answers import RefusedError, refused_later

SMALL_BYTES = 8_192  # done in the event loop: less than a millisecond
_UNPROVEN_BYTES = 4_096  # the same for what anybody may have sent
_UNPROVEN_MARKS = 300  # of what parts values in all formats: the time that reading takes grows with them
_MARKS = (b",", b"&", b"{", b"[", b";", b"\n")
_THREADS = 3
_SOURCE_THREADS = 2  # of one source at once, so that one thread is for the others
_SOURCE_READERS = 1
_WAITING = 100  # bodies of one source
_WAIT_SECONDS = 10.0
Done = TypeVar("Done")


def is_read_at_once(body: bytes, *, is_proven: bool) -> bool:
    """Whether a body is read within a millisecond or two, whatever it holds."""
    if is_proven:
        return len(body) <= SMALL_BYTES
    return len(body) <= _UNPROVEN_BYTES and sum(map(body.count, _MARKS)) <= _UNPROVEN_MARKS


class BodyWork:
    """Built in the process that serves; used in its event loop."""

    def __init__(self) -> None:
        self._threads = _Shared(_THREADS, _SOURCE_THREADS, "intake-body")
        self._readers = _Shared(MOST, _SOURCE_READERS, "intake-read")  # a thread for each process, which only waits

    async def run(self, source: str, size: int, work: Callable[[], Done]) -> Done:
        """What `work` gives or raises. `size` is that of the body; 503 if too many of this source wait already."""
        return work() if size <= SMALL_BYTES else await self._threads.run(source, work)

    async def read(self, source: str, read: Callable[[], Done]) -> Done:
        """What `read`, which asks a reader, gives or raises. 503 as above."""
        return await self._readers.run(source, read)

    def stop(self) -> None:
        self._threads.stop()
        self._readers.stop()


class _Shared:
    """Threads of which each source has a share."""

    def __init__(self, threads: int, of_source: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._of_source = of_source
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()

    async def run(self, source: str, work: Callable[[], Done]) -> Done:
        """Raises RefusedError."""
        if self._waiting[source] >= _WAITING:
            raise _busy()
        share = self._shares.setdefault(source, asyncio.Semaphore(self._of_source))
        self._waiting[source] += 1
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await share.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting[source] -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            share.release()

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _busy() -> RefusedError:
    return refused_later(503, "busy", "too many large bodies of this source wait here; send it again", seconds=5)
