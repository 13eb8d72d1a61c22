"""Bodies that hold one record in canonical form: rows of files, leads of the API, and what versions before prepared."""

from __future__ import annotations

import re
from typing import Any

import orjson

from connectors.kit.sources.nesting import MOST_LEVELS, is_too_deep
from connectors.kit.sources.parts import kind_of_value
from connectors.kit.sources.records import MAX_VALUES, has_rounded_numbers, holds_too_many_values
from connectors.kit.sources.records import decode_body as decode_posted_body
from pipeline.errors import RecordError

_JSON = "application/json"
ROW = "application/x-afluente-row"  # a line of an imported file: a JSON object of header -> cell
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_NESTING_LIMIT = 8


def decode_body(content_type: str, body: bytes) -> dict[str, Any]:
    """The record in `body`. Raises RecordError with the place: `unreadable_json`, `empty_body`, `not_an_object`, …"""
    try:
        record = orjson.loads(body)  # nearly every body there is: intake rewrites as JSON what is not read as it is
    except orjson.JSONDecodeError:
        record = decode_posted_body(body, _JSON if content_type == ROW else content_type)
    else:
        if has_rounded_numbers(record):
            record = decode_posted_body(body, _JSON, formats=("json",))
    if not isinstance(record, dict):
        raise RecordError("not_an_object", message=f"one JSON object per lead is expected, not {kind_of_value(record)}")
    check_measures(record, body)
    return shaped_record(content_type, record)


def check_measures(record: dict[str, Any], body: bytes | None) -> None:
    """Raises RecordError for a record of more values or levels than a lead has.

    `body`: what this record alone was read from, which tells of nearly all that they are in bounds; None: a larger one.
    """
    if (body is None or len(body) > 2 * MAX_VALUES) and holds_too_many_values(record):
        raise RecordError("too_many_values", message=f"one lead may hold {MAX_VALUES} keys and entries")
    if (body is None or body.count(b"{") + body.count(b"[") > MOST_LEVELS) and is_too_deep(record):
        raise RecordError("nested_too_deeply", message=f"objects and lists stand more than {MOST_LEVELS} deep")


def shaped_record(content_type: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record that was just taken in as `decode_body` gives it later."""
    return record if content_type == ROW else nest_form_keys(record)


def nest_form_keys(record: dict[str, Any]) -> dict[str, Any]:
    """Forms write `fields[email]` for what JSON nests. (A path finds the key `fields.email` as it is.)"""
    if not any(key.endswith("]") for key in record):
        return record
    nested = {key: value for key, value in record.items() if not key.endswith("]")}
    for key, value in record.items():
        if key.endswith("]"):
            _place(nested, key, value)
    return nested


def _place(nested: dict[str, Any], key: str, value: Any) -> None:
    parts = [part for part in _BRACKETS.sub(r"\n\1", key).split("\n") if part]
    node: Any = nested
    for part in parts[:-1][:_NESTING_LIMIT]:
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
    if 2 <= len(parts) <= _NESTING_LIMIT and isinstance(node, dict) and parts[-1] not in node:
        node[parts[-1]] = value
    else:
        nested[key] = value
