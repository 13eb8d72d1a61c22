"""The dialect's routes, its tokens and its limits.

Rules a client can break are kept: the scope of a token, names, types and lengths of columns, the alternate key and what
breaks it in an address, preconditions, at most 1,000 requests in a batch, change sets and UpsertMultiple that hold
together. One environment with leads, contacts, accounts and tasks; the alternate key of each is `new_afluenteid`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from urllib.parse import parse_qs

from connectors.sandbox.dialects.dataverse.addresses import ROOT, read_address
from connectors.sandbox.dialects.dataverse.batch import ROUTE, answer_batch, without_last_part
from connectors.sandbox.dialects.dataverse.errors import ODataError, refusal
from connectors.sandbox.dialects.dataverse.metadata import Metadata
from connectors.sandbox.dialects.dataverse.operations import Answer, Operation, failed, plan
from connectors.sandbox.dialects.dataverse.queries import read
from connectors.sandbox.dialects.dataverse.tables import Changes, guid_of
from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords
from connectors.sandbox.tokens import IssuedTokens

CLIENT_ID = CLIENT_SECRET = "sandbox"  # noqa: S105 - everyone may know it: there is nothing real behind it
_TOKEN = re.compile(r"/[^/]+/oauth2/v2\.0/token")
_TOKEN_LIFE_SECONDS = 3_599.0
_REQUESTS_IN_FIVE_MINUTES = 6_000
_LIMITS = {
    "0x80072322": "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
    "0x80072321": "Combined execution time of incoming requests exceeded limit of 1200000 milliseconds over time window"
    " of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later.",
    "0x80072326": "Number of concurrent requests exceeded the limit of 52.",
}
_DAY_WAIT_SECONDS = 3600


class DataverseDialect:
    name = "dataverse"
    paths = "/api/data"

    def __init__(self, records: SandboxRecords, faults: Faults) -> None:
        self._records = records
        self._faults = faults
        self._tokens = IssuedTokens()
        self.metadata = Metadata()
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # what a change rests on stays as it was until it is made
        self._used = 0
        self._refused_in_a_row = 0

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        if _TOKEN.fullmatch(request.path) and request.method == "POST":
            return self._issue_token(request, faults)
        root = ROOT.match(request.path)
        if root is None:
            return None
        if not self._tokens.let_in(request):
            return Reply(401, b"", f"{request.method} other", headers={"WWW-Authenticate": "Bearer"})
        with self._lock:
            self._used += 1
            used = self._used
        if faults.daily_limit is not None and used > faults.daily_limit:
            return self.over_limit(is_daily=True)
        self._refused_in_a_row = 0
        reply = self._route(request, root[0], faults)
        told = {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(max(0, _REQUESTS_IN_FIVE_MINUTES - used)),
            "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
        }
        return Reply(
            reply.status,
            reply.body,
            reply.route,
            content_type=reply.content_type,
            headers={**reply.headers, **told},
            counts=reply.counts,
        )

    def failure(self, status: int) -> Reply:
        if status in (502, 503, 504):
            return Reply(status, b"<html><body>Service unavailable</body></html>", "", content_type="text/html")
        return json_reply(status, refusal("0x80040216", "An unexpected error occurred.").body(), "")

    def over_limit(self, *, is_daily: bool) -> Reply:
        """Each of the three limits in turn. Who goes on calling waits longer: Retry-After grows until a call passes."""
        with self._lock:
            self._refused_in_a_row += 1
            refused = self._refused_in_a_row
        code = list(_LIMITS)[(refused - 1) % len(_LIMITS)]
        wait = _DAY_WAIT_SECONDS if is_daily else refused
        return json_reply(429, refusal(code, _LIMITS[code]).body(), "limit", headers={"Retry-After": str(wait)})

    def shorten(self, reply: Reply) -> Reply:
        return without_last_part(reply)

    def record_id(self, number: int, kind: str = "") -> str:  # noqa: ARG002 - ids of all kinds look alike here
        return guid_of(number)

    def _route(self, request: Request, root: str, faults: FaultSpec) -> Reply:
        path = request.path.removeprefix(root)
        whole_root = f"http://{request.headers.get('host', '127.0.0.1')}{root}"
        try:
            if path == "$batch":
                if request.method != "POST":
                    raise ODataError(405, "0x80060888", "The requested resource does not support http method.")
                return answer_batch(request, whole_root, lambda operations: self._run(operations, faults))
            operation = Operation(request.method, whole_root, path, request.query, request.headers, request.body)
            done = self._run([operation], faults)
            answer = failed(done) if isinstance(done, ODataError) else done[0]
        except ODataError as error:
            answer = failed(error)
        return _reply(answer, ROUTE if path == "$batch" else f"{request.method} {_name_of(path)}")

    def _run(self, operations: Sequence[Operation], faults: FaultSpec) -> list[Answer] | ODataError:
        """One request, or those of a change set: all of them or none."""
        try:
            with self._writing:
                told = self.metadata.answer(operations[0])
            if told is not None:
                return [told]
            if operations[0].method == "GET":
                return [read(operations[0], self._records)]
            with self._writing:
                changes = Changes(self._records)
                finishes = []
                for operation in operations:
                    self._refuse_on_request(faults)
                    finishes.append(plan(operation, changes))
                outcomes = changes.commit()
                return [finish(outcomes) for finish in finishes]
        except ODataError as error:
            return error

    def _refuse_on_request(self, faults: FaultSpec) -> None:
        fault = faults.record_error
        if fault is not None and self._faults.strikes(fault.rate):
            raise refusal(fault.code, f"{fault.message} {fault.field or ''}".strip())

    def _issue_token(self, request: Request, faults: FaultSpec) -> Reply:
        route = "POST token"
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _token_error(400, "invalid_request", "AADSTS900144: The request body must be a form", route)
        form = {name: values[-1] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        scope = f"http://{request.headers.get('host', '127.0.0.1')}/.default"
        if form.get("grant_type") != "client_credentials":
            return _token_error(400, "unsupported_grant_type", "AADSTS70003: The grant is not supported", route)
        if form.get("client_id") != CLIENT_ID:
            return _token_error(400, "unauthorized_client", "AADSTS700016: Application was not found", route)
        if form.get("client_secret") != CLIENT_SECRET:
            return _token_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided", route)
        if form.get("scope") != scope:
            return _token_error(400, "invalid_scope", "AADSTS70011: The provided value for scope is not valid", route)
        life = _TOKEN_LIFE_SECONDS if faults.token_seconds is None else faults.token_seconds
        token = self._tokens.issue(life)
        # Told in whole seconds, so a life of less than one ends before its time.
        told = {"token_type": "Bearer", "expires_in": max(1, int(life)), "ext_expires_in": max(1, int(life))}
        return json_reply(200, {**told, "access_token": token}, route)


def _name_of(path: str) -> str:
    """The table, for the list of calls; never a key."""
    try:
        address = read_address(path)
    except ODataError:
        return "other"
    return address.table.name + (f"/{address.action}" if address.action else "")


def _reply(answer: Answer, route: str) -> Reply:
    if answer.content is None:
        return Reply(answer.status, b"", route, headers=answer.headers, counts=answer.counts)
    return json_reply(answer.status, answer.content, route, headers=answer.headers, counts=answer.counts)


def _token_error(status: int, error: str, description: str, route: str) -> Reply:
    return json_reply(status, {"error": error, "error_description": description}, route)
