"""Is each id that comes read from its source, from nowhere else, and with its errors told apart?"""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import requests
from requests.adapters import BaseAdapter
from requests.models import PreparedRequest

from connectors.kit.conformance.cases import TYPICAL, Case
from connectors.kit.conformance.played import answer_to, merged, nested
from connectors.kit.errors import AfluenteError, QuotaError, RecordError, TerminalError, TransientError
from connectors.kit.http import session
from connectors.kit.oauth import FixedToken
from connectors.kit.sources.auth import Access, Grant, auth_of
from connectors.kit.sources.declarations import Secret
from connectors.kit.sources.fetching.addresses import names_in, target_of
from connectors.kit.sources.fetching.answers import fetch_record
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of

_TOKEN = "a token for checks"  # noqa: S105 - no secret
_MEANT = ((401, TerminalError), (404, RecordError), (429, QuotaError), (500, TransientError))
_FOREIGN = ("https://metadata.internal/latest", "https://internal@{host}/x", "http://{host}/x", "https://{host}.test/x")
_STEPS = ("..", "../me", "a/../../me")


def ids_are_read_by_their_source_alone(case: Case) -> list[str]:
    """Each id of the typical sample is asked for with the token, and what must be done about an error is known; an id
    that is a step in a path, and an address at another host, are never called."""
    fetch, typical = fetch_of(case.connector), case.sample(TYPICAL)
    if fetch is None or typical is None:
        return []
    ids = [record for record in case.records(typical) if fetch.applies_to(record)]
    if not ids:
        return ["no record of the typical sample is an id: does `when` of its fetch apply to one?"]
    if len(ids) != len(typical.fetched):
        place = f"samples/{case.source}/{TYPICAL}.fetched.json"
        return [f"the typical sample has {len(ids)} ids; {place} says what stands under {len(typical.fetched)}"]
    options = fetch.defaults
    return [
        problem
        for record, answer in zip(ids, typical.fetched, strict=True)
        for problem in (*_is_read(fetch, record, options, answer), *_is_guarded(fetch, record, options))
    ]


def _is_read(fetch: Fetch, record: dict[str, Any], options: dict[str, Any], answer: Any) -> list[str]:
    source = _Source([(200, orjson.dumps(answer))])
    problems = []
    try:
        source.ask(fetch, record, options)
    except AfluenteError as error:
        return [f"the id of the typical sample cannot be read: {error}"]
    if not _is_marked(source.seen[0], fetch):
        problems.append("the record is asked for without the token")
    for status, wanted in _MEANT:
        try:
            _Source([(status, b"{}")]).ask(fetch, record, options)
        except wanted:
            continue
        except AfluenteError as error:
            problems.append(f"an answer {status} is a {type(error).__name__}; it must be a {wanted.__name__}")
    return problems


def _is_marked(request: PreparedRequest, fetch: Fetch) -> bool:
    """Whether a request shows what is declared: marked once more, it is the same."""
    access = _access(fetch)
    if access is None:
        return True
    again = request.copy()
    for mark in itertools.islice(access.marks(), 1):
        again = again if mark is None else mark(again)
    return (again.url, dict(again.headers)) == (request.url, dict(request.headers))


def _access(fetch: Fetch) -> Access | None:
    auth = auth_of(fetch)
    return auth.access(_Keys()) if auth is not None else None


def _is_guarded(fetch: Fetch, record: dict[str, Any], options: dict[str, Any]) -> list[str]:
    path = next(name for name in names_in(fetch.url) if name not in options)
    spoiled = [text.format(host=host) for host in fetch.hosts for text in _FOREIGN] if fetch.hosts else _STEPS
    own = target_of(fetch, record, options).url.split("/")[2]
    problems = []
    for text in spoiled:
        try:
            target = target_of(fetch, merged(record, nested(path, text)), options)
        except RecordError:
            continue
        if target.url.split("/")[2] != own or any(step in (".", "..") for step in target.url.split("/")):
            problems.append(f"{text!r} as an id at {path} leads away from the source")
    return problems


class _Keys:
    """Of a source that is set up with one token, whatever it is let in by."""

    def secrets_of(self, _secret: Secret) -> list[str]:
        return [_TOKEN]

    def tokens_of(self, _grant: Grant) -> FixedToken:
        return FixedToken(_TOKEN)


class _Source(BaseAdapter):
    """A source in this process, spoken to through requests."""

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        super().__init__()
        self.seen: list[PreparedRequest] = []
        self._answers = answers

    def ask(self, fetch: Fetch, record: dict[str, Any], options: dict[str, Any]) -> bytes:
        target = target_of(fetch, record, options)
        with session(target.url) as http:
            http.mount("https://", self)
            return fetch_record(fetch, target, access=_access(fetch), http=http, what="the source")

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.seen.append(request)
        return answer_to(request, *self._answers.pop(0))

    def close(self) -> None:
        """Nothing is open."""
