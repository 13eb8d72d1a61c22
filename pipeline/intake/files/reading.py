"""Opens a file as rows, and rows as events: what importing, previewing and proposing a mapping share."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from connectors.kit import Api, Connector
from connectors.kit.mail.records import CONTENT_TYPE as MAIL
from connectors.kit.sources.idempotency import id_paths
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.files.column_dates import decide_orders, holds_numeric_dates, open_date_columns
from pipeline.intake.files.contents import FileContents, read_contents
from pipeline.intake.files.csv_rows import read_csv
from pipeline.intake.files.html_tables import read_html_table
from pipeline.intake.files.json_lines import read_json
from pipeline.intake.files.mails import read_mails
from pipeline.intake.files.phone_regions import see_phones
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.spreadsheets import read_spreadsheet
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.files.vcards import read_vcards
from pipeline.intake.instances import SourceBook, SourceInstance, UnknownSourceError
from pipeline.intake.mail.arrivals import mail_event
from pipeline.lanes import FILE_LANE, LANE_BY_FILE, LANE_BY_OPTION
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent
from pipeline.settings.loading import settings
from pipeline.stages.mapping.source_mapping import SourceMapping, load_source_mapping, undecided
from pipeline.values.column_titles import count_titles
from pipeline.values.normalized import is_empty


@dataclass(frozen=True)
class ReadAs:
    """What the person who imports says about a file. `dates` is dmy or mdy, for columns that leave it open; `lane` the
    one its rows go by, in place of FILE_LANE; `region` (alpha-2) where phones without a country belong; `sheet` a
    workbook's sheet by its name or its number from 1."""

    encoding: str | None = None
    dates: str | None = None
    lane: str | None = None
    region: str | None = None
    sheet: str | None = None


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
    region: str | None = None


def open_rows(path: Path, *, source: str, brand: str, read_as: ReadAs = AS_FOUND) -> OpenedFile:
    """Raises UnknownSourceError; UnreadableFileError if the file is no table, has no row, or is another source's."""
    instance = SourceBook(settings()).find(brand, source)
    intake = instance.connector.intake
    if isinstance(intake, Api) and intake.taken != "leads":  # a row of a file is nobody's confirmation
        raise UnknownSourceError(
            f"the source {source!r} takes no files: post to /v1/{intake.taken}, or give the file a source of its own,"
            " whose mapping says what is a `withdrawal` (docs/mapping.md)"
        )
    return open_rows_of(path, instance, load_source_mapping(instance.connector.source), read_as=read_as)


def open_rows_of(
    path: Path, instance: SourceInstance, mapping: SourceMapping, *, read_as: ReadAs = AS_FOUND
) -> OpenedFile:
    """As `open_rows`, for a source and a mapping that need not be on the disk yet."""
    instance = dataclasses.replace(instance, lane=read_as.lane or FILE_LANE)
    region = settings().region_for(instance.slug, instance.brand)
    takes_mails = "mail" in getattr(instance.connector.intake, "formats", ())
    contents = read_contents(path, encoding=read_as.encoding, region=region, takes_mails=takes_mails)
    opening = _Opening(
        contents, instance.connector, _exact_columns(mapping, instance.connector), read_as.sheet, _Known.of(mapping)
    )
    rows, notes, first = _begin(opening)
    columns = None if contents.kind in ("json_lines", "mail") else list(first.record or ())
    if columns and not mapping.reads(columns):
        raise UnreadableFileError(
            f"its mapping reads none of the file's {len(columns)} columns{sheet_words(notes)}, so no row could become a"
            f" lead: is {instance.slug} the right --source? `afluente mapping preview {instance.slug} FILE` shows what"
            " is read; for a --source that does not exist yet a mapping is proposed"
        )
    if columns:
        notes.columns, notes.unread_columns = (
            len(columns),
            undecided(mapping, dict.fromkeys(columns, "filled"), is_row=True),
        )
    dates = _orders(opening, mapping, columns, read_as.dates)
    begin = [first, *islice(rows, _LOOKED_AT - 1)]
    file = OpenedFile(
        instance=instance,
        mapping=mapping,
        name=shown_name(path),
        digest=contents.digest,
        notes=notes,
        rows=chain(begin, rows),
        dates=dates,
        lane_by=LANE_BY_OPTION if read_as.lane else LANE_BY_FILE,
        region=read_as.region,
    )
    phones = see_phones(
        (envelope_of(file, row) for row in begin if row.code is None),
        instance,
        mapping,
        columns or first.record or (),
        region=region,
    )
    notes.phones_seen, notes.phones_without_country, notes.likely_region = phones
    return file


_LOOKED_AT = 200  # rows of whose phones it is said whether they name a country


def shown_name(path: Path) -> str:
    """A file's name as text: on the disk it may be any bytes."""
    return "standard input" if str(path) == "-" else os.fsencode(path.name).decode("utf-8", "replace")


