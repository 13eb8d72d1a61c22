"""Stops calling a destination that is down, for all workers at once, and lets a single call find out when it is back.

Pauses come from here and not from the rows: while the breaker is open nothing is claimed, so an outage of any length
costs no delivery an attempt. Wiped with Redis, it is closed again: the next calls fail and open it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pipeline.delivery.shared_state import SharedScript, translated_redis_errors

if TYPE_CHECKING:
    from redis import Redis

_MICROSECONDS = 1_000_000
_FAILURES_TO_OPEN = 3  # claims in a row, over all workers, of which no record was answered for
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0  # one probe each half minute finds the end of an outage soon enough


class BreakerState(msgspec.Struct, frozen=True):
    """One breaker as `afluente status` shows it: `state` is closed, open or half_open; `reason` holds no value."""

    state: str
    failures: int = 0
    open_seconds: float = 0.0
    reason: str | None = None


class Breaker:
    """Fails closed as the governor does: every method raises TransientError while Redis is away."""

    def __init__(
        self,
        client: Redis,
        *,
        failures_to_open: int = _FAILURES_TO_OPEN,
        first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._script = SharedScript(client, "breaker")
        self._failures_to_open = failures_to_open
        self._first_pause = int(first_pause_seconds * _MICROSECONDS)
        self._longest_pause = int(longest_pause_seconds * _MICROSECONDS)

    def ask(self, destination: str, *, probe_seconds: float) -> float:
        """May a call be made? Returns the seconds to wait, 0.0 for yes.

        Half-open, the one who got 0.0 is the probe and must report `success`, `failure` or `halt` within
        `probe_seconds`; then the next one is asked to probe.
        """
        return self._script.run(destination, "ask", int(probe_seconds * _MICROSECONDS)) / _MICROSECONDS

    def decline(self, destination: str) -> None:
        """The one who was allowed to call had nothing to send: another may be the probe."""
        self._script.run(destination, "decline")

    def success(self, destination: str) -> bool:
        """A call was answered: closed. True if it was open until now."""
        return self._script.run(destination, "success") == 1

    def failure(self, destination: str, reason: str) -> bool:
        """A claim's calls came to nothing. The pause doubles each time the breaker opens again. True if it was closed
        until now and is open."""
        pauses = (self._failures_to_open, self._first_pause, self._longest_pause)
        return self._script.run(destination, "failure", *pauses, reason) == 1

    def halt(self, destination: str, seconds: float, reason: str) -> bool:
        """Nobody calls for `seconds`: the destination needs a human (bad credentials). Then one probe looks again. True
        if it was closed until now."""
        return self._script.run(destination, "halt", int(seconds * _MICROSECONDS), reason) == 1

    def resume(self, destination: str) -> bool:
        """Whoever mended what it needed says so: calls go on at once. True if they were halted."""
        return self.success(destination)

    def state(self, destination: str) -> BreakerState:
        """The breaker as it stands, for reports."""
        with translated_redis_errors():
            pipe = self._client.pipeline(transaction=False)
            pipe.time()
            pipe.hmget(self._script.key(destination), "failures", "open_until", "reason")
            (seconds, microseconds), (failures, open_until, reason) = pipe.execute()
        if open_until is None:
            return BreakerState("closed", failures=int(failures or 0), reason=reason)
        left = (int(open_until) - seconds * _MICROSECONDS - microseconds) / _MICROSECONDS
        return BreakerState("open" if left > 0 else "half_open", int(failures or 0), max(0.0, left), reason)
