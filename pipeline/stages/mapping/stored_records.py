"""The record of a stored event, as a mapping sees it: the one reading that workers, replays, previews, exports and
explanations go through.

A body stored as it came is read as intake read it, taken apart in the same way, and passed through the connector's
`prepare` of now. What versions before stored was prepared when it came, and is read as it stands. Of an id that came
the record is what was read from the source by it.
"""

from __future__ import annotations

from typing import Any

from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.fetching.fetched_records import with_fetched
from connectors.kit.sources.parts import BESIDE, Beside, Part, prepare_part, take_apart, with_beside
from connectors.kit.sources.records import json_fields_of, read_document
from pipeline.errors import RecordError, place_of
from pipeline.records import AS_IT_CAME, FETCHED_INTO, STORED, Envelope, RawEvent
from pipeline.stages.mapping.bodies import check_measures, decode_body, nest_form_keys

_GONE = "the part of the request that held this record is gone"


def read_record(raw: RawEvent, connector: Connector | None = None) -> dict[str, Any]:
    """The record, prepared, with `^` for what stands beside it. `connector`: of its source as it is declared now.

    Raises RecordError with the place: `unreadable_json`, `not_an_object`, `prepare_failed`, …
    """
    envelope = raw.envelope
    if envelope.origin.get(STORED) != AS_IT_CAME:
        return decode_body(envelope.content_type, envelope.body)
    part = read_part(raw, connector)
    if raw.fetched is not None:
        part = with_fetched(part, decode_fetched(raw.fetched), into=raw.fetched.origin.get(FETCHED_INTO))
    if isinstance(part.value, dict):
        check_measures(part.value, envelope.body if raw.request is None and raw.fetched is None else None)
    try:
        record = prepare_part(connector.prepare if connector else None, part)
    except RecordError:
        raise
    except Exception as error:
        raise RecordError(
            "prepare_failed",
            message=f"the connector's prepare failed: {place_of(error)}; mend it, restart the workers, and replay",
        ) from error
    return with_beside(nest_form_keys(record), part.beside)


def read_arrival(raw: RawEvent, connector: Connector | None = None) -> dict[str, Any]:
    """The record as its source sent it, whatever was read by its id since, with `^` for what stands beside it. That is
    what deliveries are compared by, and what a fetch goes by. Raises RecordError."""
    if raw.envelope.origin.get(STORED) != AS_IT_CAME or fetch_of(connector) is None:
        return read_record(raw, connector)
    part = read_part(raw, connector)
    return with_beside(nest_form_keys(prepare_part(None, part)), part.beside)


def decode_fetched(fetched: Envelope) -> dict[str, Any]:
    """What was read from a source. Raises RecordError."""
    return decode_body(fetched.content_type, fetched.body)


def read_part(raw: RawEvent, connector: Connector | None = None) -> Part:
    """What came as this record, as it came. Raises RecordError."""
    origin = raw.envelope.origin
    place = origin.get("place", "")
    if raw.request is not None:
        if raw.request.parts is None:
            raw.request.parts = _parts(raw.request.envelope, connector)
        part = raw.request.parts.get(place)
    elif not raw.envelope.content_type:  # a pointer whose body is no more
        part = None
    elif place:
        part = _parts(raw.envelope, connector).get(place)
    else:
        beside = Beside(origin[BESIDE], is_transport=True) if BESIDE in origin else None
        part = Part("", _document(raw.envelope, connector), beside)
    if part is None:
        raise RecordError("record_gone", message=f"{place}: {_GONE}")
    return part


def _parts(envelope: Envelope, connector: Connector | None) -> dict[str, Part]:
    parts = take_apart(_document(envelope, connector), envelope.origin.get("records_at"))
    return {part.place: part for part in parts}


def _document(envelope: Envelope, connector: Connector | None) -> Any:
    """Fields that hold JSON: those declared when it came, and those declared since."""
    fields: list[str] = envelope.origin.get("json_fields", [])
    since = json_fields_of(connector) if connector is not None else ()
    return read_document(envelope.body, envelope.content_type, json_fields=(*fields, *since) if fields or since else ())
