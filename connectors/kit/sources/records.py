"""Turns the body of a request into records: JSON, JSON under text/plain, forms and multipart forms.

Form keys that come twice, or end in `[]`, become lists; an uploaded file is represented by its name, its content is
not read. Unreadable bodies say where: line and column, never what stood there.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import orjson

from connectors.kit.errors import RecordError
from connectors.kit.mail.records import CONTENT_TYPE as MAIL
from connectors.kit.mail.records import read_mail
from connectors.kit.sources.content_types import read_content_type
from connectors.kit.sources.declarations import Connector, Webhook
from connectors.kit.sources.fetching.fetched_records import arrival_prepare
from connectors.kit.sources.forms import Pairs, UnreadableForm, read_form, read_multipart
from connectors.kit.sources.parts import Part, RecordsMissingError, prepare_part, take_apart, with_beside

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MAX_VALUES = 10_000  # keys and entries in one record: each costs every step after this one
_INTEGER_DIGITS = 18  # that many always fit into 64 bits, with their sign
_LENIENT_NODES = 50_000  # of objects and lists, and one in texts: Python's own reader does nothing else meanwhile
_NODE_BYTES = 8  # a real record has many more for each of its objects and lists
_EXACT_FLOAT = 2.0**53


class UnreadableBody(RecordError):  # noqa: N818 - it names the thing at fault, as the receiver's answer does
    """The body is not what the source declares. `line` and `column` count from 1; None where there is no such place."""

    def __init__(self, code: str, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(code, message=message)
        self.line = line
        self.column = column


def split_body(
    connector: Connector, body: bytes, content_type: str | None, *, formats: tuple[str, ...] | None = None
) -> list[Part]:
    """The records of one body as they came, in order, each with its place and what stands beside it.

    `formats` may be wider than the declared ones. Raises UnreadableBody, also where not one entry is a record; an entry
    among others that is none is a part like them.
    """
    intake = connector.intake
    if formats is None:
        formats = getattr(intake, "formats", ("json",))
    document = read_document(body, content_type, formats=formats, json_fields=json_fields_of(connector))
    try:
        parts = take_apart(document, getattr(intake, "records_at", None))
    except RecordsMissingError as error:
        raise UnreadableBody(error.code, error.message) from None
    if parts and not any(isinstance(part.value, dict) for part in parts):
        place = f" (at {parts[0].place})" if parts[0].place else ""
        raise UnreadableBody("not_an_object", f"entry 0 is not a JSON object{place}")
    return parts


def split_records(connector: Connector, body: bytes, content_type: str | None) -> list[dict[str, Any]]:
    """The records of one body as mappings see them: passed through the connector's `prepare`, with `^` for what stands
    beside them. Entries that are no records are left out. Raises UnreadableBody."""
    prepare = arrival_prepare(connector)
    return [
        with_beside(prepare_part(prepare, part), part.beside)
        for part in split_body(connector, body, content_type)
        if isinstance(part.value, dict)
    ]


def json_fields_of(connector: Connector) -> tuple[str, ...]:
    """Fields of its bodies that hold JSON as text."""
    return connector.intake.json_fields if isinstance(connector.intake, Webhook) else ()


def read_document(
    body: bytes,
    content_type: str | None,
    *,
    formats: tuple[str, ...] = ("json", "form", "text", "mail"),
    json_fields: Iterable[str] = (),
) -> dict[str, Any] | list[Any]:
    """A whole body, in which `json_fields` are read as the JSON they hold; one that holds none stays text.

    Raises UnreadableBody.
    """
    document = decode_body(body, content_type, formats=formats)
    for name in json_fields:
        text = document.get(name) if isinstance(document, dict) else None
        if isinstance(document, dict) and isinstance(text, str) and text.lstrip()[:1] in ("{", "["):
            with suppress(UnreadableBody):
                held = decode_body(text.encode(errors="replace"), "application/json", formats=("json",))
                document = {**document, name: held}
    return document


def decode_body(
    body: bytes, content_type: str | None, *, formats: tuple[str, ...] = ("json", "form", "text")
) -> dict[str, Any] | list[Any]:
    """The body as JSON objects and lists. `formats` are those of a Webhook. Raises UnreadableBody."""
    kind, _, codec, boundary = read_content_type(content_type)
    if not body.strip():
        raise UnreadableBody("empty_body", "the body is empty")
    if kind == MAIL and "mail" in formats:
        return read_mail(body)
    if kind == FORM and "form" in formats:
        return _pairs(lambda: read_form(body, codec))
    if kind == MULTIPART and "form" in formats:
        return _pairs(lambda: read_multipart(body, boundary, codec))
    is_json = not kind or kind.endswith(("/json", "+json"))
    if (is_json and "json" in formats) or (kind == "text/plain" and "text" in formats):
        return _decode_json(body, codec)
    raise UnreadableBody(
        "content_type_not_accepted",
        f"the content type {kind or '(none)'} is not accepted here; this source takes {', '.join(formats)}",
    )


def _decode_json(body: bytes, codec: str | None) -> dict[str, Any] | list[Any]:
    raw = body.removeprefix(codecs.BOM_UTF8)
    try:
        decoded = orjson.loads(raw)
    except orjson.JSONDecodeError:
        decoded = _decode_lenient_json(raw, codec)
    else:
        if has_rounded_numbers(decoded):  # two ids of many digits must not become one
            decoded = _decode_lenient_json(raw, codec)
    if not isinstance(decoded, dict | list):
        raise UnreadableBody("not_an_object", "the body is neither a JSON object nor a list", line=1, column=1)
    return decoded


def has_rounded_numbers(decoded: Any) -> bool:
    """Whether floats stand in it that may once have been integers of more than 64 bits; orjson reads those as floats.

    Then the integers are kept as texts by `decode_body`.
    """
    rest = [decoded]
    while rest:
        node = rest.pop()
        for value in node.values() if type(node) is dict else node if type(node) is list else ():
            kind = type(value)
            if kind is float and not -_EXACT_FLOAT < value < _EXACT_FLOAT:
                return True
            if kind is dict or kind is list:
                rest.append(value)
    return False


def _decode_lenient_json(raw: bytes, codec: str | None) -> Any:
    """What senders get wrong without meaning anything else: half an emoji cut off by a script, NaN, other encodings."""
    nodes = raw.count(b"[") + raw.count(b"{")
    if nodes > _LENIENT_NODES and nodes * _NODE_BYTES > len(raw):
        raise UnreadableBody("unreadable_json", "the body is not JSON, and too long to be read with its faults")
    text = _decode_text(raw, codec or json.detect_encoding(raw))
    try:
        decoded = json.loads(text, parse_constant=lambda _: None, parse_int=_integer)
        written = json.dumps(decoded, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return json.loads(written.decode("utf-16-le", "replace"), parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            "unreadable_json",
            f"the body is not JSON: line {error.lineno}, column {error.colno}",
            line=error.lineno,
            column=error.colno,
        ) from None  # the original error carries the document
    except RecursionError:
        raise UnreadableBody("unreadable_json", "the body is nested too deeply") from None


def _integer(digits: str) -> int | str:
    """What no integer of JSON's usual readers holds stays the text it was: one number must not cost the lead."""
    return int(digits) if len(digits) <= _INTEGER_DIGITS else digits


def _decode_text(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeError:
        raise UnreadableBody("undecodable_text", f"the body is not in its charset, {codec.replace('_', '-')}") from None


def _pairs(read: Callable[[], Pairs]) -> dict[str, Any]:
    try:
        return _collect(read())
    except UnreadableForm as error:
        raise UnreadableBody("unreadable_form", str(error)) from None


def _collect(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Repeated keys and `key[]` make lists."""
    collected: dict[str, Any] = {}
    for key, value in pairs:
        name = key.removesuffix("[]")
        if name not in collected:
            collected[name] = [value] if name != key else value
        elif isinstance(collected[name], list):
            collected[name].append(value)
        else:
            collected[name] = [collected[name], value]
    return collected


def holds_too_many_values(record: Any, *, limit: int = MAX_VALUES) -> bool:
    """Whether keys and entries at any depth are more than `limit`. Looks no further than that."""
    count = 0
    rest = [record]
    while rest:
        node = rest.pop()
        inner = node.values() if type(node) is dict else node if type(node) is list else ()
        count += len(inner)
        if count > limit:
            return True
        rest.extend(value for value in inner if type(value) is dict or type(value) is list)
    return False
