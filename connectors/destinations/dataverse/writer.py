"""One account of Dataverse: a call of `$batch` for each claim, and what went wrong with a call as a whole."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import requests

from connectors.destinations.dataverse.abilities import DataverseAbilities
from connectors.destinations.dataverse.answers import (
    LIMITS,
    Answer,
    Names,
    adoption_of,
    error_of,
    is_passing,
    result_of,
    wait_asked_for,
)
from connectors.destinations.dataverse.changes import DataverseChanges
from connectors.destinations.dataverse.objects import ID_FIELDS, reference_of
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
from connectors.kit.http import Session, check_status, session
from connectors.kit.multipart import Part, write_message
from connectors.kit.oauth import ClientCredentials, FixedToken, TokenSource
from connectors.kit.redaction import without_values

TOKEN_URL = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"  # noqa: S105 - an address
_MOST_PARTS = 1_000  # more are refused; environments that allow 250 have been seen
_MAX_ANSWER_BYTES = 8_388_608  # a part is an id, or an error with a stack trace
_SANDBOX_TENANT = "sandbox"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADERS = {"Accept": "application/json", "OData-MaxVersion": "4.0", "OData-Version": "4.0"}


class DataverseWriter(DataverseAbilities, DataverseChanges):
    """Not shared between threads: it holds one HTTP session.

    The limits that Dataverse tells in its headers are those of one of its servers in five minutes, no quota of a day:
    `usage` stays empty.
    """

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._names = _names(connection)
        self._object = connection.object
        self._fields = connection.fields
        self.sent_as = f"{self._names.table} by {self._names.key_field}"
        version = str(connection.options.get("api_version", "9.2")).removeprefix("v")
        self._root = f"{connection.base_url.rstrip('/')}/api/data/v{quote(version)}"
        self._select = f"$select={self._names.id_field},{self._names.key_field}"
        self._is_told_of_created = bool(connection.options.get("return_representation", True))
        self._session = session(
            connection.base_url,
            timeout_seconds=connection.timeout_seconds,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            reach=connection.reach,
        )
        self._session.headers.update(_HEADERS)
        tokens = _token_source(connection, self._session)
        self._calls = AuthorizedCalls(self._name, self._session, tokens, before_call=connection.before_call)
        self._held_until = 0.0  # monotonic seconds

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call, however many records. Where a limit was reached in its midst, the rest is "retry" and the next call
        is not made before Dataverse's time to wait is over: QuotaError."""
        check_batch(records, _MOST_PARTS)
        return self._write(records, self._by_key) if records else []

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """As `write`, by the rows' own ids; our key is one of the columns."""
        check_batch(records, _MOST_PARTS)
        results = self._write(records, self._by_id) if records else []
        return [adoption_of(result) for result in results]

    def check(self) -> None:
        """Reads one id: the table, both columns, and the right to read."""
        response = self._calls.request("GET", f"{self._root}/{self._names.table}?{self._select}&$top=1")
        self._raise_for(response)

    def close(self) -> None:
        self._session.close()

    def _write(self, records: Sequence[Record], part: Callable[[int, Record], Part]) -> list[WriteResult]:
        answers = self._send_batch(records, part)
        return [result_of(record, answer, self._names) for record, answer in zip(records, answers, strict=True)]

    def _by_key(self, place: int, record: Record) -> Part:
        key = quote(record.key.replace("'", "''"), safe="")
        fields = {name: value for name, value in record.fields.items() if name != self._names.key_field}
        fields |= dict(map(reference_of, record.links))
        return self._part(place, f"{self._names.key_field}='{key}'", fields, makes=not record.update_only)

    def _by_id(self, place: int, record: Record) -> Part:
        fields = {**record.fields, self._names.key_field: record.key, **dict(map(reference_of, record.links))}
        return self._part(place, quote(record.crm_id or "", safe=""), fields, makes=False)

    def _part(self, place: int, known_by: str, fields: Mapping[str, Any], *, makes: bool) -> Part:
        address = f"{self._root}/{self._names.table}({known_by})"
        body = orjson.dumps(fields)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Accept": "application/json"}
        if self._is_told_of_created:
            address += f"?{self._select}"
            headers["Prefer"] = "return=representation"
        if not makes:
            headers["If-Match"] = "*"
        return Part(
            {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary", "Content-ID": str(place)},
            write_message(f"PATCH {address} HTTP/1.1", headers, body),
        )

    def _require_time_to_call(self) -> None:
        held = self._held_until - time.monotonic()
        if held > 0:
            raise QuotaError(f"{self._name}: a limit was reached a moment ago", retry_after=held)

    def _note_limits(self, answers: Sequence[Answer | None]) -> None:
        """Raises QuotaError where no record was got through. Else what was written is worth telling, and the next call
        has to wait."""
        limited = [answer for answer in answers if answer is not None and answer.is_limited]
        if not limited:
            return
        wait = max(answer.wait_seconds for answer in limited)
        if len(limited) == len(answers):
            raise QuotaError(f"{self._name}: {_limit(limited[0].code)} is reached", retry_after=wait)
        self._held_until = time.monotonic() + wait

    def _raise_for(self, response: requests.Response, records: Sequence[Record] = ()) -> None:
        """Raises unless the status is 2xx. The code in the body says more than the status."""
        status = response.status_code
        if 200 <= status < 300:
            return
        code, message = error_of(response.content)
        said = f"{self._name}: answered {status}{f' {code}' if code else ''}"
        if code in LIMITS or status == 429:
            raise QuotaError(f"{said}: {_limit(code)} is reached", retry_after=wait_asked_for(response.headers, code))
        if is_passing(code, message):
            raise TransientError(said)
        message = without_values(message, (value for record in records for value in record.fields.values()))
        if records and status in (400, 413):
            # It does not say which part it could not take, or that there are too many.
            raise RecordError(code or ("call_too_large" if status == 413 else "call_refused"), message=message)
        if status in (400, 403, 404):
            raise TerminalError(f"{said}: {message or 'the address, a name or a right is not what it expects'}")
        check_status(response, self._name)


def _limit(code: str | None) -> str:
    return LIMITS.get(code or "", "a limit of requests")


def _names(connection: Connection) -> Names:
    options = connection.options
    own_id = "consent_id_field" if connection.subject == "consent" else "id_field"
    names = Names(
        table=connection.object or str(options.get("table", "leads")),
        id_field=ID_FIELDS.get(connection.object or "") or str(options.get(own_id) or "leadid"),
        key_field=str(options.get("external_id_field", "new_afluenteid")),
    )
    for option, value in (("table", names.table), (own_id, names.id_field), ("external_id_field", names.key_field)):
        if not _NAME.fullmatch(value):
            raise ConfigurationError(
                f"destinations.{connection.name}.options.{option} is {value!r}; allowed: letters, digits and _"
            )
    return names


def _token_source(connection: Connection, http: Session) -> TokenSource:
    secrets = connection.secrets
    if "access_token" in secrets:
        return FixedToken(secrets["access_token"])
    if not secrets.get("client_id") or not secrets.get("client_secret"):
        raise ConfigurationError(
            f"destinations.{connection.name}.secrets: give client_id and client_secret, or access_token for a trial,"
            " as env:NAME or file:PATH"
        )
    address = urlsplit(connection.base_url)
    return ClientCredentials(
        http,
        _token_url(connection),
        client_id=secrets["client_id"],
        client_secret=secrets["client_secret"],
        scope=f"{address.scheme}://{address.netloc.rpartition('@')[2]}/.default",
    )


def _token_url(connection: Connection) -> str:
    url = str(connection.options.get("token_url") or TOKEN_URL)
    tenant = str(connection.options.get("tenant_id") or "")
    if url == TOKEN_URL and connection.is_local:
        url, tenant = f"{connection.base_url.rstrip('/')}/{{tenant}}/oauth2/v2.0/token", tenant or _SANDBOX_TENANT
    if "{tenant}" in url and not tenant:
        raise ConfigurationError(
            f"destinations.{connection.name}.options.tenant_id is not set: the id of the Entra ID tenant, or its domain"
        )
    return url.replace("{tenant}", quote(tenant, safe=""))
