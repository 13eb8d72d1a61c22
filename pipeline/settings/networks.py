"""Addresses and networks as settings name them: `203.0.113.7`, `198.51.100.0/24`, `2001:db8::/32`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EVERYBODY = "*"


def fault_of_network(text: str) -> str | None:
    """What is wrong with one, in words; None if it can be read."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        pass
    else:
        return None
    try:
        return f"{text} names a host and a length; the network is {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return f"{text[:60]!r} is neither an address nor a network, as 203.0.113.7 or 198.51.100.0/24"


def is_within(address: str | None, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks. What is no address lies in none."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(known, "ipv4_mapped", None)  # as a socket for both versions shows an address of version 4
    return any((mapped or known) in _network(text) for text in networks)


@lru_cache(maxsize=1_024)
def _network(text: str) -> Network:
    return ipaddress.ip_network(text)
