"""A record on the way of every event: as the body of a request, through the mapping, to a lead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

from pipeline.records import Envelope, Lead, Parked, RawEvent, Suppressed
from pipeline.stages.mapping.source_mapping import SourceMapping, map_event

RECEIVED_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def try_record(mapping: SourceMapping, record: dict) -> Lead | Parked | Suppressed:
    """What a mapping makes of a record sent as JSON."""
    envelope = Envelope("application/json", json.dumps(record).encode())
    raw = RawEvent(UUID(int=1), "default", mapping.source, "hot", RECEIVED_AT, None, envelope)
    return map_event(raw, mapping=mapping)


def map_record(mapping: SourceMapping, record: dict) -> Lead:
    """As above, of a record that becomes a lead."""
    lead = try_record(mapping, record)
    assert isinstance(lead, Lead), lead
    return lead
