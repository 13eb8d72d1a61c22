"""The dialect's routes: the token endpoint, collections, single records, queries, describe, limits.

Rules a client can break are kept: external ids are unique, at most 200 records a call, required fields, lengths, types,
one object a call, a key no more than once.
"""

from __future__ import annotations

import re
import threading
from urllib.parse import unquote

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.salesforce.fates import Fates
from connectors.sandbox.dialects.salesforce.grants import CLIENT_ID, CLIENT_SECRET, Grants
from connectors.sandbox.dialects.salesforce.ingest import Ingest
from connectors.sandbox.dialects.salesforce.rows import PREFIXES, RefusedError, Rows, record_id
from connectors.sandbox.dialects.salesforce.rules import describe
from connectors.sandbox.dialects.salesforce.writes import MAX_RECORDS, Writes
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords
from connectors.sandbox.tokens import IssuedTokens

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "SalesforceDialect"]

DAILY_LIMIT = 5_000_000
_UPSERT = re.compile(r"/services/data/v\d+\.\d+/composite/sobjects/(\w+)/(\w+)")
_ONE = re.compile(r"/services/data/v\d+\.\d+/sobjects/(\w+)/(\w+)/([^/]+)")
_BY_ID = re.compile(r"/services/data/v\d+\.\d+/sobjects/(\w+)(?:/(\w+))?/?")
_MANY = re.compile(r"/services/data/v\d+\.\d+/composite/sobjects/?")
_QUERY = re.compile(r"/services/data/v\d+\.\d+/query(All)?(?:/([\w-]+))?/?")
_INGEST = re.compile(r"/services/data/v\d+\.\d+/jobs/ingest(?:/(\w+)(?:/(\w+))?)?/?")
_ACTION = re.compile(r"/services/data/v\d+\.\d+/actions/custom/apex/(\w+)")
_LIMITS = re.compile(r"/services/data/v\d+\.\d+/limits/?")


class SalesforceDialect:
    name = "salesforce"
    paths = "/services/data"

    def __init__(self, records: SandboxRecords, faults: Faults) -> None:
        self._records = records
        self._faults = faults
        self._tokens = IssuedTokens()
        self._lock = threading.Lock()
        self._rows = Rows(records)
        self._writes = Writes(records, faults, self._rows)
        self._ingest = Ingest(self._writes)
        self._fates = Fates(records, self._rows)
        self.grants = Grants(self._tokens)
        self._used = 0

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        if request.path == "/services/oauth2/token":
            return self.grants.answer(request, faults)
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
            return _error(error.status, error.code, error.message, request, error.route)
        return reply or _error(404, "NOT_FOUND", "The requested resource does not exist", request)

    def _route_records(self, request: Request, faults: FaultSpec) -> Reply | None:
        if match := _UPSERT.fullmatch(request.path):
            return self._writes.upsert(request, match[1], match[2], faults) if request.method == "PATCH" else None
        if (match := _ONE.fullmatch(request.path)) and request.method == "GET":
            return self._read_one(request, match[1], match[2], unquote(match[3]))
        if _MANY.fullmatch(request.path) and request.method == "PATCH":
            return self._writes.update(request, faults)
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
            if match[2]:
                return self._rows.next_page(match[2], request.path)
            return self._rows.query(request, with_deleted=bool(match[1]))
        if (match := _ACTION.fullmatch(request.path)) and request.method == "POST":
            return self._fates.answer(match[1], request.body)
        if match := _INGEST.fullmatch(request.path):
            return self._ingest.answer(request, match[1], match[2], faults)
        match = _BY_ID.fullmatch(request.path)
        return None if match is None or match[1] not in PREFIXES else self._route_one(request, match[1], match[2])

    def _route_one(self, request: Request, kind: str, crm_id: str | None) -> Reply | None:
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

    def _read_one(self, request: Request, kind: str, key_field: str, key: str) -> Reply:
        stored = self._records.find(kind, key)
        if stored is None:
            return _error(404, "NOT_FOUND", "The requested resource does not exist", request)
        number, fields = stored
        record = {"attributes": {"type": kind}, "Id": self.record_id(number, kind), key_field: key, **fields}
        return json_reply(200, record, f"GET sobjects/{kind}")


def _error(status: int, code: str, message: str, request: Request, route: str | None = None) -> Reply:
    return json_reply(status, [{"message": message, "errorCode": code}], route or f"{request.method} other")
