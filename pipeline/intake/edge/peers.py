"""How many connections each address holds in this process. Proxies that are trusted hold as many as they need."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from pipeline.settings.networks import EVERYBODY, is_within

_HOST_BITS = 64  # of an address of version 6: whoever has one has all of them


class Peers:
    """Counts of open connections by address. `most`: of one address; None: nobody is counted."""

    def __init__(self, most: int | None, trusted: Iterable[str]) -> None:
        self._most = most
        self._trusted = tuple(trusted)
        self._open: dict[str, int] = {}

    def enter(self, host: str | None) -> str | None:
        """Count a connection. Gives the name it is counted under, for `leave`; "" if it is not counted, None if its
        address holds as many as it may already."""
        if self._most is None or host is None or self.is_trusted(host):
            return ""
        name = name_of(host)
        if self._open.get(name, 0) >= self._most:
            return None
        self._open[name] = self._open.get(name, 0) + 1
        return name

    def leave(self, name: str) -> None:
        left = self._open.get(name, 0) - 1
        if left > 0:
            self._open[name] = left
        else:
            self._open.pop(name, None)

    def is_trusted(self, host: str) -> bool:
        return EVERYBODY in self._trusted or is_within(host, self._trusted)


@lru_cache(maxsize=4_096)
def name_of(host: str) -> str:
    """What an address is counted under: of version 6 its network, as one customer of a provider has all of that."""
    try:
        address = ipaddress.ip_address(host[:64])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> _HOST_BITS << _HOST_BITS, _HOST_BITS)))
