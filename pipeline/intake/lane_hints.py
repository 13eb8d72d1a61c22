"""Hints from the background: "there is work in this lane", or records of a source to read, one for each lane or source
and moment, whatever Redis does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from pipeline.errors import place_of
from pipeline.hints import hint_dispatch, hint_fetch
from pipeline.lanes import LANES
from pipeline.logs import get_logger

_PAUSE_SECONDS = 0.02  # events that arrive meanwhile share the next hint
_log = get_logger(__name__)


class LaneHints:
    """A thread that hints for the lanes it was told of. Telling it never waits."""

    def __init__(self, hint: Callable[[str], bool] = hint_dispatch, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._hint = hint
        self._pause_seconds = pause_seconds
        self._lanes: set[str] = set()
        self._fetches: set[tuple[str, str]] = set()
        self._told = threading.Event()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="intake-hints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give the last hints and end; a Redis that is away costs at most its own time-out."""
        self._stopping.set()
        self._told.set()
        if self._thread.ident is not None:
            self._thread.join(3)

    def tell(self, lanes: Iterable[str], fetches: Iterable[tuple[str, str]] = ()) -> None:
        """`fetches`: (source, brand) of which records are to be read before they have a lane's turn."""
        with self._guard:
            self._lanes.update(lanes)
            self._fetches.update(fetches)
        self._told.set()

    def _run(self) -> None:
        while True:
            self._told.wait()
            self._told.clear()
            with self._guard:
                lanes, self._lanes = [lane for lane in LANES if lane in self._lanes], set()
                fetches, self._fetches = sorted(self._fetches), set()
            for lane in lanes:
                self._try(self._hint, lane=lane)
            for source, brand in fetches:
                self._try(hint_fetch, source=source, brand=brand)
            if self._stopping.wait(self._pause_seconds) and not (self._lanes or self._fetches):
                return

    def _try(self, hint: Callable[..., bool], **what: str) -> None:
        try:
            hint(*what.values())
        except Exception as error:  # noqa: BLE001 - whatever it is, the sweep finds the rows and the next hint may go
            _log.error("hint_failed", **what, place=place_of(error))
