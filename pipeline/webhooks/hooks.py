"""Subscriptions by the API (REST hooks, as Zapier and Make make them): one event, one address, until it is ended."""

from __future__ import annotations

import base64
import os
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from connectors.kit.public_addresses import RefusedAddressError, fault_of_url, resolve
from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.records import new_id
from pipeline.records.webhooks import HOOK_PREFIX, WEBHOOK_EVENTS
from pipeline.settings.declarations import ApiKey
from pipeline.settings.loading import Settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints
from pipeline.store.webhooks.endpoints import Endpoint
from pipeline.values.nearest import unknown_name
from pipeline.webhooks.endpoints import HookTarget, host_of, open_target, seal_target
from pipeline.webhooks.payloads import fields_of
from pipeline.webhooks.signing import webhook_id

HOOK_PERMISSION = "hooks.subscribe"
KEY_GONE = "its API key"  # begins the reason of a subscription whose key does not stand for it any more
_SECRET_BYTES = 32
_LONGEST_URL = 2_000
_EXAMPLE_ID = UUID("01930000-0000-7000-8000-000000000001")
_EXAMPLE_EVENT_ID = UUID("01930000-0000-7000-8000-000000000002")
_EXAMPLE_OTHER_ID = UUID("01930000-0000-7000-8000-000000000003")
_EXAMPLE_AT = "2026-03-01T09:30:00+00:00"
_EXAMPLE_VALUES = {
    "first_name": "Ada",
    "last_name": "Sample",
    "full_name": "Ada Sample",
    "email": "ada.sample@example.org",
    "phone": "+34600000000",
    "company": "Example Ltd",
    "country": "ES",
    "original_source": "newsletter",
    "original_channel": "Email",
    "latest_source": "newsletter",
    "latest_channel": "Email",
    "touches": 1,
}


class Subscribed(msgspec.Struct, frozen=True):
    """A new subscription. The secret is given here and nowhere else."""

    hook_id: str
    secret: str

    def __repr__(self) -> str:
        return f"<Subscribed {self.hook_id}>"


class Hook(msgspec.Struct, frozen=True):
    """A subscription as it is listed: of its address the host only, because the rest may be a secret."""

    id: str
    event: str
    host: str
    state: str
    since: datetime
    brands: tuple[str, ...] | None
    key: str | None
    last_code: str | None


def check_subscription(known: Settings, *, event: str, target_url: str) -> None:
    """Raises UsageError for an event or address that cannot be. It looks the address's host up, for as long as this
    machine's name servers take."""
    if event not in WEBHOOK_EVENTS:
        raise UsageError(unknown_name(event, WEBHOOK_EVENTS), argument="event")
    _require_callable(target_url, allow_private=known.hooks.allow_private)


def subscribe(known: Settings, key: ApiKey, *, event: str, target_url: str) -> Subscribed:
    """Tell `target_url` of `event` from now on, of the brands that the key serves. `check_subscription` let it through.

    Raises RefusedError if there are as many as are allowed.
    """
    name = f"{HOOK_PREFIX}{new_id().hex}"
    secret = new_secret()
    sealed = seal_target(HookTarget(target_url, secret), name)
    with transaction() as connection:
        if endpoints.lock_hooks(connection) >= known.hooks.most:
            raise RefusedError(
                f"there are {known.hooks.most} subscriptions already, and hooks.most allows no more: end one of them"
            )
        endpoints.add_hook(connection, name, event=event, brands=key.brands or None, key_name=key.name, sealed=sealed)
        record_action(connection, "hook.subscribe", object_kind="webhook", object_id=name)
    return Subscribed(name, secret)


def unsubscribe(key: ApiKey, hook_id: str) -> None:
    """End a subscription; what waits for it is dropped. Raises NotFoundError if none that this key sees has the id."""
    with transaction() as connection:
        stored = endpoints.read_endpoint(connection, hook_id)
        if stored is None or stored.sealed is None or not _sees(key, stored):
            raise NotFoundError("no subscription has this id")
        endpoints.remove_hook(connection, hook_id)
        record_action(connection, "hook.unsubscribe", object_kind="webhook", object_id=hook_id)


def list_hooks(key: ApiKey) -> list[Hook]:
    """The subscriptions that a key sees: those of its brands."""
    with transaction(synchronous=False) as connection:
        stored = endpoints.read_endpoints(connection, is_hook=True)
    return [_listed(endpoint) for endpoint in stored if _sees(key, endpoint)]


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(os.urandom(_SECRET_BYTES)).decode()}"


