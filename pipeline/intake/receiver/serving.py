"""How the receiver is served, and what a request must look like before anything of it is read."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Any

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.intake.edge.peers import Peers
from pipeline.intake.edge.protocol import BY_OWN_TLS, bounded_protocol
from pipeline.intake.receiver.answers import RefusedError
from pipeline.settings.loading import Settings

_KEEP_ALIVE_SECONDS = 75  # longer than a proxy keeps its idle connections, so that the proxy closes first
_DRAIN_SECONDS = 15
_BACKLOG = 2048
_VERSIONS = ("1.0", "1.1")
# Of every answer that says nothing else itself: many are about somebody, and a browser that is led here runs nothing.
_FOR_BROWSERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def server_config(app: ASGIApp, known: Settings, **options: Any) -> uvicorn.Config:
    """How the receiver is served. `options` are those of uvicorn, for example host and port."""
    peers = Peers(
        known.receiver.connections_per_address or None,
        known.trusted_proxies,
        most_in_all=_most_connections(known.receiver.connections),
    )
    return uvicorn.Config(
        app,
        http=bounded_protocol(peers),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # addresses and query strings of strangers; counts are in /metrics
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        forwarded_allow_ips=known.trusted_proxies,
        **options,
    )


def _most_connections(wanted: int) -> int:
    """No more than this process may open: a quarter of its descriptors stays for its files, the database and Redis."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(soft * 3 // 4, 1))


class Gate:
    """Before the routes: a version of HTTP that is known, a Host, and no slash at the end. After them: the headers that
    tell browsers to keep nothing and to run nothing.

    `/in/casa/form/` is the same address as `/in/casa/form`: a redirect would lose the body of many senders.
    """

    def __init__(self, app: ASGIApp, strict_transport: str | None = None) -> None:
        """`strict_transport`: said to whoever comes by the receiver's own TLS."""
        self._app = app
        self._by_tls = {**_FOR_BROWSERS}
        if strict_transport is not None:
            self._by_tls["Strict-Transport-Security"] = strict_transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            is_by_tls = scope.get("state", {}).get(BY_OWN_TLS, False)
            send = _telling_browsers(send, self._by_tls if is_by_tls else _FOR_BROWSERS)
            refusal = _fault_of(scope)
            if refusal is not None:
                await refusal.response()(scope, receive, send)
                return
            path = scope["path"]
            if len(path) > 1 and path.endswith("/"):
                scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)


def _telling_browsers(send: Send, told: Mapping[str, str]) -> Send:
    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in told.items():
                headers.setdefault(name, value)
        await send(message)

    return send_guarded


def _fault_of(scope: Scope) -> RefusedError | None:
    headers = scope["headers"]
    close = {"Connection": "close"}
    if scope["http_version"] not in _VERSIONS:
        return RefusedError(400, "wrong_version", "send HTTP/1.1", headers=close)
    if scope["http_version"] == "1.1" and not any(name == b"host" for name, _ in headers):
        return RefusedError(400, "no_host", "a request of HTTP/1.1 has a Host header", headers=close)
    return None
