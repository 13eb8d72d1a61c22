"""What Prometheus may know of intake: counts, sizes and times by source; never a lead.

One receiver of an installation serves its gauges beside them (pipeline/health/installation_gauges.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from pipeline.health.installation_gauges import InstallationGauges
from pipeline.health.keys.gauges import SecretGauges
from pipeline.intake.posted.readers import DIED, HUNG
from pipeline.intake.receiver.group_writer import Committed
from pipeline.records import Receipt
from pipeline.settings.loading import Settings

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class IntakeMetrics:
    """The receiver's own counters, and the installation's gauges if it is this one that serves them."""

    def __init__(self, settings: Settings, queued: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter helps nobody
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "afluente_intake_requests", "Requests by source and outcome", ["source", "outcome"], registry=self.registry
        )
        self._events = Counter(
            "afluente_intake_events",
            "Events by source; outcome is accepted, repeated or rejected; revised counts those accepted ones"
            " that say something else of a known id",
            ["source", "outcome"],
            registry=self.registry,
        )
        self._proofs = Counter(
            "afluente_intake_proofs",
            "Requests by the secret that proved them: newest, or older while one is being replaced",
            ["source", "secret"],
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
        self._readers_ended = Counter(
            "afluente_intake_readers_ended",
            "Processes that read large bodies and ended under one; reason is died or hung",
            ["reason"],
            registry=self.registry,
        )
        for reason in (DIED, HUNG):
            self._readers_ended.labels(reason)  # from now on 0: what grows is seen from its first time on
        waiting = Gauge("afluente_intake_queued_events", "Wait for a writer", registry=self.registry)
        waiting.set_function(queued)
        self._installation = InstallationGauges(settings)
        self.registry.register(self._installation)
        self.registry.register(SecretGauges(settings))
        self._commit_guard = threading.Lock()

    def note_request(self, source: str, outcome: str, seconds: float) -> None:
        """`source` must be a known one or "unknown": names that strangers choose would fill the memory."""
        self._requests.labels(source, outcome).inc()
        self._seconds.labels(source).observe(seconds)

    def note_proof(self, source: str, *, is_newest: bool) -> None:
        self._proofs.labels(source, "newest" if is_newest else "older").inc()

    def note_receipts(self, source: str, receipts: Sequence[Receipt], *, rejected: int = 0) -> None:
        """What became of one request's records."""
        repeated = sum(receipt.repeated for receipt in receipts)
        counts = {
            "accepted": len(receipts) - repeated,
            "repeated": repeated,
            "revised": sum(receipt.revised for receipt in receipts),
            "rejected": rejected,
        }
        for outcome, count in counts.items():
            if count:
                self._events.labels(source, outcome).inc(count)

    def note_commit(self, committed: Committed) -> None:
        with self._commit_guard:
            self._commit_events.observe(committed.events)
            self._commit_seconds.observe(committed.seconds)

    def note_reader_end(self, reason: str) -> None:
        self._readers_ended.labels(reason).inc()

    def text(self) -> bytes:
        """Prometheus's text format. May wait a second for the database: call it off the event loop."""
        return generate_latest(self.registry)

    def stop(self) -> None:
        """Let another receiver serve the installation's gauges."""
        self._installation.stop()
