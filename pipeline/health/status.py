"""What `afluente status` shows: where the parts are, what runs, what waits, what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors.kit.registry import broken_sources
from pipeline.delivery.standing import Standing
from pipeline.health.completeness import find_completeness_problems, reconcile_states
from pipeline.health.connector_checks import find_wrong_mappings
from pipeline.health.edges.residency import transfers
from pipeline.health.keys.standings import find_ending, read_stores
from pipeline.health.machine_checks import free_bytes
from pipeline.health.polls import find_poll_problems, poll_states
from pipeline.health.privacy.crm_consents import find_late_opt_outs
from pipeline.health.readings import Backlog, DatabaseReading, Readings, take_readings
from pipeline.health.silence.notices import SourceSilence, Surroundings, find_unwatched, silences
from pipeline.health.subscriptions.notices import find_lost, subscription_states
from pipeline.health.thresholds import LEAST_FREE_BYTES, find_alarms
from pipeline.recompute.deliveries import lacking_now
from pipeline.settings.edges.residency import region_of
from pipeline.settings.installation import read_runtime
from pipeline.settings.loading import Settings, settings
from pipeline.store.last_errors import LastError
from pipeline.supervisor.data_folder import find_recorded

_STORES_SECONDS = 3.0  # for what stores of secrets say; without it the rest is told


def collect_status(known: Settings | None = None) -> dict[str, Any]:
    """JSON-ready. A part that is away leaves its numbers out and a sentence in `problems`; nothing raises.

    Keys: addresses, processes [{name, pid, alive}], database and redis ("up" or what is wrong), pending and in_flight
    by lane, queues and unacked (messages), due by destination and lane, held (deliveries of
    objects that no mapping names any more), without_consent (deliveries that wait for it), destinations, sources,
    quarantined by stage,
    drift (undecided fields by source), webhooks (state and backlog by endpoint), requests (of the last minutes, by
    source and outcome), data_region and transfers (what leaves it, by what right), fetches (what waits to be read of
    sources that send ids), silent (sources, for longer than
    usual), reviews_waiting (pairs of people for a human), activities_waiting (for their lead), problems (sentences).
    """
    known = known or settings()
    runtime = read_runtime(known.data)
    readings = take_readings(known)
    database, redis = readings.database, readings.redis
    processes = _processes(known, runtime)
    silent = _silent(known, database)
    return {
        "addresses": runtime.get("addresses", {}),
        "processes": processes,
        "database": readings.absent.get("database", "up"),
        "redis": readings.absent.get("redis", "up"),
        "pending": _backlogs(database.pending) if database else {},
        "in_flight": database.in_flight if database else {},
        "queues": redis.queues if redis else {},
        "unacked": redis.unacked if redis else None,
        "due": {name: _backlogs(lanes) for name, lanes in database.due.items()} if database else {},
        "held": database.held if database else {},
        "without_consent": database.gated if database else {},
        "destinations": _destinations(known, readings),
        "sources": _errors(database.source_errors) if database else {},
        "quarantined": database.quarantined if database else {},
        "drift": database.drift if database else {},
        "requests": database.requests if database else {},
        "webhooks": _webhooks(database),
        "fetches": [msgspec.to_builtins(state) for state in database.fetches] if database else [],
        "silent": [msgspec.to_builtins(source) for source in silent],
        "data_region": region_of(known.data_region),
        "transfers": transfers(known),
        "reviews_waiting": database.reviews_waiting if database else None,
        "activities_waiting": database.activities_waiting if database else None,
        "problems": [
            *(
                f"{process['name']}: its process {process['pid']} is gone"
                for process in processes
                if not process["alive"]
            ),
            *_disk(known),
            *_ending_secrets(known),
            *find_alarms(readings),
            *(source.notice or "" for source in silent),
            *(find_lost(subscription_states(known, database.subscriptions, {})) if database else []),
            *(find_unwatched(database.rhythms, datetime.now(UTC)) if database else []),
            *find_poll_problems(poll_states(known, database.cursors if database else {})),
            *_completeness(known, database),
            *(find_late_opt_outs(known, database.opt_outs) if database else []),
            *(f"source {slug} is left out: {reason}" for slug, reason in broken_sources().items()),
            *find_wrong_mappings(known),
            *(lacking_now() if database else []),
        ],
    }


def _ending_secrets(known: Settings) -> list[str]:
    read_stores(known, timeout_seconds=_STORES_SECONDS)
    return find_ending(known)


def _completeness(known: Settings, database: DatabaseReading | None) -> list[str]:
    if database is None:
        return []
    return find_completeness_problems(reconcile_states(known, database.cursors, database.reconciled))


def _processes(known: Settings, runtime: dict[str, Any]) -> list[dict[str, Any]]:
    alive = {process.pid for process in find_recorded(known.data)}
    return [
        {"name": entry.get("name"), "pid": entry.get("pid"), "alive": entry.get("pid") in alive}
        for entry in runtime.get("processes", [])
        if isinstance(entry, dict)
    ]


def _silent(known: Settings, database: DatabaseReading | None) -> list[SourceSilence]:
    """Sources that are silent for longer than their rhythm."""
    if database is None:
        return []
    around = Surroundings(database.cursors, database.requests)
    found = silences(known, database.rhythms, around, datetime.now(UTC))
    return [silence for silence in found if silence.notice is not None]


def _disk(known: Settings) -> list[str]:
    """A full disk stops intake, though everything runs."""
    free = free_bytes(known.data)
    if free >= LEAST_FREE_BYTES:
        return []
    return [f"disk: {free / 1e6:.0f} MB are free for {known.data}: make room; a full disk stops intake"]


def _destinations(known: Settings, readings: Readings) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "enabled": destination.enabled,
            **_last_error(readings.database, name),
            **_shared_state(readings.redis.destinations.get(name) if readings.redis else None),
        }
        for name, destination in sorted(known.destinations.items())
    }


def _last_error(database: DatabaseReading | None, name: str) -> dict[str, Any]:
    return _error(database.destination_errors.get(name) if database else None)


def _shared_state(state: Standing | None) -> dict[str, Any]:
    if state is None:
        return {}
    return {
        "breaker": state.breaker.state,
        "halted_because": state.breaker.reason if state.breaker.state != "closed" else None,
        "next_call_in_seconds": round(max(state.breaker.open_seconds, state.quota.next_call_seconds), 1),
        "rate_factor": round(state.quota.factor, 3),
        "calls_used": state.quota.used,
        "calls_limit": state.quota.limit,
        "full_window": state.quota.full,
    }


def _webhooks(database: DatabaseReading | None) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "state": webhook.state,
            "failures": webhook.failures,
            "last_code": webhook.last_code,
            **msgspec.structs.asdict(webhook.backlog),
        }
        for name, webhook in sorted((database.webhooks if database else {}).items())
    }


def _backlogs(backlogs: dict[str, Backlog]) -> dict[str, dict[str, Any]]:
    return {
        lane: {"count": backlog.count, "oldest_seconds": backlog.oldest_seconds} for lane, backlog in backlogs.items()
    }


def _errors(errors: dict[str, LastError]) -> dict[str, dict[str, Any]]:
    return {name: _error(error) for name, error in errors.items()}


def _error(error: LastError | None) -> dict[str, Any]:
    return {
        "last_error": error.error if error else None,
        "last_error_at": error.at.isoformat() if error and error.at else None,
    }
