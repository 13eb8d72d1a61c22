"""Reads a polled source page by page, from a position to its end.

A position is opaque text for the pipeline, which stores it in the transaction that stores the page's records. Reading
again from an older position only repeats records, and repeats are harmless. What is asked next and when it ends is the
paginators' (`paginators.py`), one call and what it brings the reader's (`page_reader.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import requests

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources import cursor_values
from connectors.kit.sources.auth import Access
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.page_reader import MAX_WAITS_PER_PAGE, PageReader, Rejected
from connectors.kit.sources.paginators import FilteredPages, Tokens, Values
from connectors.kit.sources.paging.declared import TimeWindow
from connectors.kit.sources.paging.windows import Windows
from connectors.kit.sources.positions import Position
from connectors.kit.sources.runs import Page, Run
from connectors.kit.times import parse_time

__all__ = [
    "MAX_WAITS_PER_PAGE",
    "Page",
    "Position",
    "Rejected",
    "poll_pages",
    "position_from",
]


def poll_pages(
    poll: Poll,
    *,
    position: str | None,
    access: Access | None = None,
    session: requests.Session,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Page]:
    """Pages from `position` (None: from the beginning) to the last one there is now.

    Raises QuotaError or TransientError when it is worth coming back, TerminalError when a human should look (401, a
    changed format, tokens that repeat themselves); the pages before were good, and so is the position of the last.
    """
    run = Run(poll, PageReader(poll, access, session, sleep, clock), Position.parse(position), now)
    if poll.cursor is not None and poll.cursor.next_at is not None:
        return iter(Tokens(run, poll.cursor))
    if isinstance(poll.pages, TimeWindow):
        return iter(Windows(run, poll.pages))
    if poll.pages is not None:
        return iter(FilteredPages(run, poll.pages))
    return iter(Values(run))


def position_from(poll: Poll, value: str, *, now: datetime) -> str:
    """The position from which reading begins at `value`, written as the source writes its cursor.

    Raises ConfigurationError where the source has no cursor, or `value` lies in the future.
    """
    cursor, is_windowed = poll.cursor, isinstance(poll.pages, TimeWindow)
    if is_windowed and parse_time(value) is None:
        raise ConfigurationError("this is no time: write it as 2026-03-01T00:00:00Z")
    if cursor is None and not is_windowed:
        raise ConfigurationError("this source has no cursor: each poll reads it from the beginning")
    if cursor is not None and cursor.next_at is not None:
        return Position(token=value).text()
    if cursor_values.is_future(value, now, names_time=cursor is None or cursor_values.names_time(cursor.field)):
        raise ConfigurationError("this lies in the future: give a time that has been, or `beginning`")
    return Position(after=value).text()