def sheet_words(notes: TableNotes) -> str:
    """Which sheet of a workbook was looked at, and which are beside it; in words that follow `columns`."""
    if notes.sheet is None:
        return ""
    if not notes.other_sheets:
        return f" of the sheet {notes.sheet!r}"
    others = ", ".join(map(repr, notes.other_sheets))
    return f" of the sheet {notes.sheet!r} (others: {others}; `--sheet NAME` reads one of them)"


def _orders(opening: _Opening, mapping: SourceMapping, columns: list[str] | None, order: str | None) -> dict[str, str]:
    names = open_date_columns(mapping, columns)
    if order is not None:
        return dict.fromkeys(names.values(), order)
    if not names or not holds_numeric_dates(opening.contents):
        return {}
    rows, _, first = _begin(opening._replace(connector=None, exact=frozenset()))
    return decide_orders(chain([first], rows), names, mapping)


@dataclass(frozen=True)
class TableSample:
    """The header of a file and rows of it: what a mapping is proposed from. Only good rows are in it: the first, and
    later ones that fill a column which the first leave empty. `filled`: cells of each column that hold something."""

    columns: list[str]
    rows: list[list[str]] = field(repr=False)
    filled: dict[str, int] = field(default_factory=dict)
    notes: TableNotes = field(default_factory=TableNotes)


def read_sample(path: Path, *, limit: int = 200, read_as: ReadAs = AS_FOUND) -> TableSample:
    """Looks through the whole file. Raises UnreadableFileError. Of JSON, the values of the outermost level."""
    contents = read_contents(path, encoding=read_as.encoding, region=read_as.region)
    rows, notes, first = _begin(_Opening(contents, None, frozenset(), read_as.sheet, _Known()))
    records: list[dict[str, Any]] = []
    filled: Counter[str] = Counter()
    for row in chain([first], rows):
        if row.code is not None or not row.record:
            continue
        names = [name for name, value in row.record.items() if not is_empty(value)]
        if len(records) < limit or any(filled[name] < _FEWEST_FILLED for name in names):
            records.append(row.record)
        filled.update(names)
    columns = list(dict.fromkeys(name for record in records or [first.record or {}] for name in record))
    table = [[_as_cell(record.get(name)) for name in columns] for record in records]
    return TableSample(columns, table, dict(filled), notes)


_FEWEST_FILLED = 10  # cells of a column that a sample shows, if the file has them


def _as_cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _count_found(record: dict[str, Any]) -> int:
    return count_titles(name for name, value in record.items() if not isinstance(value, dict | list))


@dataclass(frozen=True)
class _Known:
    """What somebody can read: of a table's titles how many, of a JSON record how much."""

    count_titles: Callable[[Iterable[str]], int] = count_titles
    count_found: Callable[[dict[str, Any]], int] = _count_found

    @classmethod
    def of(cls, mapping: SourceMapping) -> _Known:
        return cls(mapping.count_read, mapping.count_found)


class _Opening(NamedTuple):
    contents: FileContents
    connector: Connector | None
    exact: frozenset[str]
    sheet: str | None
    known: _Known


def _begin(opening: _Opening) -> tuple[Iterator[FileRow], TableNotes, FileRow]:
    """(rows after the first, what was noticed, the first row)."""
    contents = opening.contents
    notes = TableNotes(encoding=contents.encoding)
    if contents.kind == "json_lines":
        rows = read_json(contents, opening.connector, opening.known.count_found)
    elif contents.kind == "spreadsheet":
        rows = read_spreadsheet(
            contents, notes, exact=opening.exact, sheet=opening.sheet, count_read=opening.known.count_titles
        )
    elif contents.kind == "html":
        rows = read_html_table(contents, notes)
    elif contents.kind == "vcard":
        rows = read_vcards(contents, notes)
    elif contents.kind == "mail":
        rows = read_mails(contents, source=opening.connector.source if opening.connector else "")
    else:
        rows = read_csv(contents, notes)
    first = next(rows, None)
    if first is None:
        raise UnreadableFileError("the file has a header and no rows" if contents.kind != "json_lines" else "no rows")
    return rows, notes, first


def _exact_columns(mapping: SourceMapping, connector: Connector) -> frozenset[str]:
    """Columns whose values tell people or records apart: a number that lost digits would name somebody else."""
    ids = [path for rule in mapping.declaration.fields if rule.name == "external_id" for path in rule.paths]
    return frozenset([*ids, *id_paths(connector)])


def event_of(file: OpenedFile, row: FileRow) -> NewEvent:
    """A bad row is known by its bytes alone: its cells may stand in the wrong columns, the id among them."""
    if row.content_type == MAIL:  # who gives the file answers for what is in it
        origin = envelope_of(file, row).origin
        return mail_event(file.instance, row.body, origin, lambda _headers, _template: "file", record=row.record)
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
    if row.content_type in (JSON, MAIL):  # a line of JSON, which the connector prepares when it is mapped
        origin[STORED] = AS_IT_CAME
    if file.dates:
        origin["dates"] = file.dates
    if file.region:
        origin["region"] = file.region
    if row.raw is not None:
        origin["raw_base64"] = base64.b64encode(row.raw).decode()
    return Envelope(row.content_type, row.body, {}, origin)
