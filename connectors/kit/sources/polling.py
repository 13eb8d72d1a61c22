"""Reads a polled source page by page, politely: paced, waiting as told, and stopping when it is led in circles.

A position is opaque text for the pipeline, which stores it in the transaction that stores the page's records. Reading
again from an older position only repeats records, and repeats are harmless.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from connectors.kit.errors import ConfigurationError, QuotaError, TerminalError, TransientError
from connectors.kit.http import BearerToken, check_status, translated
from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Cursor, Poll
from connectors.kit.sources.records import UnreadableBody, decode_body
from connectors.kit.times import parse_time

MAX_WAIT_SECONDS = 15.0  # a longer wait is not slept through: the poll ends and comes back
MAX_WAITS_PER_PAGE = 3


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order given, and where to go on once they are stored. After `is_last` there is nothing new now.

    `answer` is the whole that the records stand in.
    """

    records: list[dict[str, Any]] = field(repr=False)
    next_position: str | None
    is_last: bool
    answer: Any = field(default=None, repr=False)


def poll_pages(
    poll: Poll,
    *,
    position: str | None,
    token: str | None,
    session: requests.Session,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Page]:
    """Pages from `position` (None: from the beginning) to the last one there is now.

    Raises QuotaError or TransientError when it is worth coming back, TerminalError when it is not (401, a changed
    format, pages that repeat themselves); the pages before were good, and so is the position of the last of them.
    """
    reader = _Reader(poll, token, session, sleep, clock)
    start = _Position.parse(position)
    if poll.cursor is not None and poll.cursor.next_at is not None:
        return _by_token(poll, poll.cursor, reader, start)
    if poll.pages is not None:
        return _by_number(poll, reader, start)
    return _by_value(poll, reader, start)


@dataclass(frozen=True, slots=True)
class _Position:
    """`after`: the greatest cursor value of finished runs. `greatest`: of this run. `page`: the one to read next.
    `token`: the one to send next."""

    after: str | None = None
    greatest: str | None = None
    page: int | None = None
    token: str | None = None

    @staticmethod
    def parse(text: str | None) -> _Position:
        if text is None:
            return _Position()
        try:
            return _Position(**orjson.loads(text))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise ConfigurationError(
                "a polled source's position cannot be read; delete its row in `cursors` to begin anew"
            ) from error

    def text(self) -> str:
        values = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps({name: value for name, value in values.items() if value is not None}).decode()


