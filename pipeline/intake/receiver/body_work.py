"""Work on bodies beside the event loop: checked, unpacked and read in a few threads, each source with its share.

What is small is done at once. A larger body is done in a thread while the loop serves the others; a source that sends
many of them waits for its own, and beyond a number it is asked to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.intake.receiver.answers import refused_later

SMALL_BYTES = 8_192  # done in the event loop: less than a millisecond
_THREADS = 3
_SOURCE_THREADS = 2  # of one source at once, so that one thread is for the others
_WAITING = 100  # bodies of one source
Done = TypeVar("Done")


class BodyWork:
    """Built in the process that serves; used in its event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="intake-body")
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._waiting: dict[str, int] = {}

    async def run(self, source: str, size: int, work: Callable[[], Done]) -> Done:
        """What `work` gives or raises. `size` is that of the body; 503 if too many of this source wait already."""
        if size <= SMALL_BYTES:
            return work()
        if self._waiting.get(source, 0) >= _WAITING:
            raise refused_later(503, "busy", "too many large bodies of this source wait here; send it again", seconds=5)
        share = self._shares.setdefault(source, asyncio.Semaphore(_SOURCE_THREADS))
        self._waiting[source] = self._waiting.get(source, 0) + 1
        try:
            async with share:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting[source] -= 1

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
