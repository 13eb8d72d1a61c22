"""A line to a CRM that speaks HTTP: requests are passed on, counted, and answered wrongly where a check orders it.

It stands between a writer and whatever answers for the CRM, a sandbox or a test account, so that each fault is made in
one place for all kinds and needs nothing of them. It listens on this machine and logs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests

_PATIENCE_SECONDS = 30.0
_LONGEST_FORM = 4_000  # of a request for a token, in bytes
_NOT_PASSED_ON = {"connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive"}


@dataclass(frozen=True, slots=True)
class LineAnswer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Spoil = Callable[[LineAnswer], LineAnswer]


class Pace:
    """At most `burst` calls at once, and `per_second` from then on: a test account has its limits too."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, float(burst)
        self._left = self._burst
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, cost: int = 1) -> None:
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - cost
            self._at = now
            wait = -self._left / self._per_second
        time.sleep(max(0.0, wait))


class Line:
    """Use it as a context manager. Requests for an access token are known by their `grant_type`: no fault strikes
    them, and they are counted apart. `keeps_host`: the line's own address stands in `Host`, for a sandbox that compares
    it with what else a request says; a CRM far away wants its own. `pace` holds for what is passed on.
    `asks_plain`: False for a server that calls an answer packed which is not, where it is asked for plain ones."""

    def __init__(
        self, upstream: str, *, keeps_host: bool = False, pace: Pace | None = None, asks_plain: bool = True
    ) -> None:
        self._pace = pace
        self._asks_plain = asks_plain
        self._upstream = upstream.rstrip("/")
        self._not_passed_on = _NOT_PASSED_ON if keeps_host else _NOT_PASSED_ON | {"host"}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.line = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._session = requests.Session()
        self._session.trust_env = False
        self._lock = threading.Lock()
        self.calls = 0
        self.token_calls = 0
        self.be_well()

    def be_well(self) -> None:
        """No fault, and no request counted."""
        self.answer: LineAnswer | None = None  # given in place of passing on
        self.spoil: Spoil | None = None
        self.headers: Mapping[str, str] = {}  # added to each answer that is passed on, or given
        self.loses_answers = False  # requests are passed on, and the connection is cut
        self.hangs_up = False
        self.waits_seconds = 0.0
        self.refuses_tokens = False
        self.refused_token: str | None = None  # "" stands for the first one that comes
        self.calls = self.token_calls = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._session.close()

    def reply(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> LineAnswer | None:
        """What to answer; None hangs up."""
        is_for_token = self.is_for_token(method, body)
        with self._lock:
            if is_for_token:
                self.token_calls += 1
            else:
                self.calls += 1
        if is_for_token:
            return self.pass_on(method, path, headers, body)
        if self.hangs_up:
            return None
        if self.refuses_tokens or self._is_refused(headers.get("authorization", "")):
            return LineAnswer(401, {"Content-Type": "application/json", **self.headers}, b'{"error": "expired"}')
        time.sleep(self.waits_seconds)
        if self.answer is not None:
            return LineAnswer(self.answer.status, {**self.answer.headers, **self.headers}, self.answer.body)
        answer = self.pass_on(method, path, headers, body)
        if self.loses_answers:
            return None
        if self.spoil is not None:
            answer = self.spoil(answer)
        return LineAnswer(answer.status, {**answer.headers, **self.headers}, answer.body)

    @staticmethod
    def is_for_token(method: str, body: bytes) -> bool:
        return method == "POST" and b"grant_type" in body[:_LONGEST_FORM]

    def _is_refused(self, token: str) -> bool:
        with self._lock:
            if self.refused_token == "":
                self.refused_token = token
            return self.refused_token is not None and self.refused_token == token

    def pass_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> LineAnswer:
        if self._pace is not None:
            self._pace.wait()
        kept = {name: value for name, value in headers.items() if name not in self._not_passed_on}
        if self._asks_plain:
            kept["accept-encoding"] = "identity"
        with self._lock:  # a session is not for sharing; checks make one call at a time anyway
            answer = self._session.request(
                method,
                self._upstream + path,
                data=body,
                headers=kept,
                timeout=_PATIENCE_SECONDS,
                allow_redirects=False,
            )
        back = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON}
        return LineAnswer(answer.status_code, back, answer.content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    line: Line

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A writer that hangs up is nothing to write about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.line.reply(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815 - the names the base class looks for

    def log_message(self, *_: Any) -> None:
        """Paths hold external ids; nothing is logged."""
