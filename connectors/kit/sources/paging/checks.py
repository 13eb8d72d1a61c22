"""Whether a poll is declared so that it can be asked: each mistake as a sentence that begins with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.kit.errors import ConfigurationError
from connectors.kit.paths import path_problem
from connectors.kit.problems import placed
from connectors.kit.sources.declarations import Poll, Stream
from connectors.kit.sources.fetching.fetch import MEANINGS
from connectors.kit.sources.paging.asking import wrong_places
from connectors.kit.sources.paging.declared import TimeWindow
from connectors.kit.sources.paging.streams import poll_of_parents, poll_of_stream
from connectors.kit.sources.paging.windows import WRITTEN
from connectors.kit.times import parse_time

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
METHODS = ("GET", "POST")
_SECRET_NAMES = ("auth", "token", "secret", "api-key", "apikey", "cookie", "password", "credential")


def wrong_words(poll: Poll) -> list[str]:
    """What is wrong with a poll, whatever its address is. Empty if nothing is."""
    return list(_wrong_words(poll))


def _wrong_words(poll: Poll) -> Iterator[str]:
    if not poll.streams:
        yield from _wrong_words_of_one(poll)
    names = [stream.name for stream in poll.streams]
    for stream in poll.streams:
        place = f"streams.{stream.name}"
        if not _NAME.fullmatch(stream.name) or names.count(stream.name) > 1:
            yield f"{place}: a stream's name is lower-case letters, digits and _, and stands once"
        try:
            read = poll_of_stream(poll, stream, "1" if stream.parent is not None else None)
            yield from (placed(place, why) for why in _wrong_words_of_one(read))
            yield from (placed(place, why) for why in _wrong_parent(poll, stream))
        except ConfigurationError as error:
            yield f"{place}.url: {error}"


def _wrong_parent(poll: Poll, stream: Stream) -> Iterator[str]:
    if stream.parent is None and "{parent}" in (stream.url or ""):
        yield "url: has {parent}, and no parent is declared"
    if stream.parent is None:
        return
    poll_of_parents(poll, stream.parent)
    if poll_of_stream(poll, stream, "1") == poll_of_stream(poll, stream, "2"):
        yield "parent: its id goes nowhere: write {parent} into url, params or body"
    yield from path_problem("parent.id_at", stream.parent.id_at)
    yield from path_problem("parent.records_at", stream.parent.records_at)


def _wrong_words_of_one(poll: Poll) -> Iterator[str]:
    cursor, pages = poll.cursor, poll.pages
    if cursor is None and pages is None:
        yield "a poll needs pages or a cursor, else it reads everything each time"
    if cursor is not None and cursor.field is None and cursor.next_at is None:
        yield "cursor: needs `field`, the path of the value in a record, or `next_at`, the path of a lasting token"
    if cursor is not None and cursor.next_at is not None and pages is not None:
        yield "cursor: a lasting token (`next_at`) leads through the pages by itself: leave `pages` out, or use `field`"
    if poll.method not in METHODS:
        yield f"method: is {poll.method!r}; allowed: {', '.join(METHODS)}"
    elif poll.body is not None and poll.method == "GET":
        yield "body: is not sent with GET; set method to POST"
    for place, values in (("headers", poll.headers), ("params", poll.params)):
        for name, value in values.items():
            if any(word in name.lower().replace("_", "-") for word in _SECRET_NAMES) and "{" not in str(value):
                yield f"{place}.{name}: is a secret by its name, which never stands here; set `token` or `auth`"
    allowed = ", ".join(MEANINGS)
    wrong = {code: meaning for code, meaning in poll.codes.items() if meaning not in MEANINGS}
    yield from (f"codes.{code}: is {meaning!r}; allowed: {allowed}" for code, meaning in wrong.items())
    yield from wrong_places(poll)
    yield from _wrong_paths(poll)
    if isinstance(pages, TimeWindow):
        if cursor is not None:
            yield "cursor: windows of time are the cursor: leave one of the two out"
        if parse_time(pages.begin) is None:
            yield f"pages.begin: is {pages.begin!r}; write the time to begin at as 2026-03-01T00:00:00Z"
        if pages.written not in WRITTEN:
            yield f"pages.written: is {pages.written!r}; allowed: {', '.join(WRITTEN)}"


def _wrong_paths(poll: Poll) -> Iterator[str]:
    if (poll.records_at or "").count("[*]") > 1:
        yield "records_at: may go through one list by [*], as data.leads.edges[*].node"
    inner = poll.pages.pages if isinstance(poll.pages, TimeWindow) else poll.pages
    named = [(f"pages.{name}", getattr(inner, name, None)) for name in ("at", "more_at", "total_pages_at")]
    named += [("errors_at", poll.errors_at), ("code_at", poll.code_at)]
    if poll.cursor is not None:
        named += [("cursor.field", poll.cursor.field), ("cursor.next_at", poll.cursor.next_at)]
    for place, path in named:
        yield from path_problem(place, path)
    yield from path_problem("records_at", poll.records_at, many=True)
