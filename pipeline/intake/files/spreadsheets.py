"""Reads Excel workbooks (.xlsx, .xlsb, .xls) and OpenDocument sheets: the first visible sheet that holds anything.

A workbook is read whole, so its size is bounded (file_contents.MAX_SHEET_BYTES); CSV is the way for more. Hidden rows
are read like others. A merged cell has its value in its first row only; in the header, in each of its columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from pipeline.intake.files.archives import refuse_scattered_cells
from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.grids import Fault, grid_rows
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError

_EXACT_BELOW = 1e15  # a spreadsheet keeps 15 digits of a number; of a longer one it has lost the rest
_LOCKED = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0".encode("ascii")
_UNREADABLE = "the workbook cannot be read; save it anew as .xlsx, or as CSV"
_Merged = Sequence[tuple[tuple[int, int], tuple[int, int]]]  # rows and columns from 0, both ends included


def read_spreadsheet(
    contents: FileContents, notes: TableNotes, *, exact: frozenset[str] = frozenset()
) -> Iterator[FileRow]:
    """Rows below the header; cells as text, dates as ISO 8601. Raises UnreadableFileError.

    `exact` are columns of ids: a row whose number there has lost digits is bad.
    """
    try:
        filled = _filled_sheets(contents)
    except UnreadableFileError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # the reader's, on damaged files
            raise UnreadableFileError(_reason(error, contents)) from None
        raise
    if not filled:
        raise UnreadableFileError("the workbook has no visible sheet with anything in it")
    sheet = filled[0]
    notes.sheet = sheet.name
    notes.other_sheets = [other.name for other in filled[1:]]
    cells = [[_text(cell) for cell in row] for row in sheet.iter_rows()]
    merged: _Merged = sheet.merged_cell_ranges or ()

    def fill_header(line: int, header: list[str]) -> list[str]:
        return [cell or _merged_value(cells, merged, line - 1, place) for place, cell in enumerate(header)]

    def check(line: int, names: Sequence[str], row: Sequence[str]) -> Fault | None:
        lost = [name for name, cell in zip(names, row, strict=False) if _has_lost_digits(cell)]
        notes.imprecise_columns += [name for name in lost if name not in notes.imprecise_columns]
        damaged = next((name for name in lost if name in exact), None)
        if damaged is None:
            return None
        return (
            "imprecise_number",
            f"line {line}: {damaged!r} has more than 15 digits, which Excel does not keep",
        )

    return grid_rows(enumerate(cells, start=1), notes, fill_header=fill_header, check=check)


def _filled_sheets(contents: FileContents) -> list[Any]:
    import python_calamine

    with contents.open_binary() as file:
        refuse_scattered_cells(file)
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        names = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.visible == python_calamine.SheetVisibleEnum.Visible
            and sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        sheets = [workbook.get_sheet_by_name(name) for name in names]
    return [sheet for sheet in sheets if sheet.height]


def _reason(error: BaseException, contents: FileContents) -> str:
    if "password" in type(error).__name__.lower():
        return "the workbook is protected by a password; save it without one"
    with contents.open_binary() as file:
        is_locked = _LOCKED in file.read(1_048_576)
    return "the workbook is protected by a password; save it without one" if is_locked else _UNREADABLE


def _merged_value(cells: Sequence[Sequence[str]], merged: _Merged, row: int, column: int) -> str:
    """What stands in the merged cell that covers this place, if one does."""
    for (top, left), (bottom, right) in merged:
        if top <= row <= bottom and left <= column <= right and top < len(cells) and left < len(cells[top]):
            return cells[top][left]
    return ""


def _text(cell: Any) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT_BELOW:
        return str(int(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime | date | time):
        return cell.isoformat().removesuffix("T00:00:00")
    return str(cell)


def _has_lost_digits(cell: str) -> bool:
    """Whether this is how `_text` writes a number too long for a spreadsheet."""
    mantissa, mark, exponent = cell.partition("e+")
    return bool(mark) and exponent.isdigit() and mantissa.replace(".", "").lstrip("-").isdigit()
