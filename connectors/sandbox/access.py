"""Who may look into the sandbox: it holds people in clear, and whoever is on the machine reaches its port.

Its own routes (`/_records`, `/_reset`, …) are for programs of the account that it runs under, which could read its file
as well, and for whoever brings its token. Pages in a browser are refused everywhere: a page of a stranger runs under
that account too, and by a name of its own that leads to this machine its browser would let it read the answers.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

TOKEN_VARIABLE = "SANDBOX_TOKEN"  # noqa: S105 - a variable's name
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOCAL, _REMOTE, _ACCOUNT, _INODE = 1, 2, 7, 9  # columns there


class Access:
    """`host` is where the sandbox listens: on loopback it answers to names of this machine only."""

    def __init__(self, host: str, token: str | None) -> None:
        self._is_loopback = _is_loopback(host)
        self._token = token.encode() if token else None

    def refusal_of_page(self, headers: Mapping[str, str]) -> str | None:
        """Why a request is refused that a page of another site may have made; None if none has."""
        host = headers.get("host", "")
        if self._is_loopback and not _is_loopback(_name_of(host)):
            return "the sandbox answers to 127.0.0.1 and localhost only, not to another name in Host"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "the sandbox answers no page of another site (Origin)"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "the sandbox answers no page of another site"
        return None

    def may_inspect(self, headers: Mapping[str, str], connection: socket.socket) -> bool:
        """Whether the sandbox's own routes are open to this request."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if self._token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return True
        return _account_of(connection.getpeername(), connection.getsockname()) in {os.getuid(), 0}


def _name_of(host: str) -> str:
    """`127.0.0.1:8081` -> `127.0.0.1`, `[::1]:8081` -> `::1`."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _account_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Number of the account whose program holds the other end of a connection of this machine, as the kernel tells it;
    None where it does not: another machine, or a program that has hung up already."""
    wanted = (_as_listed(client), _as_listed(server))
    for table in _TABLES:
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                ends = (_short(columns[_LOCAL]), _short(columns[_REMOTE]))
                if ends == wanted and columns[_INODE] != "0":  # 0: nobody's any more
                    return int(columns[_ACCOUNT])
    return None


def _as_listed(address: tuple[str, int]) -> str:
    """An IPv4 address and its port as the kernel lists them: `0100007F:1F91`."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def _short(listed: str) -> str:
    """An IPv6 socket may hold an IPv4 connection: its last four bytes are the address."""
    address, _, port = listed.partition(":")
    return f"{address[-8:]}:{port}"
