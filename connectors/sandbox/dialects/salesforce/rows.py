"""Single records and queries over the sandbox's records, and their deletion.

A record that has our id is kept under it; one that somebody else made, under `id=` and a name of its own.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.salesforce.rules import KEY, find_refusal, find_unreadable, is_field
from connectors.sandbox.dialects.salesforce.soql import Query, QueryError, read_query, shown_moment
from connectors.sandbox.records import SandboxRecords

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECK = string.ascii_uppercase + "012345"
PREFIXES = {
    "Lead": "00Q",
    "Contact": "003",
    "Account": "001",
    "Task": "00T",
    "CampaignMember": "00v",
    "Campaign": "701",
}
_NOBODYS = "id="
_PAGE = 2_000
_MOST_CURSORS = 100


class RefusedError(Exception):
    """A call that is refused: status, errorCode and message; `route` is what it is counted under."""

    def __init__(self, status: int, code: str, message: str, route: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.route = status, code, message, route


def record_id(number: int, kind: str = "Lead") -> str:
    """Fifteen characters and a checksum of three, as Salesforce makes them."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    short = PREFIXES.get(kind, "a00") + digits.rjust(12, "0")
    check = (sum((short[at + bit] in string.ascii_uppercase) << bit for bit in range(5)) for at in (0, 5, 10))
    return short + "".join(_CHECK[value] for value in check)


def kind_of(crm_id: str) -> str:
    """The object that an id is of, "" for what is no id."""
    return next((name for name, prefix in PREFIXES.items() if crm_id.startswith(prefix)), "")


def number_of(crm_id: str) -> int:
    """The sandbox's own number of a record, -1 for what is no id."""
    number = 0
    for digit in crm_id[3:15]:
        place = _DIGITS.find(digit)
        if place < 0:
            return -1
        number = number * 62 + place
    return number


