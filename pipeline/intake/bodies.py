"""Bodies into events: kept as they came, one record in its own envelope, of several each a pointer into one body.

What a record is read by (connectors/kit/sources/parts.py) is noted with the body, so that it is found again whatever
the connector says later. docs/decisions/0021-bodies-stored-once.md says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.kit import Connector
from connectors.kit.sources.parts import BESIDE, Part, as_paths, prepare_part, small_beside, with_beside
from connectors.kit.sources.records import json_fields_of
from pipeline.crypto.encryption import seal_request
from pipeline.intake.arrivals import kept_headers, new_event
from pipeline.intake.instances import SourceInstance
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent, NewRequest, new_id

_BESIDE_BYTES = 4_000  # of a polled answer, kept with each of its records


def events_of_body(
    instance: SourceInstance,
    parts: list[Part],
    body: bytes,
    content_type: str,
    headers: Mapping[str, str],
    *,
    seen: list[dict[str, Any]],
    header_value: str | None,
    verified_by: str | None,
) -> list[NewEvent]:
    """The events of one webhook body: one for each part, whatever stands there. `seen`: the parts by `seen_record`."""
    reading = reading_of(instance.connector)
    origin: dict[str, Any] = {"via": "webhook", "verified_by": verified_by, STORED: AS_IT_CAME}
    whole = Envelope(content_type, body, kept_headers(headers), reading if len(parts) > 1 else origin | reading)
    digests = _Digests(body)
    if len(parts) == 1:
        place = {"place": parts[0].place} if parts[0].place else {}
        envelopes, request = [msgspec.structs.replace(whole, origin=whole.origin | place)], None
    else:
        envelopes = [
            Envelope("", b"", {}, {**origin, "place": part.place, "index": index}) for index, part in enumerate(parts)
        ]
        request = _sealed(whole) if parts else None
    return [
        new_event(
            instance,
            record,
            envelope,
            header_value=header_value,
            index=index,
            digest=digests.of(part),
            request=request,
        )
        for index, (part, record, envelope) in enumerate(zip(parts, seen, envelopes, strict=True))
    ]


class _Digests:
    """Idempotency keys of entries that are no records: known by the body they stand in, as nothing else tells them."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._of_body: bytes | None = None

    def of(self, part: Part) -> bytes | None:
        if isinstance(part.value, dict):
            return None
        if self._of_body is None:
            self._of_body = hashlib.sha256(self._body).digest()
        return hashlib.sha256(b"no-record\x00" + self._of_body + part.place.encode()).digest()


def _sealed(whole: Envelope) -> NewRequest:
    request_id = new_id()
    return NewRequest(request_id, seal_request(whole, request_id))


def reading_of(connector: Connector) -> dict[str, Any]:
    """How a body is taken apart, as its origin keeps it."""
    reading = {
        "records_at": as_paths(getattr(connector.intake, "records_at", None)),
        "json_fields": json_fields_of(connector),
    }
    return {name: list(value) for name, value in reading.items() if value}


def seen_record(connector: Connector, part: Part) -> dict[str, Any]:
    """A part as the connector's own paths (`event_id`, `occurred_at`) see it, for good or bad: it is stored anyhow.

    Where `prepare` fails the record is taken as it came: a human mends the connector, and replays.
    """
    try:
        record = prepare_part(connector.prepare, part)
    except Exception:  # noqa: BLE001 - whatever it is, mapping meets it again and says so
        record = part.value if isinstance(part.value, dict) else {}
    return with_beside(record, part.beside)


def beside_of_page(connector: Connector, answer: Any) -> dict[str, Any]:
    """What stands beside the list in a polled answer, as the origins of its records keep it: where it is small."""
    beside = small_beside(answer, getattr(connector.intake, "records_at", None), limit=_BESIDE_BYTES)
    return {BESIDE: beside} if beside else {}
