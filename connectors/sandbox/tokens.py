"""Access tokens that a dialect has issued, in memory: who starts the sandbox again is asked to fetch new ones."""

from __future__ import annotations

import secrets
import threading
import time

from connectors.sandbox.dialects.dialect import Request


class IssuedTokens:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}  # monotonic seconds

    def issue(self, life_seconds: float) -> str:
        """A new token; those that ran out are forgotten."""
        token = secrets.token_urlsafe(24)
        now = time.monotonic()
        with self._lock:
            self._until = {known: until for known, until in self._until.items() if until > now}
            self._until[token] = now + life_seconds
        return token

    def let_in(self, request: Request) -> bool:
        """Whether the request brings a bearer token that holds."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            return scheme.lower() == "bearer" and self._until.get(token, 0.0) > time.monotonic()
