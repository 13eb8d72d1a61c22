"""Day first or month first? Decided for a whole column before its first row is stored, or the file is refused.

02/03/2026 alone does not say. A second look at the file is taken only if its mapping reads a column as a date without
saying how, and only if something in the file looks like such a date: ISO dates cost no second look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from connectors.kit.paths import compile_path
from pipeline.canonical import CANONICAL_FIELDS
from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.language import FieldRule
from pipeline.values.dates.order import DateOrder

if TYPE_CHECKING:
    from pipeline.intake.files.rows import FileRow
    from pipeline.stages.mapping.source_mapping import SourceMapping

ORDERS = ("dmy", "mdy")  # what `--dates` may say
# Digits as 0, the marks of dates as - and /, all else as x: looked for in that form, ten times as fast as by a pattern.
_SHAPES = bytes(
    ord("0") if 48 <= byte <= 57 else byte if byte == ord("-") else ord("/") if byte in b"/." else ord("x")
    for byte in range(256)
)
_NUMERIC_DATES = (
    *(b"0/0/00", b"0/00/00"),
    *(b"-0-0000", b"-00-0000"),  # not 2026-01-05
    *(b"x0-0-00", b"x0-00-00", b"x00-0-00", b"x00-00-00"),
)
_OVERLAP = 16  # bytes: a date on the edge of two chunks is seen in the next
_CHUNK_BYTES = 1_048_576


class UndecidedDatesError(UnreadableFileError):
    """A column of dates that can be read in two ways, or in neither. The text names column, lines and remedies."""


def open_date_columns(mapping: SourceMapping, columns: Iterable[str] | None) -> dict[str, str]:
    """Column of the file -> its path in the mapping's rules, of those read as dates without formats or order.

    Without `columns`, as of JSON lines that may each have others: every such path.
    """
    if columns is None:
        return {path: path for path in _open_date_paths(mapping)}
    known = dict.fromkeys(columns, "x")
    renames = mapping.renames(known, is_row=True)
    paths = set(_open_date_paths(mapping))
    named = {column: renames.get(column, column) for column in known}
    return {column: name for column, name in named.items() if name in paths}


def _open_date_paths(mapping: SourceMapping) -> Iterable[str]:
    declaration = mapping.declaration
    times = [touch.at for touch in declaration.earlier_touches]
    times += [at for consent in declaration.consents for at in consent.at]
    for rule in (*declaration.fields, *times):
        if _is_open_date(rule):
            yield from rule.paths
    for key, name in mapping.names.items():
        if CANONICAL_FIELDS[name] == "time":
            yield key


def _is_open_date(rule: FieldRule) -> bool:
    return rule.conversion == "date" and rule.order is None and not rule.formats


def holds_numeric_dates(contents: FileContents) -> bool:
    """Whether any text of the file looks like 02/03/2026; True where the bytes do not tell (UTF-16, spreadsheets)."""
    if contents.kind == "spreadsheet" or contents.encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        return True
    with contents.open_binary() as file:
        tail = b"x"
        while chunk := file.read(_CHUNK_BYTES):
            shapes = tail + chunk.translate(_SHAPES)
            if any(date in shapes for date in _NUMERIC_DATES):
                return True
            tail = shapes[-_OVERLAP:]
    return False


def decide_orders(rows: Iterable[FileRow], columns: Mapping[str, str], mapping: SourceMapping) -> dict[str, str]:
    """Path in the rules -> dmy, mdy or ymd, of the columns that hold dates for which it matters.

    `columns` as of `open_date_columns`. Raises UndecidedDatesError. Constant memory.
    """
    seen_orders = {column: DateOrder() for column in columns}
    looks = [(compile_path(path), seen_orders[column]) for column, path in columns.items()]
    for row in rows:
        if row.record is None:
            continue
        record = mapping.shape(row.record, is_row=row.content_type == ROW)
        for get, order in looks:
            order.see(get(record), row.line)
    decided = {}
    for column, order in seen_orders.items():
        verdict = order.verdict()
        if verdict in ("undecided", "contradictory"):
            raise UndecidedDatesError(
                f"the column {column!r} does not say whether its dates begin with the day or the month:"
                f" {order.explain()}. Nothing of the file was imported. Say `--dates dmy` (day first) or `--dates mdy`,"
                f" or for good `order: dmy` beside {columns[column]!r} in mappings/sources/{mapping.source}.yaml"
            )
        if verdict != "no_dates":
            decided[columns[column]] = verdict
    return decided