class Rows:
    """Safe to share between threads."""

    def __init__(self, records: SandboxRecords) -> None:
        self._records = records
        self._lock = threading.Lock()
        self._resets = records.resets
        self._deleted: dict[str, dict[str, Any]] = {}  # the recycle bin: rows by id
        self._cursors: dict[str, tuple[list[dict[str, Any]], int]] = {}
        self.key_fields: dict[str, str] = {}  # the field that upserts of an object go by

    def query(self, request: Request, *, with_deleted: bool = False) -> Reply:
        """Raises RefusedError."""
        try:
            query = read_query(request.query.get("q", ""))
        except QueryError as error:
            raise RefusedError(400, "MALFORMED_QUERY", str(error)) from None
        if query.object not in PREFIXES:
            raise RefusedError(400, "INVALID_TYPE", f"sObject type '{query.object}' is not supported.")
        for name in sorted(query.names):
            if not is_field(query.object, name):
                message = f"No such column '{name}' on entity '{query.object}'."
                raise RefusedError(400, "INVALID_FIELD", message)
        found = self._found(query, with_deleted=with_deleted)
        rows = [_selected(query, row) for row in found]
        size = _page_size(request.headers.get("sforce-query-options", ""))
        return self._page(rows, size, 0, request.path.rstrip("/"))

    def next_page(self, cursor: str, path: str) -> Reply:
        name, _, place = cursor.partition("-")
        with self._lock:
            known = self._cursors.get(name)
        if known is None or not place.isdecimal():
            raise RefusedError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(*known, int(place), path.rpartition("/")[0], name)

    def read(self, kind: str, crm_id: str) -> Reply:
        key = self.key_of(kind, crm_id)
        stored = self._records.find(kind, key) if key is not None else None
        if key is None or stored is None:
            raise self.missing(crm_id)
        return json_reply(200, {"attributes": {"type": kind}, **self._row(kind, key, *stored)}, f"GET sobjects/{kind}")

    def create(self, kind: str, body: bytes) -> Reply:
        fields = self._checked(kind, body, is_new=True)
        key = str(fields.pop(self.key_field(kind), None) or f"{_NOBODYS}{secrets.token_hex(8)}")
        if self._records.find(kind, key):
            raise RefusedError(400, "DUPLICATE_VALUE", "duplicate value found")
        stored = self._records.upsert(kind, {key: fields})[key]
        answer = {"id": record_id(stored.number, kind), "success": True, "errors": []}
        return json_reply(201, answer, f"POST sobjects/{kind}", counts={"created": 1})

    def update(self, kind: str, crm_id: str, body: bytes) -> Reply:
        key = self.key_of(kind, crm_id)
        if key is None:
            raise self.missing(crm_id)
        fields = self._checked(kind, body, is_new=False)
        wanted = fields.pop(self.key_field(kind), None)
        if wanted and wanted != key:
            if self._records.find(kind, str(wanted)):
                raise RefusedError(400, "DUPLICATE_VALUE", "duplicate value found")
            self._records.rename(kind, key, str(wanted))
            key = str(wanted)
        changed = self._records.upsert(kind, {key: fields})[key].is_changed
        return Reply(204, b"", f"PATCH sobjects/{kind}", counts={"changed" if changed else "unchanged": 1})

    def delete_one(self, kind: str, crm_id: str) -> Reply:
        error = self.delete(crm_id)
        if error is not None:
            raise RefusedError(404, *error)
        return Reply(204, b"", f"DELETE sobjects/{kind}")

    def delete_many(self, ids: str) -> Reply:
        results = []
        for crm_id in ids.split(","):
            error = self.delete(crm_id)
            told = [] if error is None else [{"statusCode": error[0], "message": error[1], "fields": []}]
            results.append({"id": crm_id, "success": error is None, "errors": told})
        return json_reply(200, results, "DELETE composite/sobjects")

    def delete(self, crm_id: str, *, master: str | None = None) -> tuple[str, str] | None:
        kind = kind_of(crm_id)
        key = self.key_of(kind, crm_id)
        stored = self._records.find(kind, key) if key is not None else None
        if key is None or stored is None:
            missing = self.missing(crm_id)
            return missing.code, missing.message
        row = {**self._row(kind, key, *stored), "IsDeleted": True, "MasterRecordId": master}
        row["SystemModstamp"] = shown_moment(time.time())
        self._records.delete(kind, [key])
        with self._lock:
            self._bin()[row["Id"]] = row
        return None

    def _bin(self) -> dict[str, dict[str, Any]]:
        """What was deleted since the last reset. The lock is held."""
        if self._resets != self._records.resets:
            self._resets = self._records.resets
            self._deleted = {}
        return self._deleted

    def missing(self, crm_id: str) -> RefusedError:
        with self._lock:
            was_there = any(known.startswith(crm_id[:15]) for known in self._bin())
        if was_there:
            return RefusedError(404, "ENTITY_IS_DELETED", "entity is deleted")
        if len(crm_id) not in (15, 18):
            return RefusedError(404, "MALFORMED_ID", "malformed id")
        return RefusedError(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")

    def _checked(self, kind: str, body: bytes, *, is_new: bool) -> dict[str, Any]:
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            raise RefusedError(400, "JSON_PARSER_ERROR", "The body cannot be read as a record")
        refusal = find_unreadable({**fields, "attributes": {"type": kind}}, kind, self.key_field(kind))
        if refusal is not None:
            raise RefusedError(400, *refusal)
        refused = find_refusal(fields, kind, is_new=is_new)
        if refused is not None:
            raise RefusedError(400, refused[0], refused[1])
        return fields

    def _found(self, query: Query, *, with_deleted: bool) -> list[dict[str, Any]]:
        rows = list(self._candidates(query))
        if with_deleted:
            with self._lock:
                rows += [row for crm_id, row in self._bin().items() if kind_of(crm_id) == query.object]
        rows = [row for row in rows if query.holds(row)]
        if query.order:
            rows.sort(key=lambda row: [str(row.get(name) or "") for name in query.order], reverse=query.is_descending)
        return rows[: query.limit]

    def _candidates(self, query: Query) -> Iterator[dict[str, Any]]:
        """All rows of the object; where it is asked by ids or by our key alone, those: there may be many others."""
        kind = query.object
        if query.among is not None and query.among[0] in ("Id", self.key_field(kind)):
            name, values = query.among
            keys = [self.key_of(kind, value) for value in values] if name == "Id" else list(values)
            for key, stored in self._records.find_many(kind, [key for key in keys if key is not None]).items():
                yield self._row(kind, key, *stored)
            return
        for record in self._records.stream():
            if record["object"] == kind:
                yield self._row(
                    kind, record["external_id"], record["id"], record["fields"], changed_at=record["changed_at"]
                )

    def _row(
        self, kind: str, key: str, number: int, fields: Mapping[str, Any], *, changed_at: float | None = None
    ) -> dict[str, Any]:
        """`changed_at`: where it is known; else it is looked up."""
        name = " ".join(str(fields[part]) for part in ("FirstName", "LastName") if fields.get(part))
        moment = shown_moment(self._records.changed_at(kind, key) if changed_at is None else changed_at)
        own = {"Id": record_id(number, kind), "Name": name, "IsConverted": False, "IsDeleted": False}
        own |= dict.fromkeys(("SystemModstamp", "LastModifiedDate"), moment)
        return {**own, self.key_field(kind): None if key.startswith(_NOBODYS) else key, **fields}

    def _page(self, rows: list[dict[str, Any]], size: int, begin: int, path: str, name: str | None = None) -> Reply:
        end = begin + size
        body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[begin:end]}
        if end < len(rows):
            name = name or f"01g{secrets.token_hex(6)}"
            with self._lock:
                self._cursors[name] = (rows, size)
                while len(self._cursors) > _MOST_CURSORS:
                    del self._cursors[next(iter(self._cursors))]
            body["nextRecordsUrl"] = f"{path}/{name}-{end}"
        return json_reply(200, body, "GET query")

    def key_field(self, kind: str) -> str:
        return self.key_fields.get(kind, KEY)

    def key_of(self, kind: str, crm_id: str) -> str | None:
        """What the record with this id is kept under."""
        if len(crm_id) not in (15, 18) or not crm_id.startswith(PREFIXES.get(kind, "-")):
            return None
        return self._records.find_number(kind, number_of(crm_id))


def _selected(query: Query, row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields asked for, under the names asked for."""
    url = f"/services/data/v67.0/sobjects/{query.object}/{row['Id']}"
    return {
        "attributes": {"type": query.object, "url": url},
        **{name: row.get(name) for name in query.fields},
    }


def _page_size(options: str) -> int:
    name, _, number = options.partition("=")
    is_said = name.strip().lower() == "batchsize" and number.strip().isdecimal()
    return min(max(int(number), 200), _PAGE) if is_said else _PAGE
