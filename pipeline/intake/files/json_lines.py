"""Reads JSON lines: one object a line, each kept as it stands; and lists of objects, or objects over several lines."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from connectors.kit import Connector
from connectors.kit.sources.parts import Part
from connectors.kit.sources.records import UnreadableBody, decode_body
from pipeline.intake.arrivals import JSON
from pipeline.intake.files.contents import FileContents, OverlongLine, text_lines
from pipeline.intake.files.json_documents import CountFound, read_documents
from pipeline.intake.files.rows import FileRow
from pipeline.intake.posted.records import seen_record

_LINE_LIMIT = 8 * 1_048_576  # characters


def read_json(contents: FileContents, connector: Connector | None, count_found: CountFound) -> Iterator[FileRow]:
    """A row per object, however they are laid out; what is no JSON object comes with a code.

    `count_found`: how much of a record somebody can read. Raises UnreadableFileError.
    """
    pieces = read_documents(contents, count_found)
    if pieces is None:
        return _read_lines(contents, connector)
    return (_row(piece.line, piece.body, connector) for piece in pieces)


def _read_lines(contents: FileContents, connector: Connector | None) -> Iterator[FileRow]:
    for number, text in enumerate(text_lines(contents, limit=_LINE_LIMIT), start=1):
        line = text.strip()
        if not line:
            continue
        if isinstance(text, OverlongLine):
            message = f"line {number}: longer than {_LINE_LIMIT} characters, which no lead is; its beginning is kept"
            yield FileRow(number, None, line.encode(errors="replace"), JSON, "overlong_line", message)
            continue
        try:
            body = line.encode()
        except UnicodeEncodeError:
            raw = line.encode(contents.encoding, "surrogateescape")
            message = f"line {number}: bytes that are not {contents.encoding}"
            body = line.encode(errors="replace")
            yield FileRow(number, None, body, JSON, "undecodable_row", message, raw)
            continue
        yield _row(number, body, connector)


def _row(number: int, body: bytes, connector: Connector | None) -> FileRow:
    try:
        record = decode_body(body, JSON, formats=("json",))
    except UnreadableBody as error:
        if error.code == "not_an_object":
            return _not_an_object(number, body)
        place = f", column {error.column}" if error.column else ""
        return FileRow(number, None, body, JSON, "unreadable_json", f"line {number}{place}: not readable as JSON")
    try:
        orjson.dumps(record)
    except TypeError:
        return FileRow(number, None, body, JSON, "unreadable_json", f"line {number}: nested too deeply")
    if not isinstance(record, dict):
        return _not_an_object(number, body)
    if connector is not None and connector.prepare is not None:
        record = seen_record(connector, Part("", record))
    return FileRow(number, record, body, JSON)


def _not_an_object(number: int, body: bytes) -> FileRow:
    return FileRow(number, None, body, JSON, "not_an_object", f"line {number}: JSON, but not an object")
