"""`/in/{brand}/{source}`: a source's own webhook, checked as its connector declares, answered after the commit."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.kit import Signature, Webhook
from connectors.kit.sources.handshakes import handshakes_of
from connectors.kit.sources.records import MAX_VALUES, UnreadableBody, holds_too_many_values, split_body
from connectors.kit.sources.signatures import message_id_of
from pipeline.errors import TransientError
from pipeline.intake.bodies import events_of_body, seen_record
from pipeline.intake.instances import SourceInstance
from pipeline.intake.receiver.admission import check_content_type, claims_proof
from pipeline.intake.receiver.answers import RefusedError, refused_later, unavailable
from pipeline.intake.receiver.handshakes import answer_asked, answer_posted, response_of
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.records import EVENTS_HEADER, NewEvent, Receipt

_SHOWN_IDS = 20  # of a body of many leads: a header is no list


async def take_webhook(receiver: Receiver, request: Request, instance: SourceInstance) -> Response:
    """Store what a source posts. Raises RefusedError."""
    webhook = _webhook_of(instance)
    if not instance.enabled:
        raise refused_later(503, "disabled", f"the source {instance.slug} is switched off here", seconds=300)
    check_content_type(request.headers.get("content-type", ""))
    signature = webhook.signature
    if signature is None:
        receiver.admission.let_in(instance)
    elif (
        _secrets(receiver, instance, signature)
        and not handshakes_of(webhook)  # some are posted unsigned, so the body must be read
        and not claims_proof(signature, dict(request.headers))
    ):
        raise receiver.admission.refuse_unproven(instance)
    body = await read_body(request, webhook.max_body_bytes, receiver.body_work, instance.slug)
    if asked := answer_posted(receiver, instance, request, body, is_signed=False):
        return asked
    verified_by = None
    if signature is not None:
        verify = partial(_is_proven, receiver, instance, signature, request=request, body=body)
        if not await receiver.body_work.run(instance.slug, len(body), verify):
            raise receiver.admission.refuse_unproven(instance)
        verified_by = type(signature).__name__
        receiver.admission.let_in(instance)
    if asked := answer_posted(receiver, instance, request, body, is_signed=True):
        return asked
    make = partial(_make_events, receiver, instance, request=request, body=body, verified_by=verified_by)
    events = await receiver.body_work.run(instance.slug, len(body), make)
    receiver.admission.count_records(instance, len(events))
    receipts: list[Receipt] = []
    if events:
        try:
            receipts = await receiver.writer.write(events)
        except TransientError:
            raise unavailable() from None
        receiver.metrics.note_receipts(instance.slug, receipts)
    response = response_of(webhook.answer)
    if receipts:  # for whoever looks: the ids of the first leads
        response.headers[EVENTS_HEADER] = ",".join(str(receipt.event_id) for receipt in receipts[:_SHOWN_IDS])
    return response


async def shake_hands(receiver: Receiver, request: Request, instance: SourceInstance) -> Response:
    """The source asks whether this address is ours. Raises RefusedError."""
    return answer_asked(receiver, instance, _webhook_of(instance), request)


def _webhook_of(instance: SourceInstance) -> Webhook:
    webhook = instance.webhook
    if webhook is None:
        raise RefusedError(404, "unknown_source", f"the source {instance.slug} does not come by webhook")
    return webhook


def _secrets(receiver: Receiver, instance: SourceInstance, signature: Signature) -> list[str]:
    secrets = receiver.book.secrets(instance, signature)
    if not secrets:
        raise refused_later(
            503, "not_configured", "the secret of this source is not set here; `afluente doctor` says how", seconds=60
        )
    return secrets


def _is_proven(
    receiver: Receiver, instance: SourceInstance, signature: Signature, *, request: Request, body: bytes
) -> bool:
    secrets = _secrets(receiver, instance, signature)
    # What some schemes sign beside the body; no header of a request can begin with a colon.
    seen = {**dict(request.headers), ":method": request.method, ":uri": receiver.public_address(request)}
    return signature.verify(secrets=secrets, headers=seen, body=body, now=time.time())


def _make_events(
    receiver: Receiver, instance: SourceInstance, *, request: Request, body: bytes, verified_by: str | None
) -> list[NewEvent]:
    webhook = _webhook_of(instance)
    content_type = request.headers.get("content-type", "")
    headers = dict(request.headers)
    try:
        parts = split_body(instance.connector, body, content_type)
        check_amount([part.value for part in parts], webhook.record_limit, len(body))
        seen = [seen_record(instance.connector, part) for part in parts]
        if webhook.signature is None:
            receiver.admission.check_entries(instance, seen)
        return events_of_body(
            instance,
            parts,
            body,
            content_type,
            headers,
            seen=seen,
            header_value=message_id_of(headers, webhook.idempotency_header),
            verified_by=verified_by,
        )
    except UnreadableBody as error:
        status = 415 if error.code == "content_type_not_accepted" else 400
        raise RefusedError(status, error.code, error.message, line=error.line, column=error.column) from None
    except (TypeError, RecursionError):  # what is valid JSON and yet cannot be written again
        raise RefusedError(400, "unreadable_json", "the body is nested too deeply") from None


def check_amount(records: list[dict[str, Any]], limit: int, size: int) -> None:
    """Raises RefusedError for more records than one body may hold, and for a record of more values than leads have."""
    if len(records) > limit:
        raise RefusedError(413, "too_many_records", f"one body of this source may hold {limit} records", limit=limit)
    if size > 2 * MAX_VALUES and any(map(holds_too_many_values, records)):
        raise RefusedError(413, "too_many_values", f"one lead may hold {MAX_VALUES} keys and entries")
