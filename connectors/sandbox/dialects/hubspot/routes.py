"""The routes of HubSpot's dialect.

Rules a client can break are kept: 100 inputs, no id twice, texts only, one contact for an e-mail and for each unique
value, properties that exist, one bad input without trace ids refuses all, results in any order, limits, tokens that
expire. Properties that were created are forgotten when the sandbox ends.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.hubspot.batches import (
    RECORD_ID,
    Batches,
    Input,
    as_time,
    counted,
    read_object,
    read_properties,
    refused_whole,
    shown_contact,
)
from connectors.sandbox.dialects.hubspot.contacts import FIRST_ID, Contact, Contacts, Draft
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError, error_reply
from connectors.sandbox.dialects.hubspot.limits import Limits, refusal
from connectors.sandbox.dialects.hubspot.properties import Property, standard_properties
from connectors.sandbox.dialects.hubspot.tokens import Tokens
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords

_CONTACTS = re.compile(r"/crm/(?:v3/objects|objects/\d{4}-\d{2})/contacts(/.*)?")
_PROPERTIES = re.compile(r"/crm/(?:v3/properties|properties/\d{4}-\d{2})/contacts(?:/(.*))?")
_TOKENS = ("/oauth/v1/token", "/oauth/v3/token")
_BATCHES = {"/batch/create": (True, False), "/batch/update": (False, True), "/batch/upsert": (True, True)}
_MOST_FOUND = 200
_MOST_LISTED = 100


class HubSpotDialect:
    name = "hubspot"
    paths = "/crm"

    def __init__(self, records: SandboxRecords, faults: Faults) -> None:
        self.limits = Limits()
        self.search_lag_seconds = 0.0  # what was written since is not found by a search
        self._tokens = Tokens()
        self._lock = threading.Lock()
        self._properties = standard_properties()
        self._contacts = Contacts(
            records, {"email", *(known.name for known in self._properties.values() if known.has_unique_value)}
        )
        self._batches = Batches(self._contacts, self._properties, faults)

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        if request.path in _TOKENS:
            return self._tokens.issue(request, faults.token_seconds)
        if not request.path.startswith("/crm/"):
            return None
        unauthorized = self._tokens.refusal_of(request)
        if unauthorized is not None:
            return unauthorized
        is_search = request.path.endswith("/search")
        policy, headers = self.limits.take(is_search=is_search, daily_limit=faults.daily_limit)
        if policy is not None:
            return refusal(policy, headers)
        try:
            with self._lock:
                self._contacts.refresh()
                reply = self._route(request, faults)
        except CallRefusedError as error:
            reply = json_reply(error.status, error.body, f"{request.method} refused")
        return replace(reply, headers={**reply.headers, **headers})

    def failure(self, status: int) -> Reply:
        if status in (502, 503, 504, 521, 523, 524):
            return Reply(status, b"<html><body>Service unavailable</body></html>", "", content_type="text/html")
        if status == 429:
            return self.over_limit(is_daily=False)
        return error_reply(status, "EXPIRED_AUTHENTICATION" if status == 401 else "INTERNAL_ERROR", "internal error")

    def over_limit(self, *, is_daily: bool) -> Reply:
        return refusal("DAILY" if is_daily else "TEN_SECONDLY_ROLLING")

    def shorten(self, reply: Reply) -> Reply:
        body = orjson.loads(reply.body)
        if isinstance(body, dict) and isinstance(body.get("results"), list):
            body["results"] = body["results"][:-1]
        return replace(reply, body=orjson.dumps(body))

    def record_id(self, number: int, kind: str = "") -> str:  # noqa: ARG002 - ids of all kinds look alike here
        return str(FIRST_ID + number)

    def _route(self, request: Request, faults: FaultSpec) -> Reply:
        if match := _CONTACTS.fullmatch(request.path):
            below = (match[1] or "").rstrip("/")
            reply = self._route_contacts(request, below, faults)
        elif match := _PROPERTIES.fullmatch(request.path):
            reply = self._route_properties(request, (match[1] or "").rstrip("/"))
        else:
            reply = None
        return reply or error_reply(404, "OBJECT_NOT_FOUND", "resource not found", f"{request.method} other")

    def _route_contacts(self, request: Request, below: str, faults: FaultSpec) -> Reply | None:
        if below.count("/") == 1 and request.method in ("GET", "PATCH", "DELETE"):
            return self._one(request, unquote(below[1:]), faults)
        if request.method == "GET" and not below:
            return self._list(request)
        if request.method != "POST":
            return None
        route = f"POST contacts{below}"
        if below in _BATCHES:
            makes, finds = _BATCHES[below]
            return self._batches.write(request.body, makes=makes, finds=finds, faults=faults, route=route)
        work: dict[str, Callable[[], Reply]] = {
            "": lambda: self._write_one(request, None, faults),
            "/batch/archive": lambda: self._archive(read_object(request.body)),
            "/batch/read": lambda: self._batches.read(request.body, route),
            "/gdpr-delete": lambda: self._erase(read_object(request.body)),
            "/search": lambda: self._search(read_object(request.body)),
        }
        return work[below]() if below in work else None

    def _one(self, request: Request, name: str, faults: FaultSpec) -> Reply | None:
        contact = self._contacts.find(request.query.get("idProperty", RECORD_ID), name)
        if contact is None:
            return None
        if request.method == "PATCH":
            return self._write_one(request, contact, faults)
        if request.method == "DELETE":
            self._contacts.remove(contact)
            return Reply(204, b"", "DELETE contacts")
        return json_reply(200, self._shown(contact, _asked_properties(request)), "GET contacts/…")

    def _list(self, request: Request) -> Reply:
        """In the order of ids; `after` is the last one that was given."""
        limit, after = str(request.query.get("limit") or 10), str(request.query.get("after") or 0)
        if not limit.isdecimal() or not after.isdecimal() or int(limit) > _MOST_LISTED:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"limit must be a number of at most {_MOST_LISTED}")
        found = sorted(self._contacts.all(), key=lambda contact: contact.number)
        found = [contact for contact in found if int(contact.id) > int(after)]
        shown = found[: int(limit)]
        body: dict[str, Any] = {"results": [self._shown(contact, _asked_properties(request)) for contact in shown]}
        if len(found) > len(shown):
            body["paging"] = {"next": {"after": shown[-1].id, "link": f"?after={shown[-1].id}"}}
        return json_reply(200, body, "GET contacts")

    def _page(self, found: list[Contact], asked: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
        limit, after = str(asked.get("limit") or 10), str(asked.get("after") or 0)
        if not limit.isdecimal() or not after.isdecimal() or int(limit) > _MOST_FOUND:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"limit must be a number of at most {_MOST_FOUND}")
        end = int(after) + int(limit)
        body: dict[str, Any] = {"results": [self._shown(contact, names) for contact in found[int(after) : end]]}
        return body | ({"paging": {"next": {"after": str(end)}}} if end < len(found) else {})

    def _archive(self, call: dict[str, Any]) -> Reply:
        for entry in call.get("inputs") or []:
            contact = self._contacts.find(RECORD_ID, str(entry.get("id")))
            if contact is not None:
                self._contacts.remove(contact)
        return Reply(204, b"", "POST contacts/batch/archive")

    def _write_one(self, request: Request, contact: Contact | None, faults: FaultSpec) -> Reply:
        properties = read_properties(read_object(request.body))
        entry = Input(properties, contact.id if contact else None)
        draft = Draft()
        change, wrong = self._batches.plan(
            entry, draft, makes=contact is None, finds=contact is not None, faults=faults
        )
        if change is None:
            raise refused_whole(wrong)
        self._contacts.agree(change, draft)
        (written,) = self._contacts.make(draft)
        return json_reply(
            201 if written.is_new else 200,
            self._shown(written.contact, list(properties)),
            f"{request.method} contacts",
            counts=counted([written], rejected=0),
        )

    def _shown(self, contact: Contact, names: list[str]) -> dict[str, Any]:
        fields = self._contacts.fields(contact)
        fixed = {
            "createdate": as_time(contact.created_at),
            RECORD_ID: contact.id,
            "lastmodifieddate": as_time(contact.updated_at),
        }
        return shown_contact(contact, {**{name: fields.get(name) for name in names}, **fixed})

    def _search(self, call: dict[str, Any]) -> Reply:
        before = time.time() - self.search_lag_seconds
        names = [str(name) for name in call.get("properties") or ["email", "firstname", "lastname"]]
        groups = [group.get("filters") or [] for group in call.get("filterGroups") or []]
        found = [
            contact
            for contact in self._contacts.all()
            if contact.updated_at <= before and _is_wanted(self._contacts.fields(contact), groups)
        ]
        body = {"total": len(found), **self._page(found, call, names)}
        return json_reply(200, body, "POST contacts/search")

    def _erase(self, call: dict[str, Any]) -> Reply:
        contact = self._contacts.find(str(call.get("idProperty") or RECORD_ID), str(call.get("objectId") or ""))
        if contact is not None:
            self._contacts.remove(contact)
        return Reply(204, b"", "POST contacts/gdpr-delete")

    def _route_properties(self, request: Request, name: str) -> Reply | None:
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
            self._contacts.unique.add(name)
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
