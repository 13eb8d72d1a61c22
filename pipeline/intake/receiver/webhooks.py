"""`/in/{brand}/{source}`: a source's own webhook, checked as its connector declares, answered after the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from connectors.kit import Answer, Signature, Webhook
from connectors.kit.sources.records import UnreadableBody, split_records
from connectors.kit.sources.signatures import message_id_of
from pipeline.errors import TransientError
from pipeline.intake.arrivals import events_of_body
from pipeline.intake.instances import SourceInstance
from pipeline.intake.receiver.answers import EVENTS_HEADER, RefusedError, refused_later, unavailable
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.records import NewEvent, Receipt

_OFF_LOOP_BYTES = 65_536  # a larger body is parsed in a thread: the event loop serves the others meanwhile
_SHOWN_IDS = 20  # of a body of many leads: a header is no list
_MAX_RECORDS = 5_000  # in one body: they go into one transaction


async def take_webhook(receiver: Receiver, request: Request, instance: SourceInstance) -> Response:
    """Store what a source posts. Raises RefusedError."""
    webhook = _webhook_of(instance)
    if not instance.enabled:
        raise refused_later(503, "disabled", f"the source {instance.slug} is switched off here", seconds=300)
    wait = receiver.rate_limits.take(
        (instance.brand, instance.slug), rate_per_second=receiver.settings.source(instance.slug).rate_per_second
    )
    if wait:
        raise refused_later(429, "too_fast", "this source sends faster than it may", seconds=wait)
    body = await read_body(request, webhook.max_body_bytes)
    verified_by = _verify(receiver, instance, webhook, request, body)
    if len(body) > _OFF_LOOP_BYTES:
        events = await asyncio.to_thread(_make_events, instance, webhook, request, body, verified_by)
    else:
        events = _make_events(instance, webhook, request, body, verified_by)
    receipts: list[Receipt] = []
    if events:
        try:
            receipts = await receiver.writer.write(events)
        except TransientError:
            raise unavailable() from None
        repeated = sum(receipt.repeated for receipt in receipts)
        receiver.metrics.note_events(instance.slug, accepted=len(events) - repeated, repeated=repeated)
    return _answer(webhook.answer, [receipt.event_id for receipt in receipts])


async def shake_hands(receiver: Receiver, request: Request, instance: SourceInstance) -> Response:
    """The source asks whether this address is ours. Raises RefusedError."""
    webhook = _webhook_of(instance)
    if webhook.handshake is None:
        raise RefusedError(
            405, "no_handshake", "this source has no verification handshake; it posts", headers={"Allow": "POST"}
        )
    secrets = _secrets(receiver, instance, webhook.signature) if webhook.signature is not None else []
    answer = webhook.handshake(dict(request.query_params), secrets)
    if answer is None:
        raise RefusedError(403, "handshake_failed", "the verification token is not ours")
    return _answer(answer)


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


def _verify(
    receiver: Receiver, instance: SourceInstance, webhook: Webhook, request: Request, body: bytes
) -> str | None:
    """The name of the scheme that proved the request, None where the source signs nothing."""
    signature = webhook.signature
    if signature is None:
        return None
    secrets = _secrets(receiver, instance, signature)
    headers = dict(request.headers)
    # What some schemes sign beside the body; no header of a request can begin with a colon.
    headers[":method"] = request.method
    headers[":uri"] = str(request.url)
    if not signature.verify(secrets=secrets, headers=headers, body=body, now=time.time()):
        raise RefusedError(401, "bad_signature", "the signature is missing, wrong or too old")
    return type(signature).__name__


def _make_events(
    instance: SourceInstance, webhook: Webhook, request: Request, body: bytes, verified_by: str | None
) -> list[NewEvent]:
    content_type = request.headers.get("content-type", "")
    headers = dict(request.headers)
    try:
        records = split_records(instance.connector, body, content_type)
        if len(records) > _MAX_RECORDS:
            raise RefusedError(413, "too_many_records", f"one body may hold {_MAX_RECORDS} records")
        return events_of_body(
            instance,
            records,
            body,
            content_type,
            headers,
            header_value=message_id_of(headers, webhook.idempotency_header),
            verified_by=verified_by,
        )
    except UnreadableBody as error:
        status = 415 if error.code == "content_type_not_accepted" else 400
        raise RefusedError(status, error.code, error.message, line=error.line, column=error.column) from None
    except (TypeError, RecursionError):  # what is valid JSON and yet cannot be written again
        raise RefusedError(400, "unreadable_json", "the body is nested too deeply") from None


def _answer(answer: Answer, event_ids: Sequence[UUID] = ()) -> Response:
    """What the source expects; for whoever looks, the ids of the first leads in a header."""
    shown = ",".join(str(event_id) for event_id in event_ids[:_SHOWN_IDS])
    headers = {EVENTS_HEADER: shown} if shown else None
    return Response(answer.body, answer.status, headers, media_type=answer.content_type)
