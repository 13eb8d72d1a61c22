"""The writer: one result for each record, and every failure sorted by what happens next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
import requests

from connectors.destinations.salesforce.abilities import BATCH_SIZE, GONE, SalesforceAbilities
from connectors.kit import (
    ConfigurationError,
    Connection,
    QuotaError,
    Record,
    RecordError,
    TerminalError,
    TransientError,
    Usage,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.http import check_status, retry_after, session, whole_number
from connectors.kit.oauth import ClientCredentials, FixedToken, TokenSource
from connectors.kit.redaction import without_values

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
    "INVALID_FIELD_FOR_INSERT_UPDATE",
    "INVALID_TYPE",
    "NOT_FOUND",
}
# A trigger failed; these words in its message say that it did so for want of a lock.
_LOCK_WORDS = ("UNABLE_TO_LOCK_ROW", "Too many SOQL queries")


class SalesforceWriter(SalesforceAbilities):
    """One account. Not shared between threads: it holds one HTTP session."""

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._base_url = connection.base_url.rstrip("/")
        self._fields = connection.fields
        options = connection.options
        self._object = connection.object or str(options.get("object", "Lead"))
        self._key_field = str(options.get("external_id_field", "Afluente_Id__c"))
        self.sent_as = f"{self._object} by {self._key_field}"
        self._root = f"{self._base_url}/services/data/{_version(options.get('api_version', '67.0'))}"
        self._session = session(self._base_url, timeout_seconds=connection.timeout_seconds)
        self._session.headers.update(_write_headers(options))
        tokens = _token_source(connection, self._session)
        self._calls = AuthorizedCalls(
            self._name, self._session, tokens, before_call=connection.before_call, note=self._note_usage
        )

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        url = f"{self._root}/composite/sobjects/{quote(self._object)}/{quote(self._key_field)}"
        return self._write(url, records, [{} for _ in records]) if records else []

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call, by Salesforce's own ids; our external id is one of the fields."""
        check_batch(records, BATCH_SIZE)
        ids = [{"id": record.crm_id} for record in records]
        results = self._write(f"{self._root}/composite/sobjects", records, ids) if records else []
        return [self._adopted(result) for result in results]

    def check(self) -> None:
        response = self._calls.request("GET", f"{self._root}/limits")
        self._raise_for(response)

    def close(self) -> None:
        self._session.close()

    def _write(self, url: str, records: Sequence[Record], known_by: Sequence[dict[str, Any]]) -> list[WriteResult]:
        attributes = {"type": self._object}
        entries = [
            {
                "attributes": attributes,
                **known,
                self._key_field: record.key,
                **record.fields,
                **{link.role: link.crm_id for link in record.links},
            }
            for record, known in zip(records, known_by, strict=True)
        ]
        response = self._calls.request("PATCH", url, orjson.dumps({"allOrNone": False, "records": entries}))
        if _is_unreadable_to_them(response):
            raise _refusal_of_content(response, records)
        self._raise_for(response)
        answers = _result_list(response, len(records))
        return [self._result(record, answer) for record, answer in zip(records, answers, strict=True)]

    def _result(self, record: Record, answer: Any) -> WriteResult:
        if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
            return WriteResult(record.key, "retry", code="no_result", message="the answer says nothing of this record")
        if answer["success"]:
            if not answer.get("id"):
                return WriteResult(record.key, "retry", code="no_id", message="accepted, but the answer names no id")
            created = answer.get("created")
            return WriteResult(
                record.key,
                "written",
                crm_id=str(answer["id"]),
                created=created if isinstance(created, bool) else None,
            )
        errors = [error for error in answer.get("errors") or [] if isinstance(error, dict)]
        error = errors[0] if errors else {}
        code = _text(error.get("statusCode") or error.get("errorCode")) or "no_reason_given"
        if record.update_only and code == "REQUIRED_FIELD_MISSING":
            # An upsert by external id asks for required fields only where it would make a new record.
            return WriteResult(record.key, "written", created=False, code="record_gone", message="nothing to mark")
        fields = [_text(field) for field in error.get("fields") or []]
        message = _text(error.get("message"))
        return WriteResult(
            record.key,
            "retry" if self._may_pass_later(code, message, fields) else "rejected",
            code=code,
            field=fields[0] if fields else None,
            message=without_values(message, record.fields.values()),
            blames_setting=code in _CONFIGURATION_CODES,
        )

    def _adopted(self, result: WriteResult) -> WriteResult:
        if result.code in GONE and result.field is None:
            return replace(result, state="retry", code="record_gone", blames_setting=False)
        if result.code == "DUPLICATE_VALUE" and result.state == "retry":
            return replace(result, code="key_taken")
        return replace(result, created=False) if result.state == "written" else result

    def _may_pass_later(self, code: str, message: str, fields: list[str]) -> bool:
        if code == "DUPLICATE_VALUE":
            # Another call made the same person a moment ago: the next upsert finds it. Of another unique field, a human
            # has to decide.
            return not fields or self._key_field in fields or self._key_field in message
        if code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
            return any(words in message for words in _LOCK_WORDS)
        return code in _RETRY_CODES

    def _note_usage(self, response: requests.Response) -> None:
        self.usage = _usage(response.headers.get("Sforce-Limit-Info")) or self.usage

    def _raise_for(self, response: requests.Response) -> None:
        if response.status_code in (400, 403, 404):
            for error in _http_errors(response):
                code, message = _text(error.get("errorCode")), _text(error.get("message"))
                if code == "REQUEST_LIMIT_EXCEEDED":
                    is_daily = "TotalRequests" in message
                    wait = _DAILY_LIMIT_WAIT_SECONDS if is_daily else _CONCURRENCY_WAIT_SECONDS
                    asked = retry_after(response, now=time.time())
                    raise QuotaError(
                        f"{self._name}: {'the daily quota' if is_daily else 'the limit of calls at once'} is reached",
                        retry_after=wait if asked is None else asked,
                    )
                if code in _RETRY_CODES:
                    raise TransientError(f"{self._name}: answered {response.status_code} {code}")
                raise TerminalError(
                    f"{self._name}: answered {response.status_code} {code}: {without_values(message, ())}"
                )
        check_status(response, self._name)


