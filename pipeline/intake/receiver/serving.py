"""How the receiver meets its connections: what a request must look like before anything of it is read.

A proxy bounds headers too, in size and in time; this holds where there is none, and behind one that does not.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.intake.receiver.answers import RefusedError

_KEEP_ALIVE_SECONDS = 75  # longer than a proxy keeps its idle connections, so that the proxy closes first
_DRAIN_SECONDS = 15
_BACKLOG = 2048
_HEAD_SECONDS = 30.0  # from the first byte of a request, or of a connection, to the end of its headers
_HEAD_BYTES = 65_536  # of all headers of a request
_CHUNK_BYTES = 262_144  # what is read from a socket at once: the body's beginning may stand behind the headers
_VERSIONS = ("1.0", "1.1")


def server_config(app: ASGIApp, *, trusted_proxies: list[str] | None = None, **options: Any) -> uvicorn.Config:
    """How the receiver is served. `trusted_proxies`: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto
    count; None: 127.0.0.1, or those of FORWARDED_ALLOW_IPS. `options` are those of uvicorn, for example host and
    port."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # addresses and query strings of strangers; counts are in /metrics
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        forwarded_allow_ips=trusted_proxies,
        **options,
    )


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose headers take too long or never end."""

    _head_bytes = 0
    _is_in_head = True
    _head_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > _HEAD_BYTES + _CHUNK_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers of this request are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_limit is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_done()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._head_limit = self.loop.call_later(_HEAD_SECONDS, self._close_slow)

    def _head_done(self) -> None:
        self._is_in_head = False
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None

    def _close_slow(self) -> None:
        if self._is_in_head and not self.transport.is_closing():
            self.transport.close()


class Gate:
    """Before the routes: a version of HTTP that is known, a Host, headers of a size, and no slash at the end.

    `/in/casa/form/` is the same address as `/in/casa/form`: a redirect would lose the body of many senders.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = _fault_of(scope)
            if refusal is not None:
                await refusal.response()(scope, receive, send)
                return
            path = scope["path"]
            if len(path) > 1 and path.endswith("/"):
                scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)


def _fault_of(scope: Scope) -> RefusedError | None:
    headers = scope["headers"]
    close = {"Connection": "close"}
    if scope["http_version"] not in _VERSIONS:
        return RefusedError(400, "wrong_version", "send HTTP/1.1", headers=close)
    if scope["http_version"] == "1.1" and not any(name == b"host" for name, _ in headers):
        return RefusedError(400, "no_host", "a request of HTTP/1.1 has a Host header", headers=close)
    if sum(len(name) + len(value) for name, value in headers) > _HEAD_BYTES:
        return RefusedError(
            431, "headers_too_large", f"all headers together are over {_HEAD_BYTES} bytes", headers=close
        )
    return None
