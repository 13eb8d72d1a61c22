"""The secrets of this process for Prometheus: how old each is, whether it can be read, when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.health.keys.standings import standings
from pipeline.settings.loading import Settings


class SecretGauges(Collector):
    """Register it with a prometheus_client registry. It asks no store."""

    def __init__(self, known: Settings) -> None:
        self._known = known

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []  # so that registering asks nobody

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ends = GaugeMetricFamily(
            "afluente_secret_expires_days", "Until a secret stops being of use", labels=["reference"]
        )
        failing = GaugeMetricFamily(
            "afluente_secret_failing_seconds",
            "For how long a secret could not be read again; what was read before still serves",
            labels=["reference"],
        )
        now = datetime.now(UTC)
        for standing in standings(self._known):
            if (left := standing.days_left(now)) is not None:
                ends.add_metric([standing.reference], left)
            since = standing.failing_since
            failing.add_metric([standing.reference], (now - since).total_seconds() if since else 0.0)
        yield from (ends, failing)
