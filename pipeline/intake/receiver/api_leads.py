"""`/v1/leads`: leads in canonical fields, one or up to 1,000 at once; each is taken or rejected by itself."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from connectors.kit import Api
from connectors.kit.sources.records import MAX_VALUES, UnreadableBody, decode_body, holds_too_many_values
from pipeline.canonical import IDENTIFYING_FIELDS
from pipeline.errors import TransientError
from pipeline.intake.arrivals import JSON, kept_headers, new_event
from pipeline.intake.instances import SourceInstance
from pipeline.intake.keys import Naming
from pipeline.intake.receiver.admission import check_content_type
from pipeline.intake.receiver.answers import RefusedError, json_answer, refused_later, unavailable
from pipeline.intake.receiver.auth import authorize
from pipeline.intake.receiver.lead_status import read_status
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.records import Envelope, NewEvent
from pipeline.settings.declarations import ApiKey

MAX_LEADS = 1_000
MAX_BODY_BYTES = 8 * 1_048_576
_MAX_ID_LENGTH = 255
_MAX_KEY_LENGTH = 255
_LISTS = ("other_emails", "other_phones")
_NUMBERS_TOO = ("external_id", "submission_id", "phone", "whatsapp_id")  # a number is what many senders make of these


async def post_leads(receiver: Receiver, request: Request) -> Response:
    """Store one lead or several. Raises RefusedError."""
    key = authorize(request, receiver.keys, "leads.post", is_bounded_by_source=True)
    instance = find_instance(receiver, request, key)
    receiver.admission.check_address(instance, request.client)
    check_content_type(request.headers.get("content-type", ""))
    receiver.admission.let_in(instance, request.client)
    body = await read_body(request, MAX_BODY_BYTES, receiver.body_work, instance.slug)
    make = partial(_make_events, request, body, instance, key)
    events, external_ids, rejected = await receiver.body_work.run(instance.slug, len(body), make)
    receiver.admission.count_records(instance, request.client, len(events) + len(rejected))
    try:
        receipts = await receiver.writer.write(events) if events else []
    except TransientError:
        raise unavailable("the leads could not be stored; nothing was taken, send them again") from None
    receiver.metrics.note_receipts(instance.slug, receipts, rejected=len(rejected))
    accepted = [
        {
            "event_id": str(receipt.event_id),
            "external_id": external_id,
            "repeated": receipt.repeated,
            **({"revises": str(receipt.revises)} if receipt.revised else {}),
        }
        for receipt, external_id in zip(receipts, external_ids, strict=True)
    ]
    return json_answer({"accepted": accepted, "rejected": rejected}, status=202)


async def get_lead(receiver: Receiver, request: Request) -> Response:
    """Where a lead is: its state, person and deliveries. Raises RefusedError."""
    key = authorize(request, receiver.keys, "leads.status", is_bounded_by_source=True)
    try:
        event_id = UUID(request.path_params["event_id"])
    except ValueError:
        raise RefusedError(400, "not_an_id", "an event id is a UUID, as POST /v1/leads answers it") from None
    try:
        status = await receiver.ask(lambda: read_status(event_id))
    except TransientError:
        raise unavailable("the database is away; ask again") from None
    if status is None or not (key.allows(status["brand"]) and key.allows_source(status["source"])):
        raise RefusedError(404, "unknown_event", "no event has this id")
    return json_answer(status)


def find_instance(receiver: Receiver, request: Request, key: ApiKey, *, taken: str = "leads") -> SourceInstance:
    """The source that what is posted here is of, `api` for leads, and the brand that the address names. Raises
    RefusedError."""
    brands = receiver.settings.brands
    own = [brand for brand in brands if key.allows(brand)]
    usual = own or [brand for brand in receiver.settings.brands_elsewhere if key.allows(brand)]
    brand = request.query_params.get("brand") or (usual[0] if len(usual) == 1 else "default")
    receiver.refuse_elsewhere(brand, request)
    if brand not in brands:
        raise RefusedError(
            400, "unknown_brand", f"name a brand, as in /v1/{taken}?brand=NAME; there are: {', '.join(sorted(own))}"
        )
    if brand not in own:
        raise RefusedError(403, "wrong_brand", f"this key serves other brands: {', '.join(sorted(own))}")
    slug = request.query_params.get("source") or ("api" if taken == "leads" else taken)
    if not key.allows_source(slug):
        raise RefusedError(403, "wrong_source", f"this key serves other sources: {', '.join(key.sources)}")
    instance = receiver.find_source(brand, slug)
    intake = instance.connector.intake
    if not isinstance(intake, Api) or intake.taken != taken:
        raise RefusedError(404, "unknown_source", f"the source {instance.slug} does not come by this API")
    if not instance.enabled:
        raise refused_later(503, "disabled", f"the source {instance.slug} is switched off here", seconds=300)
    return instance


def _make_events(
    request: Request, body: bytes, instance: SourceInstance, key: ApiKey
) -> tuple[list[NewEvent], list[str | None], list[dict[str, Any]]]:
    """Events, their external ids, and what is rejected."""
    idempotency_key = idempotency_key_of(request)
    items = read_items(body, request.headers.get("content-type"))
    headers = kept_headers(dict(request.headers))
    events: list[NewEvent] = []
    external_ids: list[str | None] = []
    rejected: list[dict[str, Any]] = []
    is_large = len(body) > 2 * MAX_VALUES
    for index, item in enumerate(items):
        problem = _problem(item)
        if problem is None and is_large and holds_too_many_values(item):
            problem = (None, f"holds more than {MAX_VALUES} keys and entries")
        if problem is None:
            try:
                envelope = Envelope(JSON, orjson.dumps(item), headers, {"via": "api", "key": key.name, "index": index})
                named_by = Naming(key.name, idempotency_key, index) if idempotency_key else None
                submission = _submission_of(item)
                place = {"header_value": submission} if submission else {"index": index}
                events.append(new_event(instance, item, envelope, named_by=named_by, **place))
                given = item.get("external_id")
                external_ids.append(None if given is None else str(given))
                continue
            except TypeError:
                problem = (None, "is nested too deeply")
        rejected.append({"index": index, "field": problem[0], "message": problem[1]})
    return events, external_ids, rejected


def _submission_of(item: dict[str, Any]) -> str | None:
    """What names a lead that has no `external_id`, as a message's id names a delivery."""
    given = str(item.get("submission_id") or "").strip()
    return f"submission_id={given}" if given and not str(item.get("external_id") or "").strip() else None


