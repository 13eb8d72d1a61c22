"""The dialect's routes: the token endpoint, collections upsert and deletion, single records, queries, describe, limits.

Rules a client can break are kept: external ids are unique, at most 200 records a call, required fields, lengths, types,
one object a call, a key no more than once.
"""

from __future__ import annotations

import re
import threading
from base64 import b64decode
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.salesforce.rows import PREFIXES, RefusedError, Rows, number_of, record_id
from connectors.sandbox.dialects.salesforce.rules import REFERENCES, Refusal, describe, find_refusal, find_unreadable
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords
from connectors.sandbox.tokens import IssuedTokens

CLIENT_ID = CLIENT_SECRET = "sandbox"  # noqa: S105 - everyone may know it: there is nothing real behind it
MAX_RECORDS = 200
DAILY_LIMIT = 5_000_000
_UPSERT = re.compile(r"/services/data/v\d+\.\d+/composite/sobjects/(\w+)/(\w+)")
_ONE = re.compile(r"/services/data/v\d+\.\d+/sobjects/(\w+)/(\w+)/([^/]+)")
_BY_ID = re.compile(r"/services/data/v\d+\.\d+/sobjects/(\w+)(?:/(\w+))?/?")
_MANY = re.compile(r"/services/data/v\d+\.\d+/composite/sobjects/?")
_QUERY = re.compile(r"/services/data/v\d+\.\d+/query(?:/([\w-]+))?/?")
_LIMITS = re.compile(r"/services/data/v\d+\.\d+/limits/?")
_TOKEN_LIFE_SECONDS = 7200.0


