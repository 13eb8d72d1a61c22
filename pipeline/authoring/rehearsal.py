"""Sends a sample as the source itself would: to the same route, in the same format, with the same signature."""

from __future__ import annotations

import hashlib
import inspect
import time
from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.output import CommandError

if TYPE_CHECKING:
    from connectors.kit import Signature
    from connectors.kit.sources.samples import Sample
    from pipeline.intake.instances import SourceInstance

_TIMEOUT_SECONDS = 30


def send(instance: SourceInstance, sample: Sample, address: str) -> dict[str, Any]:
    """`{"ok", "status", "url", "sample", "answer"}` of one post to the receiver at `address`."""
    import requests

    url, headers = _request(instance, sample, address.rstrip("/"))
    try:
        answer = requests.post(url, data=sample.body, headers=headers, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise CommandError(
            f"{url} does not answer ({type(error).__name__}): is the receiver running there? `afluente status` tells"
        ) from error
    return {
        "ok": answer.ok,
        "status": answer.status_code,
        "url": url,
        "sample": sample.name,
        "answer": answer.text,
    }


def _request(instance: SourceInstance, sample: Sample, address: str) -> tuple[str, dict[str, str]]:
    """Address and headers of the post."""
    from connectors.kit import Api, Webhook

    intake = instance.connector.intake
    # The same for the same body: a sample sent twice is a sender's retry, and comes out as one lead.
    message_id = "msg_" + hashlib.sha256(sample.body).hexdigest()[:24]
    headers = {"Content-Type": sample.content_type}
    if isinstance(intake, Api):
        url = f"{address}/v1/leads"
        return url, headers | {"Authorization": f"Bearer {_api_key()}"}
    if not isinstance(intake, Webhook):
        kind = type(intake).__name__.lower()
        remedy = {
            "file": f"import it: afluente import samples/{sample.source}/{sample.name}.csv --source {instance.slug}",
            "poll": "it is asked every few seconds while `afluente up` runs; `afluente status` shows when it was last",
        }[kind]
        raise CommandError(f"{instance.slug} sends nothing by itself (it comes by {kind}): {remedy}", exit_code=2)
    url = f"{address}/in/{instance.brand}/{instance.slug}"
    if intake.signature is not None:
        headers |= _sign(intake.signature, instance, sample.body, message_id, url)
    if intake.idempotency_header and intake.idempotency_header not in {name.lower() for name in headers}:
        headers[intake.idempotency_header] = message_id
    return url, headers


def _sign(signature: Signature, instance: SourceInstance, body: bytes, message_id: str, url: str) -> dict[str, str]:
    from pipeline.settings.loading import settings

    secrets = settings().source_secrets(instance.slug, signature.secret.name)
    if not secrets:
        raise CommandError(
            f"{instance.slug} signs its requests, and its secret is not known here: set {signature.secret.name}, or"
            f" sources.{instance.slug}.secret in afluente.yaml"
        )
    extra: dict[str, Any] = {}
    if "headers" in inspect.signature(signature.sign).parameters:
        extra["headers"] = {":method": "POST", ":uri": url}
    return signature.sign(secret=secrets[0], body=body, message_id=message_id, now=time.time(), **extra)


def _api_key() -> str:
    from pipeline.settings.loading import settings

    key = settings().sending_key()
    if key is None:
        raise CommandError(
            "no API key is known here: set AFLUENTE_API_KEYS (name:role:key), or start once with `afluente up`, which"
            " makes one"
        )
    return key
