"""The gauges of the whole installation for Prometheus, made of what PostgreSQL and Redis know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily

from pipeline.health.completeness import completeness_gauges, reconcile_states
from pipeline.health.readings import DatabaseReading, RedisReading, take_readings
from pipeline.health.silence.judging import quiet_from
from pipeline.health.silence.notices import FRESH
from pipeline.settings.loading import Settings, settings


def collect_gauges(known: Settings | None = None) -> list[GaugeMetricFamily]:
    """The gauges as they are now. A part that is away shows as `afluente_up` 0 and leaves its gauges out."""
    known = known or settings()
    readings = take_readings(known)
    up = parts_up({"database": readings.database is not None, "redis": readings.redis is not None})
    database = readings.database
    states = reconcile_states(known, database.cursors, database.reconciled) if database else []
    return [up, *_of_database(database), *completeness_gauges(states), *_of_redis(readings.redis)]


def parts_up(parts: Mapping[str, bool]) -> GaugeMetricFamily:
    """Which parts answered."""
    up = GaugeMetricFamily("afluente_up", "1 if the part answers this receiver", labels=["part"])
    for part, is_up in parts.items():
        up.add_metric([part], float(is_up))
    return up


def _of_database(reading: DatabaseReading | None) -> Iterator[GaugeMetricFamily]:
    if reading is None:
        return
    pending = GaugeMetricFamily("afluente_events_pending", "Events that wait for a chain", labels=["lane"])
    oldest = GaugeMetricFamily("afluente_events_oldest_pending_seconds", "Age of the oldest of them", labels=["lane"])
    for lane, backlog in reading.pending.items():
        pending.add_metric([lane], backlog.count)
        oldest.add_metric([lane], backlog.oldest_seconds)
    names = ["destination", "lane"]
    due = GaugeMetricFamily("afluente_deliveries_due", "Deliveries due now", labels=names)
    oldest_due = GaugeMetricFamily("afluente_deliveries_oldest_due_seconds", "Age of the oldest of them", labels=names)
    for destination, lanes in reading.due.items():
        for lane, backlog in lanes.items():
            due.add_metric([destination, lane], backlog.count)
            oldest_due.add_metric([destination, lane], backlog.oldest_seconds)
    yield from (pending, oldest, due, oldest_due)
    yield _counts("afluente_batches_in_flight", "Batches in a chain", "lane", reading.in_flight)
    yield _counts(
        "afluente_deliveries_held", "Deliveries of objects that no mapping names any more", "destination", reading.held
    )
    yield _counts(
        "afluente_deliveries_without_consent",
        "Deliveries of people who have not agreed to what the destination needs",
        "destination",
        reading.gated,
    )
    yield _counts(
        "afluente_mapping_misfits",
        "Things of the mapping that the CRM says it does not take",
        "destination",
        reading.misfits,
    )
    yield _counts("afluente_quarantine_open", "Things that wait for a human", "stage", reading.quarantined)
    yield _counts(
        "afluente_drift_fields", "Fields that the source's mapping has not decided about", "source", reading.drift
    )
    yield _of_opt_outs(reading)
    yield from _of_webhooks(reading)
    yield from _of_fetches(reading)
    yield from _of_sources(reading)
    yield GaugeMetricFamily(
        "afluente_reviews_waiting", "Pairs of people that a human is asked about", value=reading.reviews_waiting
    )
    yield GaugeMetricFamily(
        "afluente_activities_waiting", "Told of somebody who is not known yet", value=reading.activities_waiting
    )


def _counts(name: str, what: str, label: str, counts: Mapping[str, int]) -> GaugeMetricFamily:
    """A gauge with one sample for each key, which is the value of its label."""
    gauge = GaugeMetricFamily(name, what, labels=[label])
    for value, count in counts.items():
        gauge.add_metric([value], count)
    return gauge


def _of_opt_outs(reading: DatabaseReading) -> GaugeMetricFamily:
    names = ["destination", "object"]
    unread = GaugeMetricFamily(
        "afluente_opt_outs_unread_seconds", "Since a CRM was last asked what people took back there", labels=names
    )
    for key, state in reading.opt_outs.items():
        unread.add_metric(key, state.silent_seconds)
    return unread


def _of_webhooks(reading: DatabaseReading) -> Iterator[GaugeMetricFamily]:
    messages = GaugeMetricFamily(
        "afluente_webhook_messages", "Messages to other systems that are no success yet", labels=["endpoint", "state"]
    )
    oldest = GaugeMetricFamily(
        "afluente_webhook_oldest_due_seconds", "Age of the oldest that is still to be sent", labels=["endpoint"]
    )
    failures = GaugeMetricFamily("afluente_webhook_failures", "Calls in a row that failed", labels=["endpoint"])
    off = GaugeMetricFamily("afluente_webhook_off", "1 if its messages are held", labels=["endpoint"])
    for name, webhook in reading.webhooks.items():
        for state in ("due", "in_flight", "held", "failed"):
            messages.add_metric([name, state], getattr(webhook.backlog, state))
        oldest.add_metric([name], webhook.backlog.oldest_seconds)
        failures.add_metric([name], webhook.failures)
        off.add_metric([name], float(webhook.state.startswith("off")))
    yield from (messages, oldest, failures, off)


def _of_fetches(reading: DatabaseReading) -> Iterator[GaugeMetricFamily]:
    names, now = ["source", "brand"], datetime.now(UTC)
    waiting = GaugeMetricFamily("afluente_fetches_waiting", "Records that are to be read by their ids", labels=names)
    oldest = GaugeMetricFamily("afluente_fetches_oldest_waiting_seconds", "Age of the oldest of them", labels=names)
    for state in reading.fetches:
        waiting.add_metric([state.source, state.brand], state.waiting)
        oldest.add_metric([state.source, state.brand], state.waits_seconds(now))
    yield from (waiting, oldest)


def _of_sources(reading: DatabaseReading) -> Iterator[GaugeMetricFamily]:
    names, now = ["source", "brand"], datetime.now(UTC)
    silent = GaugeMetricFamily(
        "afluente_source_silent", "1 if it is silent for longer than its own rhythm", labels=names
    )
    seconds = GaugeMetricFamily("afluente_source_silent_seconds", "Since its last lead came in", labels=names)
    for rhythm in reading.rhythms:
        if now - rhythm.judged_at <= FRESH:
            silent.add_metric([rhythm.source, rhythm.brand], float(rhythm.unusual_since is not None))
            seconds.add_metric([rhythm.source, rhythm.brand], max((now - quiet_from(rhythm)).total_seconds(), 0.0))
    hooks = GaugeMetricFamily(
        "afluente_source_subscribed", "1 if the source said last that it knows our address", labels=names
    )
    for row in reading.subscriptions.values():
        hooks.add_metric([row.source, row.brand], float(row.hook == "active"))
    yield from (silent, seconds, hooks)


def _of_redis(reading: RedisReading | None) -> Iterator[GaugeMetricFamily]:
    if reading is None:
        return
    yield _counts("afluente_queue_messages", "Messages no worker has taken yet", "queue", reading.queues)
    yield GaugeMetricFamily("afluente_unacked_messages", "Messages that workers hold", value=reading.unacked)
    halted = GaugeMetricFamily("afluente_destination_halted", "1 if no calls are made", labels=["destination"])
    factor = GaugeMetricFamily(
        "afluente_destination_rate_factor", "Share of the configured rate in force", labels=["destination"]
    )
    used = GaugeMetricFamily("afluente_destination_calls_used", "Of the CRM's long quota", labels=["destination"])
    limit = GaugeMetricFamily("afluente_destination_calls_limit", "The CRM's long quota", labels=["destination"])
    for name, destination in reading.destinations.items():
        halted.add_metric([name], float(destination.breaker.state != "closed"))
        factor.add_metric([name], destination.quota.factor)
        if destination.quota.used is not None and destination.quota.limit is not None:
            used.add_metric([name], destination.quota.used)
            limit.add_metric([name], destination.quota.limit)
    yield from (halted, factor, used, limit)
    yield GaugeMetricFamily("afluente_redis_memory_bytes", "Used by Redis", value=reading.memory_bytes)
    yield GaugeMetricFamily("afluente_redis_evicted_keys", "Must stay 0", value=reading.evicted_keys)
