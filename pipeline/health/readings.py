"""What the installation says of itself, read in one go. Each part survives the absence of the others.

Only cheap questions: partial indexes, list lengths, a few keys. Nothing here reads a lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from pipeline.delivery.shared_state import shared_redis, translated_redis_errors
from pipeline.delivery.standing import Standing, read_standings
from pipeline.errors import AfluenteError
from pipeline.health.doubtful_ids import doubtful_ids
from pipeline.health.drift import drifting_fields
from pipeline.health.request_checks import WINDOW_MINUTES
from pipeline.lanes import LANES, NODES
from pipeline.settings.loading import Settings
from pipeline.store.deliveries.comparisons import read_comparisons
from pipeline.store.deliveries.crm_consents import ReadState, read_states
from pipeline.store.deliveries.deliveries import due_counts
from pipeline.store.deliveries.gated import count_gated
from pipeline.store.deliveries.held import count_held
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events.cursors import PollKey, StoredCursor, read_cursors
from pipeline.store.events.leases import count_in_flight_batches, oldest_pending
from pipeline.store.events.quarantine import count_stages
from pipeline.store.events.reconciled import ReconciledDay, read_last_whole_days
from pipeline.store.events.requests import count_requests
from pipeline.store.events.revisions import ManyRevisions
from pipeline.store.fetches.pauses import FetchState, fetch_states
from pipeline.store.identity.reviews import count_reviews
from pipeline.store.last_errors import LastError, destination_errors, source_errors
from pipeline.store.people import activities
from pipeline.store.sources.rhythms import SourceKey, SourceRhythm, read_rhythms
from pipeline.store.sources.subscriptions import SubscriptionRow, read_subscriptions
from pipeline.store.webhooks.endpoints import read_endpoints
from pipeline.store.webhooks.messages import Backlog as WebhookBacklog
from pipeline.store.webhooks.messages import read_backlogs
from pipeline.webhooks.hooks import state_of

Reading = TypeVar("Reading")

QUEUES = tuple(queue for _, queues, _ in NODES for queue in queues)
_TIMEOUT_SECONDS = 10.0  # of a statement: who looks at a dashboard does not wait for more


class Backlog(msgspec.Struct, frozen=True):
    """Things that wait, and the age of the oldest in seconds."""

    count: int
    oldest_seconds: float


class WebhookReading(msgspec.Struct, frozen=True):
    """An endpoint of outgoing webhooks: on, paused, or off with the reason; how many calls in a row failed, and what of
    its messages waits."""

    state: str
    failures: int
    last_code: str | None
    backlog: WebhookBacklog


class DatabaseReading(msgspec.Struct, frozen=True):
    """What PostgreSQL knows. `quarantined` counts open rows by stage, `in_flight` claims by lane, `drift` the fields of
    a source that its mapping has not decided about, `reviews_waiting` pairs of people that a human is asked about,
    `activities_waiting` those told of somebody who is not known yet,
    `requests` what became of the last minutes' requests, by source and outcome. `many_revisions`: sources with ids that
    come with ever other content. `webhooks`: endpoints that other systems are told at. `held`: deliveries, by
    the object of a CRM that no mapping names any more. `gated`: those that wait for consent. `misfits`: how many
    things of a destination's mapping did not
    fit when its CRM was asked last. `fetches`: what waits to be read from sources that send ids.
    `reconciled`: what sources list as posted beside what came, of the last day that was read whole. `rhythms`: how long
    sources are silent. `subscriptions`: what sources said when they were asked whether they know our address.
    `opt_outs`: how the reading of what people take back in CRMs goes, by destination and object."""

    pending: dict[str, Backlog]
    due: dict[str, dict[str, Backlog]]
    in_flight: dict[str, int]
    quarantined: dict[str, int]
    destination_errors: dict[str, LastError]
    source_errors: dict[str, LastError]
    drift: dict[str, int]
    reviews_waiting: int
    activities_waiting: int
    requests: dict[str, dict[str, int]] = {}
    many_revisions: dict[str, ManyRevisions] = {}
    cursors: dict[PollKey, StoredCursor] = {}
    webhooks: dict[str, WebhookReading] = {}
    held: dict[str, int] = {}
    gated: dict[str, int] = {}
    misfits: dict[str, int] = {}
    fetches: list[FetchState] = []
    reconciled: list[ReconciledDay] = []
    rhythms: list[SourceRhythm] = []
    subscriptions: dict[SourceKey, SubscriptionRow] = {}
    opt_outs: dict[tuple[str, str], ReadState] = {}


class RedisReading(msgspec.Struct, frozen=True):
    """What Redis knows. `queues` are messages nobody has taken yet, `unacked` those a worker holds."""

    queues: dict[str, int]
    unacked: int
    destinations: dict[str, Standing]
    memory_bytes: int
    memory_limit_bytes: int
    evicted_keys: int


class Readings(msgspec.Struct, frozen=True):
    """Both, or for the one that is away a sentence in `absent`."""

    database: DatabaseReading | None
    redis: RedisReading | None
    absent: dict[str, str]


def take_readings(known: Settings) -> Readings:
    """Ask database and Redis. Never raises for what they do."""
    absent: dict[str, str] = {}
    database = _attempt("database", read_database, absent)
    redis = _attempt("redis", lambda: read_redis(known), absent)
    return Readings(database, redis, absent)


def _attempt(part: str, read: Callable[[], Reading], absent: dict[str, str]) -> Reading | None:
    try:
        return read()
    except (AfluenteError, StoreError) as error:
        absent[part] = str(error)
        return None


def read_database() -> DatabaseReading:
    """Raises TransientError if the database is away, ConfigurationError if its tables are missing."""
    with transaction(synchronous=False, timeout_seconds=_TIMEOUT_SECONDS) as connection:
        now = datetime.now(UTC)
        return DatabaseReading(
            pending=_backlogs(oldest_pending(connection), now),
            due={destination: _backlogs(lanes, now) for destination, lanes in due_counts(connection).items()},
            in_flight={lane: count for lane in LANES if (count := count_in_flight_batches(connection, lane))},
            quarantined=count_stages(connection),
            destination_errors=destination_errors(connection),
            source_errors=source_errors(connection),
            drift=drifting_fields(connection),
            reviews_waiting=count_reviews(connection),
            activities_waiting=activities.count_waiting(connection),
            many_revisions=doubtful_ids(connection),
            cursors=read_cursors(connection),
            requests=count_requests(connection, minutes=WINDOW_MINUTES),
            webhooks=_webhooks(connection, now),
            held=count_held(connection),
            gated=count_gated(connection),
            misfits={name: len(found.findings) for name, found in read_comparisons(connection).items()},
            fetches=fetch_states(connection),
            reconciled=read_last_whole_days(connection),
            rhythms=list(read_rhythms(connection).values()),
            subscriptions=read_subscriptions(connection),
            opt_outs=read_states(connection),
        )


def _webhooks(connection: Connection, now: datetime) -> dict[str, WebhookReading]:
    """Of those that still stand in the settings or are subscribed."""
    backlogs = read_backlogs(connection)
    return {
        endpoint.name: WebhookReading(
            state_of(endpoint, now),
            endpoint.failures,
            endpoint.last_code,
            backlogs.get(endpoint.name, WebhookBacklog()),
        )
        for endpoint in read_endpoints(connection)
        if endpoint.is_declared
    }


def read_redis(known: Settings) -> RedisReading:
    """Raises TransientError if Redis is away."""
    client = shared_redis(known.broker_url)
    with translated_redis_errors():
        pipe = client.pipeline(transaction=False)
        for queue in QUEUES:
            pipe.llen(queue)
        pipe.hlen("unacked")
        pipe.info("memory")
        pipe.info("stats")
        *lengths, unacked, memory, stats = pipe.execute()
    return RedisReading(
        queues=dict(zip(QUEUES, lengths, strict=True)),
        unacked=unacked,
        destinations=read_standings(
            known,
            sorted(name for name, destination in known.destinations.items() if destination.enabled),
        ),
        memory_bytes=int(memory["used_memory"]),
        memory_limit_bytes=int(memory.get("maxmemory", 0)),
        evicted_keys=int(stats.get("evicted_keys", 0)),
    )


def _backlogs(lanes: Mapping[str, tuple[int, datetime]], now: datetime) -> dict[str, Backlog]:
    return {
        lane: Backlog(count, max(0.0, round((now - oldest).total_seconds(), 1)))
        for lane, (count, oldest) in lanes.items()
    }
