"""Handshakes of sources: a request that asks whether this address is ours is answered, and never stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from connectors.kit import Answer, Secret, Webhook
from connectors.kit.sources.declarations import Question
from connectors.kit.sources.handshakes import HandshakeRefusedError, ask, handshakes_of
from pipeline.intake.instances import SourceInstance
from pipeline.intake.receiver.answers import RefusedError
from pipeline.intake.receiver.receiver import Receiver


def answer_posted(
    receiver: Receiver, instance: SourceInstance, request: Request, body: bytes, *, is_signed: bool
) -> Response | None:
    """The answer to a POST that is a handshake, of those the source signs or of the others; None if it is none.

    Raises RefusedError.
    """
    webhook = instance.webhook
    declared = handshakes_of(webhook) if webhook is not None else ()
    handshakes = [handshake for handshake in declared if handshake.is_signed is is_signed]
    if not handshakes:
        return None
    try:
        answer = ask(handshakes, _question(receiver, instance, request, body))
    except HandshakeRefusedError as error:
        raise RefusedError(403, "handshake_failed", str(error)) from None
    return None if answer is None else response_of(answer)


def answer_asked(receiver: Receiver, instance: SourceInstance, webhook: Webhook, request: Request) -> Response:
    """The answer to a GET. Raises RefusedError."""
    if webhook.handshake is None:
        raise RefusedError(
            405, "no_handshake", "this source has no verification handshake; it posts", headers={"Allow": "POST"}
        )
    question = _question(receiver, instance, request, b"")
    try:
        handshakes = handshakes_of(webhook)
        if handshakes:
            answer = ask(handshakes, question)
        else:
            secrets = question.secrets_of(webhook.signature.secret) if webhook.signature is not None else []
            answer = webhook.handshake(question.query, secrets) if callable(webhook.handshake) else None
    except HandshakeRefusedError as error:
        raise RefusedError(403, "handshake_failed", str(error)) from None
    if answer is None:
        raise RefusedError(403, "handshake_failed", "the verification token is not ours")
    return response_of(answer)


def response_of(answer: Answer) -> Response:
    """An answer as it goes out."""
    return Response(answer.body, answer.status, media_type=answer.content_type, headers=dict(answer.headers))


def _question(receiver: Receiver, instance: SourceInstance, request: Request, body: bytes) -> Question:
    query: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, value)
    return Question(request.method, query, dict(request.headers), body, _secrets_of(receiver, instance))


def _secrets_of(receiver: Receiver, instance: SourceInstance) -> Callable[[Secret], Sequence[str]]:
    signature = instance.webhook.signature if instance.webhook is not None else None

    def secrets_of(secret: Secret) -> Sequence[str]:
        signs = signature is not None and signature.secret == secret
        return receiver.book.secrets_named(instance, secret, key="secret" if signs else None)

    return secrets_of
