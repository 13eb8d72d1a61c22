"""HubSpot's limits: calls in ten seconds that roll, calls a day, and searches a second."""

from __future__ import annotations

import threading
import time
from collections import deque

import orjson

from connectors.sandbox.dialects.dialect import Reply
from connectors.sandbox.dialects.hubspot.errors import error

WINDOW_SECONDS = 10.0
CALLS_IN_WINDOW = 100  # of the smallest account
CALLS_A_DAY = 250_000
SEARCHES_A_SECOND = 5


class Limits:
    """Counts calls. Safe to share between threads."""

    def __init__(self) -> None:
        self.calls_in_window = CALLS_IN_WINDOW
        self.day_seconds = 86_400.0
        self._lock = threading.Lock()
        self._calls: deque[float] = deque()
        self._searches: deque[float] = deque()
        self._today = 0
        self._day_began = time.monotonic()

    def take(self, *, is_search: bool, daily_limit: int | None) -> tuple[str | None, dict[str, str]]:
        """The policy that a call is against, None if it may go on; and the headers of its answer: none of a search."""
        with self._lock:
            now = time.monotonic()
            if is_search:
                is_over = _is_over(self._searches, now - 1.0, SEARCHES_A_SECOND)
                if not is_over:
                    self._searches.append(now)
                return ("SECONDLY" if is_over else None), {}
            limit = CALLS_A_DAY if daily_limit is None else daily_limit
            policy = None
            if now - self._day_began >= self.day_seconds:  # HubSpot's day does not roll: it begins anew
                self._today, self._day_began = 0, now
            if self._today >= limit:
                policy = "DAILY"
            elif _is_over(self._calls, now - WINDOW_SECONDS, self.calls_in_window):
                policy = "TEN_SECONDLY_ROLLING"
            else:
                self._calls.append(now)
                self._today += 1
            headers = {
                "X-HubSpot-RateLimit-Max": str(self.calls_in_window),
                "X-HubSpot-RateLimit-Remaining": str(max(0, self.calls_in_window - len(self._calls))),
                "X-HubSpot-RateLimit-Interval-Milliseconds": f"{WINDOW_SECONDS * 1000:.0f}",
                "X-HubSpot-RateLimit-Daily": str(limit),
                "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, limit - self._today)),
            }
            return policy, headers


def refusal(policy: str, headers: dict[str, str] | None = None) -> Reply:
    message = f"You have reached your {policy.lower()} limit."
    body = {**error("RATE_LIMITS", message), "errorType": "RATE_LIMIT", "policyName": policy}
    return Reply(429, orjson.dumps(body), "limit", headers=headers or {})


def _is_over(calls: deque[float], since: float, limit: int) -> bool:
    while calls and calls[0] <= since:
        calls.popleft()
    return len(calls) >= limit
