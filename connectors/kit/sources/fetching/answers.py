"""One call for one record, and what its answer means for it, for the others of its source, and for whoever runs it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import requests

from connectors.kit.errors import QuotaError, RecordError, TerminalError, TransientError
from connectors.kit.http import Session, TooLargeError, check_status, retry_after, translated
from connectors.kit.paths import get_path
from connectors.kit.sources.auth.marks import send_marked
from connectors.kit.sources.declarations import Access, Mark
from connectors.kit.sources.fetching.addresses import Target
from connectors.kit.sources.fetching.fetch import Fetch
from connectors.kit.sources.records import UnreadableBody, decode_body

_JSON = "application/json"
_UNSAID_WAIT_SECONDS = 60.0  # of a quota whose end the answer does not tell
_OF_ONE_RECORD = {  # by status, where no code is declared
    403: ("fetch_forbidden", "the token may not read this record"),
    404: ("fetch_gone", "the source has no such record, or not any more"),
    410: ("fetch_gone", "the source has no such record any more"),
}


@dataclass(frozen=True, slots=True)
class _Answer:
    response: requests.Response = field(repr=False)
    document: Any = field(repr=False)
    fault: str | None  # why the document cannot be read
    code: Any
    meaning: str | None

    @property
    def status_code(self) -> int:
        """As `send_marked` asks for it: a code that says the token is refused is 401 by another name."""
        return 401 if self.meaning == "token" else self.response.status_code


def fetch_record(fetch: Fetch, target: Target, *, access: Access | None, http: Session, what: str) -> bytes:
    """The record as JSON, as it came. `access` marks what is asked, None: nothing does; `what` says who is called, for
    messages.

    Raises RecordError for what concerns this record alone (`fetch_gone`, `fetch_forbidden`, `fetch_refused`,
    `fetched_unreadable`, `fetched_too_large`); QuotaError, TransientError; TerminalError where the token is refused, or
    where settings are wrong.
    """

    def ask(mark: Mark | None) -> _Answer:
        try:
            with translated(what):
                response = http.get(target.url, params=target.params, headers=target.headers, auth=mark)
        except TooLargeError:
            raise RecordError("fetched_too_large", message=f"more than {fetch.max_answer_bytes} bytes") from None
        return _told_by(fetch, response)

    answer = send_marked(access, ask)
    response, code = answer.response, answer.code
    if answer.meaning:
        raise _told(answer.meaning, f"{what}: {fetch.code_at} is {code}", retry_after(response, now=time.time()))
    status = response.status_code
    if status in _OF_ONE_RECORD:
        word, message = _OF_ONE_RECORD[status]
        raise RecordError(word, message=f"{message} (answered {status})")
    if 400 <= status < 500 and status not in (401, 408, 425, 429):
        told = f", {fetch.code_at} is {code}" if isinstance(code, int) else ""
        raise RecordError("fetch_refused", message=f"the source refuses to give this record (answered {status}{told})")
    check_status(response, what)
    if not isinstance(answer.document, dict):
        raise RecordError("fetched_unreadable", message=answer.fault or "the answer is no JSON object")
    return response.content


def _told_by(fetch: Fetch, response: requests.Response) -> _Answer:
    document, fault = _read(response.content)
    code = get_path(document, fetch.code_at) if fetch.code_at and isinstance(document, dict) else None
    return _Answer(response, document, fault, code, fetch.meaning_of(code))


def _read(content: bytes) -> tuple[Any, str | None]:
    """The document of an answer, or where it cannot be read on."""
    try:
        return decode_body(content, _JSON, formats=("json",)), None
    except UnreadableBody as error:
        return None, f"the answer cannot be read: {error.message}"


def _told(meaning: str, what: str, wait: float | None) -> Exception:
    """The error for a code that the declaration knows."""
    if meaning == "token":
        return TerminalError(f"{what}: the token is refused or has expired; it needs a new one")
    if meaning == "quota":
        return QuotaError(f"{what}: too many calls", retry_after=_UNSAID_WAIT_SECONDS if wait is None else wait)
    if meaning == "retry":
        return TransientError(f"{what}: it asks to try again", retry_after=wait)
    if meaning == "gone":
        return RecordError("fetch_gone", message=f"{what}: there is no such record, or the token may not see it")
    return RecordError("fetch_forbidden", message=f"{what}: the token may not read this record")