class SalesforceDialect:
    name = "salesforce"
    paths = "/services/data"

    def __init__(self, records: SandboxRecords, faults: Faults) -> None:
        self._records = records
        self._faults = faults
        self._tokens = IssuedTokens()
        self._lock = threading.Lock()
        self._rows = Rows(records)
        self._used = 0

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        if request.path == "/services/oauth2/token":
            return self._issue_token(request, faults)
        if not request.path.startswith("/services/data/"):
            return None
        if not self._tokens.let_in(request):
            return _error(401, "INVALID_SESSION_ID", "Session expired or invalid", request)
        with self._lock:
            self._used += 1
            used = self._used
        limit = faults.daily_limit or DAILY_LIMIT
        if used > limit:
            return self.over_limit(is_daily=True)
        reply = self._route(request, faults)
        return Reply(
            reply.status,
            reply.body,
            reply.route,
            headers={**reply.headers, "Sforce-Limit-Info": f"api-usage={used}/{limit}"},
            counts=reply.counts,
        )

    def failure(self, status: int) -> Reply:
        if status in (502, 503, 504):
            return Reply(status, b"<html><body>Service unavailable</body></html>", "", content_type="text/html")
        return json_reply(status, [{"message": "An unexpected error occurred", "errorCode": "UNKNOWN_EXCEPTION"}], "")

    def over_limit(self, *, is_daily: bool) -> Reply:
        what = "TotalRequests" if is_daily else "ConcurrentRequests (Concurrent API Requests)"
        return json_reply(403, [{"message": f"{what} Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}], "limit")

    def shorten(self, reply: Reply) -> Reply:
        entries = orjson.loads(reply.body)
        if not isinstance(entries, list):
            return reply
        return Reply(reply.status, orjson.dumps(entries[:-1]), reply.route, headers=reply.headers, counts=reply.counts)

    def record_id(self, number: int, kind: str = "Lead") -> str:
        return record_id(number, kind)

    def _route(self, request: Request, faults: FaultSpec) -> Reply:
        try:
            reply = self._route_records(request, faults) or self._route_questions(request, faults)
        except RefusedError as error:
            return _error(error.status, error.code, error.message, request)
        return reply or _error(404, "NOT_FOUND", "The requested resource does not exist", request)

    def _route_records(self, request: Request, faults: FaultSpec) -> Reply | None:
        if match := _UPSERT.fullmatch(request.path):
            return self._upsert(request, match[1], match[2], faults) if request.method == "PATCH" else None
        if (match := _ONE.fullmatch(request.path)) and request.method == "GET":
            return self._read_one(request, match[1], match[2], unquote(match[3]))
        if _MANY.fullmatch(request.path) and request.method == "PATCH":
            return self._rows.update_many(request.body, faults, self._faults)
        if _MANY.fullmatch(request.path) and request.method == "DELETE":
            ids = request.query.get("ids", "")
            if len(ids.split(",")) > MAX_RECORDS:
                raise RefusedError(400, "EXCEEDED_ID_LIMIT", f"record limit reached: {MAX_RECORDS}")
            return self._rows.delete_many(ids)
        return None

    def _route_questions(self, request: Request, faults: FaultSpec) -> Reply | None:
        if _LIMITS.fullmatch(request.path) and request.method == "GET":
            limit = faults.daily_limit or DAILY_LIMIT
            daily = {"Max": limit, "Remaining": max(0, limit - self._used)}
            return json_reply(200, {"DailyApiRequests": daily}, "GET limits")
        if (match := _QUERY.fullmatch(request.path)) and request.method == "GET":
            return self._rows.next_page(match[1], request.path) if match[1] else self._rows.query(request)
        match = _BY_ID.fullmatch(request.path)
        if match is None or match[1] not in PREFIXES:
            return None
        kind, crm_id = match[1], match[2]
        if crm_id is None:
            return self._rows.create(kind, request.body) if request.method == "POST" else None
        if crm_id == "describe":
            return json_reply(200, describe(kind), f"GET describe/{kind}") if request.method == "GET" else None
        work = {
            "GET": lambda: self._rows.read(kind, crm_id),
            "PATCH": lambda: self._rows.update(kind, crm_id, request.body),
            "DELETE": lambda: self._rows.delete_one(kind, crm_id),
        }
        return work[request.method]() if request.method in work else None

    def _issue_token(self, request: Request, faults: FaultSpec) -> Reply:
        route = "POST token"
        form = {name: values[-1] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        client = (form.get("client_id"), form.get("client_secret"))
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = b64decode(basic).decode(errors="replace").partition(":")
            client = (name, secret)
        if form.get("grant_type") != "client_credentials":
            return json_reply(400, {"error": "unsupported_grant_type"}, route)
        if client != (CLIENT_ID, CLIENT_SECRET):
            return json_reply(
                400, {"error": "invalid_client", "error_description": "invalid client credentials"}, route
            )
        life = _TOKEN_LIFE_SECONDS if faults.token_seconds is None else faults.token_seconds
        token = self._tokens.issue(life)
        host = request.headers.get("host", "127.0.0.1")
        return json_reply(200, {"access_token": token, "instance_url": f"http://{host}", "token_type": "Bearer"}, route)

    def _read_one(self, request: Request, kind: str, key_field: str, key: str) -> Reply:
        stored = self._records.find(kind, key)
        if stored is None:
            return _error(404, "NOT_FOUND", "The requested resource does not exist", request)
        number, fields = stored
        record = {"attributes": {"type": kind}, "Id": self.record_id(number, kind), key_field: key, **fields}
        return json_reply(200, record, f"GET sobjects/{kind}")

    def _upsert(self, request: Request, kind: str, key_field: str, faults: FaultSpec) -> Reply:
        route = f"PATCH composite/sobjects/{kind}"
        try:
            call = orjson.loads(request.body)
            entries = call["records"]
            keys = [str(entry[key_field]) if entry.get(key_field) is not None else "" for entry in entries]
        except (ValueError, TypeError, KeyError, AttributeError):
            return _error(400, "JSON_PARSER_ERROR", "The body cannot be read as a list of records", request, route)
        if len(entries) > MAX_RECORDS:
            message = f"record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
            return _error(400, "EXCEEDED_ID_LIMIT", message, request, route)
        for entry in entries:
            refusal = find_unreadable(entry, kind, key_field)
            if refusal is not None:
                return _error(400, *refusal, request, route)
        self._rows.key_fields[kind] = key_field
        errors = self._refusals(entries, keys, kind, key_field, faults)
        if call.get("allOrNone") and any(errors):
            rolled_back: Refusal = (
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
                [],
            )
            errors = [error or rolled_back for error in errors]
        wanted = {
            key: {name: value for name, value in entry.items() if name not in ("attributes", key_field)}
            for entry, key, error in zip(entries, keys, errors, strict=True)
            if error is None
        }
        stored = self._records.upsert(kind, wanted)
        results = [
            _failed(*error)
            if error
            else {
                "id": self.record_id(stored[key].number, kind),
                "success": True,
                "created": stored[key].is_created,
                "errors": [],
            }
            for key, error in zip(keys, errors, strict=True)
        ]
        created = sum(record.is_created for record in stored.values())
        changed = sum(record.is_changed for record in stored.values()) - created
        counts = {
            "created": created,
            "changed": changed,
            "unchanged": len(stored) - created - changed,
            "rejected": len(results) - len(stored),
        }
        return json_reply(200, results, route, counts=counts)

    def _refusals(
        self, entries: list[dict[str, Any]], keys: list[str], kind: str, key_field: str, faults: FaultSpec
    ) -> list[Refusal | None]:
        times = Counter(keys)
        known = self._records.existing(kind, keys)
        fault = faults.record_error
        refusals: list[Refusal | None] = []
        for entry, key in zip(entries, keys, strict=True):
            refusal: Refusal | None
            if not key:
                refusal = ("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{key_field}]", [key_field])
            elif times[key] > 1:
                refusal = ("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", [key_field])
            elif fault is not None and self._faults.strikes(fault.rate):
                refusal = (fault.code, fault.message, [fault.field] if fault.field else [])
            else:
                refusal = find_refusal(entry, kind, is_new=key not in known) or self._dangling(entry, kind)
            refusals.append(refusal)
        return refusals

    def _dangling(self, entry: dict[str, Any], kind: str) -> Refusal | None:
        """A reference to a record that is not there, or of another object."""
        for name, objects in REFERENCES.get(kind, {}).items():
            value = entry.get(name)
            if value is None:
                continue
            target = next((target for target in objects if str(value).startswith(PREFIXES[target])), None)
            if target is None or self._records.find_number(target, number_of(str(value))) is None:
                return "INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {value}", [name]
        return None


def _failed(code: str, message: str, fields: list[str]) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": fields}]}


def _error(status: int, code: str, message: str, request: Request, route: str | None = None) -> Reply:
    return json_reply(status, [{"message": message, "errorCode": code}], route or f"{request.method} other")
