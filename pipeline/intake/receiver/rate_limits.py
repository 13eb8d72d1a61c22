"""How fast one source may post: a token bucket per source in this process, refilled all the time."""

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
    """Buckets by name. `take` gives the seconds to wait, 0 if the request may pass."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[object, _Bucket] = {}

    def take(self, name: object, *, rate_per_second: float | None) -> float:
        """`rate_per_second` None or 0: no limit."""
        if not rate_per_second:
            return 0.0
        now = self._clock()
        burst = max(_LEAST_BURST, rate_per_second * _BURST_SECONDS)
        bucket = self._buckets.setdefault(name, _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate_per_second)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / rate_per_second
        bucket.tokens -= 1
        return 0.0
