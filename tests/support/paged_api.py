"""An API that gives its records in parts, on a real socket: by offset, token, address or window, as JSON or GraphQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectors.kit.times import parse_time
from tests.support.http_server import Call, serving_http

WAYS = ("offset", "token", "next link", "link header", "graphql")


@dataclass
class Asked:
    """A request as it came. `body`: its JSON, {} without one."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """What it asks for, wherever that stands."""
        return {**self.query, **self.body, **self.body.get("variables", {})}


@dataclass
class PagedApi:
    """`records` have `updated_at`, oldest first. `most`: records on a page. `token`: wanted as bearer. `answers` are
    given first, one a call: (status, headers, body), or a function of what was asked. `lists`: records by path."""

    records: list[dict[str, Any]] = field(default_factory=list)
    way: str = "offset"
    most: int = 1_000
    token: str | None = None
    is_inclusive: bool = True
    tells: bool = False
    host: str = ""  # written into addresses in place of its own
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # paths that answer 500
    answers: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    before: Callable[[Asked], None] = lambda _asked: None

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        self.before(asked)
        if self.answers:
            scripted = self.answers.pop(0)
            return scripted(asked) if callable(scripted) else scripted
        if self.token is not None and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {}, b""
        if asked.path in self.broken:
            return 500, {}, b""
        listed = self.lists.get(asked.path, self.records)
        return self._page([record for record in listed if self._is_wanted(record, asked.given)], asked)

    def _is_wanted(self, record: dict[str, Any], given: dict[str, Any]) -> bool:
        own = parse_time(record.get("updated_at"))
        since, begin, end = (parse_time(given.get(name)) for name in ("since", "from", "to"))
        if own is None:
            return True
        if since is not None and not (own >= since if self.is_inclusive else own > since):
            return False
        if begin is None or end is None:
            return True
        return begin <= own <= end if self.is_inclusive else begin <= own < end

    def _page(self, listed: list[dict[str, Any]], asked: Asked) -> tuple[int, dict[str, str], bytes]:
        given = asked.given
        size = min(int(given.get("limit") or given.get("first") or self.most), self.most)
        start = int(given.get("offset") or given.get("after") or given.get("page_token") or 0)
        page, more = listed[start : start + size], start + size < len(listed)
        query = urlencode({**asked.query, "after": start + size})
        address = f"{self.host or self.url.removesuffix('/leads')}{asked.path}?{query}"
        body: dict[str, Any] = {"leads": page}
        headers: dict[str, str] = {}
        if self.way == "token" and more:
            body["next_page"] = str(start + size)
        elif self.way == "next link":
            body["links"] = {"next": address if more else None}
        elif self.way == "link header" and more:
            headers["Link"] = f'<{address}>; rel="next", <{self.url}>; rel="first"'
        elif self.way == "offset" and self.tells:
            body["has_more"] = more
        elif self.way == "graphql":
            edges = [{"node": record} for record in page]
            info = {"hasNextPage": more, "endCursor": str(start + size)}
            body = {"data": {"leads": {"edges": edges, "pageInfo": info}}}
        return 200, headers, json.dumps(body).encode()


@contextmanager
def serving_api(api: PagedApi) -> Iterator[PagedApi]:
    """Answers at `api.url` until the end of the block."""
    with serving_http(lambda call: api.answer(_asked(call)), methods=("GET", "POST")) as address:
        api.url = f"{address}/leads"
        yield api


def _asked(call: Call) -> Asked:
    parts = urlsplit(call.path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Asked(call.method, parts.path, query, call.headers, json.loads(call.body) if call.body else {})
