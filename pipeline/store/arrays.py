"""PostgreSQL array literals: a whole batch goes into a statement as one text value per column.

A literal such as `{a,b}` cast to `uuid[]` is read by the server in one go; a list adapted by the driver becomes
`ARRAY['a','b',…]`, whose every element the SQL parser has to look at (measured: a third slower over a batch).
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

Value = TypeVar("Value")
_encode_json = msgspec.json.Encoder().encode


def uuids(values: Iterable[UUID | None]) -> str:
    """For `%s::uuid[]`."""
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def numbers(values: Iterable[int | float | None]) -> str:
    """For `%s::int[]`, `%s::float8[]` and the like."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def booleans(values: Iterable[bool | None]) -> str:
    """For `%s::bool[]`."""
    return "{" + ",".join(["NULL" if value is None else ("t" if value else "f") for value in values]) + "}"


def moments(values: Iterable[datetime | None]) -> str:
    """For `%s::timestamptz[]`. Values must be aware."""
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


def blobs(values: Iterable[bytes | None]) -> str:
    """For `%s::bytea[]`: short ones, such as digests."""
    return "{" + ",".join(["NULL" if value is None else "\\\\x" + value.hex() for value in values]) + "}"


def sealed(values: Iterable[bytes | None]) -> str:
    """For `%s::text[]` whose elements the statement decodes from base64: for a kilobyte a third faster than `blobs`."""
    encoded = ["NULL" if value is None else b2a_base64(value, newline=False).decode("ascii") for value in values]
    return "{" + ",".join(encoded) + "}"


def texts(values: Iterable[str | None]) -> str:
    """For `%s::text[]`. What PostgreSQL's text cannot hold (NUL, lone surrogates) becomes a replacement character."""
    return clean("{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}")


def filled(literal: Callable[[Iterable[Value | None]], str], values: Sequence[Value | None]) -> str:
    """For one of several arrays that a statement has read side by side (`unnest(a, b)`), beside one that is whole: of
    a column without any value nothing is sent, as the server fills up a shorter array itself."""
    return "{}" if values.count(None) == len(values) else literal(values)


def documents(values: Iterable[dict[str, Any]]) -> str:
    """For `%s::jsonb[]`."""
    return texts("{}" if not value else _document(value) for value in values)


def _document(value: dict[str, Any]) -> str:
    try:
        text = _encode_json(value).decode()
    except UnicodeEncodeError:  # half of a character, from a terminal of another encoding
        text = clean(json.dumps(value, ensure_ascii=False))
    return text.replace("\\u0000", "\\ufffd")  # jsonb refuses NUL too


def clean(text: str) -> str:
    """`text` without what a text column cannot hold."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
