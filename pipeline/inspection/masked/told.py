"""What use cases tell of people, as whoever asks may see it: as it is, or with every value by its shape.

What stays is named here: ids, states, reasons, errors, names of fields and rules. Whatever is not named is masked, so
that what is told tomorrow is masked until somebody has said what it is. Columns of tables are as the privacy inventory
has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

import msgspec

from pipeline.inspection.story_parts import ConsentAnswer, Request, ToldOfSomebody
from pipeline.permissions.sight import sees_masked
from pipeline.privacy.exporting.masked import mask_stored_row
from pipeline.values.masking import mask_body, mask_name, mask_value
from pipeline.values.redaction import looks_personal

Anything = TypeVar("Anything")
Row = Mapping[str, Any]

_CLEAR = frozenset(
    {
        *("kind", "id", "event_id", "person_id", "other_id", "quarantine_id", "subject_id", "call_id", "evidence_id"),
        *("merged_into", "into", "first_into", "from_event_id", "event_ids", "same_as", "revises", "superseded_by"),
        *("original_event", "latest_event", "original_channel", "latest_channel"),
        *("source", "brand", "lane", "state", "reason", "stage", "code", "channel", "purpose", "says", "act", "by"),
        *("message", "last_error", "outcome", "action", "decided_by", "resolution", "destination", "subject", "origin"),
        *("field", "flags", "remark", "problem", "verification", "now", "not_wanted", "waits", "mapping_version"),
        *("stored", "current", "content_type", "digest", "external_id", "owner", "wanted", "review", "verdict"),
        *("attempts", "losses", "repeats", "version", "wanted_version", "sent_version", "differs"),
        *("original_position", "latest_position", "score", "thresholds", "weight", "note", "decision"),
        *("are_one_person", "is_same_evidence", "share_a_key", "has_patch", "adds", "granted", "bytes"),
    }
)
_DEEPER = frozenset({"forwards", "one", "other", "veto", "chain", "pieces", "strongest", "word"})  # mappings of ours
_COUNTS = frozenset({"touches", "revisions", "names"})  # numbers under names that are something else elsewhere
_ROWS_OF = {"touches": "touches", "touch_list": "touches"}  # rows as they stand in a table
_MASKED_IN: dict[type, frozenset[str]] = {
    ConsentAnswer: frozenset({"source"}),  # the form's address, or what it was called
    ToldOfSomebody: frozenset({"kind"}),
}
_CLEAR_HEADERS = frozenset({"content-type", "content-length", "content-encoding"})
_CLEAR_ORIGIN = frozenset({"via", "index", "page", "line", "region", "dates", "uid_validity", "key", "rejected"})


def as_seen(told: Anything) -> Anything:
    """Something that is told of people, as whoever asks may see it."""
    return cast("Anything", _masked(told)) if sees_masked() else told


def text_as_seen(text: str | None) -> str | None:
    """A human's own words, and other texts that may name somebody."""
    return cast("str | None", mask_value(text)) if sees_masked() else text


def rows_as_seen(rows: Iterator[Row], clear: frozenset[str]) -> Iterator[Row]:
    """Rows of an export, whose columns `clear` hold nothing of a person. It is asked now who asks, not when they are
    read."""
    return (mask_row(row, clear) for row in rows) if sees_masked() else rows


def mask_row(row: Row, clear: frozenset[str]) -> dict[str, Any]:
    """One row with the values of its other columns masked; an id that is an address or a number too."""
    return {
        name: _id_masked(value) if name == "external_id" else value if name in clear else mask_value(value)
        for name, value in row.items()
    }


def _masked(value: Any) -> Any:
    """A part of ours: a struct, a mapping, or several of them."""
    if isinstance(value, Request):
        return _request_masked(value)
    if isinstance(value, msgspec.Struct):
        hidden = _MASKED_IN.get(type(value), frozenset())
        seen = {}
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            seen[name] = mask_value(inner) if name in hidden else _named(name, inner)
        return msgspec.structs.replace(value, **seen)
    if isinstance(value, Mapping):
        return {name: _named(name, inner) for name, inner in value.items()}
    return [_masked(part) for part in value]


def _named(name: str, value: Any) -> Any:
    """What stands under a name of ours."""
    if name in _CLEAR or (name in _COUNTS and isinstance(value, int)):
        return _id_masked(value) if name == "external_id" else value
    if name == "path":
        return None if value is None else mask_name(value)
    if name in _ROWS_OF and isinstance(value, list):
        return [mask_stored_row(_ROWS_OF[name], row) for row in value]
    return _masked(value) if _is_part(value, of_ours=name in _DEEPER) else mask_value(value)


def _is_part(value: Any, *, of_ours: bool) -> bool:
    """Whether this has names of ours, or is a list of such: structs always have, mappings where it is known."""
    if isinstance(value, list):
        return bool(value) and all(_is_part(part, of_ours=of_ours) for part in value)
    return isinstance(value, msgspec.Struct) or (of_ours and isinstance(value, Mapping))


def _id_masked(value: Any) -> Any:
    return mask_value(value) if isinstance(value, str) and looks_personal(value) else value


def _request_masked(request: Request) -> Request:
    return Request(
        content_type=request.content_type,
        bytes=request.bytes,
        headers={
            name: value if name.lower() in _CLEAR_HEADERS else mask_value(value)
            for name, value in request.headers.items()
        },
        origin={name: value if name in _CLEAR_ORIGIN else mask_value(value) for name, value in request.origin.items()},
        body=mask_body(request.body),
    )
