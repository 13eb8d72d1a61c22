"""What one provider holds and how it answers: records by address, in the words of its own API."""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.providers.listing import Listing

_GRAPH_CODES = {400: 100, 401: 190, 403: 10, 404: 100, 429: 4, 500: 2, 503: 2}
_OVER_LIMIT, _GONE, _NO_TOKEN = 429, 404, 401


@dataclass
class Provider:
    """One source's API. `records` and `lists` by path; `tokens` are those that are let in, None: any. `key_header`: the
    header that they are shown in, in lower case; None: as a bearer's, or as a password.

    `lives`: calls that a token still lets in before it has expired, `life`: those of a token that is not there;
    `per_second`: calls that it takes; `fails`: statuses that it answers instead, one a call; `broken`: paths that
    always fail, with the status.

    `calls` counts answers by path and status. Safe to be asked from several threads.
    """

    source: str
    records: dict[str, Any] = field(default_factory=dict, repr=False)
    tokens: set[str] | None = None
    key_header: str | None = None
    lives: dict[str, int] = field(default_factory=dict, repr=False)
    life: int | None = None
    per_second: float | None = None
    retry_after: str | None = None
    latency_seconds: float = 0.0
    fails: list[int] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)
    lists: dict[str, Listing] = field(default_factory=dict, repr=False)
    raw: dict[str, bytes] = field(default_factory=dict, repr=False)  # bodies as they are, in place of records
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    _moments: list[float] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(self, request: Request, path: str) -> Reply:
        """`path` is that of the provider's own API."""
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        with self._guard:
            reply = self._answer(request, path)
            self.calls[path, reply.status] += 1
        return reply

    def count(self, status: int | None = None) -> int:
        """Answers in all, or those of a status."""
        with self._guard:
            return sum(number for (_, known), number in self.calls.items() if status in (None, known))

    def _answer(self, request: Request, path: str) -> Reply:
        route = f"{request.method} providers/{self.source}"
        token = self._token_of(request)
        is_known = bool(token) and self._lets_in(token)
        refusal = self.broken.get(path)
        if self.fails:
            refusal = self.fails.pop(0)
        elif not is_known:
            refusal = _NO_TOKEN
        elif self._is_over_limit():
            refusal = _OVER_LIMIT
        if refusal is None and path in self.raw:
            return Reply(200, self.raw[path], route)
        if refusal is None and request.method == "GET" and path in self.records:
            return json_reply(200, self.records[path], route)
        if refusal is None and path in self.lists:
            return self.lists[path].answer(request, route)
        return self._failure(refusal or _GONE, route)

    def _token_of(self, request: Request) -> str:
        """What is shown; "" where nothing is."""
        if self.key_header is not None:
            return request.headers.get(self.key_header, "")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return _password_in(token)
        return token if scheme.lower() == "bearer" else ""

    def _lets_in(self, token: str) -> bool:
        if self.tokens is not None and token not in self.tokens:
            return False
        if self.life is not None:
            self.lives.setdefault(token, self.life)
        if token in self.lives:
            self.lives[token] -= 1
        return self.lives.get(token, 0) >= 0

    def _is_over_limit(self) -> bool:
        if self.per_second is None:
            return False
        now = time.monotonic()
        self._moments = [moment for moment in self._moments if now - moment < 1.0]
        if len(self._moments) >= self.per_second:
            return True
        self._moments.append(now)
        return False

    def _failure(self, status: int, route: str) -> Reply:
        headers = {"Retry-After": self.retry_after} if self.retry_after and status in (429, 503) else {}
        told, body = _worded(self.source, status)
        return json_reply(told, body, route, headers=headers)


def _password_in(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _worded(source: str, status: int) -> tuple[int, Mapping[str, Any]]:
    """How a provider words a failure. Meta's Graph says nearly all of them with 400 and a code of its own."""
    if source != "meta_lead_ads":
        return status, {"status": status, "message": "played by the sandbox"}
    told = status if status >= 500 else 400
    return told, {"error": {"code": _GRAPH_CODES.get(status, 1), "type": "OAuthException", "message": "played"}}
