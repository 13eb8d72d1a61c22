"""Makes events out of records that came in: idempotency key, sealed body, and nothing of the person in clear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from connectors.kit.sources.idempotency import event_id_of, idempotency_digest, occurred_at_of
from connectors.kit.sources.records import FORM
from pipeline.crypto.encryption import seal_envelope
from pipeline.intake.instances import SourceInstance
from pipeline.records import Envelope, NewEvent, new_id
from pipeline.values.redaction import looks_personal

JSON = "application/json"
_ID_LENGTH = 255  # a longer id of the source still makes the idempotency key, but is not shown in lists
_UTF8_NAMES = ("utf-8", "utf8", "us-ascii", "ascii")
_LENIENT_MARKS = (b"\x00", b"\\ud", b"\\uD", b"NaN", b"Infinity")  # what not every JSON reader takes the same way
_HEADER_LENGTH = 1_000
_HEADER_NAME_LENGTH = 100
_HEADER_COUNT = 40
_HEADERS_LENGTH = 16_384  # of all names and values kept
# Kept because a mapping or a person reading `explain` may need them; the rest is the business of proxies.
_KEPT_HEADERS = frozenset({"user-agent", "referer", "origin", "accept-language", "idempotency-key"})
_KEPT_PREFIXES = ("x-", "webhook-", "svix-")
_PRIVATE_WORDS = (
    *("auth", "cookie", "token", "secret", "sign", "hmac", "key", "password", "credential"),
    *("forwarded", "real-ip", "client-ip", "remote", "request-id", "trace", "amzn", "envoy"),
)


def new_event(
    instance: SourceInstance,
    record: dict[str, Any],
    envelope: Envelope,
    *,
    header_value: str | None = None,
    index: int = 0,
    digest: bytes | None = None,
) -> NewEvent:
    """One event about to be stored. `header_value` is the sender's idempotency header, `index` the record's place.

    `digest` replaces the idempotency key that the connector's declaration gives.
    """
    event_id = new_id()
    external_id = event_id_of(instance.connector, record)
    return NewEvent(
        brand=instance.brand,
        source=instance.slug,
        lane=instance.lane,
        digest=digest or idempotency_digest(instance.connector, record, header_value=header_value, index=index),
        event_id=event_id,
        sealed=seal_envelope(envelope, event_id),
        external_id=external_id if external_id is not None and _may_stand_in_clear(external_id) else None,
        occurred_at=occurred_at_of(instance.connector, record),
        unproven=envelope.origin.get("via") == "webhook" and envelope.origin.get("verified_by") is None,
    )


def _may_stand_in_clear(external_id: str) -> bool:
    """Some senders use the person's address or number as the id: it then stays in the sealed body alone."""
    return len(external_id) <= _ID_LENGTH and not looks_personal(external_id)


def events_of_body(
    instance: SourceInstance,
    records: list[dict[str, Any]],
    body: bytes,
    content_type: str,
    headers: Mapping[str, str],
    *,
    header_value: str | None,
    verified_by: str | None,
) -> list[NewEvent]:
    """The events of one webhook body. A body that is one record is kept byte for byte, of several each alone."""
    kept = kept_headers(headers)
    origin: dict[str, Any] = {"via": "webhook", "verified_by": verified_by}
    webhook = instance.webhook
    is_whole = (
        len(records) == 1
        and webhook is not None
        and webhook.records_at is None
        and instance.connector.prepare is None
        and _reads_as_it_is(body, content_type)
    )
    if is_whole:
        envelope = Envelope(content_type, body, kept, origin)
        return [new_event(instance, records[0], envelope, header_value=header_value)]
    return [
        new_event(
            instance,
            record,
            Envelope(JSON, orjson.dumps(record), kept, {**origin, "index": index}),
            header_value=header_value,
            index=index,
        )
        for index, record in enumerate(records)
    ]


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers worth storing: no credentials, no signatures, no addresses of proxies and visitors, and no flood."""
    kept: dict[str, str] = {}
    room = _HEADERS_LENGTH
    for name, value in headers.items():
        if len(name) > _HEADER_NAME_LENGTH or not _is_kept(name):
            continue
        room -= len(name) + min(len(value), _HEADER_LENGTH)
        if room < 0 or len(kept) == _HEADER_COUNT:
            break
        kept[name] = value[:_HEADER_LENGTH]
    return kept


@lru_cache(maxsize=4096)  # of names that are short
def _is_kept(name: str) -> bool:
    if name in _KEPT_HEADERS:
        return True
    return name.startswith(_KEPT_PREFIXES) and not any(word in name for word in _PRIVATE_WORDS)


def _reads_as_it_is(body: bytes, content_type: str) -> bool:
    """Whether a later reader of the bytes finds the same record, without the conversions that intake made."""
    kind, _, parameters = content_type.lower().partition(";")
    if body[:1] == b"[" or any(mark in body for mark in _LENIENT_MARKS):
        return False
    charset = parameters.partition("charset=")[2].strip(" \"'").partition(";")[0].strip(" \"'")
    if charset and charset.replace("_", "-") not in _UTF8_NAMES:
        return False
    kind = kind.strip()
    if kind.startswith("multipart/"):
        return False
    try:
        (unquote_to_bytes(body) if kind == FORM else body).decode()
    except UnicodeDecodeError:
        return False
    return True
