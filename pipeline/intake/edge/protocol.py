"""HTTP/1.1 on one connection, as uvicorn's httptools protocol reads it, with bounds on what a peer may cost.

A proxy bounds headers and connections too; this holds where there is none, and behind one that does not. Bounded are
the bytes and number of headers, the time of a head (from its first byte to its end), the pause between two bytes of a
body and its whole time, what travels around a body (sizes of chunks, trailers), how many requests wait behind one
another, and the connections of an address.

What is refused gets an answer, unless that of an earlier request on the connection is still to come: whoever sent both
would take one for the other. Then the connection ends, which says the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.intake.edge.peers import Peers, Place

BY_OWN_TLS = "by_own_tls"  # in the state of a request: whether it came by a port where this process speaks TLS
HEAD_BYTES = 32_768  # of the request's line and all headers
HEADERS = 100
HEAD_SECONDS = 10.0  # from a request's first byte to the end of its headers
IDLE_SECONDS = 30.0  # of a connection on which nothing was ever sent
BODY_IDLE_SECONDS = 15.0  # between two bytes of a body
BODY_SECONDS = 60.0  # for a whole body; the routes give up sooner, this is for what is sent after their answer
PIPELINED = 32  # requests that wait for the answer to an earlier one
_AROUND_BYTES = 65_536  # what may travel around a body, and 16 bytes more for each of its own
_LINGER_SECONDS, _LINGER_BYTES = 1.0, 1_048_576  # what a refused peer still sends is read: it has to see the answer
_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}

Refusal = tuple[int, str, str]  # status, the word, the sentence
_UNREADABLE: Refusal = (400, "not_http", "this is no request of HTTP/1.1")
_TOO_LARGE: Refusal = (431, "headers_too_large", f"all headers together are over {HEAD_BYTES} bytes")
_TOO_MANY: Refusal = (431, "too_many_headers", f"a request has at most {HEADERS} headers")
_SLOW_HEAD: Refusal = (408, "too_slow", f"the headers took over {HEAD_SECONDS:g} s")
_SLOW_BODY: Refusal = (408, "too_slow", f"nothing of the body came for {BODY_IDLE_SECONDS:g} s")
_LONG_BODY: Refusal = (408, "too_slow", f"the body took over {BODY_SECONDS:g} s")
_AROUND: Refusal = (400, "chunks_too_small", "there is far more around the body than in it")
_CROWD: Refusal = (503, "too_many_connections", "too many connections are open from this address")
_FULL: Refusal = (503, "too_many_connections", "too many connections are open")


class _RefusedInHeadError(Exception):
    """Ends the parser's work on a request."""


