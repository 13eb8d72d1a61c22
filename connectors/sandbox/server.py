"""The sandbox's HTTP server: one dialect of a CRM, a feed, and switches to look inside and to make it misbehave.

It runs on the standard library: at 75 calls a second the time goes into the records, not into HTTP. It logs nothing,
because what it is sent is personal data.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import orjson

from connectors.kit.errors import ConfigurationError
from connectors.sandbox.access import Access
from connectors.sandbox.dialects import dialects
from connectors.sandbox.dialects.dialect import Dialect, Reply, Request, json_reply
from connectors.sandbox.faults import Faults, FaultSpec, as_json, parse_faults
from connectors.sandbox.feed import answer_feed, fill_feed
from connectors.sandbox.providers.rehearsed import answer_provider
from connectors.sandbox.records import SandboxRecords

_MAX_BODY_BYTES = 50_000_000
_CLOSED = (
    "this route is for programs of the account that runs the sandbox, and for who sends"
    " `Authorization: Bearer …` with sandbox_token of credentials.json"
)
_STREAM_BYTES = 262_144


class Sandbox:
    """A sandbox on its own port. Use it as a context manager to run it in a thread."""

    def __init__(
        self,
        *,
        port: int,
        state: Path,
        host: str = "127.0.0.1",
        dialect: str = "salesforce",
        faults: str = "",
        token: str | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        """Raises ConfigurationError for an unknown dialect or faults that cannot be read, OSError for a taken port.

        `listening` is a socket that listens already, in place of host and port; `token` opens the sandbox's own routes
        to other accounts than the one it runs under.
        """
        if dialect not in dialects():
            raise ConfigurationError(f"--dialect is {dialect!r}; allowed: {', '.join(sorted(dialects()))}")
        self.faults = Faults(parse_faults(faults))
        self._server = _open_server(host, port, listening)
        host = str(self._server.server_address[0])
        self.access = Access(host, token)
        self.records = SandboxRecords(state)
        self.dialect: Dialect = dialects()[dialect](self.records, self.faults)
        self.faults.paths = self.dialect.paths
        fill_feed(self.records)
        self._server.sandbox = self
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self.serve, name="sandbox", daemon=True)

    def serve(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.records.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def answer(self, request: Request, faults: FaultSpec) -> Reply:
        """What the CRM, the feed or a provider says, before faults that spoil an answer."""
        reply = answer_feed(request, self.records) or answer_provider(request) or self.dialect.answer(request, faults)
        return reply or json_reply(404, {"error": "the sandbox has no such route"}, f"{request.method} other")

    def inspect(self, request: Request) -> Reply:
        """The sandbox's own routes; they are not counted. `/_records` is streamed elsewhere."""
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "/_calls"): lambda: _summary(self.records.calls()),
            ("GET", "/_faults"): lambda: as_json(self.faults.current()),
            ("GET", "/_health"): lambda: {"dialect": self.dialect.name},
            ("POST", "/_faults"): lambda: self._order_faults(request.body),
            ("POST", "/_reset"): self._reset,
        }
        work = routes.get((request.method, request.path))
        if work is None:
            return json_reply(404, {"error": "allowed: _records, _calls, _faults, _reset, _health"}, "")
        try:
            return json_reply(200, work(), "")
        except ConfigurationError as error:
            return json_reply(400, {"error": str(error)}, "")

    def _order_faults(self, order: bytes) -> dict[str, Any]:
        spec = parse_faults(order)
        self.faults.order(spec)
        return as_json(spec)

    def _reset(self) -> dict[str, Any]:
        self.records.reset()
        self.faults.order(FaultSpec())
        fill_feed(self.records)
        return {}

    def listed(self) -> Iterable[bytes]:
        """`/_records` in pieces: a JSON list however long."""
        yield b"["
        separator = b""
        for record in self.records.stream():
            yield separator + orjson.dumps({**record, "id": self.dialect.record_id(record["id"], record["object"])})
            separator = b",\n"
        yield b"]"


