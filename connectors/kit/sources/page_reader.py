"""Asks a polled source for one page at a time, politely: paced, waiting as told, and taking apart what comes.

What is no record (null, a number, an object nested out of reason) is set aside alone. An answer that holds no list is
an empty page where it says so (204, null, `""`, `{}`), else a page that does not exist.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from connectors.kit.errors import QuotaError, TerminalError, TransientError
from connectors.kit.http import check_status, translated
from connectors.kit.paths import get_path
from connectors.kit.sources.auth import Access, send_marked
from connectors.kit.sources.declarations import Mark, Poll
from connectors.kit.sources.nesting import is_too_deep, without_depths
from connectors.kit.sources.page_ends import tells_nothing_there
from connectors.kit.sources.paging.answer_errors import spoiled_records, told_by
from connectors.kit.sources.paging.asking import Ask, Values, ask
from connectors.kit.sources.records import UnreadableBody, decode_body

MAX_WAIT_SECONDS = 15.0  # a longer wait is not slept through: the poll ends and comes back
MAX_WAITS_PER_PAGE = 3
_PATIENCE_SECONDS = 60.0  # with one page: a source that took as long is not waited for once more
_ABSENT_STATUSES = (400, 404, 410, 416, 422)  # which of them a page beyond the last gives depends on the source
_EMPTY_BODIES = (b"", b'""', b"null", b"{}", b"[]")
_NOTHING = (None, "", False)
NO_LIST: dict[str, Any] = {}  # the whole of an answer that holds nothing: no list, nor a word that there is none
_MISSING = object()


class PageAbsentError(TerminalError):
    """There is no such page, or nothing like one. Behind other pages it is their end; `status` None: answered 200."""

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry of a page that is no record: its place, JSON and why."""

    index: int
    body: bytes = field(repr=False)
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One page as it was answered. `links`: those of the Link header, by their relation."""

    whole: Any = field(repr=False)
    records: list[dict[str, Any]] = field(repr=False)
    rejected: tuple[Rejected, ...] = ()
    links: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def count(self) -> int:
        return len(self.records) + len(self.rejected)


class PageReader:
    """Never faster than declared. Not shared between threads."""

    def __init__(
        self,
        poll: Poll,
        access: Access | None,
        session: requests.Session,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = urlsplit(poll.url).hostname
        self._poll = poll
        self._access = access
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._next_call_at = clock()
        self._what = f"polling {self.host}"

    def read(self, values: Values, *, link: str | None = None) -> Answer:
        """The page that `values` ask for, or that is at `link` of this source.

        Raises PageAbsentError, QuotaError, TransientError, TerminalError.
        """
        began_at = self._clock()
        request = ask(self._poll, values, link=link)
        for waits in range(MAX_WAITS_PER_PAGE + 1):
            try:
                return self._read_once(request)
            except QuotaError as error:
                is_late = self._clock() - began_at > _PATIENCE_SECONDS
                if waits == MAX_WAITS_PER_PAGE or error.retry_after > MAX_WAIT_SECONDS or is_late:
                    raise
                self._sleep(error.retry_after)
        raise AssertionError("the last attempt returns or raises")

    def _read_once(self, request: Ask) -> Answer:
        told = send_marked(self._access, lambda mark: told_by(self._poll, self._send(request, mark)))
        told.check(self._what, now=time.time())
        response = told.response
        try:
            check_status(response, self._what)
        except TerminalError as error:
            if response.status_code in _ABSENT_STATUSES:
                status = HTTPStatus.NOT_FOUND if told.meaning == "gone" else response.status_code
                raise PageAbsentError(str(error), status=status) from None
            raise
        return self._take_apart(response)

    def _send(self, request: Ask, mark: Mark | None) -> requests.Response:
        now = self._clock()
        if now < self._next_call_at:
            self._sleep(self._next_call_at - now)
        self._next_call_at = max(now, self._next_call_at) + 1 / self._poll.rate_per_second
        with translated(self._what):
            return self._session.request(
                self._poll.method,
                request.url,
                params=request.params,
                json=request.body,
                auth=mark,
                headers={"Accept": "application/json", **self._poll.headers},
            )

    def _take_apart(self, response: requests.Response) -> Answer:
        body = response.content.strip()
        links = response.links
        if body in _EMPTY_BODIES:
            is_a_list = body == b"[]" and not self._poll.records_at
            return Answer([] if is_a_list else NO_LIST, [], links=links)
        try:
            whole = _decode(body)
        except UnreadableBody:
            raise TransientError(
                f"{self._what}: answered {response.status_code} with something else than JSON"
            ) from None
        spoiled = spoiled_records(whole, self._poll, self._what)
        entries = _entries(whole, self._poll.records_at)
        if entries is None:
            raise self._no_list()
        records, rejected = _sort(entries, spoiled)
        return Answer(whole, records, tuple(rejected), links)

    def _no_list(self) -> PageAbsentError:
        return PageAbsentError(
            f"{self._what}: there is no list of objects at {self._poll.records_at or 'the top'} of the answer;"
            " has its format changed?",
            status=None,
        )


def _decode(body: bytes) -> Any:
    """Raises UnreadableBody."""
    try:
        return decode_body(body, "application/json", formats=("json",))
    except UnreadableBody:
        shallow = without_depths(body)
        if shallow is body:
            raise
        return decode_body(shallow, "application/json", formats=("json",))


def _entries(whole: Any, records_at: str | None) -> list[Any] | None:
    """What stands in the list; none where the answer says that nothing is there; None where there is no list."""
    listed, _, inside = (records_at or "").partition("[*]")
    if inside:  # `edges[*].node`
        found = _entries(whole, listed)
        return None if found is None else [get_path(entry, inside.removeprefix(".")) for entry in found]
    found = get_path(whole, records_at, _MISSING)
    if isinstance(found, list):
        entries = found
    elif found is _MISSING:
        around = get_path(whole, records_at.rpartition(".")[0], _MISSING) if records_at and "." in records_at else whole
        is_empty = around in (*_NOTHING, [], {}) or tells_nothing_there(whole, records_at=records_at)
        return [] if is_empty else None
    else:
        return [] if found in (*_NOTHING, {}) else None
    # Null may be a record that was lost; a page of numbers or texts alone is another format than was declared.
    is_of_records = not entries or any(isinstance(entry, dict) or entry is None for entry in entries)
    return entries if is_of_records else None


def _sort(entries: list[Any], spoiled: Container[int]) -> tuple[list[dict[str, Any]], list[Rejected]]:
    records: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            rejected.append(Rejected(index, _written(entry), "no JSON object"))
        elif index in spoiled:
            rejected.append(Rejected(index, _written(entry), "given with an error of the source, so it is not whole"))
        elif is_too_deep(entry):
            rejected.append(Rejected(index, _written(entry), "nested too deeply"))
        else:
            records.append(entry)
    return records, rejected


def _written(entry: Any) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fingerprint(answer: Answer) -> bytes:
    """Of a page's content, in which the order of keys does not count."""
    return orjson.dumps(answer.records, option=orjson.OPT_SORT_KEYS) + b"".join(
        record.body for record in answer.rejected
    )
