"""What Prometheus may know of intake: counts, sizes and times by source; never a lead.

Gauges of what is due are read from the database when somebody asks, at most every few seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.errors import AfluenteError
from pipeline.intake.receiver.group_writer import Committed
from pipeline.store.deliveries.deliveries import due_counts
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events.events import oldest_pending

_BACKLOG_SECONDS = 5.0
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class IntakeMetrics:
    """The receiver's own counters, in a registry of their own."""

    def __init__(self, queued: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter helps nobody
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "afluente_intake_requests", "Requests by source and outcome", ["source", "outcome"], registry=self.registry
        )
        self._events = Counter(
            "afluente_intake_events",
            "Events by source; outcome is accepted, repeated or rejected",
            ["source", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "afluente_intake_request_seconds",
            "From the request's first byte to the answer",
            ["source"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._commit_seconds = Histogram(
            "afluente_intake_commit_seconds", "One group commit", buckets=_SECONDS, registry=self.registry
        )
        self._commit_events = Histogram(
            "afluente_intake_commit_events", "Events in one commit", buckets=_SIZES, registry=self.registry
        )
        self.registry.register(_Backlog(queued))
        self._commit_guard = threading.Lock()

    def note_request(self, source: str, outcome: str, seconds: float) -> None:
        """`source` must be a known one or "unknown": names that strangers choose would fill the memory."""
        self._requests.labels(source, outcome).inc()
        self._seconds.labels(source).observe(seconds)

    def note_events(self, source: str, *, accepted: int = 0, repeated: int = 0, rejected: int = 0) -> None:
        for outcome, count in (("accepted", accepted), ("repeated", repeated), ("rejected", rejected)):
            if count:
                self._events.labels(source, outcome).inc(count)

    def note_commit(self, committed: Committed) -> None:
        with self._commit_guard:
            self._commit_events.observe(committed.events)
            self._commit_seconds.observe(committed.seconds)

    def text(self) -> bytes:
        """Prometheus's text format. Asks the database: call it off the event loop."""
        return generate_latest(self.registry)


class _Backlog(Collector):
    """What waits: for a writer, for a chain, for a CRM."""

    def __init__(self, queued: Callable[[], int]) -> None:
        self._queued = queued
        self._read_at = -_BACKLOG_SECONDS
        self._known: list[GaugeMetricFamily] = []
        self._guard = threading.Lock()

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that registering does not ask the database

    def collect(self) -> list[GaugeMetricFamily]:
        with self._guard:
            if time.monotonic() - self._read_at >= _BACKLOG_SECONDS:
                self._known = _read_backlog()
                self._read_at = time.monotonic()
            return [
                GaugeMetricFamily("afluente_intake_queued_events", "Wait for a writer", value=self._queued()),
                *self._known,
            ]


def _read_backlog() -> list[GaugeMetricFamily]:
    is_up = GaugeMetricFamily("afluente_database_up", "1 if the database answers")
    pending = GaugeMetricFamily("afluente_events_pending", "Events that wait for a chain", labels=["lane"])
    oldest = GaugeMetricFamily("afluente_events_oldest_pending_seconds", "Age of the oldest of them", labels=["lane"])
    due = GaugeMetricFamily("afluente_deliveries_due", "Deliveries due now", labels=["destination", "lane"])
    try:
        with transaction(synchronous=False) as connection:
            for lane, (count, received_at) in oldest_pending(connection).items():
                pending.add_metric([lane], count)
                if received_at is not None:
                    oldest.add_metric([lane], max(0.0, time.time() - received_at.timestamp()))
            for destination, lanes in due_counts(connection).items():
                for lane, (count, _) in lanes.items():
                    due.add_metric([destination, lane], count)
    except (AfluenteError, StoreError):
        is_up.add_metric([], 0)
        return [is_up]
    is_up.add_metric([], 1)
    return [is_up, pending, oldest, due]
