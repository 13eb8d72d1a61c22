"""`/v1/consents`: statements of consent about an address, a number or a person; each is taken or rejected by itself.

A statement makes nobody a lead. One about an address that nobody has yet waits, for good, for whoever comes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pipeline.errors import TransientError
from pipeline.intake.arrivals import JSON, kept_headers, new_event
from pipeline.intake.description import schemas
from pipeline.intake.instances import SourceInstance
from pipeline.intake.keys import Naming
from pipeline.intake.receiver.admission import check_content_type
from pipeline.intake.receiver.answers import json_answer, unavailable
from pipeline.intake.receiver.api_leads import MAX_BODY_BYTES, MAX_LEADS, find_instance, idempotency_key_of, read_items
from pipeline.intake.receiver.auth import authorize
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.permissions.roles import scope_of
from pipeline.records import CONFIRMED, WITHDRAWING, Envelope, NewEvent
from pipeline.settings.declarations import ApiKey

_CONFIRMING = "consents.write"  # whoever only sends leads undoes no withdrawal
_MOST_CONSENTS = 50
_MAX_ID_LENGTH = 255
_NAMING = ("email", "phone", "person_id")
Json = dict[str, Any]
Problem = tuple[str | None, str]


async def post_consents(receiver: Receiver, request: Request) -> Response:
    """Store one statement or several. Raises RefusedError."""
    key = authorize(request, receiver.keys, "consents.post", is_bounded_by_source=True)
    instance = find_instance(receiver, request, key, taken="consents")
    receiver.admission.check_address(instance, request.client)
    check_content_type(request.headers.get("content-type", ""))
    receiver.admission.let_in(instance, request.client)
    body = await read_body(request, MAX_BODY_BYTES, receiver.body_work, instance.slug)
    make = partial(_make_events, request, body, instance, key)
    events, statement_ids, rejected = await receiver.body_work.run(instance.slug, len(body), make)
    receiver.admission.count_records(instance, request.client, len(events) + len(rejected))
    try:
        receipts = await receiver.writer.write(events) if events else []
    except TransientError:
        raise unavailable("the statements could not be stored; nothing was taken, send them again") from None
    receiver.metrics.note_receipts(instance.slug, receipts, rejected=len(rejected))
    accepted = [
        {"event_id": str(receipt.event_id), "statement_id": statement_id, "repeated": receipt.repeated}
        for receipt, statement_id in zip(receipts, statement_ids, strict=True)
    ]
    return json_answer({"accepted": accepted, "rejected": rejected}, status=202)


def _make_events(
    request: Request, body: bytes, instance: SourceInstance, key: ApiKey
) -> tuple[list[NewEvent], list[str | None], list[Json]]:
    """Events, the ids of their statements, and what is rejected."""
    idempotency_key = idempotency_key_of(request)
    headers = kept_headers(dict(request.headers))
    events: list[NewEvent] = []
    statement_ids: list[str | None] = []
    rejected: list[Json] = []
    for index, item in enumerate(read_items(body, request.headers.get("content-type"))):
        problem = _problem(item, may_confirm=key.may(_CONFIRMING))
        if problem is not None:
            rejected.append({"index": index, "field": problem[0], "message": problem[1]})
            continue
        said = {"says": "consent", **{name: item[name] for name in _TAKEN if item.get(name) is not None}}
        envelope = Envelope(JSON, orjson.dumps(said), headers, {"via": "api", "key": key.name, "index": index})
        named_by = Naming(key.name, idempotency_key, index) if idempotency_key else None
        events.append(new_event(instance, said, envelope, named_by=named_by, index=index))
        statement_ids.append(None if item.get("statement_id") is None else str(item["statement_id"]))
    return events, statement_ids, rejected


_TAKEN = ("statement_id", "email", "phone", "person_id", "occurred_at", "consents")


def _problem(item: Any, *, may_confirm: bool) -> Problem | None:
    """Field and message of what makes an item no statement; None if it is one. Messages hold no value."""
    if not isinstance(item, dict):
        return None, "is not a JSON object"
    for name in ("statement_id", *_NAMING):
        value = item.get(name)
        if value is not None and not (isinstance(value, str) and 0 < len(value.strip()) <= _MAX_ID_LENGTH):
            return name, f"must be a text of at most {_MAX_ID_LENGTH} characters"
    named = [name for name in _NAMING if item.get(name)]
    if not named:
        return None, f"says nobody; give one of {', '.join(_NAMING)}"
    if "person_id" in named and not _is_id(item["person_id"]):
        return "person_id", "must be a person's id, a UUID"
    consents = item.get("consents")
    if not isinstance(consents, list) or not 0 < len(consents) <= _MOST_CONSENTS:
        return "consents", f"must be a list of 1 to {_MOST_CONSENTS} statements"
    return next((found for consent in consents if (found := _consent_problem(consent, may_confirm=may_confirm))), None)


def _consent_problem(consent: Any, *, may_confirm: bool) -> Problem | None:
    if not isinstance(consent, dict):
        return "consents", "each must be a JSON object"
    for name in ("purpose", "channel"):
        if not isinstance(consent.get(name), str) or not consent[name].strip():
            return f"consents.{name}", "must be a text"
    granted = consent.get("granted")
    if granted is not None and not isinstance(granted, bool):
        return "consents.granted", "must be true, false or null"
    return (
        None if consent.get("act") is None else _act_problem(consent["act"], granted=granted, may_confirm=may_confirm)
    )


def _act_problem(act: Any, *, granted: bool | None, may_confirm: bool) -> Problem | None:
    if act not in schemas.CONSENT_ACTS_BY_API:
        return "consents.act", f"must be one of {', '.join(schemas.CONSENT_ACTS_BY_API)}"
    if act == CONFIRMED and not may_confirm:
        return "consents.act", f"this key confirms nothing; needed: {scope_of(_CONFIRMING)}"
    if granted is not (act not in WITHDRAWING):
        return "consents.granted", "must be false beside a withdrawal or an objection, and true beside confirmed"
    return None


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def described_paths(refusals: Callable[..., Json]) -> Json:
    """These routes for `/openapi.json`. `refusals` describes statuses."""
    statement = {"$ref": "#/components/schemas/ConsentStatement"}
    several = {"type": "array", "items": statement, "maxItems": MAX_LEADS}
    return {
        "/v1/consents": {
            "post": {
                "summary": "Say what somebody agrees to, or withdraws",
                "description": "A statement about an address that nobody has yet waits for whoever comes with it.",
                "security": [{"key": []}],
                "parameters": [
                    {"name": "brand", "in": "query", "schema": {"type": "string"}},
                    {"name": "source", "in": "query", "schema": {"type": "string"}},
                    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"anyOf": [statement, several]}}},
                },
                "responses": {
                    "202": schemas.answer("Stored; each item is accepted or rejected by itself", "TakenConsents"),
                    **refusals(400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 500, 503),
                },
            }
        }
    }