def _token_source(connection: Connection, http: Any) -> TokenSource:
    secrets = connection.secrets
    if "access_token" in secrets:
        return FixedToken(secrets["access_token"])
    if not secrets.get("client_id") or not secrets.get("client_secret"):
        raise ConfigurationError(
            f"destinations.{connection.name}.secrets: give access_token, or client_id and client_secret,"
            " as env:NAME or file:PATH"
        )
    token_url = connection.options.get("token_url") or f"{connection.base_url.rstrip('/')}/services/oauth2/token"
    return ClientCredentials(http, token_url, client_id=secrets["client_id"], client_secret=secrets["client_secret"])


def _write_headers(options: dict[str, Any]) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    value = options.get("auto_assign")
    if value is not None:  # Salesforce's own default is TRUE: its active rule may replace the owner
        headers["Sforce-Auto-Assign"] = str(value).upper() if isinstance(value, bool) else str(value)
    if options.get("allow_duplicate_alerts"):
        headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
    return headers


def _version(value: Any) -> str:
    text = str(value).removeprefix("v")
    return f"v{text if '.' in text else text + '.0'}"


def _is_unreadable_to_them(response: requests.Response) -> bool:
    return response.status_code == 413 or (
        response.status_code == 400
        and any(error.get("errorCode") == "JSON_PARSER_ERROR" for error in _http_errors(response))
    )


def _refusal_of_content(response: requests.Response, records: Sequence[Record]) -> RecordError:
    """One value of the wrong type makes the whole call unreadable to Salesforce, which does not say whose it is."""
    error = _http_errors(response)[0]
    values = [value for record in records for value in record.fields.values()]
    return RecordError(
        _text(error.get("errorCode")) or "call_too_large",
        message=without_values(_text(error.get("message")), values),
    )


def _http_errors(response: requests.Response) -> list[dict[str, Any]]:
    """Errors of a whole call: `[{"message", "errorCode", "fields"?}]`. At least one entry, perhaps empty."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    entries = body if isinstance(body, list) else [body]
    return [entry for entry in entries if isinstance(entry, dict)] or [{}]


def _result_list(response: requests.Response, expected: int) -> list[Any]:
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


def _usage(header: str | None) -> Usage | None:
    """`api-usage=25/5000; per-app-api-usage=17/250(appName=x)`."""
    for part in (header or "").split(";"):
        name, _, value = part.partition("=")
        used, limit = map(whole_number, value.partition("(")[0].partition("/")[::2])
        if name.strip() == "api-usage" and used is not None and limit is not None:
            return Usage(used=used, limit=limit)
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
