"""The ways of a source to give what does not fit into one answer: numbered pages, tokens, values alone.

A paginator says what is asked next, when it was the last page, and from where the next run reads. It ends by what the
source says (`page_ends`), else by what can only be the end. No answer of a source makes one go on for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from connectors.kit.errors import TerminalError
from connectors.kit.paths import get_path
from connectors.kit.sources import cursor_values
from connectors.kit.sources.declarations import Cursor, PageNumber
from connectors.kit.sources.page_ends import PageSeen, flags_say_last, more_follow
from connectors.kit.sources.page_reader import Answer, PageAbsentError, fingerprint
from connectors.kit.sources.positions import Position
from connectors.kit.sources.runs import STEP_SECONDS, Page, Run

_MOST_REPEATS = {None: 2, True: 10, False: 1}  # by what the answer says of more: pages that only repeat others
_MOST_EMPTY = 50  # pages in a row, although the source says that more follow
_NO_PAGES = "the pages after the first only repeat it: the source gives all at once, or does not know the parameter {}"
_REPEATS = "the source says that more pages follow, and repeats those that were read: what follows them was not read"
_EMPTY = "the source says that more pages follow, and gives empty ones: what follows them was not read"
_REFUSED = "page {} was refused with status {}: if the source has more, ask for less at a time"
_FORGOTTEN = "the source no longer knows the place that was read to: it was read again from its beginning"


class NumberedPages:
    """`?page=1`, `?page=2`, … under one filter."""

    def __init__(self, run: Run, pages: PageNumber) -> None:
        self._run = run
        self._pages = pages
        start = run.start
        # A run that was cut short goes on one page earlier: what changed meanwhile has moved the pages' borders.
        self._number = max(pages.first, start.page - 1) if start.page is not None else pages.first
        self._is_cut = self._number > pages.first
        self._filled = self._largest = self._repeats = self._empty = 0
        self._seen: set[bytes] = set()

    def __iter__(self) -> Iterator[Page]:
        is_told: bool | None = None
        while True:
            try:
                answer = self._read()
            except PageAbsentError as absent:
                if not self._seen:
                    raise
                yield self._last_absent(absent, is_odd=is_told is True)
                return
            is_repeat = self._note_content(answer)
            is_told = self._is_told(answer)
            end = self._end(answer, is_told=is_told)
            self._number += 1
            given = Answer(None, []) if is_repeat else answer
            if end is not None:
                yield self._run.page(given, self._finished(is_odd=is_told is True), end=end)
                return
            yield self._run.page(given, self._position(after=self._run.start.after, page=self._number))

    def _read(self) -> Answer:
        pages, run = self._pages, self._run
        filter_ = run.params(run.start.after, run.lookback_seconds)
        while True:
            paging = {pages.param: str(self._number), pages.size_param: str(pages.size)}
            try:
                return run.reader.read({**filter_, **paging})
            except PageAbsentError:
                # Where a run that was cut short would go on there is no page now: its borders have moved far.
                if self._seen or self._number == pages.first:
                    raise
                self._number = pages.first

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

    def _is_told(self, answer: Answer) -> bool | None:
        seen = PageSeen(self._number - self._pages.first, self._number, self._largest)
        return more_follow(answer.whole, answer.links, seen, self._pages, records_at=self._run.poll.records_at)

    def _end(self, answer: Answer, *, is_told: bool | None) -> str | None:
        """By what this is known to be the last page, or None."""
        end = None
        if is_told is False:
            end = "the source says so"
        elif self._repeats >= _MOST_REPEATS[is_told]:
            end = "a page that repeats those before"
            if is_told or self._filled == 1:
                self._run.note(_REPEATS if is_told else _NO_PAGES.format(self._pages.param))
        elif self._empty >= (_MOST_EMPTY if is_told else 1):
            end = "an empty page"
            if is_told:
                self._run.note(_EMPTY)
        elif is_told is None and not self._repeats and answer.count < self._largest and self._run.has_advanced:
            # It may be short because the source leaves records out. Should it not have been the end, then what follows
            # is newer than all that was read, and the next run begins there.
            end = "a page shorter than those before"
        return end

    def _last_absent(self, absent: PageAbsentError, *, is_odd: bool) -> Page:
        if absent.status in (400, 422):
            self._run.note(_REFUSED.format(self._number, absent.status))
        reason = "no such page" if absent.status is None else f"no such page ({absent.status})"
        return self._run.page(Answer(None, []), self._finished(is_odd=is_odd), end=reason)

    def _finished(self, *, is_odd: bool) -> Position:
        """While several pages are read, records may move to a page that was read already, and be missed. So what
        took several is read once more by the next run; its cursor moves after that."""
        run = self._run
        may_have_moved = self._filled > 1 or self._is_cut or is_odd
        if may_have_moved and run.greatest is not None and not run.start.again:
            return Position(after=run.start.after, greatest=run.greatest, page=self._pages.first, again=True)
        return Position(after=run.greatest)

    def _position(self, *, after: str | None, page: int) -> Position:
        return Position(after=after, greatest=self._run.greatest, page=page, again=self._run.start.again)


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
            self._run.note(_FORGOTTEN)
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
