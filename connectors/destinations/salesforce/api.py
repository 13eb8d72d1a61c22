"""Salesforce's REST API as this connector calls it: one object for an account, which every part of the writer shares.

Questions are SOQL in the address of a GET, which may have 16,384 characters: long lists are asked for in parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
import requests

from connectors.destinations.salesforce.answers import raise_for, raise_for_content, read_json, result_list, usage_of
from connectors.destinations.salesforce.tokens import Instance, token_source
from connectors.kit import ConfigurationError, Connection, Record, TransientError, Usage
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.destinations.people import parts_of
from connectors.kit.http import session

BATCH_SIZE = 200
MOST_CHARACTERS = 11_000  # of values in a question, percent-encoded; the rest is for its other words
_CLIENT = re.compile(r"[\w.\-]+(/[\w.\-]+)?")


class Api:
    """One account over one HTTP session: not shared between threads. Every method raises as `Writer.write` does."""

    def __init__(self, connection: Connection, note_usage: Callable[[Usage], None]) -> None:
        self._tell_usage = note_usage
        self.name = connection.name
        base_url = connection.base_url.rstrip("/")
        self._base_url = base_url
        self._root = f"{base_url}/services/data/{_version(connection.options.get('api_version', '67.0'))}"
        self._session = session(base_url, timeout_seconds=connection.timeout_seconds, reach=connection.reach)
        self._session.headers.update(_headers(connection))
        instance = Instance(connection.name, base_url)
        self._calls = AuthorizedCalls(
            self.name,
            self._session,
            token_source(connection, self._session, instance),
            before_call=connection.before_call,
            note=self._note_usage,
            locate=instance.locate,
        )

    def close(self) -> None:
        self._session.close()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """`path`: below the version's address, "/limits"."""
        return self._calls.request(method, self._root + path, body, headers)

    def get(self, path: str) -> Any:
        response = self.request("GET", path)
        raise_for(response, self.name)
        return read_json(response)

    def write(self, path: str, entries: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> list[Any]:
        """A collection of entries, one for each record: an answer for each, in order."""
        response = self.request("PATCH", path, orjson.dumps({"allOrNone": False, "records": list(entries)}))
        raise_for_content(response, records)
        raise_for(response, self.name)
        return result_list(response, len(records))

    def delete(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Salesforce's answer for each id."""
        listed_ids = quote(",".join(ids), safe=",")
        response = self.request("DELETE", f"/composite/sobjects?ids={listed_ids}&allOrNone=false")
        raise_for(response, self.name)
        answers = read_json(response)
        if not isinstance(answers, list) or len(answers) != len(ids):
            raise TransientError(f"{self.name}: answered with something else than one result for each record")
        return {crm_id: answer for crm_id, answer in zip(ids, answers, strict=True) if isinstance(answer, dict)}

    def describe(self, kind: str) -> list[dict[str, Any]]:
        """The fields of an object."""
        described = self.get(f"/sobjects/{quote(kind)}/describe")
        fields = described.get("fields") if isinstance(described, dict) else None
        if not isinstance(fields, list):
            raise TransientError(f"{self.name}: the description of {kind} cannot be read")
        return [field for field in fields if isinstance(field, dict) and field.get("name")]

    def query(self, soql: str, *, with_deleted: bool = False) -> list[dict[str, Any]]:
        """All rows; one call for each page."""
        path = f"/{'queryAll' if with_deleted else 'query'}?q={quote(soql, safe=_PLAIN)}"
        return [row for page in self._pages(self._root + path) for row in page]

    def query_each(
        self, before: str, values: Sequence[str], *, after: str = ")", with_deleted: bool = False
    ) -> list[dict[str, Any]]:
        """`SELECT … IN (`, the values, and what stands after; asked in parts where they are too many for an address."""
        rows: list[dict[str, Any]] = []
        for part in parts_of(values, most=len(values), most_characters=MOST_CHARACTERS, around=7):
            rows += self.query(f"{before}{listed(part)}{after}", with_deleted=with_deleted)
        return rows

    def _pages(self, url: str) -> Iterator[list[dict[str, Any]]]:
        while True:
            response = self._calls.request("GET", url)
            raise_for(response, self.name)
            answer = read_json(response)
            answer = answer if isinstance(answer, dict) else {}
            rows = answer.get("records")
            if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("Id") for row in rows):
                raise TransientError(f"{self.name}: the answer to a query cannot be read")
            yield rows
            more = answer.get("nextRecordsUrl")
            if answer.get("done") is not False or not isinstance(more, str) or not more.startswith("/"):
                return
            url = self._base_url + more

    def _note_usage(self, response: requests.Response) -> None:
        usage = usage_of(response.headers.get("Sforce-Limit-Info"))
        if usage is not None:
            self._tell_usage(usage)


# What an address may hold as it is: each escape of the many in a long list is looked at four times on the way out.
_PLAIN = "',()"


def listed(values: Sequence[str]) -> str:
    return ",".join(f"'{escaped(value)}'" for value in values)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _headers(connection: Connection) -> dict[str, str]:
    options = connection.options
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    client = str(options.get("client", "afluente"))
    if not _CLIENT.fullmatch(client):
        raise ConfigurationError(
            f"destinations.{connection.name}.options.client: letters, digits, dots and hyphens, as in Acme or Acme/1.0"
        )
    headers["Sforce-Call-Options"] = f"client={client}"
    value = options.get("auto_assign")
    if value is not None:  # Salesforce's own default is TRUE: its active rule may replace the owner
        headers["Sforce-Auto-Assign"] = str(value).upper() if isinstance(value, bool) else str(value)
    rules = {"allow_duplicate_alerts": "allowSave=true", "duplicates_as_user": "runAsCurrentUser=true"}
    wanted = [rule for option, rule in rules.items() if options.get(option)]
    if wanted:
        headers["Sforce-Duplicate-Rule-Header"] = "; ".join(wanted)
    return headers


def _version(value: Any) -> str:
    number = str(value).removeprefix("v")
    return f"v{number if '.' in number else number + '.0'}"
