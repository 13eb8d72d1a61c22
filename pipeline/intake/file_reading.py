"""Opens a file as rows, and rows as events: what importing and previewing share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.intake.arrivals import new_event
from pipeline.intake.csv_rows import read_csv
from pipeline.intake.file_contents import UnreadableFileError, read_contents
from pipeline.intake.file_rows import FileRow, TableNotes
from pipeline.intake.instances import SourceBook, SourceInstance
from pipeline.intake.json_lines import read_json_lines
from pipeline.intake.spreadsheets import read_spreadsheet
from pipeline.records import Envelope, NewEvent
from pipeline.settings import settings
from pipeline.stages.mapping import load_source_mapping, undecided


@dataclass
class OpenedFile:
    """A file that was found readable. `rows` can be gone through once; `digest` is that of its bytes."""

    instance: SourceInstance
    digest: bytes
    notes: TableNotes
    rows: Iterator[FileRow]


def open_rows(path: Path, *, source: str, brand: str, encoding: str | None = None) -> OpenedFile:
    """Raises UnknownSourceError, and UnreadableFileError if the file is no table or has no row."""
    instance = SourceBook(settings()).find(brand, source)
    contents = read_contents(path, encoding=encoding, region=settings().region_for(source, brand))
    notes = TableNotes(encoding=contents.encoding)
    if contents.kind == "json_lines":
        rows = read_json_lines(contents, instance.connector)
    elif contents.kind == "spreadsheet":
        rows = read_spreadsheet(contents, notes)
    else:
        rows = read_csv(contents, notes)
    first = next(rows, None)
    if first is None:
        raise UnreadableFileError("the file has a header and no rows" if contents.kind != "json_lines" else "no rows")
    if contents.kind != "json_lines" and not _is_of(instance, first):
        raise UnreadableFileError(
            f"its mapping reads none of the file's {len(first.record or ())} columns, so no row could become a lead:"
            f" is {source} the right --source? `afluente mapping preview {source} FILE` shows what is read"
        )
    return OpenedFile(instance, contents.digest, notes, _chained(first, rows))


def _is_of(instance: SourceInstance, row: FileRow) -> bool:
    """Whether the source's mapping decides about any column of the table."""
    columns = dict.fromkeys(row.record or (), "filled")
    mapping = load_source_mapping(instance.connector.source)
    return not columns or len(undecided(mapping, columns)) < len(columns)


def event_of(file: OpenedFile, row: FileRow) -> NewEvent:
    """A bad row is known by its bytes alone: its cells may stand in the wrong columns, the id among them."""
    digest = None
    if row.code is not None:
        digest = hashlib.sha256(b"bad-row\x00" + (row.raw if row.raw is not None else row.body)).digest()
    return new_event(file.instance, row.record or {}, envelope_of(file, row), digest=digest)


def envelope_of(file: OpenedFile, row: FileRow) -> Envelope:
    """A row as it is stored: its place in the file, and its bytes where they could not be read properly."""
    origin: dict[str, Any] = {"via": "file", "file_digest": file.digest.hex(), "line": row.line}
    if row.raw is not None:
        origin["raw_base64"] = base64.b64encode(row.raw).decode()
    return Envelope(row.content_type, row.body, {}, origin)


def _chained(first: FileRow, rows: Iterator[FileRow]) -> Iterator[FileRow]:
    yield first
    yield from rows
