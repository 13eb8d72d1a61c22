"""Where a session may connect to: the address that a name was looked up as, once, and judged before anything is sent.

The host of a session's own address is what somebody wrote into the settings: a private address that is spelled there,
or a name that only a private network has, is meant. A name of the internet is not: whoever keeps its records could let
it lead to this machine, to the metadata of a cloud or into the company's network, at the second look-up if not at the
first. And no other host (of an address that an answer told, say) is private at all.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import connection as sockets

from connectors.kit.public_addresses import (
    Address,
    RefusedAddressError,
    is_local_name,
    is_public,
    literal_address,
    looks_like_a_number,
)
from connectors.kit.reach import Reach

Resolve = Callable[[str, int], list[str]]

_MOST_ADDRESSES = 3  # of a name that are tried: each may take the time for connecting


def resolver(reach: Reach, base_url: str) -> Resolve:
    """Gives the addresses to connect to for a session at `base_url`. It raises RefusedAddressError, whose text names
    the host and what allows it, and socket.gaierror if there are none."""
    judge = _Judge(reach, _host_of(base_url))
    return judge.resolve


@dataclass(frozen=True, slots=True)
class _Judge:
    """`own`: the host that the settings name."""

    reach: Reach
    own: str

    def resolve(self, host: str, port: int) -> list[str]:
        name = host.rstrip(".").lower()
        spelled = literal_address(name)
        if spelled is None and looks_like_a_number(name) and self.reach.private != "allow":
            raise self._refused(host, "spells its host as a number in an unusual way; write its name")
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        addresses = list(dict.fromkeys(found))
        if self.reach.private != "allow":
            is_own = name == self.own or (_is_this_machine(name) and _is_this_machine(self.own))
            for text in addresses:
                self._check(host, name, ipaddress.ip_address(text), is_own=is_own)
        return addresses

    def _check(self, host: str, name: str, address: Address, *, is_own: bool) -> None:
        if is_public(address) or any(_is_in(address, network) for network in self.reach.networks):
            return
        if _is_never_meant(address):
            raise self._refused(host, "leads to an address that no service has")
        if not is_own:
            raise self._refused(host, "leads into a private network, and is not the host that the settings name")
        if literal_address(name) is not None or is_local_name(name) or "." not in name:
            return
        if self.reach.private == "refuse" or address.is_loopback:
            raise self._refused(host, "is a name of the internet and leads into a private network")

    def _refused(self, host: str, why: str) -> RefusedAddressError:
        allow = f"; if it is your own, set {self.reach.setting}" if self.reach.setting else ""
        return RefusedAddressError(f"{host} {why}{allow}")


def refusal_in(error: BaseException) -> RefusedAddressError | None:
    """The refusal that ended a call, if it was one."""
    seen: list[Any] = [error]
    for cause in seen:
        if isinstance(cause, RefusedAddressError):
            return cause
        following = (*getattr(cause, "args", ()), getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        seen += [more for more in following if isinstance(more, BaseException) and more not in seen]
    return None


def connect(line: HTTPConnection, *, find: Resolve, tries_on: bool = False) -> socket.socket:
    """As urllib3 connects, but to the addresses that `find` gives, with the name that was asked for in SNI and Host.
    `tries_on`: the next address is tried after one that took too long."""
    host = line._dns_host  # noqa: SLF001 - with its final dot, as the resolver needs it
    port = line.port or line.default_port
    try:
        addresses = find(host, port)
    except (socket.gaierror, UnicodeError) as error:
        trouble = error if isinstance(error, socket.gaierror) else socket.gaierror(type(error).__name__)
        raise NameResolutionError(host, line, trouble) from error
    failure: OSError | None = None
    for address in addresses[:_MOST_ADDRESSES]:
        try:
            made: socket.socket = sockets.create_connection(
                (address, port), line.timeout, socket_options=line.socket_options
            )
        except TimeoutError as error:
            failure = error
            if not tries_on:
                break
        except OSError as error:
            failure = error
        else:
            sys.audit("http.client.connect", line, address, port)
            return made
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(line, "no connection in time") from failure
    raise NewConnectionError(line, "no connection") from failure


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _is_this_machine(name: str) -> bool:
    address = literal_address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _is_never_meant(address: Address) -> bool:
    """Link-local is where clouds tell a machine its secrets; and an address within another is a way around all this."""
    inner = getattr(address, "ipv4_mapped", None)
    is_other = address.is_link_local or address.is_multicast or address.is_unspecified
    return inner is not None or is_other or (address.is_reserved and not address.is_private)


def _is_in(address: Address, network: str) -> bool:
    known = ipaddress.ip_network(network)
    return address.version == known.version and address in known
