"""The routes of one object of HubSpot: rows in batches and alone, a list, a search, and its properties."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.hubspot.associations import Associations
from connectors.sandbox.dialects.hubspot.batches import (
    RECORD_ID,
    Batches,
    Input,
    counted,
    read_properties,
    refused_whole,
    shown_row,
)
from connectors.sandbox.dialects.hubspot.bodies import as_time, read_object
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError
from connectors.sandbox.dialects.hubspot.objects import HubSpotObject
from connectors.sandbox.dialects.hubspot.properties import KEY, Property
from connectors.sandbox.dialects.hubspot.rows import Draft, Row, Rows
from connectors.sandbox.faults import Faults, FaultSpec

_BATCHES = {"/batch/create": (True, False), "/batch/update": (False, True), "/batch/upsert": (True, True)}
_MOST_FOUND = 200
_MOST_LISTED = 100


class ObjectRoutes:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(
        self,
        known: HubSpotObject,
        rows: Rows,
        properties: dict[str, Property],
        faults: Faults,
        associations: Associations,
    ) -> None:
        self.search_lag_seconds = 0.0  # what was written since is not found by a search
        self.takes_unique_values = True
        self._name = known.name
        self._rows = rows
        self._properties = properties
        self._associations = associations
        self._batches = Batches(known, rows, properties, faults, associations)

    def refuse_unique_values(self) -> None:
        """As if HubSpot had no properties with unique values here: our key is one that several rows may share."""
        self.takes_unique_values = False
        self._properties[KEY] = replace(self._properties[KEY], has_unique_value=False)
        self._rows.unique.discard(KEY)

    def answer(self, request: Request, below: str, faults: FaultSpec) -> Reply | None:
        if below.count("/") == 1 and request.method in ("GET", "PATCH", "DELETE"):
            return self._one(request, unquote(below[1:]), faults)
        if request.method == "GET" and not below:
            return self._list(request)
        if request.method != "POST":
            return None
        route = f"POST {self._name}{below}"
        if below in _BATCHES:
            makes, finds = _BATCHES[below]
            return self._batches.write(request.body, makes=makes, finds=finds, faults=faults, route=route)
        if below == "/gdpr-delete" and self._name != "contacts":
            return None
        work: dict[str, Callable[[], Reply]] = {
            "": lambda: self._write_one(request, None, faults),
            "/batch/archive": lambda: self._archive(read_object(request.body)),
            "/batch/read": lambda: self._batches.read(request.body, route),
            "/gdpr-delete": lambda: self._erase(read_object(request.body)),
            "/search": lambda: self._search(read_object(request.body)),
        }
        return work[below]() if below in work else None

    def _one(self, request: Request, name: str, faults: FaultSpec) -> Reply | None:
        row = self._rows.find(request.query.get("idProperty", RECORD_ID), name)
        if row is None:
            return None
        if request.method == "PATCH":
            return self._write_one(request, row, faults)
        if request.method == "DELETE":
            self._remove(row)
            return Reply(204, b"", f"DELETE {self._name}")
        return json_reply(200, self._shown(row, _asked_properties(request)), f"GET {self._name}/…")

    def _list(self, request: Request) -> Reply:
        """In the order of ids; `after` is the last one that was given."""
        limit, after = str(request.query.get("limit") or 10), str(request.query.get("after") or 0)
        if not limit.isdecimal() or not after.isdecimal() or int(limit) > _MOST_LISTED:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"limit must be a number of at most {_MOST_LISTED}")
        found = sorted(self._rows.all(), key=lambda row: row.number)
        found = [row for row in found if int(row.id) > int(after)]
        shown = found[: int(limit)]
        body: dict[str, Any] = {"results": [self._shown(row, _asked_properties(request)) for row in shown]}
        if len(found) > len(shown):
            body["paging"] = {"next": {"after": shown[-1].id, "link": f"?after={shown[-1].id}"}}
        return json_reply(200, body, f"GET {self._name}")

    def _page(self, found: list[Row], asked: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
        limit, after = str(asked.get("limit") or 10), str(asked.get("after") or 0)
        if not limit.isdecimal() or not after.isdecimal() or int(limit) > _MOST_FOUND:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"limit must be a number of at most {_MOST_FOUND}")
        end = int(after) + int(limit)
        body: dict[str, Any] = {"results": [self._shown(row, names) for row in found[int(after) : end]]}
        return body | ({"paging": {"next": {"after": str(end)}}} if end < len(found) else {})

    def _archive(self, call: dict[str, Any]) -> Reply:
        for entry in call.get("inputs") or []:
            row = self._rows.find(RECORD_ID, str(entry.get("id")))
            if row is not None:
                self._remove(row)
        return Reply(204, b"", f"POST {self._name}/batch/archive")

    def _write_one(self, request: Request, row: Row | None, faults: FaultSpec) -> Reply:
        properties = read_properties(read_object(request.body))
        entry = Input(properties, row.id if row else None)
        draft = Draft()
        change, wrong = self._batches.plan(entry, draft, makes=row is None, finds=row is not None, faults=faults)
        if change is None:
            raise refused_whole(wrong)
        self._rows.agree(change, draft)
        (written,) = self._rows.make(draft)
        return json_reply(
            201 if written.is_new else 200,
            self._shown(written.row, list(properties)),
            f"{request.method} {self._name}",
            counts=counted([written], rejected=0),
        )

    def _shown(self, row: Row, names: list[str]) -> dict[str, Any]:
        fields = self._rows.fields(row)
        fixed = {
            "createdate": as_time(row.created_at),
            RECORD_ID: row.id,
            "lastmodifieddate": as_time(row.updated_at),
        }
        return shown_row(row, {**{name: fields.get(name) for name in names}, **fixed})

    def _search(self, call: dict[str, Any]) -> Reply:
        before = time.time() - self.search_lag_seconds
        names = [str(name) for name in call.get("properties") or ["email", "firstname", "lastname"]]
        groups = [group.get("filters") or [] for group in call.get("filterGroups") or []]
        found = [
            row for row in self._rows.all() if row.updated_at <= before and _is_wanted(self._rows.fields(row), groups)
        ]
        body = {"total": len(found), **self._page(found, call, names)}
        return json_reply(200, body, f"POST {self._name}/search")

    def _remove(self, row: Row) -> None:
        self._associations.forget(self._name, row)
        self._rows.remove(row)

    def _erase(self, call: dict[str, Any]) -> Reply:
        row = self._rows.find(str(call.get("idProperty") or RECORD_ID), str(call.get("objectId") or ""))
        if row is not None:
            self._remove(row)
        return Reply(204, b"", f"POST {self._name}/gdpr-delete")

    def answer_properties(self, request: Request, name: str) -> Reply | None:
        if request.method == "GET" and not name:
            shown = [known.shown() for known in self._properties.values()]
            return json_reply(200, {"results": shown}, "GET properties")
        if request.method == "GET" and name in self._properties:
            return json_reply(200, self._properties[name].shown(), "GET properties")
        if request.method == "POST" and not name:
            return json_reply(201, self._make_property(read_object(request.body)), "POST properties")
        if request.method == "POST" and name == "batch/create":
            made = [self._make_property(entry) for entry in read_object(request.body).get("inputs") or []]
            return json_reply(201, {"status": "COMPLETE", "results": made}, "POST properties")
        return None

    def _make_property(self, call: dict[str, Any]) -> dict[str, Any]:
        missing = [key for key in ("name", "label", "type", "fieldType", "groupName") if not call.get(key)]
        if missing:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"required: {', '.join(missing)}")
        name = str(call["name"])
        if name in self._properties:
            raise CallRefusedError(409, "OBJECT_ALREADY_EXISTS", f"Property named '{name}' already exists.")
        if call.get("hasUniqueValue") is True and not self.takes_unique_values:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"{self._name} take no properties with unique values")
        self._properties[name] = Property(
            name,
            str(call["label"]),
            str(call["type"]),
            str(call["fieldType"]),
            str(call["groupName"]),
            has_unique_value=call.get("hasUniqueValue") is True,
            options=tuple(str(option.get("value")) for option in call.get("options") or []),
        )
        if self._properties[name].has_unique_value:
            self._rows.unique.add(name)
        return self._properties[name].shown()


def _asked_properties(request: Request) -> list[str]:
    return request.query.get("properties", "email,firstname,lastname").split(",")


def _is_wanted(fields: dict[str, Any], groups: list[list[dict[str, Any]]]) -> bool:
    """Groups are alternatives, the filters of one hold together. EQ, NEQ, IN and HAS_PROPERTY."""
    return not groups or any(all(_holds(fields, wanted) for wanted in group) for group in groups)


def _holds(fields: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value, operator = fields.get(str(wanted.get("propertyName"))), wanted.get("operator")
    asked = wanted.get("value")
    if operator == "HAS_PROPERTY":
        return value is not None
    if operator == "IN":
        return value in (wanted.get("values") or [])
    if operator in ("EQ", "NEQ"):
        return (value == asked) is (operator == "EQ")
    raise CallRefusedError(400, "VALIDATION_ERROR", "the sandbox knows EQ, NEQ, IN and HAS_PROPERTY")
