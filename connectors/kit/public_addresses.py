"""Which addresses may be called on a stranger's word: those of the public internet, however they are spelled.

Whoever can have an address called could otherwise have this machine ask its own network: a database's page, a cloud's
metadata. What counts is the address that is connected to, so `resolve` gives just that; what `fault_of_url` finds
before is for whoever typed it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LIKE_A_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")  # the last part of a name that libraries take for IPv4
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "home.arpa")
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # NAT64: the last 32 bits are an IPv4 address
_MORE_PRIVATE = tuple(  # what is_global of some versions of Python calls public
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10", "::/96")
)


class RefusedAddressError(OSError):
    """The address is not one of the public internet. Its text names the host, nothing behind it."""


def fault_of_url(url: str, *, allow_private: bool = False) -> str | None:
    """What is wrong with an address to call, as the end of a sentence; None: nothing that can be seen without asking.

    `allow_private`: http:// and addresses of one's own network are fine.
    """
    import requests  # not before somebody names an address: settings are read by every command

    try:
        prepared = requests.Request("POST", url).prepare().url or ""
        typed, parts = urlsplit(url), urlsplit(prepared)
        host, _ = parts.hostname, parts.port
    except (requests.RequestException, ValueError):
        return "is no address that can be called"
    if typed.username is not None or typed.password is not None or "@" in typed.netloc or "\\" in url:
        return "holds credentials before its host; leave them out, messages are signed"
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        return "must begin with https://"
    if not host or parts.fragment:
        return "is no address that can be called"
    return None if allow_private else _fault_of_host(host)


def _fault_of_host(host: str) -> str | None:
    name = host.rstrip(".").lower()
    address = literal_address(name)
    if address is not None:
        return None if is_public(address) else "is an address of a private network"
    if looks_like_a_number(name):
        return "spells its host as a number in an unusual way; write its name"
    return "is a name of a private network" if is_local_name(name) else None


def looks_like_a_number(name: str) -> bool:
    """Whether some libraries take a host that is no plain address for one: `2130706433`, `0x7f.1`."""
    return bool(_LIKE_A_NUMBER.fullmatch(name.rpartition(".")[2]) or ":" in name or "%" in name)


def is_local_name(name: str) -> bool:
    """Whether only private networks have names like this."""
    return any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES)


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet; one inside another (mapped, translated, tunneled) counts too."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _TRANSLATED:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(one) for one in inner if one is not None):
            return False
        if address.ipv4_mapped is not None:
            return True
    if address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback:
        return address in _TRANSLATED
    if any(address.version == network.version and address in network for network in _MORE_PRIVATE):
        return False
    return address.is_global


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a name, to connect to them and to nothing else. Raises RefusedAddressError if one of them is not
    public (unless `allow_private`), socket.gaierror if there are none."""
    if not allow_private and (fault := _fault_of_host(host)):
        raise RefusedAddressError(f"{host} {fault}")
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = list(dict.fromkeys(found))
    if not allow_private and not all(is_public(ipaddress.ip_address(text)) for text in addresses):
        raise RefusedAddressError(f"{host} leads to an address of a private network")
    return addresses


def literal_address(name: str) -> Address | None:
    """The address that a host spells out, if it does."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
