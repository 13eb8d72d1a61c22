"""From one page to the next, under one filter: by number, by offset, by token, by address.

A way says what to ask for at a place, and from an answer whether more follow and where. It ends nothing itself: that,
circles and empty pages are the walk's (`walk.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from connectors.kit.paths import get_path
from connectors.kit.sources import cursor_values
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.page_ends import PageSeen, flags_say_last, more_follow, says_more
from connectors.kit.sources.page_reader import Answer
from connectors.kit.sources.paging.asking import Values, safe_link
from connectors.kit.sources.paging.declared import LinkHeader, NextLink, Offset, PageNumber, PageToken, PageWay


class Place(NamedTuple):
    """Where a page is: a number (page, or records passed over), or what the source called it."""

    number: int | None = None
    token: str | None = None


class Following(NamedTuple):
    """`is_told`: whether more follow, as far as the answer says. `place`: where, if they do. `is_cut`: the answer does
    not say where, though it has more or could not have said so."""

    is_told: bool | None
    place: Place
    is_cut: bool = False


class Way(Protocol):
    """`first`: where a run begins. `is_counted`: places follow from ours alone, so that one that does not exist lies
    behind the last, and none comes twice. `name`: what the source knows it by."""

    first: Place
    is_counted: bool
    name: str

    def resumed(self, place: Place) -> Place:
        """Where to go on after a run that was cut short before `place`."""
        ...

    def values(self, place: Place) -> Values: ...

    def link(self, place: Place) -> str | None: ...

    def follow(self, place: Place, answer: Answer, largest: int) -> Following:
        """`largest`: the most records that a page of this run held."""
        ...


class _Way:
    first = Place()
    is_counted = False
    name = ""

    def resumed(self, place: Place) -> Place:
        return place

    def values(self, place: Place) -> Values:
        del place
        return {}

    def link(self, place: Place) -> str | None:
        del place
        return None


class _Numbered(_Way):
    """What changed meanwhile has moved the pages' borders: a run that was cut short goes on a page earlier."""

    is_counted = True

    def __init__(self, poll: Poll, pages: PageNumber) -> None:
        self._records_at, self._pages = poll.records_at, pages
        self.first, self.name = Place(pages.first), pages.param

    def resumed(self, place: Place) -> Place:
        return Place(max(self._pages.first, (place.number or 0) - 1))

    def values(self, place: Place) -> Values:
        return {self._pages.param: place.number or 0, self._pages.size_param: self._pages.size}

    def follow(self, place: Place, answer: Answer, largest: int) -> Following:
        number = place.number or 0
        seen = PageSeen(number - self._pages.first, number, largest)
        told = more_follow(answer.whole, answer.links, seen, self._pages, records_at=self._records_at)
        return Following(told, Place(number + 1))


class _Offsets(_Way):
    is_counted = True

    def __init__(self, poll: Poll, pages: Offset) -> None:
        self._records_at, self._pages = poll.records_at, pages
        self.first, self.name = Place(0), pages.param

    def resumed(self, place: Place) -> Place:
        return Place(max(0, (place.number or 0) - self._pages.size))

    def values(self, place: Place) -> Values:
        return {self._pages.param: place.number or 0, self._pages.size_param: self._pages.size}

    def follow(self, place: Place, answer: Answer, largest: int) -> Following:
        number = place.number or 0
        seen = PageSeen(number // max(largest, 1), number, largest)
        told = more_follow(answer.whole, answer.links, seen, self._pages, records_at=self._records_at)
        return Following(told, Place(number + (answer.count or largest or self._pages.size)))


class _Tokens(_Way):
    def __init__(self, pages: PageToken) -> None:
        self._pages, self.name = pages, f"the page token at {pages.at}"

    def values(self, place: Place) -> Values:
        return {} if place.token is None else {self._pages.param: place.token}

    def follow(self, place: Place, answer: Answer, largest: int) -> Following:
        del largest
        token = cursor_values.as_text(get_path(answer.whole, self._pages.at))
        told = says_more(answer.whole, self._pages.more_at) if self._pages.more_at else not flags_say_last(answer.whole)
        is_still = token == place.token and not answer.count  # nothing with it, and nothing behind it
        is_of_record = "[" in self._pages.at and answer.count > 0  # each has one: without it, nothing is known
        is_cut = token is None and told is not False and (is_of_record or (bool(self._pages.more_at) and told is True))
        return Following(told is not False and token is not None and not is_still, Place(token=token), is_cut)


class _Links(_Way):
    """`at` None: the Link header."""

    def __init__(self, poll: Poll, at: str | None) -> None:
        self._poll, self._at = poll, at
        self._what = f"polling {urlsplit(poll.url).hostname}"
        self.name = "the next page's address"

    def link(self, place: Place) -> str | None:
        return place.token

    def follow(self, place: Place, answer: Answer, largest: int) -> Following:
        del largest
        found = answer.links.get("next", {}).get("url") if self._at is None else get_path(answer.whole, self._at)
        if isinstance(found, dict):
            found = found.get("href", found.get("url"))
        link = found.strip() if isinstance(found, str) else ""
        if not link:
            return Following(is_told=False, place=Place())
        token = safe_link(self._poll, link, self._what)
        is_still = token == place.token and not answer.count
        return Following(not is_still, Place(token=token))


_WAYS: dict[type, Callable[[Poll, Any], Way]] = {
    PageNumber: _Numbered,
    Offset: _Offsets,
    PageToken: lambda _poll, pages: _Tokens(pages),
    NextLink: lambda poll, pages: _Links(poll, pages.at),
    LinkHeader: lambda poll, _pages: _Links(poll, None),
}


def way_of(poll: Poll, pages: PageWay) -> Way:
    return _WAYS[type(pages)](poll, pages)
