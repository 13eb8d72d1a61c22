"""A system that is told by webhooks: a real HTTP server on a socket that notes what comes and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import standardwebhooks

SECRET = "whsec_dGhlIHNpZ25pbmcgc2VjcmV0IG9mIHRoZSB0ZXN0cw=="
OLD_SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMgYmVmb3Jl"


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str = SECRET) -> Any:
        """The content, verified by the library of Standard Webhooks; raises what it raises."""
        return standardwebhooks.Webhook(secret).verify(self.body, self.headers)


@dataclass(frozen=True)
class Answer:
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    close_unanswered: bool = False


@dataclass
class WebhookReceiver:
    """`answer` is asked for every request, in the server's threads; `received` grows before it is."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Answer] = lambda _: Answer()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    def events(self) -> list[str]:
        return [request.content["type"] for request in self.received]


@contextlib.contextmanager
def webhook_receiver(answer: Callable[[Received], Answer] = lambda _: Answer()) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._take()

        def do_GET(self) -> None:  # what a redirect that is followed would become
            self._take()

        def _take(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, self.rfile.read(length))
            receiver.received.append(request)
            answer = receiver.answer(request)
            if answer.close_unanswered:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # the sender may have been killed meanwhile
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def endpoint(receiver: WebhookReceiver, **more: Any) -> dict[str, Any]:
    """An entry of `webhooks:` for this receiver; tries come within moments."""
    return {
        "url": receiver.url,
        "secrets": {"signing": "env:SIGNING"},
        "events": ["lead.settled"],
        "allow_private": True,
        "retry_seconds": [0.05] * 9,
        "timeout_seconds": 5,
        **more,
    }


class Told(msgspec.Struct, frozen=True):
    """A message of the outbox, as the tests ask for it."""

    endpoint: str
    event: str
    state: str
    attempts: int
    last_code: str | None


def outbox() -> list[Told]:
    """All messages, in the order they were written in."""
    from pipeline.store.engine import transaction

    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT endpoint, event, state, attempts, last_code FROM webhook_messages ORDER BY seq"
        )
        return [Told(*row) for row in rows]
