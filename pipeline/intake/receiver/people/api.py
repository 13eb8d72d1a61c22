"""`/v1/people` and `/v1/privacy`: all that is held of somebody, and their erasure, for programs with a key for that.

What is of another brand than the key's is not there for it: 404, as for an id that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from connectors.kit.sources.records import UnreadableBody, decode_body
from pipeline.audit.acting import acting_as
from pipeline.errors import NotFoundError, TransientError, UsageError
from pipeline.errors import RefusedError as NotAllowedError
from pipeline.intake.arrivals import JSON
from pipeline.intake.receiver.answers import RefusedError, json_answer, unavailable
from pipeline.intake.receiver.auth import authorize
from pipeline.intake.receiver.receiver import Answered, Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.permissions.sight import CLEAR, MASKED, masked_sight
from pipeline.privacy import erasure
from pipeline.privacy.erasing.certificates import in_order
from pipeline.privacy.exporting.masked import read_person
from pipeline.privacy.subjects import Asked
from pipeline.service_keys.keys import actor_of
from pipeline.settings.declarations import ApiKey
from pipeline.store.engine import transaction
from pipeline.store.erasures.requests import PrivacyRequest, read_request

_MAX_BODY_BYTES = 16_384
_BODY = ("email", "phone", "person_id", "external_id", "brand", "reason")
Json = dict[str, Any]


async def get_person(receiver: Receiver, request: Request) -> Response:
    """All that is held of a person, or its shape for a key that sees no values. Raises RefusedError."""
    key = authorize(request, receiver.keys, CLEAR, masked=MASKED)
    person_id = _id(request, "person_id")
    brands = [brand for brand in receiver.settings.brands if key.allows(brand)]

    def read() -> Json:
        for brand in brands:
            try:
                return read_person(Asked(person_id=person_id, brand=brand))
            except NotFoundError:
                continue
        raise NotFoundError("no person has this id")

    return json_answer(msgspec.to_builtins(await _ask(receiver, key, read), str_keys=True))


async def post_erasure(receiver: Receiver, request: Request) -> Response:
    """202 with the id of the request; beat does the rest. Raises RefusedError."""
    key = authorize(request, receiver.keys, "privacy.erase")
    asked, reason = _read_asked(await read_body(request, _MAX_BODY_BYTES, receiver.body_work, "privacy"))
    own = [brand for brand in receiver.settings.brands if key.allows(brand)]
    if asked.brand is None and len(own) < len(receiver.settings.brands):
        if len(own) != 1:
            raise RefusedError(400, "unknown_brand", "this key serves some brands only: name one by brand")
        asked = msgspec.structs.replace(asked, brand=own[0])
    if asked.brand is not None and asked.brand not in own:
        raise RefusedError(403, "wrong_brand", "this key serves other brands")
    begun = await _ask(receiver, key, lambda: erasure.erase(asked, by=f"key {key.name}", reason=reason))
    return json_answer(_told(begun), status=202)


async def get_request(receiver: Receiver, request: Request) -> Response:
    """How far a request is, with its certificate once it has ended. Raises RefusedError."""
    key = authorize(request, receiver.keys, "privacy.read")
    request_id = _id(request, "request_id")

    def read() -> PrivacyRequest:
        with transaction(synchronous=False) as connection:
            known = read_request(connection, request_id)
        allowed = all(map(key.allows, receiver.settings.brands)) if known and known.brand is None else True
        if known is None or not allowed or (known.brand is not None and not key.allows(known.brand)):
            raise NotFoundError("no request has this id")
        return known

    known = await _ask(receiver, key, read)
    return json_answer({**_told(known), "certificate": in_order(known.certificate)})


def _told(known: PrivacyRequest) -> Json:
    return {
        "request_id": str(known.request_id),
        "kind": known.kind,
        "state": known.state,
        "received_at": known.received_at.isoformat(),
        "due_at": known.due_at.isoformat(),
    }


def _id(request: Request, name: str) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise RefusedError(400, "not_an_id", "an id is a UUID") from None


def _read_asked(body: bytes) -> tuple[Asked, str | None]:
    try:
        content: Any = decode_body(body, JSON, formats=("json",))
    except UnreadableBody as error:
        raise RefusedError(400, error.code, error.message, line=error.line, column=error.column) from None
    if not isinstance(content, dict):
        raise RefusedError(400, "unusable_request", "send a JSON object with email, phone, person_id or external_id")
    for name in _BODY:
        if content.get(name) is not None and not isinstance(content[name], str):
            raise RefusedError(400, "unusable_request", f"{name} must be a text", field=name)
    person_id = content.get("person_id")
    try:
        known = UUID(person_id) if person_id is not None else None
    except ValueError:
        raise RefusedError(400, "not_an_id", "person_id must be a UUID", field="person_id") from None
    asked = Asked(content.get("email"), content.get("phone"), known, content.get("brand"), content.get("external_id"))
    return asked, content.get("reason")


async def _ask(receiver: Receiver, key: ApiKey, question: Callable[[], Answered]) -> Answered:
    try:
        with acting_as(actor_of(key)), masked_sight(is_masked=not key.may(CLEAR)):
            return await receiver.ask(question)
    except UsageError as error:
        raise RefusedError(400, "unusable_request", str(error), field=error.argument) from None
    except NotFoundError as error:
        raise RefusedError(404, "unknown_id", str(error)) from None
    except NotAllowedError as error:
        raise RefusedError(409, "refused", str(error)) from None
    except TransientError:
        raise unavailable("the database did not answer; ask again") from None


def described_paths(refusals: Callable[..., Json], path_parameter: Callable[[str, Json], Json]) -> Json:
    """These routes for `/openapi.json`. `refusals` describes statuses, `path_parameter` a part of an address."""
    own: list[Json] = [{"key": []}]
    answer = {"application/json": {"schema": {"type": "object"}}}
    body = {"type": "object", "properties": {name: {"type": "string"} for name in _BODY}}
    return {
        "/v1/people/{person_id}": {
            "get": {
                "summary": "All that is held of a person, or its shape (people:read_masked); an entry of the audit log",
                "security": own,
                "parameters": [path_parameter("person_id", {"format": "uuid"})],
                "responses": {
                    "200": {"description": "Profile, leads, consents, who was told", "content": answer},
                    **refusals(400, 401, 403, 404, 405, 429, 431, 500, 503),
                },
            }
        },
        "/v1/privacy/erase": {
            "post": {
                "summary": "Erase somebody everywhere, by one of email, phone, person_id and external_id",
                "security": own,
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {
                    "202": {"description": "Begun; its id tells how far it is", "content": answer},
                    **refusals(400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 431, 500, 503),
                },
            }
        },
        "/v1/privacy/requests/{request_id}": {
            "get": {
                "summary": "How far a request is, with its certificate once it has ended",
                "security": own,
                "parameters": [path_parameter("request_id", {"format": "uuid"})],
                "responses": {
                    "200": {"description": "State and certificate", "content": answer},
                    **refusals(400, 401, 403, 404, 405, 429, 431, 500, 503),
                },
            }
        },
    }
