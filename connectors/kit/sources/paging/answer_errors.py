"""Errors that an answer tells in its own words: within status 200, as GraphQL does, and by codes that count more than
the status, as Meta's Graph does. What to do next, which records they spoil.

Of an error its code and the names of its path are told; its message may hold somebody's data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from connectors.kit.errors import AfluenteError, QuotaError, TerminalError, TransientError
from connectors.kit.http import retry_after
from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Poll

_WAIT_SECONDS = 10.0  # where a throttled source says nothing of how long
_LONGEST_ERROR = 16_384  # bytes: a page of records is not read twice for a code
_DIGITS = re.compile(r"[0-9]{1,9}")
_CODE = re.compile(r"[A-Za-z][\w-]{1,63}")
_NAME = re.compile(r"\w{1,64}")
_THROTTLED = re.compile(r"throttl|rate.?limit|too.?many|quota|max.?cost|complexity.?budget", re.IGNORECASE)
_PASSING = re.compile(r"internal|unavailable|timeout|timed.?out|temporar|try.?again|overload|gateway", re.IGNORECASE)
_REFUSED = re.compile(r"unauth|forbidden|access.?denied|permission|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and what its error's code means as the declaration has it; None where it says nothing."""

    response: requests.Response = field(repr=False)
    meaning: str | None
    code: int | None = None

    @property
    def status_code(self) -> int:
        """As `send_marked` asks for it: a code that says the token is refused is 401 by another name."""
        return 401 if self.meaning == "token" else self.response.status_code

    def check(self, what: str, *, now: float) -> None:
        """Raises TerminalError, QuotaError or TransientError for a code that concerns more than what was asked."""
        shown = f"{what}: answered {self.response.status_code} with the code {self.code}"
        wait = retry_after(self.response, now=now)
        if self.meaning == "token":
            raise TerminalError(f"{shown}; the credentials are refused or have expired")
        if self.meaning == "quota":
            raise QuotaError(f"{shown}: too many requests", retry_after=_WAIT_SECONDS if wait is None else wait)
        if self.meaning == "retry":
            raise TransientError(shown, retry_after=wait)


def told_by(poll: Poll, response: requests.Response) -> Told:
    """What a refusal means; also one of status 200, as those have it who tell everything by codes."""
    if poll.code_at is None or (response.status_code < 400 and len(response.content) > _LONGEST_ERROR):
        return Told(response, None)
    try:
        code = get_path(orjson.loads(response.content), poll.code_at)
    except orjson.JSONDecodeError:
        return Told(response, None)
    if response.status_code < 400 and isinstance(code, str) and _DIGITS.fullmatch(code):
        code = int(code)
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return Told(response, poll.codes.get(code) if is_code else None, code if is_code else None)


def spoiled_records(whole: Any, poll: Poll, what: str) -> frozenset[int]:
    """Places in the list of records that the answer's errors lead into: what stands there is not whole.

    Raises QuotaError, TransientError or TerminalError for an error that leads elsewhere: nothing of the page is taken.
    """
    if poll.errors_at is None:
        return frozenset()
    errors = get_path(whole, poll.errors_at)
    if errors in (None, [], {}, "", False):
        return frozenset()
    listed = errors if isinstance(errors, list) else [errors]
    places = [_record_of(error, poll.records_at) for error in listed]
    for error, place in zip(listed, places, strict=True):
        if place is None:
            raise _translated(error, f"{what}: answered with an error")
    return frozenset(place for place in places if place is not None)


def _record_of(error: Any, records_at: str | None) -> int | None:
    """The place of the record that an error's path leads into; None where it leads to no record."""
    path = error.get("path") if isinstance(error, dict) else None
    listed = (records_at or "").partition("[*]")[0].split(".")
    if not isinstance(path, list) or listed[:1] != ["data"]:
        return None
    way = listed[1:]
    place = path[len(way)] if path[: len(way)] == way and len(path) > len(way) else None
    return place if isinstance(place, int) and not isinstance(place, bool) else None


def _translated(error: Any, what: str) -> AfluenteError:
    told = error if isinstance(error, dict) else {"message": str(error)}
    code = next(filter(None, (_code(get_path(told, path)) for path in ("extensions.code", "code", "type", "name"))), "")
    said = f"{code} {told.get('message') or ''}"[:2_000]
    shown = f"{what}{f' {code}' if code else ''}{_place(told.get('path'))}"
    if _THROTTLED.search(said):
        wait = get_path(told, "extensions.retryAfter")
        seconds = float(wait) if isinstance(wait, int | float) and 0 < wait <= 3_600 else _WAIT_SECONDS
        return QuotaError(f"{shown}: too many requests", retry_after=seconds)
    if _REFUSED.search(said):
        return TerminalError(f"{shown}; the credentials are refused or lack a right")
    if _PASSING.search(said):
        return TransientError(shown)
    return TerminalError(f"{shown}; the request is not what it expects, nothing of this page was taken")


def _code(value: Any) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _place(path: Any) -> str:
    names = [str(name) for name in path if _NAME.fullmatch(str(name))] if isinstance(path, list) else []
    return f" at {'.'.join(names)}" if names else ""
