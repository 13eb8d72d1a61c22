"""Is this receiver alive, and may it be sent leads? Redis away makes it degraded, not unready: rows wait for hints."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis

from pipeline.errors import AfluenteError
from pipeline.settings.loading import Settings
from pipeline.store.engine import StoreError, engine
from pipeline.store.schema import is_current

_KNOWN_SECONDS = 1.0  # several probes a second ask once
HANGS: tuple[int, dict[str, Any]] = (
    503,
    {"status": "unready", "database": "does not answer", "migrations": "unknown", "broker": "unknown"},
)


class Readiness:
    """Asks the database and the broker when somebody wants to know. Blocking: call it off the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._asked_at = -_KNOWN_SECONDS
        self._known: tuple[int, dict[str, Any]] = (503, {})

    def ask(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and report: `{"status": ready|degraded|unready, "database", "migrations", "broker"}`."""
        with self._guard:
            if time.monotonic() - self._asked_at >= _KNOWN_SECONDS:
                self._known = self._ask()
                self._asked_at = time.monotonic()
            return self._known

    def _ask(self) -> tuple[int, dict[str, Any]]:
        database, migrations = _ask_database()
        broker = self._ask_broker()
        status = "ready" if broker == "ok" else "degraded"
        if database != "ok" or migrations != "current":
            status = "unready"
        report = {"status": status, "database": database, "migrations": migrations, "broker": broker}
        return 503 if status == "unready" else 200, report

    def _ask_broker(self) -> str:
        url = self._settings.broker_url.replace("redis+socket://", "unix://")
        try:
            with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=None) as client:
                client.ping()
        except (redis.RedisError, OSError, ValueError):
            return "away"
        return "ok"


def _ask_database() -> tuple[str, str]:
    try:
        return "ok", "current" if is_current(engine()) else "missing or of another version: run `afluente migrate`"
    except (AfluenteError, StoreError):
        return "away", "unknown"