class BoundedProtocol(HttpToolsProtocol):
    """`peers` counts the connections of all instances; `bounded_protocol` makes the class."""

    peers = Peers(None, ())
    head_seconds, idle_seconds = HEAD_SECONDS, IDLE_SECONDS
    body_idle_seconds, body_seconds = BODY_IDLE_SECONDS, BODY_SECONDS

    _phase: Literal["new", "head", "body", "idle", "refused"] = "new"
    _timer: asyncio.TimerHandle | None = None
    _place: Place | None = None
    is_connected = False  # it was told of its connection, and gives its place back when that ends
    _refusal: Refusal | None = None
    _received = _around = _body = _lingered = 0
    _began_inside = False  # what was read last ends with the beginning of this head
    _body_began = _last_byte = 0.0

    def take(self, place: Place) -> None:
        """Of a connection that was counted when it was accepted."""
        self._place = place

    # ---- what asyncio calls ----

    def connection_made(self, transport: Any) -> None:
        self.is_connected = True
        super().connection_made(transport)
        if self._place is None:
            self._place = self.peers.enter(self.client[0] if self.client else None)
        if self._place is None:
            self._refuse(_FULL if self.peers.is_full else _CROWD)
        else:
            self._wait(self.idle_seconds, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._place is not None:
            self.peers.leave(self._place)
            self._place = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase == "refused":
            self._linger(len(data))
            return
        if self._phase in ("new", "idle"):
            self._stop_waiting()
            self._begin_head()
        self._around += len(data)
        self._received += len(data)
        super().data_received(data)
        if self._phase == "head":
            if self._began_inside:
                self._received, self._began_inside = 0, False
            if self._received > HEAD_BYTES:
                self._refuse(_TOO_LARGE)  # a header of which no end has come, so that the parser has not told of it
            elif self._timer is None:  # what comes at once costs no timer
                self._wait(self.head_seconds, self._end_slow_head)
        elif self._phase == "body":
            self._last_byte = self.loop.time()
            if self._around > _AROUND_BYTES + 16 * self._body:
                self._refuse(_AROUND)
            elif self._timer is None:
                self._body_began = self._last_byte
                self._wait(self.body_idle_seconds, self._look_at_body)

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what its parser does not take."""
        del msg
        self._refuse(self._refusal or _UNREADABLE)

    # ---- what the parser calls ----

    def on_message_begin(self) -> None:
        if self._phase != "head":
            received = self._received
            self._begin_head()
            self._received, self._began_inside = received, True
        if len(self.pipeline) >= PIPELINED:
            self._stop(_UNREADABLE)
        super().on_message_begin()
        # Our own TLS, before a proxy's word for the scheme takes its place.
        self.scope["state"][BY_OWN_TLS] = self.scheme == "https"

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS:
            self._stop(_TOO_MANY)
        if self._received > HEAD_BYTES and self._head_bytes() > HEAD_BYTES:
            self._stop(_TOO_LARGE)
        super().on_headers_complete()
        self._stop_waiting()
        self._phase = "body"
        self._around = self._body = 0
        self.headers = []  # a trailer, behind the body, is no header of the request

    def on_body(self, body: bytes) -> None:
        self._around -= len(body)
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._phase = "idle"
        super().on_message_complete()

    # ---- bounds ----

    def _begin_head(self) -> None:
        self._phase = "head"
        self._received, self._began_inside = 0, False

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _stop(self, refusal: Refusal) -> None:
        """Out of the parser: what it raises comes back as `send_400_response`."""
        self._refusal = refusal
        raise _RefusedInHeadError

    def _end_slow_head(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # it waits for an answer to an earlier one
            self._wait(self.head_seconds, self._end_slow_head)
        else:
            self._refuse(_SLOW_HEAD)

    def _look_at_body(self) -> None:
        """Once in a while, not with each byte: a body that comes at once costs no timer."""
        self._timer = None
        now = self.loop.time()
        if self.flow.read_paused:  # it is ours to read on
            self._last_byte = now
        idle, whole = now - self._last_byte, now - self._body_began
        if idle >= self.body_idle_seconds:
            self._refuse(_SLOW_BODY)
        elif whole >= self.body_seconds and not self.flow.read_paused:
            self._refuse(_LONG_BODY)
        else:
            left = min(self.body_idle_seconds - idle, max(self.body_seconds - whole, 0.1))
            self._wait(left, self._look_at_body)

    def _refuse(self, refusal: Refusal) -> None:
        phase, self._phase = self._phase, "refused"
        self._stop_waiting()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        is_answered = cycle is None or cycle.response_complete
        if phase != "body" and not is_answered:
            cycle.keep_alive = False  # the answers that are due go out, and then the connection ends
        elif phase == "body" and (is_answered or cycle.response_started or self.pipeline):
            self.transport.close()
        else:
            if not is_answered:
                cycle.disconnected = True  # what its route still says goes nowhere
                cycle.message_event.set()
            self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write(_answer(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(_LINGER_SECONDS, self.transport.close)

    def _linger(self, count: int) -> None:
        self._lingered += count
        if self._lingered > _LINGER_BYTES:
            self.transport.close()

    def _wait(self, seconds: float, then: Callable[[], Any]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded_protocol(peers: Peers) -> type[BoundedProtocol]:
    """The class for one server, whose connections `peers` counts."""
    return type("BoundedProtocol", (BoundedProtocol,), {"peers": peers})


def _answer(refusal: Refusal) -> bytes:
    status, error, message = refusal
    content = orjson.dumps({"error": error, "message": message})
    head = [
        b"HTTP/1.1 %d %s" % (status, _REASONS[status]),
        b"content-type: application/json",
        b"content-length: %d" % len(content),
        b"connection: close",
    ]
    if status == 503:
        head.append(b"retry-after: 5")
    return b"\r\n".join([*head, b"", content])
