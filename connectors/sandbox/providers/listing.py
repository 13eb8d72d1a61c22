"""A list that a provider gives, page by page: the declaration of a poll, read from the other side.

What the poll would send is read back from where it stands in the request, and the answer is laid out as the poll reads
it. So whoever declares a source has its API to rehearse with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from connectors.kit.paths import get_path
from connectors.kit.sources.cursor_values import as_text, order
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.paging.declared import TimeWindow
from connectors.kit.times import parse_time
from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.providers.pages import BadRequestError, PageGiven, place_at, way_of

_PLACE = re.compile(r"\{([A-Za-z_]\w{0,63})(?::number)?\}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A record as the list gives it, and the time by which windows of time find it."""

    record: Mapping[str, Any] = field(repr=False)
    at: datetime | None = None


@dataclass
class Listing:
    """`poll` is that of one list, without streams. `window`: the names under which a beginning and an end of time are
    asked for, where the paging does not declare them. `page_size`: the most that a page holds, however many were asked
    for; a request for more than `largest` is refused.
    """

    poll: Poll
    entries: list[Listed] = field(default_factory=list, repr=False)
    window: tuple[str, str] | None = None
    page_size: int = 100
    largest: int = 1_000
    is_newest_first: bool = False

    def answer(self, request: Request, route: str) -> Reply:
        """The page that is asked for; 400 (or, of GraphQL, an error within 200) for what cannot be read."""
        if request.method != self.poll.method:
            return json_reply(405, {"error": f"this list is read by {self.poll.method}"}, route)
        try:
            return self._page(request, route)
        except BadRequestError as error:
            return self._refusal(str(error), route)

    def _page(self, request: Request, route: str) -> Reply:
        values = self._values(request)
        records = [entry.record for entry in self._chosen(values)]
        way = way_of(self.poll)
        size = way.size(values, self.page_size, self.largest)
        page = PageGiven(way.begin(values, size, records), size, len(records))
        whole = _laid_out(self.poll.records_at, records[page.begin : page.end])
        headers = way.tell(whole, request, page)
        return json_reply(200, whole, route, headers=headers)

    def _values(self, request: Request) -> dict[str, str]:
        """What the request says under the names that the poll sends."""
        values = dict(request.query)
        values.update(_read_back(dict(self.poll.params), request.query))
        if self.poll.body is not None:
            try:
                body = orjson.loads(request.body)
            except orjson.JSONDecodeError:
                raise BadRequestError("the body is no JSON") from None
            if not isinstance(body, dict) or ("query" in self.poll.body) != ("query" in body):
                raise BadRequestError("the body is not what this list is asked by")
            values.update(_read_back(self.poll.body, body))
        return values

    def _chosen(self, values: Mapping[str, str]) -> list[Listed]:
        """In the order of the cursor, else of time."""
        cursor, pages, window = self.poll.cursor, self.poll.pages, self.window
        entries = list(self.entries)
        if window is None and isinstance(pages, TimeWindow):
            window = pages.from_param, pages.to_param
        if window is not None:
            begin, end = (_moment(name, values.get(name)) for name in window)
            entries = [
                entry
                for entry in entries
                if entry.at is None or ((begin is None or begin <= entry.at) and (end is None or entry.at <= end))
            ]
        if cursor is not None and cursor.field is not None:
            place = cursor.field
            entries.sort(key=lambda entry: order(as_text(get_path(entry.record, place)) or ""))
            if (after := values.get(cursor.param)) is not None:
                known = order(after)
                entries = [entry for entry in entries if order(as_text(get_path(entry.record, place)) or "") > known]
        else:
            entries.sort(key=lambda entry: entry.at.timestamp() if entry.at else 0.0)
        return entries[::-1] if self.is_newest_first else entries

    def _refusal(self, why: str, route: str) -> Reply:
        if self.poll.errors_at is None:
            return json_reply(400, {"error": why}, route)
        answer: dict[str, Any] = {}
        place_at(answer, self.poll.errors_at, [{"message": why, "extensions": {"code": "BAD_USER_INPUT"}}])
        return json_reply(200, answer, route)


def _laid_out(records_at: str | None, records: list[Any]) -> Any:
    if records_at is None:
        return records
    listed, _, inside = records_at.partition("[*]")
    entries = records
    if inside:  # `edges[*].node`
        entries = []
        for record in records:
            entry: dict[str, Any] = {}
            place_at(entry, inside.removeprefix("."), record)
            entries.append(entry)
    if not listed:
        return entries
    whole: dict[str, Any] = {}
    place_at(whole, listed, entries)
    return whole


def _read_back(wanted: Any, given: Any) -> Iterator[tuple[str, str]]:
    """Values that stand where the declaration says `{name}`."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        for key, entry in wanted.items():
            if key in given and not (key == "query" and "variables" in wanted):
                yield from _read_back(entry, given[key])
    elif isinstance(wanted, list) and isinstance(given, list):
        for entry, told in zip(wanted, given, strict=False):  # entries without a value are left out: best effort
            yield from _read_back(entry, told)
    elif isinstance(wanted, str) and isinstance(given, str | int):
        names = _PLACE.findall(wanted)
        pattern = "(.*?)".join(re.escape(text) for text in _PLACE.split(wanted)[::2])
        match = re.fullmatch(pattern, str(given), re.DOTALL) if names else None
        if match is not None:
            yield from zip(names, match.groups(), strict=True)


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = parse_time(int(text) if text.isdigit() else text)
    if moment is None:
        raise BadRequestError(f"{name} is no time")
    return moment
