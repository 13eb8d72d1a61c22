"""One reading of a source: its pages, the values met in them, and what a human should know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.kit.paths import get_path
from connectors.kit.sources import cursor_values
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.page_reader import Answer, PageReader, Rejected
from connectors.kit.sources.positions import Position

STEP_SECONDS = 1  # what shares the last second of an answer may not have found room in it
_FUTURE = "records are dated in the future: they are taken, and reading goes on from the others"
_HEALED = "the position lay in the future: the source was read again from its beginning"


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order given, and where to go on once they are stored. After `is_last` there is nothing new now.

    `rejected`: entries that are no records. `end`: by what the last page was known; `is_cut`: it may not be the last
    one. `notes`: what a human should know. `answer`: the whole that the records stand in.
    """

    records: list[dict[str, Any]] = field(repr=False)
    next_position: str | None
    is_last: bool
    rejected: tuple[Rejected, ...] = ()
    end: str | None = None
    notes: tuple[str, ...] = ()
    answer: Any = field(default=None, repr=False)
    is_cut: bool = False


class Run:
    """One reading of a source: the values that it meets, and what it has to say."""

    def __init__(self, poll: Poll, reader: PageReader, start: Position, now: Callable[[], datetime]) -> None:
        self.poll = poll
        self.reader = reader
        self.cursor = poll.cursor
        self.now = now
        self._notes: list[str] = []
        self._path = poll.cursor.field if poll.cursor else None
        self.start = self._healed(start)
        self.greatest = self.start.greatest or self.start.after
        self.is_rising = True  # each value so far is known and no less than those before
        self._last: str | None = None

    def meet(self, answer: Answer) -> None:
        """Take note of a page's values."""
        if self._path is None:
            return
        values = [cursor_values.as_text(get_path(record, self._path)) for record in answer.records]
        known = [value for value in values if value is not None]
        found = cursor_values.greatest(known, self.greatest, path=self._path, now=self.now())
        self.greatest = found.value
        if found.has_future:
            self.note(_FUTURE)
        orders = [cursor_values.order(value) for value in ([self._last] if self._last else []) + known]
        self.is_rising &= len(known) == answer.count and orders == sorted(orders)
        self._last = known[-1] if known else self._last

    @property
    def has_advanced(self) -> bool:
        """Whether what was read rises to a value from which the next run can go on: oldest first, and newer than where
        this one began."""
        return self.is_rising and self._last is not None and self._last == self.greatest != self.start.after

    def note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def page(self, answer: Answer, position: Position, *, end: str | None = None, is_cut: bool = False) -> Page:
        """The page to hand on; `end` for the last one."""
        notes, self._notes = tuple(self._notes), []
        return Page(answer.records, position.text(), end is not None, answer.rejected, end, notes, answer.whole, is_cut)

    def params(self, after: str | None, lookback_seconds: int) -> dict[str, str]:
        if self.cursor is None or after is None:
            return {}
        return {self.cursor.param: cursor_values.earlier(after, lookback_seconds)}

    @property
    def lookback_seconds(self) -> int:
        """Declared, or the second that others may share with the last one read."""
        return max(self.cursor.lookback_seconds, STEP_SECONDS) if self.cursor else 0

    def _healed(self, start: Position) -> Position:
        """A version before believed any date: a position in the future is none."""
        now, is_named = self.now(), cursor_values.names_time(self._path)
        if self._path is None or not any(
            value is not None and cursor_values.is_future(value, now, names_time=is_named)
            for value in (start.after, start.greatest)
        ):
            return start
        self.note(_HEALED)
        return Position()
