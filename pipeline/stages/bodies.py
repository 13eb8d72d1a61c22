"""A stored body turned back into the record it is: a JSON object, a posted form, or a row of a file."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import orjson

from pipeline.errors import RecordError

ROW = "application/x-afluente-row"  # a line of an imported file: a JSON object of header -> cell
FORM = "application/x-www-form-urlencoded"
_FIELD_LIMIT = 2_000  # keys in one posted form
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def decode_body(content_type: str, body: bytes) -> dict[str, Any]:
    """The record in `body`. Raises RecordError: `unreadable_body` with the place, `not_an_object`, `empty_body`."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        raise RecordError("empty_body", message="the body is empty; there is nothing to map")
    record = _decode_form(body) if kind == FORM else _decode_json(body)
    if not isinstance(record, dict):
        raise RecordError(
            "not_an_object", message=f"the body is a JSON {_json_name(record)}; one object per lead is expected"
        )
    return record


def _decode_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # slower and more lenient: lone surrogates, NaN, UTF-16, a byte order mark
        text = body.decode(json.detect_encoding(body)).removeprefix("\ufeff")
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(
            "unreadable_body", message=f"not readable as JSON at line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeDecodeError as error:
        raise RecordError("unreadable_body", message=f"not readable as text at byte {error.start + 1}") from None
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        raise RecordError(
            "unreadable_body", message="the JSON is nested too deeply or holds an endless number"
        ) from None


def _decode_form(body: bytes) -> dict[str, Any]:
    """A posted form. Repeated keys and `key[]` make a list; `fields[email]` and `fields.email` nest."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_FIELD_LIMIT)
    except ValueError:
        raise RecordError("unreadable_body", message=f"a form may hold at most {_FIELD_LIMIT} fields") from None
    flat: dict[str, Any] = {}
    for key, value in pairs:
        name = key.removesuffix("[]")
        if name not in flat:
            flat[name] = [value] if key.endswith("[]") else value
        elif isinstance(flat[name], list):
            flat[name].append(value)
        else:
            flat[name] = [flat[name], value]
    return _nest(flat)


def _nest(flat: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in flat.items():
        parts = _BRACKETS.sub(r".\1", key).split(".")
        if len(parts) == 1 or not all(parts) or len(parts) > 8:
            record[key] = value
            continue
        node: Any = record
        for part in parts[:-1]:
            node = node.setdefault(part, {}) if isinstance(node, dict) else None
            if node is None:
                break
        if isinstance(node, dict) and parts[-1] not in node:
            node[parts[-1]] = value
        else:  # `1` and `1.3` both posted: the dotted one stays a plain key, where paths find it too
            record[key] = value
    return record


def _json_name(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return {str: "text", bool: "boolean", type(None): "null"}.get(type(value), "number")
