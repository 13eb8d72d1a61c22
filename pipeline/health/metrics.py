"""The pipeline's gauges for Prometheus. Read when somebody asks, at most every few seconds, whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.health.readings import DatabaseReading, Readings, RedisReading, take_readings
from pipeline.settings.loading import Settings, settings

_CACHED_SECONDS = 5.0  # several scrapers, or one in a hurry, cost one reading


class PipelineCollector(Collector):
    """Register it with a prometheus_client registry. Scraping it asks the database and Redis: not on an event loop."""

    def __init__(self, known: Settings | None = None) -> None:
        self._settings = known
        self._guard = threading.Lock()
        self._read_at = -_CACHED_SECONDS
        self._gauges: list[GaugeMetricFamily] = []

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []  # so that registering asks nobody

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._guard:
            if time.monotonic() - self._read_at >= _CACHED_SECONDS:
                self._gauges = collect_gauges(self._settings)
                self._read_at = time.monotonic()
            return self._gauges


def collect_gauges(known: Settings | None = None) -> list[GaugeMetricFamily]:
    """The gauges as they are now. A part that is away shows as `afluente_up` 0 and leaves its gauges out."""
    readings = take_readings(known or settings())
    return [*_parts(readings), *_of_database(readings.database), *_of_redis(readings.redis)]


def _parts(readings: Readings) -> Iterator[GaugeMetricFamily]:
    up = GaugeMetricFamily("afluente_up", "1 if the part answers", labels=["part"])
    up.add_metric(["database"], float(readings.database is not None))
    up.add_metric(["redis"], float(readings.redis is not None))
    yield up


def _of_database(reading: DatabaseReading | None) -> Iterator[GaugeMetricFamily]:
    if reading is None:
        return
    pending = GaugeMetricFamily("afluente_events_pending", "Events that wait for a chain", labels=["lane"])
    oldest = GaugeMetricFamily("afluente_events_oldest_pending_seconds", "Age of the oldest of them", labels=["lane"])
    for lane, backlog in reading.pending.items():
        pending.add_metric([lane], backlog.count)
        oldest.add_metric([lane], backlog.oldest_seconds)
    in_flight = GaugeMetricFamily("afluente_batches_in_flight", "Batches in a chain", labels=["lane"])
    for lane, count in reading.in_flight.items():
        in_flight.add_metric([lane], count)
    names = ["destination", "lane"]
    due = GaugeMetricFamily("afluente_deliveries_due", "Deliveries due now", labels=names)
    oldest_due = GaugeMetricFamily("afluente_deliveries_oldest_due_seconds", "Age of the oldest of them", labels=names)
    for destination, lanes in reading.due.items():
        for lane, backlog in lanes.items():
            due.add_metric([destination, lane], backlog.count)
            oldest_due.add_metric([destination, lane], backlog.oldest_seconds)
    quarantined = GaugeMetricFamily("afluente_quarantine_open", "Things that wait for a human", labels=["stage"])
    for stage, count in reading.quarantined.items():
        quarantined.add_metric([stage], count)
    drift = GaugeMetricFamily(
        "afluente_drift_fields", "Fields that the source's mapping has not decided about", labels=["source"]
    )
    for source, count in reading.drift.items():
        drift.add_metric([source], count)
    yield from (pending, oldest, in_flight, due, oldest_due, quarantined, drift)
    yield GaugeMetricFamily(
        "afluente_reviews_waiting", "Pairs of people that a human is asked about", value=reading.reviews_waiting
    )


def _of_redis(reading: RedisReading | None) -> Iterator[GaugeMetricFamily]:
    if reading is None:
        return
    queues = GaugeMetricFamily("afluente_queue_messages", "Messages no worker has taken yet", labels=["queue"])
    for queue, count in reading.queues.items():
        queues.add_metric([queue], count)
    yield queues
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
