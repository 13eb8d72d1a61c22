"""The ways from page to page, as the side that is asked has them: which records a request means, what says that more
follow. The names are those of the declaration (connectors/kit/sources/paging/declared.py)."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from connectors.kit.paths import get_path, parse_path
from connectors.kit.sources.cursor_values import as_text
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.paging.declared import LinkHeader, NextLink, Offset, PageNumber, PageToken, TimeWindow
from connectors.sandbox.dialects.dialect import Request

_LINK_PARAM = "page_token"  # in an address that we make ourselves

Values = Mapping[str, str]


class BadRequestError(Exception):
    """What was asked cannot be answered; the message says why."""


class PageGiven(NamedTuple):
    """Which records a page holds: from `begin` on, `size` of `total` (None: all)."""

    begin: int
    size: int | None
    total: int

    @property
    def end(self) -> int:
        return self.total if self.size is None else self.begin + self.size

    @property
    def is_last(self) -> bool:
        return self.end >= self.total


class Way(Protocol):
    def size(self, values: Values, usual: int, largest: int) -> int | None:
        """How many records a page holds; None: all. Raises BadRequestError."""
        ...

    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        """The place of the first record of the page. Raises BadRequestError."""
        ...

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        """Write into the answer what says whether more follow. Returns headers."""
        ...


def way_of(poll: Poll) -> Way:
    pages = poll.pages.pages if isinstance(poll.pages, TimeWindow) else poll.pages
    return _WAYS[type(pages)](poll, pages)


def place_at(whole: Any, path: str, value: Any) -> None:
    """Set a value in nested objects, which are made where they are missing. Where a path goes into a list, the records
    themselves hold what is read there."""
    steps = parse_path(path)
    if not all(isinstance(step, str) for step in steps):
        return
    for step in steps[:-1]:
        if not isinstance(whole, dict):
            return
        whole = whole.setdefault(step, {})
    if isinstance(whole, dict):
        whole[steps[-1]] = value


class _All:
    """Everything in one answer."""

    def __init__(self, poll: Poll, pages: Any) -> None:
        self._poll, self._pages = poll, pages

    def size(self, values: Values, usual: int, largest: int) -> int | None:
        del values, usual, largest
        return None

    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        del values, size, records
        return 0

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        del whole, request, page
        return {}


class _Counted(_All):
    def size(self, values: Values, usual: int, largest: int) -> int | None:
        name = self._pages.size_param
        size = _whole(name, values.get(name, usual))
        if not 1 <= size <= largest:
            raise BadRequestError(f"{name} lies between 1 and {largest}")
        return min(size, usual)

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        del request
        place_at(whole, self._pages.more_at or "has_more", not page.is_last)
        return {}


class _Numbered(_Counted):
    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        del records
        first: int = self._pages.first
        number = _whole(self._pages.param, values.get(self._pages.param, first))
        if number < first:
            raise BadRequestError(f"{self._pages.param} begins at {first}")
        return (number - first) * (size or 0)

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        if self._pages.total_pages_at is not None:
            place_at(whole, self._pages.total_pages_at, -(-page.total // (page.size or 1)))
            return {}
        return super().tell(whole, request, page)


class _Offsets(_Counted):
    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        del size, records
        place = _whole(self._pages.param, values.get(self._pages.param, 0))
        if place < 0:
            raise BadRequestError(f"{self._pages.param} begins at 0")
        return place


class _Tokens(_All):
    """A token of our own, or, where the declaration reads it from the last record, what stands in that."""

    def size(self, values: Values, usual: int, largest: int) -> int | None:
        del values
        return min(usual, largest)

    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        del size
        token = values.get(self._pages.param)
        if token is None:
            return 0
        inside = self._in_last_record()
        if inside is None:
            return _place_of(token)
        for place, record in enumerate(records):
            if as_text(get_path(record, inside)) == token:
                return place + 1
        raise BadRequestError(f"{self._pages.param} is known to nobody")

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        del request
        place_at(whole, self._pages.at, None if page.is_last else _token_of(page.end))
        if self._pages.more_at is not None:
            place_at(whole, self._pages.more_at, not page.is_last)
        return {}

    def _in_last_record(self) -> str | None:
        """`token` of a token read at `items[-1].token`."""
        last = f"{self._poll.records_at or ''}[-1]."
        at: str = self._pages.at
        return at.removeprefix(last) if at.startswith(last) else None


class _Links(_All):
    def size(self, values: Values, usual: int, largest: int) -> int | None:
        del values
        return min(usual, largest)

    def begin(self, values: Values, size: int | None, records: Sequence[Any]) -> int:
        del size, records
        token = values.get(_LINK_PARAM)
        return 0 if token is None else _place_of(token)

    def tell(self, whole: Any, request: Request, page: PageGiven) -> dict[str, str]:
        link = f"http://{request.headers.get('host', '127.0.0.1')}{request.path}"
        link += "?" + urlencode({**request.query, _LINK_PARAM: _token_of(page.end)})
        if isinstance(self._pages, LinkHeader):
            return {} if page.is_last else {"Link": f'<{link}>; rel="next"'}
        place_at(whole, self._pages.at, None if page.is_last else link)
        return {}


def _token_of(place: int) -> str:
    return urlsafe_b64encode(b"%d" % place).decode()


def _place_of(token: str) -> int:
    try:
        return int(urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise BadRequestError("the page's token is none of ours") from None


def _whole(name: str, value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadRequestError(f"{name} is a whole number") from None


_WAYS: dict[type, Callable[[Poll, Any], Way]] = {
    type(None): _All,
    PageNumber: _Numbered,
    Offset: _Offsets,
    PageToken: _Tokens,
    NextLink: _Links,
    LinkHeader: _Links,
}
