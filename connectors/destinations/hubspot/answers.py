"""HubSpot's answers, read and sorted by what happens next. No call is made here, and no text gives a value away.

HubSpot puts reasons where it pleases: in `category`, in a list `errors`, or as JSON inside the text of `message`. Every
part of an answer may be missing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from connectors.kit import QuotaError, Record, TerminalError, TransientError, Usage, WindowUsage, WriteResult
from connectors.kit.http import check_status, retry_after, whole_number
from connectors.kit.redaction import without_values

TEN_SECONDS = "ten_seconds"  # the name of the window
_DAILY_WAIT_SECONDS = 3600.0  # the day ends at midnight where the account is, which no answer says
_WINDOW_SECONDS = 10.0
_LOCK_WAIT_SECONDS = 2.0
_MIGRATION_WAIT_SECONDS = 3600.0

# A human has to change the settings, the mapping or the account: for all records, or for what this one touches.
_SETTINGS_CODES = {"MISSING_SCOPES", "PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"}
# The same record may pass later.
_RETRY_CODES = {
    "CONFLICT",  # without an id: two calls made the same person at once
    "GATEWAY_TIMEOUT",
    "INTERNAL_ERROR",
    "INTERNAL_SERVER_ERROR",
    "LOCKED",
    "MIGRATION_IN_PROGRESS",
    "RATE_LIMIT",
    "RATE_LIMITS",
    "SERVICE_UNAVAILABLE",
    "TIMEOUT",
}
NO_REASON = "no_reason_given"
_ASK_THEIR_SUPPORT = {522, 525, 526}
_EXISTING = re.compile(r"Existing ID:\s*(\d+)")
_HOLDER = re.compile(r"(\d+) already has that value")
_SCOPE = re.compile(r"\bcrm\.[a-z_]+(?:\.[a-z_]+)+|\bcommunication_preferences(?:\.[a-z_]+)+")
_CODE = re.compile(r"\w{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why HubSpot did not write a record. `existing_id` is the contact that has its e-mail already."""

    code: str
    property_name: str | None = None
    message: str = field(default="", repr=False)
    existing_id: str | None = None

    @property
    def is_setting(self) -> bool:
        return self.code in _SETTINGS_CODES

    def result(self, record: Record, key_property: str) -> WriteResult:
        if self.existing_id is not None:
            message = f"contact {self.existing_id} has this e-mail already"
            return WriteResult(record.key, "rejected", code=self.code, field="email", message=message)
        is_race = self.code == "CONFLICTING_UNIQUE_VALUE" and self.property_name == key_property
        return WriteResult(
            record.key,
            "retry" if is_race or self.code in _RETRY_CODES else "rejected",
            code=self.code,
            field=self.property_name,
            message=without_values(self.message, record.fields.values()),
            blames_setting=self.is_setting,
        )


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What one answer says of each record, by its key. `doubtful` are refusals that name no record."""

    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    doubtful: Sequence[Refusal] = ()


def read_batch(response: requests.Response, keys: Sequence[str], key_property: str) -> BatchAnswer:
    """The answer to a batch whose inputs were traced by `keys`. Raises TransientError if it cannot be read.

    Results come in any order: each is known by its trace id, else by the value of `key_property`.
    """
    body = read_json(response)
    if not isinstance(body.get("results"), list):
        raise TransientError(f"the CRM answered {response.status_code} with something else than a list of results")
    known = set(keys)
    results: dict[str, Mapping[str, Any]] = {}
    for result in _objects(body["results"]):
        properties = result.get("properties")
        by_value = properties.get(key_property) if isinstance(properties, dict) else None
        key = next((name for name in (result.get("objectWriteTraceId"), by_value) if _is_one_of(name, known)), None)
        if key is not None and not (key in results and results[key].get("id")):
            results[key] = result
    refusals: dict[str, Refusal] = {}
    doubtful: list[Refusal] = []
    for error in _objects(body.get("errors")):
        named = [key for key in _named(error) if key in known]
        refusals |= dict.fromkeys(named, read_refusal(error))
        if not named:
            doubtful.append(read_refusal(error))
    left = [key for key in keys if key not in results and key not in refusals]
    if len(left) == 1 and len(doubtful) == 1:  # it can only be this one's
        refusals[left[0]] = doubtful.pop()
    return BatchAnswer(results, refusals, doubtful)


def read_refusal(error: Mapping[str, Any]) -> Refusal:
    """From an error of a whole call, or of one record of a batch."""
    text = _text(error.get("message"))
    issues = [*_issues_in(text), *_objects(error.get("errors"))]
    issue = next((issue for issue in issues if _issue_code(issue) in _SETTINGS_CODES), issues[0] if issues else {})
    message = _text(issue.get("message")) or text.partition("[")[0]
    property_name = _issue_field(issue)
    existing = _EXISTING.search(text) or (_HOLDER.search(text) if property_name == "email" else None)
    return Refusal(
        _issue_code(issue) or _code(error.get("category")) or _code(error.get("errorType")) or NO_REASON,
        property_name,
        message,
        existing and existing[1],
    )


def raise_for(response: requests.Response, name: str) -> None:
    """Raises for a call that came to nothing as a whole, unless the status is 2xx."""
    status = response.status_code
    if status == 429:
        raise _quota_error(response, name)
    wait = retry_after(response, now=time.time())
    if status == 423:
        raise TransientError(f"{name}: answered 423, locked", retry_after=max(wait or 0.0, _LOCK_WAIT_SECONDS))
    if status == 409:
        raise TransientError(f"{name}: answered 409, a conflict, and names no reason", retry_after=wait)
    if status == 477:
        wait = _MIGRATION_WAIT_SECONDS if wait is None else wait
        raise TransientError(
            f"{name}: answered 477: HubSpot is moving the account, which may last a day", retry_after=wait
        )
    if status in _ASK_THEIR_SUPPORT:
        raise TerminalError(f"{name}: answered {status}: HubSpot asks to be told; write to its support")
    if status == 403:
        scopes = ", ".join(sorted(set(_SCOPE.findall(response.text))))
        code = read_refusal(read_json(response)).code
        raise TerminalError(
            f"{name}: answered 403 {code}: the token lacks a right{f'; it needs {scopes}' if scopes else ''}"
        )
    check_status(response, name)


def read_usage(response: requests.Response) -> Usage | None:
    """Of the day, which apps of the marketplace are not told, and of ten seconds; None where nothing was said."""
    day, ten = _used_and_limit(response, "Daily"), _used_and_limit(response, "Max")
    if day is None and ten is None:
        return None
    used, limit = day or (None, None)
    return Usage(used=used, limit=limit, windows=(WindowUsage(TEN_SECONDS, *ten),) if ten else ())


def _used_and_limit(response: requests.Response, name: str) -> tuple[int, int] | None:
    remaining = "Remaining" if name == "Max" else f"{name}-Remaining"
    limit, left = (whole_number(response.headers.get(f"X-HubSpot-RateLimit-{part}", "")) for part in (name, remaining))
    return None if limit is None or left is None else (max(0, limit - left), limit)


def read_json(response: requests.Response) -> dict[str, Any]:
    """The object answered; an empty one where the answer is none."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _quota_error(response: requests.Response, name: str) -> QuotaError:
    body = read_json(response)
    said = f"{_text(body.get('policyName'))} {_text(body.get('message'))}".lower()
    wait = retry_after(response, now=time.time())
    if "daily" in said:
        return QuotaError(
            f"{name}: the daily quota is reached", retry_after=_DAILY_WAIT_SECONDS if wait is None else wait
        )
    interval = whole_number(response.headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", ""))
    seconds = _WINDOW_SECONDS if interval is None else min(interval / 1000, 60.0)
    return QuotaError(
        f"{name}: the limit of calls in ten seconds is reached",
        retry_after=seconds if wait is None else wait,
        window=TEN_SECONDS if wait is None else None,
    )


def _issues_in(message: str) -> list[dict[str, Any]]:
    """`Property values were not valid: [{"isValid":false,"message":…,"error":"INVALID_EMAIL","name":"email"}]`"""
    begin, end = message.find("["), message.rfind("]")
    try:
        return _objects(orjson.loads(message[begin : end + 1]))
    except orjson.JSONDecodeError:
        return []


def _issue_code(issue: Mapping[str, Any]) -> str:
    return _code(issue.get("error")) or _code(issue.get("code"))


def _issue_field(issue: Mapping[str, Any]) -> str | None:
    context = issue.get("context")
    named = context.get("propertyName") if isinstance(context, dict) else None
    first = named[0] if isinstance(named, list) and named else named
    return _code(issue.get("name")) or _code(first) or _code(issue.get("in")) or None


def _named(error: Mapping[str, Any]) -> list[str]:
    """Trace ids, and ids where HubSpot gives those instead (of records that it does not find)."""
    context = error.get("context")
    if not isinstance(context, dict):
        return []
    values = [context.get(name) for name in ("objectWriteTraceId", "ids", "id")]
    entries = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
    return [entry for entry in entries if isinstance(entry, str)]


def _is_one_of(name: Any, known: set[str]) -> bool:
    return isinstance(name, str) and name in known


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _code(value: Any) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
