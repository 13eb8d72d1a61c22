"""What operators do with outgoing webhooks: look, try, switch, send again. Commands and the console stand on it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from connectors.kit.guarded_http import GuardedSession
from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, RefusedError
from pipeline.records import new_id
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints, messages
from pipeline.store.webhooks.endpoints import Endpoint
from pipeline.store.webhooks.messages import Backlog
from pipeline.webhooks.endpoints import OpenEndpoint, host_of, open_declared, open_endpoint
from pipeline.webhooks.hooks import state_of
from pipeline.webhooks.payloads import body_of
from pipeline.webhooks.posting import post_message
from pipeline.webhooks.signing import webhook_id

TEST_EVENT = "webhook.test"
BY_HAND = "by hand"
_NOT_YET = "not yet: the workers of this version of the settings have not started"


class Listed(msgspec.Struct, frozen=True):
    """An endpoint with how it does. `host`: of its address, whose rest may be a secret; "" where it cannot be read."""

    name: str
    host: str
    events: tuple[str, ...]
    brands: tuple[str, ...] | None
    state: str
    backlog: Backlog
    last_success_at: datetime | None
    last_code: str | None


class Tried(msgspec.Struct, frozen=True):
    """A test message: `code` is http_200 and the like, or why there was no answer."""

    message_id: str
    is_taken: bool
    code: str


class Replayed(msgspec.Struct, frozen=True):
    """Messages sent again, by the state that they had."""

    counts: dict[str, int]
    is_dry_run: bool


def list_endpoints() -> list[Listed]:
    """Every endpoint: of the settings, subscribed, and those that were one and still have messages."""
    known = settings()
    with transaction(synchronous=False) as connection:
        stored = {endpoint.name: endpoint for endpoint in endpoints.read_endpoints(connection)}
        backlogs = messages.read_backlogs(connection)
    rows = [_listed(endpoint, backlogs.get(name, Backlog())) for name, endpoint in stored.items()]
    rows += [
        Listed(
            name,
            host_of(partial(known.webhook_url, name)),
            tuple(entry.events),
            None if entry.brands is None else tuple(entry.brands),
            _NOT_YET,
            Backlog(),
            None,
            None,
        )
        for name, entry in known.webhooks.items()
        if name not in stored
    ]
    return sorted(rows, key=lambda row: row.name)


def try_endpoint(name: str) -> Tried:
    """Post a signed message of the event `webhook.test` now, whatever state the endpoint is in. Nothing is stored.

    Raises NotFoundError, and ConfigurationError if address or secret cannot be had.
    """
    opened = _opened(name)
    message_id = new_id()
    body = body_of(TEST_EVENT, datetime.now(UTC).isoformat(), {"endpoint": name})
    policy = opened.policy
    with GuardedSession(timeout_seconds=policy.timeout_seconds, allow_private=policy.allow_private) as line:
        call = post_message(line, opened, message_id, body)
    return Tried(webhook_id(message_id), call.is_taken, call.code)


def enable_endpoint(name: str) -> int:
    """Switch an endpoint on; gives how many messages were held. Raises NotFoundError, RefusedError."""
    with transaction() as connection:
        stored = _required(endpoints.read_endpoint(connection, name), name)
        if not (stored.is_declared and stored.is_enabled):
            remedy = "set it again, then restart the receiver" if stored.sealed else "set it there, then restart"
            raise RefusedError(f"{name} is {state_of(stored, datetime.now(UTC))}: {remedy}")
        endpoints.switch_on(connection, name)
        released = messages.release_held(connection, name)
        record_action(connection, "webhook.enable", object_kind="webhook", object_id=name)
    return released


def disable_endpoint(name: str) -> None:
    """Hold an endpoint's messages until `enable_endpoint`. Raises NotFoundError."""
    with transaction() as connection:
        _required(endpoints.read_endpoint(connection, name), name)
        endpoints.switch_off(connection, name, BY_HAND)
        record_action(connection, "webhook.disable", object_kind="webhook", object_id=name)


def replay_messages(name: str, *, since: datetime, until: datetime, is_dry_run: bool) -> Replayed:
    """Send the ended messages of a time again, under the ids they had; `until` is excluded. Raises NotFoundError."""
    with transaction() as connection:
        _required(endpoints.read_endpoint(connection, name), name)
        counts = messages.count_again(connection, name, since=since, until=until)
        if not is_dry_run:
            messages.send_again(connection, name, since=since, until=until)
            record_action(connection, "webhook.replay", object_kind="webhook", object_id=name)
    return Replayed(counts, is_dry_run)


def list_messages(name: str, *, states: Collection[str] = (), limit: int = 50) -> list[dict[str, Any]]:
    """An endpoint's messages, newest first: ids, states, codes. Raises NotFoundError."""
    with transaction(synchronous=False) as connection:
        _required(endpoints.read_endpoint(connection, name), name)
        rows = messages.newest_messages(connection, name, states=states, limit=limit)
    return [{"webhook_id": webhook_id(row.pop("message_id")), **row} for row in rows]


def _opened(name: str) -> OpenEndpoint:
    with transaction(synchronous=False) as connection:
        stored = endpoints.read_endpoint(connection, name)
    if stored is None and name in settings().webhooks:  # declared, and no worker has come by yet
        return open_declared(name, settings())
    return open_endpoint(_required(stored, name))


def _required(stored: Endpoint | None, name: str) -> Endpoint:
    if stored is not None:
        return stored
    if name in settings().webhooks:
        raise RefusedError(f"{name} is {_NOT_YET}: `afluente up`, or restart the workers")
    raise NotFoundError(f"there is no webhook {name!r}: `afluente webhook list` shows those there are")


def _listed(endpoint: Endpoint, backlog: Backlog) -> Listed:
    return Listed(
        endpoint.name,
        host_of(lambda: open_endpoint(endpoint).url),
        endpoint.events,
        endpoint.brands,
        state_of(endpoint, datetime.now(UTC)),
        backlog,
        endpoint.last_success_at,
        endpoint.last_code,
    )
