"""Where the receiver of this machine can be reached without TLS: keys and leads are readable on such a way."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from pipeline.health.checks import Check, failed
from pipeline.settings.loading import Settings
from pipeline.settings.networks import EVERYBODY

_NAME = "receiver address"
_MODULE = "pipeline.intake"
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Listening(NamedTuple):
    """An address and a port where a receiver listens."""

    address: str
    port: int


def check_listening(known: Settings) -> Iterator[Check]:
    """Nothing where a proxy or the receiver itself speaks TLS, and where no receiver runs on this machine."""
    public_url = urlsplit(known.receiver.public_url or "")
    if public_url.scheme == "http" and public_url.hostname not in _LOCAL:
        yield failed(
            _NAME,
            "senders are told an address without TLS (receiver.public_url): what they say can be read on its way",
            "let a proxy or receiver.tls speak TLS, and name its https address",
        )
    tls_port = known.receiver.tls.port if known.receiver.tls is not None else None
    for place in find_listening():
        if place.port != tls_port and is_open(place, known):
            yield failed(
                _NAME,
                f"port {place.port} listens on {place.address} without TLS, and no proxy is trusted: keys and leads can"
                " be read on their way, and by whom they come is not known",
                "start it with --host 127.0.0.1 behind a proxy, name the proxy in receiver.trusted_proxies, or set"
                " receiver.tls",
            )


def is_open(place: Listening, known: Settings) -> bool:
    """Whether strangers may reach it as it is. An address of a private network is not asked for more."""
    address = ipaddress.ip_address(place.address.partition("%")[0])
    if not (address.is_unspecified or address.is_global):
        return False
    return not any(proxy != EVERYBODY and not _is_loopback(proxy) for proxy in known.trusted_proxies)


def find_listening() -> set[Listening]:
    """Where the receivers of this account listen on this machine."""
    found: set[Listening] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if _MODULE in process.cmdline():
                found |= {
                    Listening(line.laddr.ip, line.laddr.port)
                    for line in process.net_connections(kind="tcp")
                    if line.status == psutil.CONN_LISTEN
                }
    return found


def _is_loopback(network: str) -> bool:
    return ipaddress.ip_network(network).is_loopback
