"""How many connections each address holds in this process, and how many there are. Proxies that are trusted hold as
many as they need of the latter."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pipeline.settings.networks import EVERYBODY, is_within

_HOST_BITS = 64  # of an address of version 6: whoever has one has all of them


class Place(NamedTuple):
    """One connection as it is counted. `name`: of its address; "": in the number of all alone."""

    name: str


class Peers:
    """Counts of open connections by address and in all. `most`: of one address; None: none is counted by its address.
    `most_in_all` None: as many as come."""

    def __init__(self, most: int | None, trusted: Iterable[str], *, most_in_all: int | None = None) -> None:
        self._most, self._most_in_all = most, most_in_all
        self._trusted = tuple(trusted)
        self._open: dict[str, int] = {}
        self._in_all = 0

    @property
    def is_full(self) -> bool:
        return self._most_in_all is not None and self._in_all >= self._most_in_all

    def enter(self, host: str | None) -> Place | None:
        """Count a connection, until `leave`; None if there are as many already as there may be, of its address or in
        all."""
        if self.is_full:
            return None
        name = "" if self._most is None or host is None or self.is_trusted(host) else name_of(host)
        if name:
            if self._most is not None and self._open.get(name, 0) >= self._most:
                return None
            self._open[name] = self._open.get(name, 0) + 1
        self._in_all += 1
        return Place(name)

    def leave(self, place: Place) -> None:
        self._in_all -= 1
        name = place.name
        if not name:
            return
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
