"""Connections by TLS, counted from the moment that they are accepted.

Servers of asyncio tell of a connection when its handshake is over: whoever begins handshakes and ends none would hold
as many connections as there are descriptors, and be counted nowhere. So what is accepted takes its place first, and
then has some seconds for its handshake. To one too many nothing can be said before it: it is closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from pipeline.intake.edge.peers import Peers, Place
from pipeline.intake.edge.protocol import BoundedProtocol
from pipeline.intake.edge.tls import ReceiverTls

_AT_ONCE = 100  # connections that are accepted before others have their turn
_PAUSE_SECONDS = 1.0  # after the machine had no descriptor left


class TlsListener:
    """`make` makes the protocol of a connection; `close` and `wait_closed` are those of a server of asyncio."""

    def __init__(
        self,
        tls: ReceiverTls,
        peers: Peers,
        make: Callable[[], BoundedProtocol],
        *,
        backlog: int,
        handshake_seconds: float,
    ) -> None:
        """Raises OSError where the port cannot be listened on."""
        self._loop = asyncio.get_running_loop()
        self._tls, self._peers, self._make, self._handshake_seconds = tls, peers, make, handshake_seconds
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self.sockets = _listen(tls.host, tls.port, backlog)
        self._begin()

    def close(self) -> None:
        """Accept nothing more, and end what has not finished its handshake. Connections that are open go on."""
        if self._pause is not None:
            self._pause.cancel()
        for listening in self.sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self.sockets = []
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _begin(self) -> None:
        self._pause = None
        for listening in self.sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return  # none waits, or the one that did has left
            except OSError:
                self._rest()
                return
            place = self._peers.enter(address[0])
            if place is None:
                accepted.close()
                continue
            accepted.settimeout(0)
            handshake = self._loop.create_task(self._shake_hands(accepted, place))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    def _rest(self) -> None:
        for listening in self.sockets:
            self._loop.remove_reader(listening.fileno())
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._begin)

    async def _shake_hands(self, accepted: socket.socket, place: Place) -> None:
        protocol = self._make()
        protocol.take(place)
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._tls.context,
                ssl_handshake_timeout=self._handshake_seconds,
            )
        except OSError:
            pass  # no handshake, too slow, or gone
        finally:
            if not protocol.is_connected:
                self._peers.leave(place)
                accepted.close()


def _listen(host: str | None, port: int, backlog: int) -> list[socket.socket]:
    """On every address that the host has; on all of this machine without one."""
    listening: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                made = socket.socket(family, kind, protocol)
            except OSError:
                continue  # a machine without version 6
            listening.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.settimeout(0)
            made.bind(address)
            made.listen(backlog)
    except OSError:
        for made in listening:
            made.close()
        raise
    return listening
