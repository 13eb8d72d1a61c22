"""How long to wait after a failure: exponential, with jitter, never less than the other side asked for."""

from __future__ import annotations

import random

_BASE_SECONDS = 1.0
_FACTOR = 3.0  # the first tries come within seconds, and twelve of them last about three hours
_LONGEST_SECONDS = 3600.0


def backoff_seconds(
    attempts: int,
    *,
    retry_after: float | None = None,
    base: float = _BASE_SECONDS,
    longest: float = _LONGEST_SECONDS,
) -> float:
    """Seconds until the next try after `attempts` failed ones (1 = the first failure).

    The delay triples each time. Half of it is fixed and half is drawn at random: workers that failed together come back
    apart, and none comes back at once. A `retry_after` is a floor to which up to a tenth is added, for the same reason.
    """
    delay = min(longest, base * _FACTOR ** min(max(attempts, 1) - 1, 30))
    jittered = delay / 2 + random.uniform(0, delay / 2)  # noqa: S311 - spreads load, guards nothing
    if retry_after is None:
        return jittered
    return max(jittered, retry_after * random.uniform(1.0, 1.1))  # noqa: S311 - as above
