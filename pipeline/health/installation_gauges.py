"""Serves the gauges of the whole installation at one of its receivers, whatever their number.

They are counted in PostgreSQL and Redis, so each receiver could tell all of them: then every sum over receivers would
be wrong, and the questions asked once for each. Who has the lock answers; the others say only what they see themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.delivery.shared_state import shared_redis, translated_redis_errors
from pipeline.errors import AfluenteError, TransientError, place_of
from pipeline.health.metrics import collect_gauges, parts_up
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings, settings
from pipeline.store.session_lock import SessionLock

_CACHED_SECONDS = 5.0  # several scrapers, or one in a hurry, cost one reading
_PATIENCE_SECONDS = 1.0  # a scrape waits so long for a reading, then it gets the one before
_KEPT_SECONDS = 60.0  # an older reading is none
_OVERRUN_SECONDS = 5.0  # a reading that takes longer hangs, and the database with it
_LOCK = 4
_log = get_logger(__name__)


class InstallationGauges(Collector):
    """Register it with a prometheus_client registry. A scrape takes about a second at most, whatever hangs."""

    def __init__(self, known: Settings | None = None) -> None:
        self._settings = known
        self._lock = SessionLock(_LOCK)
        self._is_another_serving = False
        self._is_stopped = False
        self._reading = threading.Lock()  # held while a reading is under way: one at a time
        self._done = threading.Event()
        self._begun_at = 0.0
        self._known: tuple[float, list[GaugeMetricFamily]] | None = None  # when it was read, and what

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []  # so that registering asks nobody

    def collect(self) -> Iterable[GaugeMetricFamily]:
        known = self._known
        if known is None or time.monotonic() - known[0] >= _CACHED_SECONDS:
            self._begin_reading()
            self._done.wait(max(0.0, self._begun_at + _PATIENCE_SECONDS - time.monotonic()))
            known = self._known
        if known is None or time.monotonic() - known[0] > _KEPT_SECONDS or self._hangs():
            return [parts_up({"database": False})]
        return known[1]

    def _hangs(self) -> bool:
        return not self._done.is_set() and time.monotonic() - self._begun_at > _OVERRUN_SECONDS

    def stop(self) -> None:
        """Let another receiver serve them. Waits a moment for a reading under way; what hangs ends with the process."""
        self._is_stopped = True
        if self._reading.acquire(timeout=_PATIENCE_SECONDS):
            self._lock.release()
            self._reading.release()

    def _begin_reading(self) -> None:
        if self._is_stopped or not self._reading.acquire(blocking=False):
            return
        self._done.clear()
        self._begun_at = time.monotonic()
        # In a thread of its own: a statement that hangs must hold up no scrape, and no other request.
        threading.Thread(target=self._read, name="gauges", daemon=True).start()

    def _read(self) -> None:
        try:
            self._known = time.monotonic(), self._gauges()
        except Exception as error:  # noqa: BLE001 - a bug here must not cost the receiver's own counters
            _log.error("gauges_not_read", place=place_of(error))
        finally:
            self._reading.release()
            self._done.set()

    def _gauges(self) -> list[GaugeMetricFamily]:
        serves = GaugeMetricFamily(
            "afluente_serves_installation",
            "1 at the receiver that serves the gauges of the whole installation",
            value=float(not self._is_served_by_another()),
        )
        if self._is_another_serving:
            return [serves, parts_up({"database": True, "redis": self._is_redis_up()})]
        return [serves, *collect_gauges(self._settings)]

    def _is_served_by_another(self) -> bool:
        with suppress(TransientError):  # nobody can ask: who served them goes on with what Redis knows
            self._is_another_serving = not self._lock.hold()
        return self._is_another_serving

    def _is_redis_up(self) -> bool:
        try:
            with translated_redis_errors():
                return bool(shared_redis((self._settings or settings()).broker_url).ping())
        except AfluenteError:
            return False