def _open_server(host: str, port: int, listening: socket.socket | None) -> _Server:
    if listening is None:
        return _Server((host, port), _Handler)
    server = _Server((host, port), _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.server_address = listening.getsockname()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    sandbox: Sandbox

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to write about; its traceback could hold what it sent."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    timeout = 300  # of a connection nobody uses
    server: _Server

    def handle_one(self) -> None:
        sandbox = self.server.sandbox
        request = self._read_request()
        if request is None:
            self._send(json_reply(413, {"error": "the body is too large or has no length"}, ""))
            self.close_connection = True
        elif (refusal := sandbox.access.refusal_of_page(request.headers)) is not None:
            self._send(json_reply(403, {"error": refusal}, ""))
        elif _is_own(request.path) and not sandbox.access.may_inspect(request.headers, self.connection):
            self._send(json_reply(401, {"error": _CLOSED}, "", headers={"WWW-Authenticate": "Bearer"}))
        elif request.path == "/_records" and request.method == "GET":
            self._stream(sandbox.listed())
        elif request.path.startswith("/_"):
            self._send(sandbox.inspect(request))
        else:
            self._answer(sandbox, request)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one  # noqa: N815 - the names the base class looks for

    def log_message(self, *_: Any) -> None:
        """Paths hold external ids; nothing is logged."""

    def _answer(self, sandbox: Sandbox, request: Request) -> None:
        faults, dice = sandbox.faults.current(request.path), sandbox.faults.strikes
        route = f"{request.method} {'feed' if request.path.startswith('/feed') else 'api'}"
        if faults.latency_ms:
            time.sleep(faults.latency_ms / 1000)
        if dice(faults.drop_connection):
            sandbox.records.count_call(route, "dropped")
            self.close_connection = True
            return
        if faults.status is not None and dice(faults.rate):
            reply = sandbox.dialect.failure(faults.status)
            extra = {} if faults.retry_after is None else {"Retry-After": f"{faults.retry_after:g}"}
            sandbox.records.count_call(route, str(faults.status))
            self._send(Reply(reply.status, reply.body, route, content_type=reply.content_type, headers=extra))
            return
        if sandbox.faults.is_over_limit(faults):
            reply = sandbox.dialect.over_limit(is_daily=False)
            sandbox.records.count_call(route, "over limit")
            self._send(reply)
            return
        reply = sandbox.answer(request, faults)
        is_write = request.method != "GET"
        if is_write and dice(faults.write_then_drop):
            sandbox.records.count_call(reply.route, "written, dropped", reply.counts)
            self.close_connection = True
            return
        if is_write and dice(faults.write_then_fail):
            sandbox.records.count_call(reply.route, "written, 500", reply.counts)
            self._send(sandbox.dialect.failure(500))
            return
        if reply.status == 200 and dice(faults.short_answer):
            reply = sandbox.dialect.shorten(reply)
        elif reply.status == 200 and dice(faults.garbled_answer):
            reply = Reply(200, b"<html>Welcome</html>", reply.route, content_type="text/html", counts=reply.counts)
        sandbox.records.count_call(reply.route, str(reply.status), reply.counts)
        self._send(reply)

    def _read_request(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if (
            not length.isdigit()
            or int(length) > _MAX_BODY_BYTES
            or "chunked" in self.headers.get("Transfer-Encoding", "")
        ):
            return None
        address = urlsplit(self.path)
        return Request(
            self.command,
            address.path,
            dict(parse_qsl(address.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(length)),
        )

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _stream(self, pieces: Iterable[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        gathered = b""
        for piece in pieces:
            gathered += piece
            if len(gathered) >= _STREAM_BYTES:
                self._send_chunk(gathered)
                gathered = b""
        if gathered:
            self._send_chunk(gathered)
        self._send_chunk(b"")

    def _send_chunk(self, chunk: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))


def _is_own(path: str) -> bool:
    """Routes of the sandbox, that no CRM has; `/_health` tells nothing."""
    return (path.startswith("/_") or path == "/feed/_add") and path != "/_health"


def _summary(calls: list[dict[str, Any]]) -> dict[str, Any]:
    totals = {name: sum(call[name] for call in calls) for name in ("created", "changed", "unchanged", "rejected")}
    written = totals["created"] + totals["changed"] + totals["unchanged"]
    return {"calls": calls, "records": {"written": written, **totals}}
