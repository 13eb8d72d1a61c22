"""Do the addresses of the settings lead where they seem to: into the internet, or into a network of one's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from connectors.kit.connecting import resolver
from connectors.kit.public_addresses import RefusedAddressError
from connectors.kit.reach import Reach
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.edges.outgoing import reach_of_destination, reach_of_source
from pipeline.settings.loading import Settings
from pipeline.values.counting import counted

_PORTS = {"http": 80, "https": 443}


def check_calls(known: Settings) -> Iterator[Check]:
    """Looks names up, calls nobody. A name that cannot be found is for the check of its source or destination to
    say."""
    refused = 0
    named = list(_named(known))
    for place, url, reach in named:
        if (refusal := _refusal(url, reach)) is not None:
            refused += 1
            yield failed(
                f"calls of {place}",
                refusal + ("" if reach.private == "refuse" else "; it is called all the same, until a later version"),
                f"set {place}.allow_private: true, or its network in outgoing.networks, if it is your own; else"
                f" correct the address",
            )
    if not refused:
        yield passed("calls", f"{counted(len(named), 'address', 'addresses')}: none leads where it should not")


def _named(known: Settings) -> Iterator[tuple[str, str, Reach]]:
    for slug, source in sorted(known.sources.items()):
        if source.enabled and source.url is not None:
            yield f"sources.{slug}", source.url, reach_of_source(known, slug)
    for name, destination in sorted(known.destinations.items()):
        if destination.enabled:
            yield f"destinations.{name}", destination.base_url, reach_of_destination(known, name)


def _refusal(url: str, reach: Reach) -> str | None:
    """Why it would not be called where names of the internet must lead there, if so."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if host is None or port is None or parts.scheme not in _PORTS or reach.private == "allow":
        return None
    try:
        resolver(replace(reach, private="refuse", setting=None), url)(host, port)
    except RefusedAddressError as error:
        return str(error)
    except (socket.gaierror, UnicodeError):
        return None
    return None
