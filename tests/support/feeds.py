"""A feed to poll, on a real socket: it pages, filters and ends as real ones do, each in its own way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.kit.times import parse_time
from tests.support.http_server import serving_http

TELLING = ("has_more", "paging.hasMore", "next", "next_page_url", "total_pages", "total", "link header", "nothing")
BEYOND = ("empty", "null", "no list", "204", "404", "416", "error", "clamp", "begin again")


@dataclass
class Feed:
    """`records` by `updated_at`, newest or oldest first. `tells`: how an answer says that more pages follow. `beyond`:
    what a page past the end is. `most`: records on a page, whatever is asked for. `hidden`: ids that are left out of
    their pages, which are short then. `before_page`: called with a page's number before it is answered."""

    records: list[Any] = field(default_factory=list)
    newest_first: bool = False
    tells: str = "nothing"
    beyond: str = "empty"
    most: int = 1_000
    hidden: set[str] = field(default_factory=set)
    knows_pages: bool = True
    knows_filter: bool = True
    is_inclusive: bool = False
    before_page: Callable[[int], None] = lambda _number: None
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)  # given first, one a call
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(query)
        if self.answers:
            return self.answers.pop(0)
        number = int(query.get("page", 1)) if self.knows_pages else 1
        self.before_page(number)
        listed = self._listed(query.get("updated_after"))
        size = min(int(query.get("limit", self.most)), self.most)
        count = max(1, -(-len(listed) // size))
        if number > count:
            if self.beyond in ("clamp", "begin again"):
                number = count if self.beyond == "clamp" else (number - 1) % count + 1
            else:
                return self._absent(number, count, len(listed))
        page = listed[(number - 1) * size : number * size]
        page = [record for record in page if not isinstance(record, dict) or record.get("id") not in self.hidden]
        return self._page(page, number, count, len(listed))

    def _listed(self, after: str | None) -> list[Any]:
        moment = parse_time(after) if after and self.knows_filter else None
        kept = [record for record in self.records if moment is None or self._is_after(record, moment)]
        return sorted(kept, key=_moment, reverse=self.newest_first)

    def _is_after(self, record: Any, moment: Any) -> bool:
        own = _moment(record)
        return bool(own >= moment if self.is_inclusive else own > moment)

    def _page(self, page: Any, number: int, count: int, total: int) -> tuple[int, dict[str, str], bytes]:
        more, headers = number < count, {}
        body: dict[str, Any] = {"leads": page}
        if self.tells == "has_more":
            body["has_more"] = more
        elif self.tells == "paging.hasMore":
            body["paging"] = {"hasMore": more}
        elif self.tells == "next":
            body["next"] = number + 1 if more else None
        elif self.tells == "next_page_url":
            body["meta"] = {"next_page_url": f"/leads?page={number + 1}" if more else None}
        elif self.tells == "total_pages":
            body["pagination"] = {"page": number, "total_pages": count}
        elif self.tells == "total":
            body["meta"] = {"total": total}
        elif self.tells == "link header":
            headers["Link"] = f'</leads?page={number + 1}>; rel="next"' if more else '</leads>; rel="first"'
        return 200, headers, json.dumps(body).encode()

    def _absent(self, number: int, count: int, total: int) -> tuple[int, dict[str, str], bytes]:
        if self.beyond.isdigit():
            return int(self.beyond), {}, b""
        if self.beyond == "error":
            return 200, {}, b'{"error": "page out of range"}'
        if self.beyond == "no list":
            return 200, {}, b"{}"
        return self._page(None if self.beyond == "null" else [], number, count, total)


def _moment(record: Any) -> Any:
    """Records without a time are old."""
    return parse_time(record.get("updated_at") if isinstance(record, dict) else None) or parse_time("1999-01-01")


@contextmanager
def serving(feed: Feed) -> Iterator[Feed]:
    """Answers at `feed.url` until the end of the block."""
    with serving_http(lambda call: feed.answer(dict(parse_qsl(urlsplit(call.path).query)))) as address:
        feed.url = f"{address}/leads"
        yield feed
