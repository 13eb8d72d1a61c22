"""Takes the answer of a browser that runs on this machine: a server on the loopback address, for one redirect."""

from __future__ import annotations

import hmac
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from pipeline.errors import RefusedError, UsageError

_PATIENCE_SECONDS = 600.0
_SILENCE_SECONDS = 5.0  # of a connection that says nothing: others wait behind it
_HOSTS = ("localhost", "127.0.0.1")
_PAGE = b"<!doctype html><meta charset=utf-8><title>Afluente</title><p>Done. You may close this window."


class Redirects:
    """Listens from the moment it is made, so that no answer comes too early. Used as a context.

    Raises UsageError for an address that is not of this machine, RefusedError if its port is taken.
    """

    def __init__(self, redirect_url: str, *, state: str) -> None:
        parts = urlsplit(redirect_url)
        if parts.scheme != "http" or parts.hostname not in _HOSTS or parts.port is None:
            raise UsageError(
                "only a redirect address such as http://localhost:8400/callback can be listened at, not"
                f" {redirect_url}: leave --listen out and paste the address that the browser is led to"
            )
        self._path = parts.path or "/"
        self._state = state
        try:
            self._server = HTTPServer(("127.0.0.1", parts.port), self._handler())
        except OSError as error:
            raise RefusedError(
                f"port {parts.port} is taken ({error.strerror}): leave --listen out and paste the address"
            ) from error
        self._found: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, *, seconds: float = _PATIENCE_SECONDS) -> str:
        """The path and query that the browser was led to. What belongs to another attempt is passed over.

        Raises RefusedError if nobody comes.
        """
        until = time.monotonic() + seconds
        while self._found is None:
            self._server.timeout = until - time.monotonic()
            if self._server.timeout <= 0:
                raise RefusedError(f"nobody agreed within {seconds:.0f} s: begin again")
            self._server.handle_request()
        return self._found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        redirects = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _SILENCE_SECONDS

            def do_GET(self) -> None:
                status, page = redirects._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: Any) -> None:
                """Nothing: a request's line holds the code."""

        return Handler

    def _answer(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        if (parts.path or "/") != self._path:
            return 404, b""
        given = parse_qs(parts.query).get("state", [""])[0]
        if not hmac.compare_digest(given.encode(), self._state.encode()):
            return 400, b"This belongs to another attempt."
        self._found = target
        return 200, _PAGE
