"""HTTP on a real socket, answered by a function."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A request as it came; `path` with its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answered = tuple[int, dict[str, str], bytes]  # status, headers, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Callable[[Call], Answered]

    def respond(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.answer(Call(self.command, self.path, dict(self.headers), content))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *about: Any) -> None:
        """Who asked was killed, or the test ends the call: nothing to say. Anything else is a fault of the answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*about)


@contextmanager
def serving_http(answer: Callable[[Call], Answered], *, methods: Sequence[str] = ("GET",)) -> Iterator[str]:
    """The address (`http://127.0.0.1:PORT`) at which these methods are answered until the end of the block, each call
    in a thread of its own; the others get a 501."""
    ways = {f"do_{method}": _Handler.respond for method in methods}
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"answer": staticmethod(answer), **ways}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
