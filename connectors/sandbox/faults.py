"""What the sandbox does wrong on request: the ways in which real CRMs fail, with rates, to be rehearsed."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import msgspec

from connectors.kit.errors import ConfigurationError


class RecordFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Refuse single records with `code`, at `rate` (0 to 1). `on_call`: only in that call with records, counted from
    the order, the first is 1."""

    code: str
    field: str | None = None
    rate: float = 1.0
    on_call: int | None = None
    message: str = "refused by the sandbox on request"


class FaultSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rates are shares of calls, 0 to 1. Everything holds for `seconds` from now, or until the next order.

    `status` answers that instead of working, at `rate`. `drop_connection` hangs up before working, `write_then_drop`
    after it; `write_then_fail` works and answers 500: a repeat must then change nothing. `short_answer` leaves results
    out of a 200, `garbled_answer` makes it HTML. `retry_after` (seconds) accompanies `status`.
    """

    status: int | None = None
    rate: float = 1.0
    seconds: float | None = None
    retry_after: float | None = None
    latency_ms: float = 0.0
    limit_per_second: float | None = None
    burst: float | None = None  # calls at once that the limit allows; as many as a second's if not given
    daily_limit: int | None = None
    record_error: RecordFault | None = None
    drop_connection: float = 0.0
    write_then_fail: float = 0.0
    write_then_drop: float = 0.0
    short_answer: float = 0.0
    garbled_answer: float = 0.0
    token_seconds: float | None = None  # access tokens live this long
    on: str = ""  # paths that begin so, if not the CRM's own; "/feed" for the polled feed


def parse_faults(spec: str | bytes) -> FaultSpec:
    """From JSON, or from `status=500,rate=0.1,seconds=20`. Raises ConfigurationError naming what is wrong."""
    text = spec.decode(errors="replace") if isinstance(spec, bytes) else spec
    try:
        if text.strip().startswith("{") or not text.strip():
            return msgspec.json.decode(text or "{}", type=FaultSpec)
        pairs = (part.partition("=") for part in text.split(","))
        return msgspec.convert({name.strip(): value.strip() for name, _, value in pairs}, FaultSpec, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigurationError(
            f"faults: {error}; allowed: {', '.join(FaultSpec.__struct_fields__)}, as JSON or as name=value,name=value"
        ) from error


class Faults:
    """The faults in force, with a clock for those that end. Safe to share between threads."""

    def __init__(self, spec: FaultSpec) -> None:
        # Where the API of the CRM begins: faults strike there, if the order names no other.
        self.paths: str | tuple[str, ...] = "/"
        self._lock = threading.Lock()
        self._random = random.Random()  # noqa: S311 - dice, not secrets
        self.order(spec)

    def order(self, spec: FaultSpec) -> None:
        """Replace everything that was in force."""
        with self._lock:
            self._spec = spec
            self._until = None if spec.seconds is None else time.monotonic() + spec.seconds
            self._tokens = self._capacity(spec)
            self._filled_at = time.monotonic()
            self._write_calls = 0

    def current(self, path: str | None = None) -> FaultSpec:
        """The faults in force now, for `path` if given."""
        with self._lock:
            if self._until is not None and time.monotonic() >= self._until:
                self._spec, self._until = FaultSpec(), None
            spec = self._spec
        return spec if path is None or path.startswith(spec.on or self.paths) else FaultSpec()

    def strikes(self, rate: float) -> bool:
        return rate > 0 and (rate >= 1 or self._random.random() < rate)

    def strikes_record(self, spec: FaultSpec, count: int) -> list[bool]:
        """Which of a call's records `record_error` refuses."""
        fault = spec.record_error
        if fault is None:
            return [False] * count
        with self._lock:
            self._write_calls += 1
            is_meant = fault.on_call in (None, self._write_calls)
        return [is_meant and self.strikes(fault.rate) for _ in range(count)]

    def is_over_limit(self, spec: FaultSpec) -> bool:
        """Takes one call from the bucket of `limit_per_second`."""
        if spec.limit_per_second is None:
            return False
        with self._lock:
            now = time.monotonic()
            gained = (now - self._filled_at) * spec.limit_per_second
            self._tokens = min(self._capacity(spec), self._tokens + gained)
            self._filled_at = now
            if self._tokens < 1:
                return True
            self._tokens -= 1
            return False

    @staticmethod
    def _capacity(spec: FaultSpec) -> float:
        return max(1.0, spec.burst or spec.limit_per_second or 1.0)


def as_json(spec: FaultSpec) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(spec)
    return fields
