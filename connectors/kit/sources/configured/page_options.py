"""How `options.pages` is written: `by` names the way, the rest is as the way declares it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from connectors.kit.sources.paging.declared import (
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    Pages,
    PageToken,
    TimeWindow,
)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_622_400)]
Step = Annotated[int, msgspec.Meta(ge=2, le=31_622_400)]


class _Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="by"):
    declares: ClassVar[type[Any]]

    def declared(self) -> Any:
        return self.declares(**msgspec.structs.asdict(self))


class ByPage(_Way, frozen=True, tag="page"):
    declares = PageNumber
    param: Name = "page"
    size_param: Name = "limit"
    size: PageSize = 200
    first: Annotated[int, msgspec.Meta(ge=0, le=1)] = 1
    more_at: Name | None = None
    total_pages_at: Name | None = None


class ByOffset(_Way, frozen=True, tag="offset"):
    declares = Offset
    param: Name = "offset"
    size_param: Name = "limit"
    size: PageSize = 200
    more_at: Name | None = None


class ByToken(_Way, frozen=True, tag="token"):
    declares = PageToken
    param: Name
    at: Name
    more_at: Name | None = None


class ByLink(_Way, frozen=True, tag="next_link"):
    declares = NextLink
    at: Name = "next"


class ByHeader(_Way, frozen=True, tag="link_header"):
    declares = LinkHeader


Way = ByPage | ByOffset | ByToken | ByLink | ByHeader


class ByWindow(_Way, frozen=True, tag="window"):
    declares = TimeWindow
    from_param: Name
    to_param: Name
    begin: Name
    step_seconds: Step = 86_400
    lookback_seconds: Seconds = 300
    written: Name = "iso"
    pages: Way | None = None

    def declared(self) -> Any:
        pages = self.pages.declared() if self.pages is not None else None
        return TimeWindow(**{**msgspec.structs.asdict(self), "pages": pages})


PagesOption = Way | ByWindow


def declared_pages(option: PagesOption | None) -> Pages | None:
    pages: Pages | None = option.declared() if option is not None else None
    return pages
