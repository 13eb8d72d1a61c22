"""Does the source get in as declared: signed requests only, polls that end?"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import orjson
import requests
from requests.adapters import BaseAdapter
from requests.models import PreparedRequest

from connectors.kit.conformance.cases import TYPICAL, Case
from connectors.kit.conformance.played import answer_to, merged, nested
from connectors.kit.errors import AfluenteError, TerminalError
from connectors.kit.http import session
from connectors.kit.sources.declarations import Poll, Webhook
from connectors.kit.sources.key_in_body import KeyInBody, signed_body
from connectors.kit.sources.paging.declared import LinkHeader, NextLink, Offset, PageNumber, TimeWindow
from connectors.kit.sources.paging.streams import poll_of_stream
from connectors.kit.sources.polling import Page, poll_pages
from connectors.kit.sources.records import split_body
from connectors.kit.sources.signatures import HmacSha256

_SECRET = "whsec_" + b64encode(b"a secret for checks, 32 bytes").decode()
_NOW = 1_772_442_895.0
_ADDRESS = {":method": "POST", ":uri": "https://hooks.example.com/in/default/source"}


def signature_is_checked(case: Case) -> list[str]:
    """A good signature is accepted; an altered body, a missing header or another secret is refused."""
    intake = case.connector.intake
    typical = case.sample(TYPICAL)
    if not isinstance(intake, Webhook) or intake.signature is None or typical is None:
        return []
    scheme, body = intake.signature, signed_body(intake.signature, _SECRET, typical.body)
    if isinstance(scheme, KeyInBody):
        return _key_in_body_is_checked(scheme, body)
    address = {"headers": _ADDRESS} if isinstance(scheme, HmacSha256) else {}  # some sign it
    signed = scheme.sign(secret=_SECRET, body=body, message_id="msg_check", now=_NOW, **address)
    headers = {name.lower(): value for name, value in signed.items()} | _ADDRESS

    def passes(*, secret: str = _SECRET, given: dict[str, str] = headers, sent: bytes = body) -> bool:
        return scheme.verify(secrets=[secret], headers=given, body=sent, now=_NOW)

    problems = []
    if not passes():
        problems.append("a request that it signed itself is refused")
    if getattr(scheme, "signs_body", True) and passes(sent=body + b" "):
        problems.append("an altered body is accepted")
    if passes(secret="whsec_" + b64encode(b"another secret of 32 bytes too").decode()):
        problems.append("another secret is accepted")
    problems += [
        f"a request without the header {name} is accepted"
        for name in (name.lower() for name in signed)
        if passes(given={key: value for key, value in headers.items() if key != name})
    ]
    return problems


def _key_in_body_is_checked(scheme: KeyInBody, body: bytes) -> list[str]:
    """The body proves itself by a key alone: without it, or with another, it is refused."""
    bodies = {
        "its own key is refused": (body, True),
        "another key is accepted": (scheme.write_key("another key", body), False),
        "a body without the key is accepted": (b"{}", False),
    }
    return [
        problem
        for problem, (sent, wanted) in bodies.items()
        if scheme.verify(secrets=[_SECRET], headers=_ADDRESS, body=sent, now=_NOW) is not wanted
    ]


def poll_reads_every_page_once(case: Case) -> list[str]:
    """Three pages are read once each, the position moves, 429 waits as told, 401 ends the poll."""
    poll = case.connector.intake
    typical = case.sample(TYPICAL)
    if not isinstance(poll, Poll) or typical is None:
        return []
    try:
        parts = split_body(case.connector, typical.body, typical.content_type)
    except AfluenteError as error:
        return [f"the typical sample cannot be taken apart at {poll.records_at}: {error}"]
    records = [
        part.value for part in parts if isinstance(part.value, dict)
    ]  # as they come: `prepare` has its turn later
    if len(records) < 3:
        return ["the typical sample needs three records or more, to be read as three pages"]
    if poll.streams:
        poll = replace(poll_of_stream(poll, poll.streams[0], "1"), records_at=poll.records_at)
    if isinstance(poll.pages, TimeWindow):  # each window is read as any pages are
        poll = replace(poll, pages=poll.pages.pages or PageNumber())
    problems = []
    source = _Source(poll, [records[0:1], records[1:2], records[2:3]])
    pages = _read(source)
    read = [record for page in pages for record in page.records]
    if read != records[:3] or source.calls != source.expected_calls:
        problems.append(
            f"{len(read)} records were read in {source.calls} calls; three in {source.expected_calls} are due"
        )
    start = _read(_Source(poll, [[]]))[-1].next_position
    if poll.cursor is not None and pages[-1].next_position == start:
        problems.append("the position does not move with the records: is the cursor's path in them?")
    waiting = _Source(poll, [records[0:1], []], first_answers=[(429, {"Retry-After": "7"})])
    _read(waiting)
    if 7.0 not in waiting.slept:
        problems.append("a 429 with Retry-After is not waited for")
    try:
        _read(_Source(poll, [[]], first_answers=[(401, {})]))
        problems.append("a 401 does not end the poll")
    except TerminalError:
        pass
    return problems


class _Source(BaseAdapter):
    """A source in this process, spoken to through requests: the given pages, then nothing more."""

    def __init__(
        self,
        poll: Poll,
        pages: list[list[dict[str, Any]]],
        *,
        first_answers: list[tuple[int, dict[str, str]]] | None = None,
    ) -> None:
        super().__init__()
        pages_of_one = replace(poll.pages, size=1) if isinstance(poll.pages, PageNumber | Offset) else poll.pages
        self.poll = replace(poll, rate_per_second=1e6, pages=pages_of_one)
        self.calls = 0
        self.slept: list[float] = []
        self._pages = pages
        self._first_answers = first_answers or []
        # By numbers and by values the end is seen by an empty page; a token or an address says that none follows.
        self._next_at = getattr(poll.pages, "at", poll.cursor.next_at if poll.cursor is not None else None)
        is_told = self._next_at is not None or isinstance(poll.pages, LinkHeader)
        self.expected_calls = len(pages) + (0 if is_told else 1)

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if self._first_answers:
            status, headers = self._first_answers.pop(0)
            return answer_to(request, status, headers=headers)
        records = self._pages[self.calls] if self.calls < len(self._pages) else []
        self.calls += 1
        is_linked = isinstance(self.poll.pages, LinkHeader) and self.calls < len(self._pages)
        headers = {"Link": f'<{self.poll.url}?page={self.calls}>; rel="next"'} if is_linked else {}
        return answer_to(request, 200, orjson.dumps(self._answer(records)), headers)

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, records: list[dict[str, Any]]) -> Any:
        answer = nested(self.poll.records_at, records)
        if self._next_at is not None and self.calls < len(self._pages):
            named = f"{self.poll.url}?page={self.calls}" if isinstance(self.poll.pages, NextLink) else f"t-{self.calls}"
            answer = merged(answer, nested(self._next_at, named))
        return answer


def _read(source: _Source) -> list[Page]:
    http = session(source.poll.url)
    for scheme in ("http://", "https://"):
        http.mount(scheme, source)
    return list(poll_pages(source.poll, position=None, session=http, sleep=source.slept.append))
