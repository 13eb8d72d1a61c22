"""Makes events out of records that came in: idempotency key, sealed body, and nothing of the person in clear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from connectors.kit import Connector
from connectors.kit.sources.idempotency import event_id_of, occurred_at_of
from pipeline.crypto.encryption import seal_envelope
from pipeline.intake.instances import SourceInstance
from pipeline.intake.keys import Former, Naming, Told, tell_apart
from pipeline.intake.posted.records import PostedRecord, shown_id
from pipeline.records import Envelope, NewEvent, NewRequest, new_id

JSON = "application/json"
_HEADER_LENGTH = 1_000
_HEADER_NAME_LENGTH = 100
_HEADER_COUNT = 40
_HEADERS_LENGTH = 16_384  # of all names and values kept
# Kept because a mapping or a person reading `explain` may need them; the rest is the business of proxies.
_KEPT_HEADERS = frozenset({"user-agent", "referer", "origin", "accept-language", "idempotency-key", "sec-gpc"})
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
    named_by: Naming | None = None,
    request: NewRequest | None = None,
    scope: str = "",
) -> NewEvent:
    """One event about to be stored. `header_value` is the sender's idempotency header, `index` the record's place.

    `digest` replaces the idempotency key that the connector's declaration gives; what it names never has revisions.
    `scope`: the list that its own id belongs to, where a source has several. `named_by` is the key that a caller of
    the API gave. `request` holds the body, where the envelope has none.
    """
    event_id = new_id()
    connector = instance.connector
    own_id = event_id_of(connector, record)
    if digest is not None:
        told = Told(digest)
    else:
        told = tell_apart(
            connector,
            record,
            envelope.content_type,
            own_id=f"{scope}\x1f{own_id}" if scope and own_id is not None else own_id,
            header_value=header_value,
            index=index,
            named_by=named_by,
        )
    return NewEvent(
        brand=instance.brand,
        source=instance.slug,
        lane=instance.lane,
        digest=told.digest,
        event_id=event_id,
        sealed=seal_envelope(envelope, event_id),
        external_id=shown_id(connector, record),
        occurred_at=occurred_at_of(connector, record),
        content=told.content,
        revised_at=told.revised_at,
        contact=told.contact,
        adds=told.adds,
        plain=told.plain,
        request=request,
        unproven=_is_unproven(envelope),
    )


def posted_event(
    instance: SourceInstance,
    record: PostedRecord,
    envelope: Envelope,
    *,
    former: Former | None,
    request: NewRequest | None = None,
) -> NewEvent:
    """One event about to be stored, of a record of a body that was read. `former`: for the keys it may have had."""
    event_id = new_id()
    return NewEvent(
        brand=instance.brand,
        source=instance.slug,
        lane=instance.lane,
        digest=record.digest,
        event_id=event_id,
        sealed=seal_envelope(envelope, event_id),
        external_id=record.shown_id,
        occurred_at=record.occurred_at,
        content=record.content if record.is_named else None,
        revised_at=record.revised_at,
        contact=record.contact,
        adds=record.adds,
        plain=former,
        request=request,
        unproven=_is_unproven(envelope),
        to_fetch=record.to_fetch,
    )


def _is_unproven(envelope: Envelope) -> bool:
    return envelope.origin.get("via") in ("webhook", "mail") and envelope.origin.get("verified_by") is None


def kept_headers(headers: Mapping[str, str], *, proof: str | None = None) -> dict[str, str]:
    """The headers worth storing: no credentials, no signatures, no addresses of proxies and visitors, and no flood.

    `proof`: the header that the source proves itself by, in lower case, which is never kept whatever it is called.
    """
    kept: dict[str, str] = {}
    room = _HEADERS_LENGTH
    for name, value in headers.items():
        if len(name) > _HEADER_NAME_LENGTH or name == proof or not _is_kept(name):
            continue
        room -= len(name) + min(len(value), _HEADER_LENGTH)
        if room < 0 or len(kept) == _HEADER_COUNT:
            break
        kept[name] = value[:_HEADER_LENGTH]
    return kept


def proof_header(connector: Connector) -> str | None:
    """The header, in lower case, that posts of a source are proven by; None: another place, or no proof."""
    header = getattr(getattr(connector.intake, "signature", None), "header", None)
    return header.lower() if isinstance(header, str) else None


@lru_cache(maxsize=4096)  # of names that are short
def _is_kept(name: str) -> bool:
    if name in _KEPT_HEADERS:
        return True
    return name.startswith(_KEPT_PREFIXES) and not any(word in name for word in _PRIVATE_WORDS)
