"""The ways of a source to give what does not fit into one answer: pages under a filter, lasting tokens, values alone.

A paginator says what is asked next, when it was the last page, and from where the next run reads. It ends by what the
source says (`page_ends`), else by what can only be the end. No answer of a source makes one go on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.kit.errors import TerminalError
from connectors.kit.paths import get_path
from connectors.kit.sources import cursor_values
from connectors.kit.sources.declarations import Cursor
from connectors.kit.sources.page_ends import flags_say_last
from connectors.kit.sources.page_reader import Answer, PageAbsentError
from connectors.kit.sources.paging.declared import PageWay
from connectors.kit.sources.paging.walk import FORGOTTEN, Stop, Walk
from connectors.kit.sources.paging.ways import Place, way_of
from connectors.kit.sources.positions import Position
from connectors.kit.sources.runs import STEP_SECONDS, Page, Run


class FilteredPages:
    """Pages under one filter, the cursor's value: it moves when all of them were read."""

    def __init__(self, run: Run, pages: PageWay) -> None:
        self._run = run
        self._way = way_of(run.poll, pages)

    def __iter__(self) -> Iterator[Page]:
        run, start = self._run, self._run.start
        is_cut = start.page is not None or start.token is not None
        place = Place(start.page, start.token) if is_cut else None
        for stop in Walk(run, self._way, run.params(start.after, run.lookback_seconds), place):
            position = self._position(stop.place) if stop.end is None else self._finished(stop)
            yield run.page(stop.answer, position, end=stop.end, is_cut=stop.is_cut)

    def _finished(self, last: Stop) -> Position:
        """While several pages are read, records may move to a page that was read already, and be missed. So what
        took several is read once more by the next run; its cursor moves after that."""
        run, first = self._run, self._way.first
        if last.may_have_moved and run.greatest is not None and not run.start.again:
            return Position(after=run.start.after, greatest=run.greatest, page=first.number, again=True)
        return Position(after=run.greatest)

    def _position(self, place: Place) -> Position:
        start = self._run.start
        return Position(start.after, self._run.greatest, place.number, place.token, start.again)


class Tokens:
    """The answer names the token of the next page."""

    def __init__(self, run: Run, cursor: Cursor) -> None:
        self._run = run
        self._cursor = cursor
        self._sent: set[str] = set()

    def __iter__(self) -> Iterator[Page]:
        token = self._run.start.token
        while True:
            answer, token = self._read(token)
            if token is not None:
                self._sent.add(token)
            found = cursor_values.as_text(get_path(answer.whole, self._cursor.next_at))
            following = found or None
            # At its end a source names no token, or the same one again with nothing more to give, or says that it is.
            end = None
            if following is None:
                end = "no further token"
            elif following == token and not answer.count:
                end = "the same token, and nothing with it"
            elif flags_say_last(answer.whole):  # a token beside it is for the next run; a `next` as text is the token
                end = "the source says so"
            if end is None and following in self._sent:
                yield self._run.page(answer, Position(token=token))
                raise TerminalError(
                    f"polling {self._run.reader.host}: the page token at {self._cursor.next_at} repeats itself;"
                    " reading on would never end"
                )
            yield self._run.page(answer, Position(token=following or token), end=end)
            if end is not None:
                return
            token = following

    def _read(self, token: str | None) -> tuple[Answer, str | None]:
        """One page and the token it was had by: None if the source has forgotten the one that was kept."""
        try:
            return self._run.reader.read({} if token is None else {self._cursor.param: token}), token
        except PageAbsentError:
            if token is None or self._sent:
                raise
            answer = self._run.reader.read({})
            self._run.note(FORGOTTEN)
            return answer, None


class Values:
    """No pages: each answer holds what is newer than the value sent, oldest first, until nothing newer comes."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __iter__(self) -> Iterator[Page]:
        run = self._run
        after, lookback = run.start.after, run.lookback_seconds
        while True:
            answer = run.reader.read(run.params(after, lookback))
            run.meet(answer)
            # What was read again may have filled the answer: only one without lookback shows that nothing newer is
            # there. The last second is read again after each step: it may not have found room whole.
            looked_back = after is not None and lookback > 0 and cursor_values.is_time(after)
            is_still = run.greatest == after
            end = None
            if run.cursor is None or (is_still and not (looked_back and answer.count)):
                end = "nothing newer"
            yield run.page(answer, Position(after=run.greatest), end=end)
            if end is not None:
                return
            after, lookback = run.greatest, 0 if is_still else STEP_SECONDS
