"""How fast a source may post: a token bucket for each in this process, refilled all the time; a token is a record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_LEAST_BURST = 10.0
_BURST_SECONDS = 2.0  # a quiet source may send this long at its rate all at once


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """Buckets by name, which must be names of ours: those that strangers choose would fill the memory. `most` of them
    are kept, and the one that was made first is forgotten; None: all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, most: int | None = None) -> None:
        self._clock = clock
        self._most = most
        self._buckets: dict[object, _Bucket] = {}

    def take(self, name: object, *, rate_per_second: float | None, burst: float | None = None) -> float:
        """Take a token: 0.0 if there was one, else the seconds until there is. A rate of None or 0 is no limit."""
        if not rate_per_second:
            return 0.0
        bucket = self._filled(name, rate_per_second, burst)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / rate_per_second
        bucket.tokens -= 1
        return 0.0

    def wait(self, name: object, *, rate_per_second: float, burst: float) -> float:
        """Seconds until there is a token, 0.0 if there is one. None is taken."""
        tokens = self._filled(name, rate_per_second, burst).tokens if name in self._buckets else burst
        return max(0.0, (1 - tokens) / rate_per_second)

    def charge(self, name: object, count: int, *, rate_per_second: float | None, burst: float | None = None) -> None:
        """Take more tokens of a request that was let in, also those that are not there: the next one waits for them.

        So a body of many records is taken whole, and over time no more records come than the rate says.
        """
        if rate_per_second and count > 0:
            self._filled(name, rate_per_second, burst).tokens -= count

    def _filled(self, name: object, rate_per_second: float, burst: float | None) -> _Bucket:
        now = self._clock()
        most = burst if burst is not None else max(_LEAST_BURST, rate_per_second * _BURST_SECONDS)
        bucket = self._buckets.get(name)
        if bucket is None:
            if self._most is not None and len(self._buckets) >= self._most:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[name] = _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate_per_second)
        bucket.at = now
        return bucket
