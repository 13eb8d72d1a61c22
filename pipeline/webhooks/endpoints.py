"""Endpoints opened for calling: address, secrets and policy, of the settings or of a subscription."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

import msgspec

from pipeline.crypto.encryption import open_hook, seal_hook
from pipeline.errors import ConfigurationError
from pipeline.settings.declarations import WebhookPolicy
from pipeline.settings.loading import Settings, settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints
from pipeline.store.webhooks.endpoints import Declared, Endpoint
from pipeline.webhooks.signing import require_usable


class HookTarget(msgspec.Struct, frozen=True):
    """Where a subscription's messages go, and the secret that they are signed with. Stored sealed."""

    url: str
    secret: str

    def __repr__(self) -> str:
        return "<HookTarget>"


class OpenEndpoint(msgspec.Struct, frozen=True):
    """All that is needed to call an endpoint. Its repr shows neither address nor secrets."""

    name: str
    url: str
    secrets: list[str]
    policy: WebhookPolicy
    is_hook: bool

    def __repr__(self) -> str:
        return f"<OpenEndpoint {self.name}>"


def seal_target(target: HookTarget, name: str) -> bytes:
    return seal_hook(msgspec.msgpack.encode(target), name)


def open_target(endpoint: Endpoint) -> HookTarget:
    """Of a subscription. Raises ConfigurationError if the key that sealed it is not there any more."""
    return msgspec.msgpack.decode(open_hook(endpoint.sealed or b"", endpoint.name), type=HookTarget)


def host_of(open_url: Callable[[], str]) -> str:
    """The host that an address leads to; "" where it cannot be had, as the key that sealed it, or its setting, is
    gone."""
    try:
        return urlsplit(open_url()).hostname or ""
    except (ConfigurationError, ValueError):
        return ""


def open_endpoint(stored: Endpoint, known: Settings | None = None) -> OpenEndpoint:
    """Raises ConfigurationError, which says what to set, if address or secrets cannot be had."""
    known = known or settings()
    if stored.sealed is not None:
        target = open_target(stored)
        return OpenEndpoint(stored.name, target.url, [target.secret], known.hooks, is_hook=True)
    if stored.name not in known.webhooks:
        raise ConfigurationError(f"webhooks.{stored.name} is not in the settings of this process: restart it")
    return open_declared(stored.name, known)


def open_declared(name: str, known: Settings) -> OpenEndpoint:
    """Of the settings, whether the database knows it or not. Raises ConfigurationError."""
    url, secrets = known.webhook_url(name), known.webhook_secrets(name)
    require_usable(secrets, f"webhooks.{name}.secrets.signing")
    return OpenEndpoint(name, url, secrets, known.webhooks[name], is_hook=False)


def declared_endpoints(known: Settings) -> list[Declared]:
    """The endpoints of the settings as the store has them."""
    return [
        Declared(name, tuple(entry.events), None if entry.brands is None else tuple(entry.brands), entry.enabled)
        for name, entry in sorted(known.webhooks.items())
    ]


@cache
def declare_endpoints() -> None:
    """Let the database know the endpoints of this process's settings: from then on their messages are written. Once in
    a process, in a transaction of its own. Raises TransientError if the database is away."""
    with transaction() as connection:
        endpoints.declare_endpoints(connection, declared_endpoints(settings()))
