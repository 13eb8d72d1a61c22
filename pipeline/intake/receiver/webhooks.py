"""`/in/{brand}/{source}`: a source's own webhook, checked as its connector declares, answered after the commit."""

from __future__ import annotations

import time
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from connectors.kit import Signature, Webhook
from connectors.kit.sources.handshakes import handshakes_of
from connectors.kit.sources.signatures import message_id_of
from pipeline.errors import TransientError
from pipeline.intake.bodies import events_of_body
from pipeline.intake.contents import known_readings
from pipeline.intake.instances import SourceInstance
from pipeline.intake.posted.read_bodies import ReadBody
from pipeline.intake.posted.readers import ReaderEndedError, ReaderFaultError
from pipeline.intake.posted.records import NotTakenError, read_posted
from pipeline.intake.receiver.admission import check_content_type, claims_proof
from pipeline.intake.receiver.answers import RefusedError, refused_later, unavailable
from pipeline.intake.receiver.body_work import is_read_at_once
from pipeline.intake.receiver.handshakes import answer_asked, answer_posted, response_of
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.logs import get_logger
from pipeline.records import EVENTS_HEADER, Receipt

_log = get_logger(__name__)
_SHOWN_IDS = 20  # of a body of many leads: a header is no list


async def take_webhook(receiver: Receiver, request: Request, instance: SourceInstance) -> Response:
    """Store what a source posts. Raises RefusedError."""
    webhook = _webhook_of(instance)
    receiver.admission.check_address(instance, request.client)
    if not instance.enabled:
        raise refused_later(503, "disabled", f"the source {instance.slug} is switched off here", seconds=300)
    check_content_type(request.headers.get("content-type", ""))
    signature = webhook.signature
    if signature is None:
        receiver.admission.let_in(instance, request.client)
    elif (
        _secrets(receiver, instance, signature)
        and not handshakes_of(webhook)  # some are posted unsigned, so the body must be read
        and not claims_proof(signature, _seen(receiver, request))
    ):
        raise receiver.admission.refuse_unproven(instance)
    body = await read_body(request, webhook.max_body_bytes, receiver.body_work, instance.slug)
    if asked := answer_posted(receiver, instance, request, body, is_signed=False):
        return asked
    verified_by = None
    if signature is not None:
        await _require_proof(receiver, instance, signature, request, body)
        verified_by = type(signature).__name__
        receiver.admission.let_in(instance, request.client)
    if asked := answer_posted(receiver, instance, request, body, is_signed=True):
        return asked
    read = await _read(receiver, instance, request, body)
    if signature is None:
        receiver.admission.check_entries(instance, read.records)
    make = partial(events_of_body, instance, read, dict(request.headers), verified_by=verified_by)
    events = await receiver.body_work.run(instance.slug, len(body), make)
    receiver.admission.count_records(instance, request.client, len(events))
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
    receiver.admission.check_address(instance, request.client)
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


async def _require_proof(
    receiver: Receiver, instance: SourceInstance, signature: Signature, request: Request, body: bytes
) -> None:
    """Raises RefusedError unless one of the secrets signed it, also one that was put in place a moment ago."""
    find = partial(_proving_secret, receiver, instance, signature, request=request, body=body)
    found = await receiver.body_work.run(instance.slug, len(body), find)
    if found is None and await receiver.renewals.renew(instance, signature):
        found = await receiver.body_work.run(instance.slug, len(body), find)
    if found is None:
        raise receiver.admission.refuse_unproven(instance)
    receiver.metrics.note_proof(instance.slug, is_newest=found == 0)


def _proving_secret(
    receiver: Receiver, instance: SourceInstance, signature: Signature, *, request: Request, body: bytes
) -> int | None:
    """Which of the secrets signed it, the newest being 0; None if none did. All are tried, so that the time taken does
    not tell which."""
    headers, now = _seen(receiver, request), time.time()
    proofs = [
        signature.verify(secrets=[secret], headers=headers, body=body, now=now)
        for secret in _secrets(receiver, instance, signature)
    ]
    return proofs.index(True) if True in proofs else None


def _seen(receiver: Receiver, request: Request) -> dict[str, str]:
    """What schemes look at beside the body; no header of a request can begin with a colon."""
    return {**dict(request.headers), ":method": request.method, ":uri": receiver.public_address(request)}


async def _read(receiver: Receiver, instance: SourceInstance, request: Request, body: bytes) -> ReadBody:
    """The records of a body. A large one, and one of strangers already where it is middling, is read elsewhere."""
    webhook = _webhook_of(instance)
    content_type = request.headers.get("content-type", "")
    header_value = message_id_of(dict(request.headers), webhook.idempotency_header)
    readings = known_readings(instance.brand, instance.slug)
    is_small = is_read_at_once(body, is_proven=webhook.signature is not None)
    read = partial(
        read_posted if is_small else receiver.readers.read,
        instance.connector,
        body,
        content_type,
        header_value=header_value,
        readings=readings,
    )
    try:
        records = read() if is_small else await receiver.body_work.read(instance.slug, read)
    except NotTakenError as error:
        raise RefusedError(error.status, error.error, error.message, **error.extra) from None
    except ReaderEndedError:
        raise refused_later(503, "not_read", "this body could not be read in time; send it again", seconds=5) from None
    except ReaderFaultError as error:
        _log.error("request_failed", source=instance.slug, place=str(error))
        raise RefusedError(500, "bug", "this failed here; nothing was taken") from None
    return ReadBody(instance.connector, body, content_type, header_value, readings, records)
