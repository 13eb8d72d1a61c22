"""Sends a sample as the source itself would: to the same route, in the same format, with the same signature."""

from __future__ import annotations

import hashlib
import inspect
import time
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import NotRunningError, RefusedError, UsageError
from pipeline.inspection.names import find_instance
from pipeline.records import EVENTS_HEADER

if TYPE_CHECKING:
    import requests

    from connectors.kit import Signature
    from connectors.kit.sources.samples import Sample
    from pipeline.intake.instances import SourceInstance

_TIMEOUT_SECONDS = 30


class Sent(msgspec.Struct, frozen=True):
    """A post of a sample, and what the receiver said to it. `event_ids`: the leads that came of it, or that it
    repeats; the first of many."""

    ok: bool
    status: int
    url: str
    sample: str
    answer: str
    event_ids: list[str] = []


def send_sample(slug: str, name: str = "typical", *, brand: str | None = None, address: str | None = None) -> Sent:
    """Post a sample of a source to the receiver at `address`, or to the one that this installation runs.

    Raises UsageError for names that there are not and for sources that send nothing by themselves, NotRunningError if
    no receiver is known or none answers, RefusedError without the secret to sign with.
    """
    instance = find_instance(slug, brand)
    return send(instance, _find_sample(instance.connector.source, name), address or receiver_address())


def send(instance: SourceInstance, sample: Sample, address: str) -> Sent:
    """One post to the receiver at `address`. Raises as `send_sample` does."""
    import requests

    sample = _keyed(instance, sample)
    url, headers = _request(instance, sample, address.rstrip("/"))
    try:
        answer = requests.post(url, data=sample.body, headers=headers, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise NotRunningError(
            f"{url} does not answer ({type(error).__name__}): is the receiver running there? `afluente status` tells"
        ) from error
    return Sent(answer.ok, answer.status_code, url, sample.name, answer.text, _event_ids(answer))


class ProviderStart(msgspec.Struct, frozen=True):
    """What the sandbox needs to play the provider of a source that posts here. `source`: the connector; `url`: where it
    posts; `secrets`: by the variables that are declared."""

    source: str
    url: str
    secrets: dict[str, str]

    def __repr__(self) -> str:
        return f"<ProviderStart of {self.source}>"


def provider_start(slug: str, *, brand: str | None = None, address: str | None = None) -> ProviderStart:
    """For a source that posts, to the receiver at `address`, or to the one that this installation runs.

    Raises as `send_sample` does.
    """
    from connectors.kit.sources.handshakes import secrets_of_webhook
    from pipeline.settings.loading import settings

    instance = find_instance(slug, brand)
    webhook = instance.webhook
    if webhook is None:
        raise UsageError(f"{slug} does not post, so no provider of it can be played; those that do: docs/sources.md")
    signs = webhook.signature.secret.name if webhook.signature is not None else None
    found: dict[str, str] = {}
    for secret in secrets_of_webhook(webhook):
        values = settings().source_secrets(slug, secret.name, signs=secret.name == signs, brand=instance.brand)
        if not values:
            raise RefusedError(
                f"{slug} shows a secret that is not known here: set {secret.name}, or sources.{slug}.secrets in"
                " afluente.yaml"
            )
        found[secret.name] = values[0]
    receiver = (address or receiver_address()).rstrip("/")
    return ProviderStart(instance.connector.source, f"{receiver}/in/{instance.brand}/{slug}", found)


def _event_ids(answer: requests.Response) -> list[str]:
    """A webhook's stand in a header, the API's in its answer."""
    if header := answer.headers.get(EVENTS_HEADER):
        return header.split(",")
    try:
        accepted = answer.json()["accepted"]
        return [str(lead["event_id"]) for lead in accepted]
    except (ValueError, KeyError, TypeError):
        return []


def receiver_address() -> str:
    """`http://host:port` of the running receiver, from what `up` wrote about itself. Raises NotRunningError."""
    from pipeline.settings.installation import read_runtime
    from pipeline.settings.loading import settings

    address = read_runtime(settings().data).get("addresses", {}).get("receiver")
    if not address:
        raise NotRunningError(
            f"no receiver is known to run in {settings().data}: start one with `afluente up`, or name one with --url"
        )
    return str(address)


def _find_sample(source: str, name: str) -> Sample:
    from connectors.kit.sources.samples import samples_of

    known = {sample.name: sample for sample in samples_of(source)}
    if name not in known:
        raise UsageError(f"samples/{source} has no sample {name!r}; it has: {', '.join(known) or 'none'}")
    return known[name]


def _request(instance: SourceInstance, sample: Sample, address: str) -> tuple[str, dict[str, str]]:
    """Address and headers of the post."""
    from connectors.kit import Api, Webhook

    intake = instance.connector.intake
    # The same for the same body: a sample sent twice is a sender's retry, and comes out as one lead.
    message_id = "msg_" + hashlib.sha256(sample.body).hexdigest()[:24]
    headers = {"Content-Type": sample.content_type}
    if isinstance(intake, Api):
        url = f"{address}/v1/{intake.taken}"
        return url, headers | {"Authorization": f"Bearer {_api_key()}"}
    if not isinstance(intake, Webhook):
        kind = type(intake).__name__.lower()
        remedy = "it is asked every few seconds while `afluente up` runs; `afluente status` shows when it was last"
        if sample.file_name is not None:
            remedy = f"import it: afluente import samples/{sample.source}/{sample.file_name} --source {instance.slug}"
        raise UsageError(f"{instance.slug} sends nothing by itself (it comes by {kind}): {remedy}")
    url = f"{address}/in/{instance.brand}/{instance.slug}"
    if intake.signature is not None:
        headers |= _sign(intake.signature, instance, sample.body, message_id, url)
    if intake.idempotency_header and intake.idempotency_header not in {name.lower() for name in headers}:
        headers[intake.idempotency_header] = message_id
    return url, headers


def _keyed(instance: SourceInstance, sample: Sample) -> Sample:
    """The sample with the key of this installation in its body, where the source sends it there."""
    from dataclasses import replace

    from connectors.kit.sources.key_in_body import KeyInBody, signed_body

    signature = instance.webhook.signature if instance.webhook is not None else None
    if not isinstance(signature, KeyInBody):
        return sample
    return replace(sample, body=signed_body(signature, _secret(signature, instance), sample.body))


def _secret(signature: Signature, instance: SourceInstance) -> str:
    from pipeline.settings.loading import settings

    secrets = settings().source_secrets(instance.slug, signature.secret.name, brand=instance.brand)
    if not secrets:
        raise RefusedError(
            f"{instance.slug} signs its requests, and its secret is not known here: set {signature.secret.name}, or"
            f" sources.{instance.slug}.secret in afluente.yaml"
        )
    return secrets[0]


def _sign(signature: Signature, instance: SourceInstance, body: bytes, message_id: str, url: str) -> dict[str, str]:
    extra: dict[str, Any] = {}
    if "headers" in inspect.signature(signature.sign).parameters:
        extra["headers"] = {":method": "POST", ":uri": url}
    secret = _secret(signature, instance)
    return signature.sign(secret=secret, body=body, message_id=message_id, now=time.time(), **extra)


def _api_key() -> str:
    from pipeline.settings.loading import settings

    key = settings().sending_key()
    if key is None:
        raise RefusedError(
            "no API key is known here: set AFLUENTE_API_KEYS (name:role:key), or start once with `afluente up`, which"
            " makes one"
        )
    return key
