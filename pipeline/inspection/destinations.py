"""The destinations of the settings: how each stands, and whom it lacks. Workers are told of what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from pipeline.audit.entries import record_action
from pipeline.delivery.accounts import account_of, quota_of
from pipeline.delivery.breaker import Breaker
from pipeline.delivery.governor import Governor
from pipeline.delivery.shared_state import shared_redis
from pipeline.delivery.standing import read_standings, why_quota_waits
from pipeline.errors import RefusedError, TransientError, UsageError
from pipeline.hints import hint_deliver
from pipeline.inspection.waiting import why_destination_waits, why_held
from pipeline.lanes import LANES
from pipeline.routing import meant_pairs
from pipeline.settings.declarations import DestinationSettings
from pipeline.settings.edges.residency import region_of
from pipeline.settings.loading import settings
from pipeline.store.deliveries.backfill import (
    DestinationCounts,
    count_by_destination,
    count_people_lacking,
    try_now,
    waiting_targets,
)
from pipeline.store.deliveries.comparisons import read_comparisons
from pipeline.store.engine import transaction
from pipeline.store.last_errors import destination_errors
from pipeline.targets import destination_of, is_named_now

if TYPE_CHECKING:
    from pipeline.recompute.deliveries import Backfilled

COUNTED_LACKING = 1_000_000  # people: who has more waits longer for a precise number than it is worth


class QuotaRow(msgspec.Struct, frozen=True):
    """What is known of a window of the account: calls used of how many in `seconds`, and how many of them others made.

    Without a window: the long quota as the CRM last said it; None: it never did."""

    used: int | None
    limit: int | None
    window: str | None = None
    seconds: float | None = None
    others: int | None = None


class DestinationRow(msgspec.Struct, frozen=True):
    """One destination, or another object that its mapping names (`crm/Account`). `state`: ready, halted, disabled, gone
    (only its deliveries are left) or unknown (Redis is away). `account` is the CRM's host, `lacking` how many people
    have no delivery that they are meant for, `waits` what keeps calls back, and until when, `held` deliveries of an
    object that the mapping names no more. `misfits`: what of the mapping did not fit the CRM when it was asked last, at
    `compared_at`. `data_region` is where its servers are, `transfer_basis` what allows people's data to go there."""

    name: str
    kind: str | None
    account: str | None
    state: str
    brands: list[str]
    due: int
    sent: int
    quarantined: int
    lacking: int
    last_error: str | None
    last_sent_at: datetime | None
    quotas: list[QuotaRow]
    waits: str | None = None
    held: int = 0
    misfits: tuple[str, ...] = ()
    compared_at: datetime | None = None
    data_region: str | None = None
    transfer_basis: str | None = None


def resume_destination(name: str) -> bool:
    """Let calls to a destination go on at once, instead of when the next one is tried. True if they were halted; what
    waits for its next try is sent either way, and a refusal for want of quota is put to the test.

    Raises UsageError for a name that is not known, RefusedError for one that is disabled, TransientError without
    database or Redis."""
    known = settings()
    if name not in known.destinations:
        names = ", ".join(sorted(known.destinations)) or "none"
        raise UsageError(f"there is no destination {name!r} in afluente.yaml; known: {names}")
    if not known.destinations[name].enabled:
        raise RefusedError(f"destinations.{name}.enabled is false in afluente.yaml: set it to true, then start again")
    client = shared_redis(known.broker_url)
    was_halted = Breaker(client).resume(name)
    Governor(client).lift(account_of(name, known), windows=quota_of(name, known).windows)
    with transaction() as connection:
        targets = waiting_targets(connection, name)
        record_action(connection, "destination.resume", object_kind="destination", object_id=name)
    for target in targets:
        with transaction() as connection:
            try_now(connection, target)
    for lane in LANES:
        hint_deliver(name, lane)
    return was_halted


def quota_wait(name: str) -> str | None:
    """What keeps calls to a destination back for want of quota, and until when: after a `resume`, a window that is
    full. Raises TransientError without Redis."""
    return why_quota_waits(read_standings(settings(), [name])[name])


