"""Bodies into events: kept as they came, one record in its own envelope, of several each a pointer into one body.

What a record is read by (connectors/kit/sources/parts.py) is noted with the body, so that it is found again whatever
the connector says later. docs/decisions/0021-bodies-stored-once.md says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.kit import Connector
from connectors.kit.sources.parts import BESIDE, as_paths, small_beside
from connectors.kit.sources.records import json_fields_of
from pipeline.crypto.encryption import seal_request
from pipeline.intake.arrivals import kept_headers, posted_event, proof_header
from pipeline.intake.instances import SourceInstance
from pipeline.intake.posted.read_bodies import ReadBody
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent, NewRequest, new_id

_BESIDE_BYTES = 4_000  # of a polled answer, kept with each of its records


def events_of_body(
    instance: SourceInstance,
    read: ReadBody,
    headers: Mapping[str, str],
    *,
    verified_by: str | None,
    via: str = "webhook",
) -> list[NewEvent]:
    """The events of one webhook body: one for each record, whatever stands there."""
    connector, records = instance.connector, read.records
    reading = reading_of(connector)
    origin: dict[str, Any] = {"via": via, "verified_by": verified_by, STORED: AS_IT_CAME}
    kept = kept_headers(headers, proof=proof_header(connector))
    whole = Envelope(read.content_type, read.body, kept, reading if len(records) > 1 else origin | reading)
    if len(records) == 1:
        place = {"place": records[0].place} if records[0].place else {}
        envelopes, request = [msgspec.structs.replace(whole, origin=whole.origin | place)], None
    else:
        envelopes = [
            Envelope("", b"", {}, {**origin, "place": record.place, "index": index})
            for index, record in enumerate(records)
        ]
        request = _sealed(whole) if records else None
    return [
        posted_event(instance, record, envelope, former=read.former(index), request=request)
        for index, (record, envelope) in enumerate(zip(records, envelopes, strict=True))
    ]


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


def beside_of_page(connector: Connector, answer: Any) -> dict[str, Any]:
    """What stands beside the list in a polled answer, as the origins of its records keep it: where it is small."""
    beside = small_beside(answer, getattr(connector.intake, "records_at", None), limit=_BESIDE_BYTES)
    return {BESIDE: beside} if beside else {}
