"""The calls that one worker was granted and has not made yet: a writer takes one from here before each call.

So calls made never exceed calls granted, whatever a write comes to; what was not used is given back.
"""

from __future__ import annotations

import time

from connectors.kit import Usage
from pipeline.delivery.governor import Counted, Governor, Grant
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import QuotaError
from pipeline.lanes import BULK, HOT

_HOT_RESERVE_SHARE = 4  # the bulk lane leaves a fourth of a full bucket to the hot lane
_REFUSED_SECONDS = 1.0  # after a refusal that the window explains: it is asked anew before each call


class Grants:
    """Of one worker, for one destination at a time. Every method raises TransientError while Redis is away."""

    def __init__(self, governor: Governor, *, is_hot: bool) -> None:
        self._governor = governor
        self._is_hot = is_hot
        self._writer: OpenWriter | None = None
        self._held: list[int] = []  # when each was granted, on Redis's clock
        self._has_announced = False
        self._counted: list[Counted] = []
        self._usage_before: Usage | None = None
        self.waits_for: str | None = None

    def begin(self, writer: OpenWriter) -> float:
        """The calls of a first write. Returns the seconds to wait, 0.0 if granted: then the writer takes its calls from
        here until `end`."""
        self._writer = writer
        wait = self._take(writer.quota.calls_per_write)
        if wait == 0:
            self._has_announced = False
            self._counted = []
            writer.calls.listener = self._before_call
        return wait

    def take_for_write(self) -> float:
        """The calls of a further write, as far as those of the one before are used up. Returns the seconds to wait."""
        self._charge_silent()
        missing = self._opened.quota.calls_per_write - len(self._held)
        return self._take(missing) if missing > 0 else 0.0

    def observe(self, usage: Usage) -> None:
        """What the CRM said. Only if an answer of this worker's latest call said it: else it is of an earlier one."""
        if usage is not self._usage_before:
            quota = self._opened.quota
            self._governor.observe(quota.account, usage, counted=self._counted, windows=quota.windows)

    def end(self, *, was_written: bool) -> None:
        """No more calls: gives back what is left. A writer that announces none is charged for one a write."""
        quota = self._opened.quota
        self._opened.calls.listener = None
        if was_written:
            self._charge_silent()
        held, self._held = self._held, []
        for at in set(held):
            self._governor.give_back(quota.account, held.count(at), at=at, windows=quota.windows)

    def refused(self, error: QuotaError) -> float:
        """The CRM refused a call for its quota. Returns the seconds to leave it alone."""
        quota = self._opened.quota
        if error.window in {window.name for window in quota.windows}:
            self._governor.fill(quota.account, error.window or "", windows=quota.windows)
            return _REFUSED_SECONDS
        self._governor.slow_down(quota.account, error.retry_after)
        return error.retry_after

    @property
    def _opened(self) -> OpenWriter:
        if self._writer is None:
            raise RuntimeError("no calls were granted yet")
        return self._writer

    def _take(self, calls: int, *, is_urgent: bool = False) -> float:
        """`is_urgent`: of a write that has begun; to leave it half done would cost its calls once more."""
        is_hot = self._is_hot or is_urgent
        quota = self._opened.quota
        granted = self._governor.take(
            quota.account,
            calls,
            rate=quota.rate,
            burst=quota.burst,
            reserve=0 if is_hot else quota.burst // _HOT_RESERVE_SHARE,
            windows=quota.windows,
            lane=HOT if is_hot else BULK,
        )
        if granted.wait == 0:
            self._held += [granted.at] * calls
        else:
            self.waits_for = self._why(granted)
        return granted.wait

    def _why(self, granted: Grant) -> str:
        if granted.waits_for is None:
            return "its quota"
        return f"its quota: the window {granted.waits_for} of account {self._opened.quota.account} is full"

    def _charge_silent(self) -> None:
        """Of a writer that did not say so it is known that it made a call."""
        if not self._has_announced and self._held:
            self._held.pop()
        self._has_announced = False

    def _before_call(self, cost: int = 1) -> None:
        """Called by the writer: the calls begin now. Waits for a further grant as long as a call may take."""
        quota, patience = self._opened.quota, time.monotonic() + self._opened.timeout_seconds
        self._has_announced = True
        while True:
            if (missing := cost - len(self._held)) <= 0:
                at = self._held[0]
                spent = self._governor.spend(quota.account, cost, at=at, windows=quota.windows) if quota.windows else []
                self._held = self._held[cost:]
                if spent is not None:
                    self._counted = spent
                    self._usage_before = self._opened.usage
                    return
                continue  # granted too long ago: it is nobody's any more
            wait = self._take(missing, is_urgent=True)
            if wait > 0 and time.monotonic() + wait > patience:
                raise QuotaError(f"{self._opened.destination}: {self.waits_for}", retry_after=wait)
            time.sleep(wait)
