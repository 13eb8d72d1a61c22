"""The shared quota: one token bucket per destination, whatever the number of workers and machines.

The bucket is a Lua script on Redis's clock (docs/decisions/0011-governor.md). It slows down for everybody when one
worker is refused, and speeds up again by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connectors.kit import Usage
from pipeline.delivery.shared_state import SharedScript, translated_redis_errors

if TYPE_CHECKING:
    from redis import Redis

_MICROSECONDS = 1_000_000


class QuotaState(msgspec.Struct, frozen=True):
    """One bucket as `afluente status` shows it. `factor` is the share of the rate in force, 1.0 unless slowed down."""

    factor: float
    blocked_seconds: float
    used: int | None = None
    limit: int | None = None


class Governor:
    """Grants calls. Fails closed: every method raises TransientError while Redis is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._script = SharedScript(client, "governor")

    def take(self, destination: str, tokens: int = 1, *, rate: float, burst: int, reserve: int = 0) -> float:
        """Take `tokens` calls at `rate` calls per second. Returns the seconds to wait, 0.0 when granted.

        A lane that may wait leaves `reserve` tokens in the bucket, so that the hot lane finds them at once. A caller
        told to wait has taken nothing and asks again.
        """
        return self._script.run(destination, "take", tokens, rate, burst, reserve) / _MICROSECONDS

    def give_back(self, destination: str, tokens: int = 1) -> None:
        """Return calls that were granted and not made."""
        self._script.run(destination, "return", tokens)

    def slow_down(self, destination: str, retry_after: float) -> None:
        """The destination refused a call: nobody calls for `retry_after` seconds, then at half the rate.

        Refusals of calls that were under way together halve the rate once. It recovers in steps while none comes.
        """
        self._script.run(destination, "slow", retry_after)

    def observe(self, destination: str, usage: Usage) -> None:
        """Note what the destination said of its long quota (a day's calls). Near its end only the hot lane calls."""
        if usage.used is not None and usage.limit is not None:
            self._script.run(destination, "observe", usage.used, usage.limit)

    def state(self, destination: str) -> QuotaState:
        """The bucket as it stands; for reports only, because it is old as soon as it is read."""
        with translated_redis_errors():
            pipe = self._client.pipeline(transaction=False)
            pipe.time()
            pipe.hmget(self._script.key(destination), "factor", "blocked_until", "used", "limit")
            (seconds, microseconds), (factor, blocked_until, used, limit) = pipe.execute()
        now = seconds * _MICROSECONDS + microseconds
        return QuotaState(
            factor=float(factor or 1),
            blocked_seconds=max(0.0, (float(blocked_until or 0) - now) / _MICROSECONDS),
            used=int(used) if used is not None else None,
            limit=int(limit) if limit is not None else None,
        )
