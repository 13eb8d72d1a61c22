"""uvicorn's server, with a second door: TLS on a port of its own, for whoever has no proxy.

The plain port stays what it is, for this machine's own probes and for a proxy.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

import uvicorn

from pipeline.intake.edge.protocol import BoundedProtocol
from pipeline.intake.edge.tls import ReceiverTls
from pipeline.intake.edge.tls_listener import TlsListener

HANDSHAKE_SECONDS = 10.0  # asyncio's own patience with the beginning of a connection is a minute
_NOT_STARTED = 3  # uvicorn's own exit code
_log = logging.getLogger("uvicorn.error")


class EdgeServer(uvicorn.Server):
    """`tls` None: the plain port alone."""

    def __init__(self, config: uvicorn.Config, tls: ReceiverTls | None = None) -> None:
        super().__init__(config)
        self._tls = tls
        self._renewing: asyncio.Task[None] | None = None
        self.tls_port: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether every door is: uvicorn's own `started` comes before the TLS port listens."""
        return self.started and (self._tls is None or self.tls_port is not None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._tls is None or self.should_exit:
            return
        try:
            self._open(self._tls)
        except OSError as error:
            _log.error("receiver.tls: port %s cannot be listened on: %s", self._tls.port, error.strerror)
            await self.shutdown(sockets=sockets)
            sys.exit(_NOT_STARTED)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        await super().shutdown(sockets=sockets)

    def _open(self, tls: ReceiverTls) -> None:
        listener = TlsListener(
            tls,
            self.config.http_protocol_class.peers,  # type: ignore[attr-defined]
            self._connection,
            backlog=self.config.backlog,
            handshake_seconds=HANDSHAKE_SECONDS,
        )
        self.servers.append(listener)  # type: ignore[arg-type]
        self.tls_port = listener.sockets[0].getsockname()[1]
        self._renewing = asyncio.get_running_loop().create_task(tls.keep_current())

    def _connection(self) -> BoundedProtocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg,return-value]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
