"""Opens a file as rows, and rows as events: what importing, previewing and proposing a mapping share."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from connectors.kit import Connector
from pipeline.intake.arrivals import new_event
from pipeline.intake.files.column_dates import decide_orders, holds_numeric_dates, open_date_columns
from pipeline.intake.files.contents import FileContents, read_contents
from pipeline.intake.files.csv_rows import read_csv
from pipeline.intake.files.html_tables import read_html_table
from pipeline.intake.files.json_lines import read_json_lines
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.spreadsheets import read_spreadsheet
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.instances import SourceBook, SourceInstance
from pipeline.lanes import FILE_LANE, LANE_BY_FILE, LANE_BY_OPTION
from pipeline.records import Envelope, NewEvent
from pipeline.settings.loading import settings
from pipeline.stages.mapping.source_mapping import SourceMapping, load_source_mapping, undecided


@dataclass(frozen=True)
class ReadAs:
    """What the person who imports says about a file. `dates` is dmy or mdy, for columns that leave it open; `lane` the
    one its rows go by, in place of FILE_LANE."""

    encoding: str | None = None
    dates: str | None = None
    lane: str | None = None


AS_FOUND = ReadAs()


@dataclass
class OpenedFile:
    """A file that was found readable. `rows` can be gone through once; `digest` is that of its bytes.

    `dates` are the orders of day and month decided over whole columns: name in the mapping -> dmy, mdy or ymd.
    `instance` is the source with the lane that the rows go by, `lane_by` why it is this one.
    """

    instance: SourceInstance
    mapping: SourceMapping
    name: str
    digest: bytes
    notes: TableNotes
    rows: Iterator[FileRow]
    dates: dict[str, str] = field(default_factory=dict)
    lane_by: str = LANE_BY_FILE


def open_rows(path: Path, *, source: str, brand: str, read_as: ReadAs = AS_FOUND) -> OpenedFile:
    """Raises UnknownSourceError; UnreadableFileError if the file is no table, has no row, or is another source's."""
    instance = SourceBook(settings()).find(brand, source)
    return open_rows_of(path, instance, load_source_mapping(instance.connector.source), read_as=read_as)


def open_rows_of(
    path: Path, instance: SourceInstance, mapping: SourceMapping, *, read_as: ReadAs = AS_FOUND
) -> OpenedFile:
    """As `open_rows`, for a source and a mapping that need not be on the disk yet."""
    instance = dataclasses.replace(instance, lane=read_as.lane or FILE_LANE)
    region = settings().region_for(instance.slug, instance.brand)
    contents = read_contents(path, encoding=read_as.encoding, region=region)
    rows, notes, first = _begin(contents, instance.connector, _exact_columns(mapping, instance.connector))
    columns = None if contents.kind == "json_lines" else list(first.record or ())
    if columns and not mapping.reads(columns):
        raise UnreadableFileError(
            f"its mapping reads none of the file's {len(columns)} columns, so no row could become a lead:"
            f" is {instance.slug} the right --source? `afluente mapping preview {instance.slug} FILE` shows what"
            " is read; for a --source that does not exist yet a mapping is proposed"
        )
    if columns:
        notes.columns, notes.unread_columns = len(columns), undecided(
            mapping, dict.fromkeys(columns, "filled"), is_row=True
        )
    dates = _orders(contents, mapping, columns, read_as.dates)
    return OpenedFile(
        instance=instance,
        mapping=mapping,
        name=shown_name(path),
        digest=contents.digest,
        notes=notes,
        rows=chain([first], rows),
        dates=dates,
        lane_by=LANE_BY_OPTION if read_as.lane else LANE_BY_FILE,
    )


def shown_name(path: Path) -> str:
    """A file's name as text: on the disk it may be any bytes."""
    return "standard input" if str(path) == "-" else os.fsencode(path.name).decode("utf-8", "replace")


def _orders(
    contents: FileContents, mapping: SourceMapping, columns: list[str] | None, order: str | None
) -> dict[str, str]:
    names = open_date_columns(mapping, columns)
    if order is not None:
        return dict.fromkeys(names.values(), order)
    if not names or not holds_numeric_dates(contents):
        return {}
    rows, _, first = _begin(contents, None, frozenset())
    return decide_orders(chain([first], rows), names, mapping)


@dataclass(frozen=True)
class TableSample:
    """The header of a file and its first rows: what a mapping is proposed from. Only good rows are in it."""

    columns: list[str]
    rows: list[list[str]] = field(repr=False)


def read_sample(path: Path, *, limit: int = 200, encoding: str | None = None) -> TableSample:
    """Raises UnreadableFileError. Of JSON lines, the values of the outermost level."""
    rows, _, first = _begin(read_contents(path, encoding=encoding), None, frozenset())
    records = [row.record for row in islice(chain([first], rows), limit) if row.code is None and row.record]
    columns = list(dict.fromkeys(name for record in records or [first.record or {}] for name in record))
    return TableSample(columns, [[_as_cell(record.get(name)) for name in columns] for record in records])


def _as_cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _begin(
    contents: FileContents, connector: Connector | None, exact: frozenset[str]
) -> tuple[Iterator[FileRow], TableNotes, FileRow]:
    """(rows after the first, what was noticed, the first row)."""
    notes = TableNotes(encoding=contents.encoding)
    if contents.kind == "json_lines":
        rows = read_json_lines(contents, connector)
    elif contents.kind == "spreadsheet":
        rows = read_spreadsheet(contents, notes, exact=exact)
    elif contents.kind == "html":
        rows = read_html_table(contents, notes)
    else:
        rows = read_csv(contents, notes)
    first = next(rows, None)
    if first is None:
        raise UnreadableFileError("the file has a header and no rows" if contents.kind != "json_lines" else "no rows")
    return rows, notes, first


def _exact_columns(mapping: SourceMapping, connector: Connector) -> frozenset[str]:
    """Columns whose values tell people or records apart: a number that lost digits would name somebody else."""
    ids = [path for rule in mapping.declaration.fields if rule.name == "external_id" for path in rule.paths]
    return frozenset([*ids, *([connector.event_id] if connector.event_id else [])])


def event_of(file: OpenedFile, row: FileRow) -> NewEvent:
    """A bad row is known by its bytes alone: its cells may stand in the wrong columns, the id among them."""
    digest = None
    if row.code is not None:
        digest = hashlib.sha256(b"bad-row\x00" + (row.raw if row.raw is not None else row.body)).digest()
    return new_event(file.instance, row.record or {}, envelope_of(file, row), digest=digest)


def envelope_of(file: OpenedFile, row: FileRow) -> Envelope:
    """A row as it is stored: its place in the file, how its dates are read, why it goes by the lane it goes by, its
    bytes where they could not be read.

    All of it is sealed: a file's name may name a person.
    """
    origin: dict[str, Any] = {
        "via": "file",
        "file": file.name,
        "file_digest": file.digest.hex(),
        "line": row.line,
        "lane_by": file.lane_by,
    }
    if file.dates:
        origin["dates"] = file.dates
    if row.raw is not None:
        origin["raw_base64"] = base64.b64encode(row.raw).decode()
    return Envelope(row.content_type, row.body, {}, origin)