def list_destinations() -> list[DestinationRow]:
    """Every destination of afluente.yaml, and those that only deliveries are left of. Raises TransientError if the
    database is away."""
    known = settings()
    with transaction(timeout_seconds=0) as connection:
        counts = count_by_destination(connection)
        errors = destination_errors(connection)
        compared = read_comparisons(connection)
        lacking = count_people_lacking(connection, meant_pairs(), most=COUNTED_LACKING)
    rows = []
    for name in sorted({*known.destinations, *counts}):
        configured, counted = _configured(name), counts.get(name, DestinationCounts({}, None))
        held = counted.states.get("held", 0)
        state, quotas = _state(destination_of(name), configured)
        rows.append(
            DestinationRow(
                name=name,
                kind=configured.kind if configured else None,
                account=urlsplit(configured.base_url).netloc if configured else None,
                state=state,
                brands=_brands(configured) if configured else [],
                due=counted.states.get("due", 0) + counted.states.get("in_flight", 0),
                sent=counted.states.get("sent", 0),
                quarantined=counted.states.get("quarantined", 0),
                lacking=lacking.get(name, 0),
                last_error=errors[name].error if name in errors else None,
                last_sent_at=counted.loaded_at,
                quotas=quotas,
                waits=why_destination_waits(name) if configured else why_held(name) if held else None,
                held=held,
                misfits=compared[name].findings if name in compared and configured else (),
                compared_at=compared[name].compared_at if name in compared else None,
                data_region=region_of(configured.data_region) if configured else None,
                transfer_basis=basis.told() if configured and (basis := configured.transfer_basis) else None,
            )
        )
    return rows


def backfill(
    name: str,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    everyone: bool = False,
    is_dry_run: bool = False,
    on_progress: Callable[[Backfilled, int], None] = lambda _done, _people: None,
) -> Backfilled:
    """Want what a destination lacks, as `recompute.deliveries.backfill_destination` does.

    Raises UsageError for a destination that there is not and a brand that it is not for, RefusedError for one that is
    disabled, TransientError if the database stays away; what is done stays done.
    """
    from pipeline.hints import hint_all
    from pipeline.recompute import deliveries

    configured = _usable(name)
    brands = _brands(configured)
    if brand is not None and brand not in brands:
        raise UsageError(f"is {brand!r}; {name} is for {', '.join(brands)}", argument="brand")
    done = deliveries.backfill_destination(
        name,
        brands if brand is None else [brand],
        since=since,
        everyone=everyone,
        is_dry_run=is_dry_run,
        on_progress=on_progress,
    )
    if done.wanted and not is_dry_run:
        hint_all()
    return done


def accept_key(name: str) -> int:
    """Say that the CRM's records are known by the key that is written to now; gives how many deliveries go on. Raises
    as `backfill` does."""
    from pipeline.hints import hint_all
    from pipeline.recompute import deliveries

    _usable(name)
    released = deliveries.accept_key(name)
    hint_all()
    return released


def _usable(name: str) -> DestinationSettings:
    known = settings().destinations
    if name not in known:
        raise UsageError(f"there is no destination {name!r} in afluente.yaml; known: {', '.join(sorted(known))}")
    if not known[name].enabled:
        raise RefusedError(f"{name} is disabled: set destinations.{name}.enabled to true, restart, and run this again")
    return known[name]


def _configured(name: str) -> DestinationSettings | None:
    """The settings of a destination, or of the one whose mapping names this object."""
    configured = settings().destinations.get(destination_of(name))
    return configured if configured is None or name == destination_of(name) or is_named_now(name) else None


def _brands(configured: DestinationSettings) -> list[str]:
    return sorted(settings().brands) if configured.brands is None else sorted(configured.brands)


def _state(name: str, configured: DestinationSettings | None) -> tuple[str, list[QuotaRow]]:
    if configured is None:
        return "gone", []
    if not configured.enabled:
        return "disabled", []
    try:
        standing = read_standings(settings(), [name])[name]
    except TransientError:
        return "unknown", []
    quota = standing.quota
    quotas = [
        QuotaRow(window.own + window.others, int(window.limit), window.name, window.seconds, window.others)
        for window in sorted(quota.windows, key=lambda window: window.seconds)
    ]
    if not quotas and quota.limit is not None:
        quotas = [QuotaRow(quota.used, quota.limit)]
    return ("ready" if standing.breaker.state == "closed" else "halted"), quotas
