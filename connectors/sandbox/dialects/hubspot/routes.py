"""The routes of HubSpot's dialect: tokens, each object, what is associated with what, and subscriptions.

Rules a client can break are kept: 100 inputs, no id twice, texts only, one contact for an e-mail and one row for each
unique value, properties that exist, associations of what is there, one bad input without trace ids refuses all, results
in any order, limits, tokens that expire. Properties that were created are forgotten when the sandbox ends.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import replace

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.hubspot import subscriptions
from connectors.sandbox.dialects.hubspot.associations import Associations
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError, error_reply
from connectors.sandbox.dialects.hubspot.limits import Limits, refusal
from connectors.sandbox.dialects.hubspot.object_routes import ObjectRoutes
from connectors.sandbox.dialects.hubspot.objects import OBJECTS, properties_of
from connectors.sandbox.dialects.hubspot.properties import Property
from connectors.sandbox.dialects.hubspot.rows import FIRST_ID, Rows
from connectors.sandbox.dialects.hubspot.tokens import Tokens
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords

_ROWS = re.compile(r"/crm/(?:v3/objects|objects/\d{4}-\d{2})/(\w+)(/.*)?")
_PROPERTIES = re.compile(r"/crm/(?:v3/properties|properties/\d{4}-\d{2})/(\w+)(?:/(.*))?")
_ASSOCIATIONS = re.compile(r"/crm/v4/associations/(\w+)/(\w+)/batch/([\w/]+)")
_TOKENS = ("/oauth/v1/token", "/oauth/v3/token")


class HubSpotDialect:
    name = "hubspot"
    paths = ("/crm", subscriptions.PATH)

    def __init__(self, records: SandboxRecords, faults: Faults) -> None:
        self.limits = Limits()
        self._tokens = Tokens()
        self._lock = threading.Lock()
        properties = {name: properties_of(name) for name in OBJECTS}
        self._rows = {
            name: Rows(records, known.kind, _keys_of(name, properties[name])) for name, known in OBJECTS.items()
        }
        self.associations = Associations(self._rows)
        self._subscriptions = subscriptions.Subscriptions(records)
        self.objects = {
            name: ObjectRoutes(known, self._rows[name], properties[name], faults, self.associations)
            for name, known in OBJECTS.items()
        }

    @property
    def search_lag_seconds(self) -> float:
        """What was written since is not found by a search."""
        return self.objects["contacts"].search_lag_seconds

    @search_lag_seconds.setter
    def search_lag_seconds(self, seconds: float) -> None:
        for routes in self.objects.values():
            routes.search_lag_seconds = seconds

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        if request.path in _TOKENS:
            return self._tokens.issue(request, faults.token_seconds)
        if not request.path.startswith(tuple(f"{path}/" for path in self.paths)):
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
                for rows in self._rows.values():
                    rows.refresh()
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
        reply = None
        if (match := _ROWS.fullmatch(request.path)) and match[1] in self.objects:
            reply = self.objects[match[1]].answer(request, (match[2] or "").rstrip("/"), faults)
        elif (match := _PROPERTIES.fullmatch(request.path)) and match[1] in self.objects:
            reply = self.objects[match[1]].answer_properties(request, (match[2] or "").rstrip("/"))
        elif request.path.startswith(subscriptions.PATH):
            reply = self._subscriptions.answer(request)
        elif match := _ASSOCIATIONS.fullmatch(request.path):
            reply = self.associations.answer(request, (match[1], match[2]), match[3])
        return reply or error_reply(404, "OBJECT_NOT_FOUND", "resource not found", f"{request.method} other")


def _keys_of(name: str, properties: Mapping[str, Property]) -> set[str]:
    own = {wanted.name for wanted in properties.values() if wanted.has_unique_value}
    return own | ({"email"} if name == "contacts" else set())
