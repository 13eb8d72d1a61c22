"""What Salesforce's answers mean: of a whole call, and of each record in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import orjson
import requests

from connectors.kit import QuotaError, Record, RecordError, TerminalError, TransientError, Usage, WriteResult
from connectors.kit.http import check_status, retry_after, whole_number
from connectors.kit.redaction import without_values

CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
FIXED_FIELD = "INVALID_FIELD_FOR_INSERT_UPDATE"
GONE = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"}
_DAILY_LIMIT_WAIT_SECONDS = 3600.0
_CONCURRENCY_WAIT_SECONDS = 5.0

# The same record may pass later.
_RETRY_CODES = {
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "PROCESSING_HALTED",
    "QUERY_TIMEOUT",
    "REQUEST_LIMIT_EXCEEDED",
    "REQUEST_RUNNING_TOO_LONG",
    "SERVER_UNAVAILABLE",
    "UNABLE_TO_LOCK_ROW",
    "UNKNOWN_EXCEPTION",
}
# A human has to change the settings, the mapping or the CRM: for all records, or for what this one touches.
_CONFIGURATION_CODES = {
    "API_DISABLED_FOR_ORG",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "INVALID_FIELD",
    FIXED_FIELD,
    "INVALID_TYPE",
    "NOT_FOUND",
}
# A trigger failed; these words in its message say that it did so for want of a lock.
_LOCK_WORDS = ("UNABLE_TO_LOCK_ROW", "Too many SOQL queries")


def result_of(record: Record, answer: Any, key_field: str, *, of_members: bool = False) -> WriteResult:
    """The entry of a list of results, or what a row of a job comes to. `of_members`: a person is in a campaign once, so
    that a second membership is there already."""
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        return WriteResult(record.key, "retry", code="no_result", message="the answer says nothing of this record")
    if answer["success"]:
        if not answer.get("id"):
            return WriteResult(record.key, "retry", code="no_id", message="accepted, but the answer names no id")
        created = answer.get("created")
        is_told = isinstance(created, bool)
        return WriteResult(record.key, "written", crm_id=str(answer["id"]), created=created if is_told else None)
    errors = [error for error in answer.get("errors") or [] if isinstance(error, dict)]
    error = errors[0] if errors else {}
    code = text(error.get("statusCode") or error.get("errorCode")) or "no_reason_given"
    if record.update_only and code == "REQUIRED_FIELD_MISSING":
        # An upsert by external id asks for required fields only where it would make a new record.
        return WriteResult(record.key, "written", created=False, code="record_gone", message="nothing to mark")
    fields = [text(field) for field in error.get("fields") or []]
    message = text(error.get("message"))
    is_of_key = not fields or key_field in fields or key_field in message
    if of_members and code == "DUPLICATE_VALUE" and key_field not in fields and key_field not in message:
        return WriteResult(
            record.key, "written", created=False, code="already_member", message="in that campaign already"
        )
    return WriteResult(
        record.key,
        "retry" if _may_pass_later(code, message, is_of_key=is_of_key) else "rejected",
        code=code,
        field=fields[0] if fields else None,
        message=without_values(message, record.fields.values()),
        blames_setting=code in _CONFIGURATION_CODES,
    )


def _may_pass_later(code: str, message: str, *, is_of_key: bool) -> bool:
    if code == "DUPLICATE_VALUE":
        # Another call made the same person a moment ago: the next upsert finds it. Of another unique field, a human has
        # to decide.
        return is_of_key
    if code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
        return any(words in message for words in _LOCK_WORDS)
    return code in _RETRY_CODES


def raise_for(response: requests.Response, name: str) -> None:
    """Raises unless the call as a whole came to something; `name` is the destination's."""
    if response.status_code in (400, 403, 404):
        for error in http_errors(response):
            code, message = text(error.get("errorCode")), text(error.get("message"))
            if code == "REQUEST_LIMIT_EXCEEDED":
                is_daily = "TotalRequests" in message
                wait = _DAILY_LIMIT_WAIT_SECONDS if is_daily else _CONCURRENCY_WAIT_SECONDS
                asked = retry_after(response, now=time.time())
                raise QuotaError(
                    f"{name}: {'the daily quota' if is_daily else 'the limit of calls at once'} is reached",
                    retry_after=wait if asked is None else asked,
                )
            if code in _RETRY_CODES:
                raise TransientError(f"{name}: answered {response.status_code} {code}")
            raise TerminalError(f"{name}: answered {response.status_code} {code}: {without_values(message, ())}")
    check_status(response, name)


def raise_for_content(response: requests.Response, records: Sequence[Record]) -> None:
    """Raises RecordError where one value of the wrong type made the whole call unreadable to Salesforce, which does not
    say whose it is; or where the call is too large."""
    errors = http_errors(response)
    if response.status_code == 413 or (
        response.status_code == 400 and any(error.get("errorCode") == "JSON_PARSER_ERROR" for error in errors)
    ):
        values = [value for record in records for value in record.fields.values()]
        raise RecordError(
            text(errors[0].get("errorCode")) or "call_too_large",
            message=without_values(text(errors[0].get("message")), values),
        )


def http_errors(response: requests.Response) -> list[dict[str, Any]]:
    """Errors of a whole call: `[{"message", "errorCode", "fields"?}]`. At least one entry, perhaps empty."""
    body = read_json(response)
    entries = body if isinstance(body, list) else [body]
    return [entry for entry in entries if isinstance(entry, dict)] or [{}]


def result_list(response: requests.Response, expected: int) -> list[Any]:
    """One entry for each record sent. Raises TransientError if it cannot be read.

    Results are told apart by their place alone. Where the answer is shorter nobody knows which are missing, so None for
    all: sent again, they change nothing; taken for another's, they would name a wrong id and hide a failure.
    """
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise TransientError("the CRM answered 200 with something else than JSON") from None
    if not isinstance(body, list) or len(body) > expected:
        raise TransientError("the CRM answered 200 with something else than one result for each record")
    return body if len(body) == expected else [None] * expected


def usage_of(header: str | None) -> Usage | None:
    """`api-usage=25/5000; per-app-api-usage=17/250(appName=x)`."""
    for part in (header or "").split(";"):
        name, _, value = part.partition("=")
        used, limit = map(whole_number, value.partition("(")[0].partition("/")[::2])
        if name.strip() == "api-usage" and used is not None and limit is not None:
            return Usage(used=used, limit=limit)
    return None


def read_json(response: requests.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
