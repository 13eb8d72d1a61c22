"""Counts what becomes of requests and writes it down every few seconds; warns of refusals at intervals, not each time;
and says that this receiver is there.

A database that is away costs nothing: what is counted meanwhile is written when it is back.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from pipeline.errors import AfluenteError, place_of
from pipeline.logs import get_logger
from pipeline.store.engine import transaction
from pipeline.store.events.requests import RequestKey, add_requests
from pipeline.store.sources.rhythms import RECEIVER, beat

TAKEN, HANDSHAKE = "taken", "handshake"
_WRITE_SECONDS = 3.0
_WARN_SECONDS = 60.0
_SAY_SECONDS = 30.0
_MOST_KEYS = 20_000  # while the database is away: sources times outcomes times minutes
_log = get_logger(__name__)


def say_there() -> None:
    """Say that a receiver is there: what is not posted meanwhile is the source's silence, and not ours."""
    with transaction(synchronous=False) as connection:
        beat(connection, RECEIVER)


def store_counts(counts: Mapping[RequestKey, int]) -> None:
    """Write counts in a transaction of their own, without waiting for the disk."""
    with transaction(synchronous=False) as connection:
        add_requests(connection, counts)


class RequestCounts:
    """A thread that writes what it was told. Telling it never waits for anything."""

    def __init__(
        self,
        store: Callable[[Mapping[RequestKey, int]], None] = store_counts,
        *,
        write_seconds: float | None = None,
        warn_seconds: float = _WARN_SECONDS,
        say: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._write_seconds = _WRITE_SECONDS if write_seconds is None else write_seconds
        self._warn_seconds = warn_seconds
        self._counts: Counter[RequestKey] = Counter()
        self._refused: dict[str, Counter[str]] = {}
        self._warned_at = time.monotonic() - warn_seconds
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._say = say
        self._said_at = time.monotonic() - _SAY_SECONDS
        self._thread = threading.Thread(target=self._run, name="intake-request-counts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is counted, if the database is there, and end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(3)

    def note(self, source: str, outcome: str) -> None:
        """`source` must be a known one or "unknown", and `outcome` a word of ours."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        with self._guard:
            self._counts[RequestKey(minute, source, outcome)] += 1
            if outcome not in (TAKEN, HANDSHAKE):
                self._refused.setdefault(source, Counter())[outcome] += 1

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(self._write_seconds)
            try:
                self._write()
                self._warn()
                self._say_there()
            except Exception as error:  # noqa: BLE001 - counting must go on, whatever a write met
                _log.error("requests_not_counted", place=place_of(error))

    def _write(self) -> None:
        with self._guard:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            self._store(counts)
        except AfluenteError:
            with self._guard:
                if len(self._counts) + len(counts) <= _MOST_KEYS:
                    self._counts.update(counts)

    def _say_there(self) -> None:
        if self._say is None or time.monotonic() - self._said_at < _SAY_SECONDS:
            return
        with suppress(AfluenteError):
            self._say()
            self._said_at = time.monotonic()

    def _warn(self) -> None:
        if not self._refused or time.monotonic() - self._warned_at < self._warn_seconds:
            return
        with self._guard:
            refused, self._refused = self._refused, {}
        self._warned_at = time.monotonic()
        for source, reasons in refused.items():
            _log.warning("requests_refused", source=source, **reasons)