def sample(known: Settings, event: str, key: ApiKey) -> dict[str, Any]:
    """What a message of this event looks like to a subscriber with this key, with invented ids and values. Raises
    UsageError."""
    if event not in WEBHOOK_EVENTS:
        raise UsageError(unknown_name(event, WEBHOOK_EVENTS), argument="event")
    kind = event.partition(".")[0]
    data: dict[str, Any] = {"brand": min(key.brands or known.brands)}
    if kind == "lead":
        data |= {
            "event_id": _EXAMPLE_EVENT_ID,
            "source": "web_form",
            "state": event.partition(".")[2],
            "lane": "hot",
            "channel": "Email",
            **dict.fromkeys(("received_at", "occurred_at", "settled_at"), _EXAMPLE_AT),
            "person_id": _EXAMPLE_ID,
        }
    elif kind == "person":
        is_merged = event == "person.merged"
        data |= {"person_id": _EXAMPLE_ID, "version": 1, "merged_into": _EXAMPLE_OTHER_ID if is_merged else None}
    elif event == "consent.confirmation_requested":
        link = "https://leads.example.org/consent/confirm/" + "A" * 22
        asked = {"purpose": "marketing", "channel": "email", "expires_at": _EXAMPLE_AT, "link": link}
        data |= {"person_id": _EXAMPLE_ID, "event_id": _EXAMPLE_EVENT_ID, "confirmations": [asked]}
    elif kind == "consent":
        answer = {"purpose": "marketing", "channel": "email", "at": _EXAMPLE_AT, "source": "web_form"}
        state = "granted" if event == "consent.granted" else "withdrawn"
        consents = [{**answer, "policy_version": None, "state": state}]
        data |= {"person_id": _EXAMPLE_ID, "event_id": _EXAMPLE_EVENT_ID, "consents": consents}
    else:
        is_sent = event == "delivery.sent"
        data |= {
            "person_id": _EXAMPLE_ID,
            "destination": min(known.destinations, default="crm"),
            "state": event.partition(".")[2],
            "version": 1 if is_sent else 0,
            "crm_id": "00Q000000000001" if is_sent else None,
            "code": None if is_sent else "required_field_missing",
        }
    if known.hooks.fields and event != "person.merged":
        data["fields"] = fields_of(_EXAMPLE_VALUES, {}, known.hooks.fields)
    return {"id": webhook_id(_EXAMPLE_ID), "type": event, "timestamp": _EXAMPLE_AT, "data": data}


def _require_callable(target_url: str, *, allow_private: bool) -> None:
    """Raises UsageError, which names no part of the address but its host."""
    if len(target_url) > _LONGEST_URL:
        raise UsageError(f"has more than {_LONGEST_URL} characters", argument="target_url")
    if fault := fault_of_url(target_url, allow_private=allow_private):
        raise UsageError(fault, argument="target_url")
    parts = urlsplit(target_url)
    try:
        resolve(parts.hostname or "", parts.port or 443, allow_private=allow_private)
    except RefusedAddressError as error:
        raise UsageError(f"cannot be: {error}", argument="target_url") from None
    except (socket.gaierror, UnicodeError):
        raise UsageError("names a host that cannot be found", argument="target_url") from None


def _sees(key: ApiKey, endpoint: Endpoint) -> bool:
    """A key of some brands sees what is told of these brands only."""
    return not key.brands or (endpoint.brands is not None and set(endpoint.brands) <= set(key.brands))


def _listed(endpoint: Endpoint) -> Hook:
    return Hook(
        endpoint.name,
        endpoint.events[0],
        host_of(lambda: open_target(endpoint).url),
        state_of(endpoint, datetime.now(UTC)),
        endpoint.since,
        endpoint.brands,
        endpoint.key_name,
        endpoint.last_code,
    )


def state_of(endpoint: Endpoint, now: datetime) -> str:
    """`on`, `paused` (it failed, and is tried again in a moment), or `off` with the reason."""
    if not endpoint.is_declared:
        return "off: not in afluente.yaml any more"
    if not endpoint.is_enabled and endpoint.sealed is not None:
        return f"off: {KEY_GONE} {endpoint.key_name} is gone, or may not subscribe for its brands any more"
    if not endpoint.is_enabled:
        return "off: enabled is false in afluente.yaml"
    if endpoint.off_since is not None:
        return f"off: {endpoint.off_because}"
    return "paused" if endpoint.paused_until is not None and endpoint.paused_until > now else "on"
