"""Can the endpoints of outgoing webhooks be called: secrets, addresses, and whether one was switched off."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from connectors.kit.public_addresses import RefusedAddressError, fault_of_url, resolve
from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.health.thresholds import KEY_REMEDY, OFF_REASONS
from pipeline.settings.loading import Settings
from pipeline.store.webhooks.endpoints import Endpoint, read_endpoints
from pipeline.values.counting import counted
from pipeline.webhooks.endpoints import open_declared
from pipeline.webhooks.hooks import state_of


def check_webhooks(known: Settings) -> Iterator[Check]:
    """Looks names up, calls nobody: `afluente webhook test NAME` does."""
    for name, entry in sorted(known.webhooks.items()):
        if entry.enabled:
            yield _check_settings(known, name)
    yield from _check_states()


def _check_settings(known: Settings, name: str) -> Check:
    label, place = f"webhook {name}", f"webhooks.{name}"
    allow_private = known.webhooks[name].allow_private
    try:
        opened = open_declared(name, known)
    except ConfigurationError as error:
        return failed(label, str(error), f"set {place}.secrets.signing, then restart the workers")
    if fault := fault_of_url(opened.url, allow_private=allow_private):
        return failed(label, f"its address {fault}", f"correct {place}.url")
    parts = urlsplit(opened.url)
    try:
        resolve(parts.hostname or "", parts.port or 443, allow_private=allow_private)
    except RefusedAddressError as error:
        return failed(label, str(error), f"correct {place}.url, or set {place}.allow_private: true if it is your own")
    except (socket.gaierror, UnicodeError):
        return failed(label, f"{parts.hostname} cannot be found", f"correct {place}.url, or this machine's DNS")
    return passed(label, f"signed by {counted(len(opened.secrets), 'secret')}; `afluente webhook test {name}` calls it")


def _check_states() -> Iterator[Check]:
    """None while the database is away: its own check says so."""
    now = datetime.now(UTC)
    for endpoint in asked(read_endpoints, timeout_seconds=None) or []:
        if endpoint.sealed is not None and not endpoint.is_enabled:
            yield _without_key(endpoint, state_of(endpoint, now))
        elif endpoint.is_declared and endpoint.off_since is not None:
            yield _off(endpoint, state_of(endpoint, now))


def _off(endpoint: Endpoint, state: str) -> Check:
    reason = OFF_REASONS.get(endpoint.off_because or "", state)
    label = f"webhook {endpoint.name}"
    return failed(label, f"{reason}; its messages are held", f"mend it, then `afluente webhook enable {endpoint.name}`")


def _without_key(endpoint: Endpoint, state: str) -> Check:
    reason = state.removeprefix("off: ")
    return failed(f"webhook {endpoint.name}", f"{reason}; its messages are held", f"{KEY_REMEDY}/{endpoint.name}")
