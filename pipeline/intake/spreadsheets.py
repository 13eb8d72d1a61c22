"""Reads Excel workbooks (.xlsx, .xlsb, .xls) and OpenDocument sheets: the first visible sheet that holds anything.

A workbook is read whole, so its size is bounded (file_contents.MAX_SHEET_BYTES); CSV is the way for more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import orjson

from pipeline.intake.file_contents import FileContents, UnreadableFileError
from pipeline.intake.file_rows import FileRow, TableNotes, find_header, name_columns
from pipeline.stages.bodies import ROW

_SAMPLE_ROWS = 200


def read_spreadsheet(contents: FileContents, notes: TableNotes) -> Iterator[FileRow]:
    """Rows below the header; cells as text. Raises UnreadableFileError."""
    import python_calamine

    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(contents.open_binary())
        sheets = [sheet.name for sheet in workbook.sheets_metadata if str(sheet.visible).endswith("Visible")]
        filled = []
        for name in sheets:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.height:
                filled.append(sheet)
    except (python_calamine.CalamineError, OSError) as error:
        is_locked = "password" in type(error).__name__.lower()
        raise UnreadableFileError(
            "the workbook is protected by a password; save it without one"
            if is_locked
            else "the workbook cannot be read; save it anew as .xlsx, or as CSV"
        ) from None
    if not filled:
        raise UnreadableFileError("the workbook has no visible sheet with anything in it")
    sheet = filled[0]
    notes.sheet = sheet.name
    notes.other_sheets = [other.name for other in filled[1:]]
    return _rows(sheet, notes)


def _rows(sheet: Any, notes: TableNotes) -> Iterator[FileRow]:
    numbered = ((line, [_text(cell) for cell in row]) for line, row in enumerate(sheet.iter_rows(), start=1))
    sample: list[tuple[int, list[str]]] = []
    for numbered_row in numbered:
        sample.append(numbered_row)
        if len(sample) == _SAMPLE_ROWS:
            break
    cells = [row for _, row in sample]
    header = find_header(cells)
    notes.skipped_title_rows = header
    names = name_columns(cells[header], cells[header + 1 :], notes)
    return _records([*sample[header + 1 :]], numbered, names)


def _records(
    sample: list[tuple[int, list[str]]], rest: Iterator[tuple[int, list[str]]], names: list[str]
) -> Iterator[FileRow]:
    width = len(names)
    for rows in (sample, rest):
        for line, row in rows:
            if not any(row):
                continue
            record = dict(zip(names, row, strict=False))
            if any(row[width:]):
                record |= {f"column_{position}": cell for position, cell in enumerate(row[width:], start=width + 1)}
                body = orjson.dumps(record)
                message = f"line {line}: {len(row)} cells, header has {width}"
                yield FileRow(line, record, body, ROW, "ragged_row", message)
            else:
                yield FileRow(line, record, orjson.dumps(record), ROW)


def _text(cell: Any) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime | date | time):
        return cell.isoformat().removesuffix("T00:00:00")
    return str(cell)