def idempotency_key_of(request: Request) -> str | None:
    """The header `Idempotency-Key`. Raises RefusedError if it is too long."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > _MAX_KEY_LENGTH:
        raise RefusedError(400, "long_key", f"an Idempotency-Key has at most {_MAX_KEY_LENGTH} characters")
    return key or None


def read_items(body: bytes, content_type: str | None) -> list[Any]:
    """What a body holds, one thing or a list of at most MAX_LEADS. Raises RefusedError."""
    is_unlabeled_json = body.lstrip()[:1] in (b"{", b"[") and "json" not in (content_type or "").lower()
    try:
        # Clients that forget the header (curl -d says it is a form) mean JSON: nothing else is taken here.
        decoded = decode_body(body, JSON if is_unlabeled_json else content_type, formats=("json",))
    except UnreadableBody as error:
        if error.code == "content_type_not_accepted":
            raise RefusedError(415, error.code, "send application/json") from None
        raise RefusedError(400, error.code, error.message, line=error.line, column=error.column) from None
    items = decoded if isinstance(decoded, list) else [decoded]
    if len(items) > MAX_LEADS:
        raise RefusedError(413, "too_many_leads", f"one call takes at most {MAX_LEADS}; this has {len(items)}")
    return items


def _problem(item: Any) -> tuple[str | None, str] | None:
    """Field and message of what makes an item no lead; None if it is one. Messages hold no value."""
    if not isinstance(item, dict):
        return None, "is not a JSON object"
    for name in IDENTIFYING_FIELDS:
        value = item.get(name)
        if value is not None and not _is_of_its_type(name, value):
            return name, "must be a list of texts" if name in _LISTS else "must be a text"
    for name in ("external_id", "submission_id"):
        if len(str(item.get(name) or "")) > _MAX_ID_LENGTH:
            return name, f"must have at most {_MAX_ID_LENGTH} characters"
    if not _is_of_its_type("submission_id", item.get("submission_id") or ""):
        return "submission_id", "must be a text"
    if not any(_says_something(item.get(name)) for name in IDENTIFYING_FIELDS):
        return None, f"nothing identifies a person; give one of {', '.join(IDENTIFYING_FIELDS)}"
    return None


def _is_of_its_type(name: str, value: Any) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    if name in _NUMBERS_TOO and isinstance(value, int) and not isinstance(value, bool):
        return True
    return isinstance(value, str)


def _says_something(value: Any) -> bool:
    if isinstance(value, list):
        return any(_says_something(entry) for entry in value)
    return bool(str(value).strip()) if value is not None else False