class _Reader:
    """Asks for one page at a time, never faster than declared."""

    def __init__(
        self,
        poll: Poll,
        token: str | None,
        session: requests.Session,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._poll = poll
        self._auth = BearerToken(token) if token else None
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._next_call_at = clock()
        self._what = f"polling {urlsplit(poll.url).hostname}"

    def read(self, params: dict[str, str]) -> tuple[Any, list[dict[str, Any]]]:
        """The whole answer and the records in it."""
        for waits in range(MAX_WAITS_PER_PAGE + 1):
            try:
                return self._read_once(params)
            except QuotaError as error:
                if waits == MAX_WAITS_PER_PAGE or error.retry_after > MAX_WAIT_SECONDS:
                    raise
                self._sleep(error.retry_after)
        raise AssertionError("the last attempt returns or raises")

    def _read_once(self, params: dict[str, str]) -> tuple[Any, list[dict[str, Any]]]:
        now = self._clock()
        if now < self._next_call_at:
            self._sleep(self._next_call_at - now)
        self._next_call_at = max(now, self._next_call_at) + 1 / self._poll.rate_per_second
        with translated(self._what):
            response = self._session.get(
                self._poll.url, params=params, auth=self._auth, headers={"Accept": "application/json"}
            )
        check_status(response, self._what)
        try:
            answer = decode_body(response.content, "application/json", formats=("json",))
        except UnreadableBody:
            raise TransientError(
                f"{self._what}: answered {response.status_code} with something else than JSON"
            ) from None
        records = get_path(answer, self._poll.records_at)
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise TerminalError(
                f"{self._what}: there is no list of objects at {self._poll.records_at or 'the top'} of the answer;"
                " has its format changed?"
            )
        return answer, records


def _by_number(poll: Poll, reader: _Reader, start: _Position) -> Iterator[Page]:
    pages, cursor = poll.pages, poll.cursor
    if pages is None:
        raise AssertionError("called for a poll with pages only")
    # A run that was cut short goes on one page earlier: what changed meanwhile has moved the pages' borders.
    number = max(pages.first, start.page - 1) if start.page is not None else pages.first
    params = _cursor_param(cursor, start.after)
    greatest = start.greatest or start.after
    before: bytes | None = None
    while True:
        answer, records = reader.read({**params, pages.param: str(number), pages.size_param: str(pages.size)})
        seen = _fingerprint(records)
        if records and seen == before:
            raise TerminalError(
                f"polling {urlsplit(poll.url).hostname}: page {number} repeats the page before it;"
                f" does the source know the parameter {pages.param}?"
            )
        before = seen
        greatest = _greatest(cursor, records, greatest)
        number += 1
        if len(records) < pages.size:
            yield Page(records, _Position(after=greatest).text(), is_last=True, answer=answer)
            return
        yield Page(
            records, _Position(after=start.after, greatest=greatest, page=number).text(), is_last=False, answer=answer
        )


def _by_token(poll: Poll, cursor: Cursor, reader: _Reader, start: _Position) -> Iterator[Page]:
    token = start.token
    sent: set[str] = set()
    while True:
        answer, records = reader.read({} if token is None else {cursor.param: token})
        if token is not None:
            sent.add(token)
        next_token = get_path(answer, cursor.next_at)
        following = str(next_token) if isinstance(next_token, str | int) and str(next_token) else None
        # At its end a source names no token, or the same one again with nothing more to give.
        is_last = following is None or (following == token and not records)
        if not is_last and following in sent:
            yield Page(records, _Position(token=token).text(), is_last=False, answer=answer)
            raise TerminalError(
                f"polling {urlsplit(poll.url).hostname}: the page token at {cursor.next_at} repeats itself;"
                " reading on would never end"
            )
        yield Page(records, _Position(token=following or token).text(), is_last, answer=answer)
        if is_last:
            return
        token = following


def _by_value(poll: Poll, reader: _Reader, start: _Position) -> Iterator[Page]:
    """No pages: each answer holds what is newer than the value sent, oldest first, until nothing newer comes."""
    after, is_first = start.after, True
    while True:
        answer, records = reader.read(_cursor_param(poll.cursor, after, with_lookback=is_first))
        greatest = _greatest(poll.cursor, records, after)
        # What was read again may have filled the answer: only one without lookback shows that nothing newer is there.
        looked_back = is_first and after is not None and poll.cursor is not None and poll.cursor.lookback_seconds > 0
        is_last = poll.cursor is None or (greatest == after and not (looked_back and records))
        yield Page(records, _Position(after=greatest).text(), is_last, answer=answer)
        if is_last:
            return
        after, is_first = greatest, False


def _cursor_param(cursor: Cursor | None, after: str | None, *, with_lookback: bool = True) -> dict[str, str]:
    if cursor is None or after is None:
        return {}
    return {cursor.param: _earlier(after, cursor.lookback_seconds) if with_lookback else after}


def _earlier(value: str, seconds: int) -> str:
    """The time `seconds` before `value`, written as the source writes it; other values as they are."""
    moment = parse_time(value)
    if moment is None or seconds == 0:
        return value
    if value.isdigit():
        unit = 1000 if moment.timestamp() < int(value) else 1
        return str(int(value) - seconds * unit)
    earlier = (moment - timedelta(seconds=seconds)).astimezone(UTC).isoformat()
    return earlier.replace("+00:00", "Z")


def _greatest(cursor: Cursor | None, records: list[dict[str, Any]], known: str | None) -> str | None:
    if cursor is None or cursor.field is None:
        return known
    values = [get_path(record, cursor.field) for record in records]
    texts = [str(value) for value in values if isinstance(value, str | int) and str(value)]
    return max([*texts, *([known] if known is not None else [])], key=_order, default=None)


def _order(value: str) -> tuple[int, datetime, int, str]:
    """Times in the order of time, numbers in the order of numbers, the rest as text."""
    moment = parse_time(value)
    epoch = datetime.fromtimestamp(0, UTC)
    if moment is not None:
        return 2, moment, 0, value
    return (1, epoch, int(value), "") if value.isdigit() and value.isascii() else (0, epoch, 0, value)


def _fingerprint(records: list[dict[str, Any]]) -> bytes:
    return hashlib.sha256(orjson.dumps(records, option=orjson.OPT_SORT_KEYS)).digest()
