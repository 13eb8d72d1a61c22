"""How far a reading has come whose lists take longer than one run: which of them are read, and what was counted there.

It stands as a position in the cursor of the reading, so that the next run goes on where this one stopped, within the
same window: days are counted whole, or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec

from connectors.kit.sources.reconciling.declared import Window
from pipeline.store.events.reconciled import DayCount

_GOES_ON = timedelta(hours=6)  # then a window is so old that it is begun again
_KEY_DIGITS = 16


class _Kept(msgspec.Struct):
    """As it is stored. `read`: digests of the names of lists. `days`: expected, received, recovered."""

    begin: datetime
    end: datetime
    read: list[str]
    days: dict[str, tuple[int, int, int]]
    cut: list[str] = []


@dataclass
class Progress:
    """`days` are those of the lists that were read to their end; `cut`: why some could not be, as sentences."""

    window: Window
    days: dict[date, DayCount]
    cut: list[str] = field(default_factory=list)
    has_moved: bool = False
    _read: set[str] = field(default_factory=set)

    def is_read(self, name: str) -> bool:
        return _key(name) in self._read

    def finish(self, name: str, days: Mapping[date, DayCount]) -> None:
        """A list was read to its end, or as far as it is given; `days` with what stands in it."""
        self._read.add(_key(name))
        self.days, self.has_moved = _copied(days), True

    def counted(self) -> dict[date, DayCount]:
        """To count on in."""
        return _copied(self.days)

    def text(self) -> str:
        """The position. No id of a list stands in it in clear."""
        days = {day.isoformat(): (count.expected, count.received, count.recovered) for day, count in self.days.items()}
        kept = _Kept(self.window.begin, self.window.end, sorted(self._read), days, self.cut)
        return msgspec.json.encode(kept).decode()


def begin_progress(window: Window, days: Mapping[date, DayCount], position: str | None) -> Progress:
    """Where the run before has come to, if it read this window and not too long ago; else a new beginning."""
    kept = _kept(position)
    is_same = kept is not None and kept.begin == window.begin and kept.end >= datetime.now(UTC) - _GOES_ON
    if kept is None or not is_same:
        return Progress(window, _copied(days))
    counted = {date.fromisoformat(day): DayCount(*counts) for day, counts in kept.days.items()}
    return Progress(Window(kept.begin, kept.end), counted, kept.cut, _read=set(kept.read))


def _kept(position: str | None) -> _Kept | None:
    if position is None:
        return None
    try:
        return msgspec.json.decode(position, type=_Kept)
    except msgspec.ValidationError:
        return None


def _copied(days: Mapping[date, DayCount]) -> dict[date, DayCount]:
    return {day: DayCount(count.expected, count.received, count.recovered) for day, count in days.items()}


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_KEY_DIGITS]
