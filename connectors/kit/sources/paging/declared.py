"""The ways from one page to the next that a Poll may declare. What they do is in `ways.py` and `windows.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageNumber:
    """`?page=1&limit=100` until the answer says that no more follow, or a page comes back empty.

    Whether more follow is read in the fields that most APIs use (`has_more`, `next`, `total_pages`, … at the top or
    under `meta`, `paging`, `pagination`). Another place is declared: `more_at` is the path of a yes or no, or of the
    next page's number or address; `total_pages_at` that of the number of pages. What is declared wins.
    """

    param: str = "page"
    size_param: str = "limit"
    size: int = 200
    first: int = 1
    more_at: str | None = None
    total_pages_at: str | None = None


@dataclass(frozen=True, slots=True)
class Offset:
    """`?offset=0&limit=200`: how many records to pass over. It goes on by as many as came, so a server that gives fewer
    than were asked for is read without a gap. `more_at` as of PageNumber."""

    param: str = "offset"
    size_param: str = "limit"
    size: int = 200
    more_at: str | None = None


@dataclass(frozen=True, slots=True)
class PageToken:
    """The answer names the next page's token at the path `at`; it goes back as `param`. The cursor's value stays the
    same over the pages. `more_at`: the path of a yes or no that counts whatever token stands beside it (GraphQL's
    `pageInfo.hasNextPage`)."""

    param: str
    at: str
    more_at: str | None = None


@dataclass(frozen=True, slots=True)
class NextLink:
    """The answer holds the next page's address at the path `at`, whole or without its host. Only the host that is
    polled is asked, whatever stands there."""

    at: str = "next"


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """The next page's address stands in the header `Link: <…>; rel="next"` (RFC 8288)."""


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """For sources that want a beginning and an end: `from_param` and `to_param` go forward in steps from `begin` (ISO
    8601) to now, never beyond. The next run begins `lookback_seconds` before the end of the last one.

    `written`: how a time is sent: `iso` (2026-03-01T00:00:00Z), `iso_naive` (without the Z), `date`, `unix` (seconds),
    `unix_ms`. `pages`: how a window of several pages is read.
    """

    from_param: str
    to_param: str
    begin: str
    step_seconds: int = 86_400
    lookback_seconds: int = 300
    written: str = "iso"
    pages: PageNumber | Offset | PageToken | NextLink | LinkHeader | None = None


PageWay = PageNumber | Offset | PageToken | NextLink | LinkHeader
Pages = PageWay | TimeWindow


def params_of(pages: Pages | None) -> tuple[str, ...]:
    """The names under which a way sends what it asks for."""
    if isinstance(pages, TimeWindow):
        return (pages.from_param, pages.to_param, *params_of(pages.pages))
    return tuple(name for name in (getattr(pages, "param", None), getattr(pages, "size_param", None)) if name)
