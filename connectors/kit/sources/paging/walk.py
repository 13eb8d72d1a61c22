"""The walk over the pages of one filter, whatever the way from one to the next. No answer makes it go on for ever.

It ends by what the source says, else by what can only be the end: an empty page, one that does not exist, pages that
repeat those before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.kit.errors import TerminalError
from connectors.kit.sources.page_reader import Answer, PageAbsentError, fingerprint
from connectors.kit.sources.paging.asking import Values
from connectors.kit.sources.paging.ways import Place, Way
from connectors.kit.sources.runs import Run

_MOST_REPEATS = {None: 2, True: 10, False: 1}  # by what the answer says of more: pages that only repeat others
_MOST_EMPTY = 50  # pages in a row, although the source says that more follow
_NO_PAGES = "the pages after the first only repeat it: the source gives all at once, or does not know the parameter {}"
_REPEATS = "the source says that more pages follow, and repeats those that were read: what follows them was not read"
_EMPTY = "the source says that more pages follow, and gives empty ones: what follows them was not read"
_REFUSED = "page {} was refused with status {}: if the source has more, ask for less at a time"
FORGOTTEN = "the source no longer knows the place that was read to: it was read again from its beginning"


@dataclass(frozen=True, slots=True)
class Stop:
    """A page of a walk. `place`: the one to read next. `end`: by what this was known to be the last one, else None.
    `may_have_moved`, of a last one: while several pages were read, records may have moved to one that was read.
    `is_cut`, of a last one: the source may have more, which it does not give."""

    answer: Answer
    place: Place
    end: str | None = None
    may_have_moved: bool = False
    is_cut: bool = False


class Walk:
    """The pages of one filter from `start` on; None: from the first."""

    def __init__(self, run: Run, way: Way, filter_: Values, start: Place | None) -> None:
        self._run, self._way, self._filter = run, way, filter_
        self._place = way.first if start is None else way.resumed(start)
        self._is_cut = self._place != way.first
        self._filled = self._largest = self._repeats = self._empty = 0
        self._seen: set[bytes] = set()
        self._asked: set[Place] = set()

    def __iter__(self) -> Iterator[Stop]:
        is_told: bool | None = None
        while True:
            try:
                answer = self._read()
            except PageAbsentError as absent:
                if not (self._seen and self._way.is_counted):
                    raise
                yield self._last_absent(absent, is_odd=is_told is True)
                return
            self._asked.add(self._place)
            is_repeat = self._note_content(answer)
            given = Answer(None, []) if is_repeat else answer
            try:
                is_told, following, is_cut = self._way.follow(self._place, answer, self._largest)
            except TerminalError:
                yield Stop(given, self._place)
                raise
            end = self._end(answer, is_told=is_told)
            if end is not None:
                moved = self._may_have_moved(is_odd=is_told is True)
                is_cut |= is_told is True or (is_told is None and self._is_repeated_alone)
                yield Stop(given, following, end, may_have_moved=moved, is_cut=is_cut)
                return
            if following in self._asked:
                yield Stop(given, self._place)
                raise TerminalError(
                    f"polling {self._run.reader.host}: {self._way.name} repeats itself; reading on would never end"
                )
            yield Stop(given, following)
            self._place = following

    def _read(self) -> Answer:
        while True:
            values = {**self._filter, **self._way.values(self._place)}
            try:
                return self._run.reader.read(values, link=self._way.link(self._place))
            except PageAbsentError:
                # Where a run that was cut short would go on there is no page now: its borders have moved far, or the
                # source has forgotten what it called it.
                if self._seen or self._place == self._way.first:
                    raise
                self._place = self._way.first
                if not self._way.is_counted:
                    self._run.note(FORGOTTEN)

    def _note_content(self, answer: Answer) -> bool:
        """Count the page; True if all of it was there before in this run."""
        self._run.meet(answer)
        self._largest = max(self._largest, answer.count)
        self._empty = 0 if answer.count else self._empty + 1
        if not answer.count:
            self._seen.add(b"")
            return False
        content = hashlib.sha256(fingerprint(answer)).digest()
        is_repeat = content in self._seen
        self._repeats = self._repeats + 1 if is_repeat else 0
        self._filled += not is_repeat
        self._seen.add(content)
        return is_repeat

    def _end(self, answer: Answer, *, is_told: bool | None) -> str | None:
        """By what this is known to be the last page, or None."""
        end = None
        if is_told is False:
            end = "the source says so"
        elif self._repeats >= _MOST_REPEATS[is_told]:
            end = "a page that repeats those before"
            if is_told or self._filled == 1:
                self._run.note(_REPEATS if is_told else _NO_PAGES.format(self._way.name))
        elif self._empty >= (_MOST_EMPTY if is_told else 1):
            end = "an empty page"
            if is_told:
                self._run.note(_EMPTY)
        elif is_told is None and not self._repeats and answer.count < self._largest and self._run.has_advanced:
            # It may be short because the source leaves records out. Should it not have been the end, then what follows
            # is newer than all that was read, and the next run begins there.
            end = "a page shorter than those before"
        return end

    def _last_absent(self, absent: PageAbsentError, *, is_odd: bool) -> Stop:
        if absent.status in (400, 422):
            self._run.note(_REFUSED.format(self._place.number, absent.status))
        reason = "no such page" if absent.status is None else f"no such page ({absent.status})"
        moved, is_refused = self._may_have_moved(is_odd=is_odd), absent.status in (400, 422)
        return Stop(Answer(None, []), self._way.first, reason, may_have_moved=moved, is_cut=is_odd or is_refused)

    @property
    def _is_repeated_alone(self) -> bool:
        """Whether each page after the first was that one again."""
        return self._filled == 1 and self._repeats > 0

    def _may_have_moved(self, *, is_odd: bool) -> bool:
        return self._filled > 1 or self._is_cut or is_odd
