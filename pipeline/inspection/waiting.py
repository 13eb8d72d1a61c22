"""Why a person waits for a CRM, or a lead for its record, in words. Nothing here reads a lead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipeline.delivery.standing import read_standings, why_halted, why_quota_waits
from pipeline.errors import TransientError
from pipeline.settings.loading import settings
from pipeline.store.deliveries.gated import NO_CONSENT
from pipeline.store.fetches.waiting import read_waiting
from pipeline.targets import destination_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def why_destination_waits(target: str) -> str | None:
    """What keeps all calls to a destination back, or to the one of `crm/Account`; None if they are made as their time
    comes."""
    destination = destination_of(target)
    configured = settings().destinations.get(destination)
    if configured is None:
        return f"there is no destinations.{destination} in afluente.yaml any more"
    if not configured.enabled:
        return f"the destination is disabled (destinations.{destination}.enabled in afluente.yaml)"
    try:
        standing = read_standings(settings(), [destination])[destination]
    except TransientError:
        return "Redis does not answer, without which no call is made"
    if halted := why_halted(destination, standing.breaker):
        return halted
    return why_quota_waits(standing)


def why_delivery_waits(delivery: Mapping[str, Any], of_destination: str | None) -> str | None:
    """Why a delivery is not made yet; None if it is made, or waits for a human. `of_destination`: what keeps all of its
    destination's calls back."""
    if delivery["state"] == "in_flight":
        return "a sender has it"
    if delivery["state"] == "held":
        return why_held(delivery["destination"])
    if delivery["state"] == NO_CONSENT:
        return why_gated(delivery["destination"], delivery["last_error"])
    if delivery["state"] != "due":
        return None
    if of_destination:
        return of_destination
    seconds = (delivery["next_attempt_at"] - datetime.now(UTC)).total_seconds()
    return f"next try in {seconds:.0f} s" if seconds >= 1 else "its turn has come: a sender takes it within seconds"


def why_held(target: str) -> str:
    """Of deliveries of an object that is in no mapping any more."""
    destination, _, name = target.partition("/")
    return (
        f"the mapping of {destination} does not name {name} any more: what was wanted is kept, and sent when it names"
        f" {name} again"
    )


def why_gated(target: str, error: str | None = None) -> str:
    """Of deliveries of people who have not agreed to what a destination needs."""
    destination = target.partition("/")[0]
    waits = (error or "").removeprefix("waits: ") or "for consent"
    return f"waits {waits}: {destination} needs it (needs_consent), and it is sent when it is granted"


def why_not_wanted(destination: str) -> str:
    """Why a person has no delivery to a destination that it is meant for."""
    return (
        f"not wanted yet: it came before {destination} was a destination of its brand; `afluente destination backfill"
        f" {destination}` wants it"
    )


def why_record_waits(connection: Connection, event_id: UUID) -> str:
    """Why the record of an event was not read yet, in words."""
    waiting = read_waiting(connection, event_id)
    if waiting is None:
        return "its record is about to be read from its source"
    if waiting.error is not None:
        return f"waits for its record to be read from its source: {waiting.error}"
    if waiting.last_error is not None:
        return f"waits for its record, tried {waiting.attempts} times: {waiting.last_error}"
    return "waits for its record to be read from its source"
