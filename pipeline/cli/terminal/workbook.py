"""Rows as an Excel workbook: numbers, times and truth values as what they are, the rest as text that nothing runs.

Written row by row, in constant memory. A sheet holds a million rows; what is more goes on in the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import IO, Any

_ROWS_OF_A_SHEET = 1_000_000  # Excel's own limit is 1,048,576
_LONGEST_TEXT = 32_767  # characters of a cell, by Excel's limit
_MOST_DIGITS = 15  # of a whole number that Excel keeps exactly
_CUT = "…"


def write_workbook(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: IO[bytes], *, as_text: Callable[[Any], str]
) -> int:
    """Write all rows under a line of titles; gives how many. `as_text` makes a text of lists and objects."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    count, sheet = 0, None

    def cell(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float) and abs(value) < 10**_MOST_DIGITS:
            return value
        if isinstance(value, datetime):
            made = WriteOnlyCell(sheet, value=value.astimezone(UTC).replace(tzinfo=None, microsecond=0))
            made.number_format = "yyyy-mm-dd hh:mm:ss"
            return made
        if isinstance(value, date):
            return value
        text = ILLEGAL_CHARACTERS_RE.sub("", value if isinstance(value, str) else as_text(value))
        if len(text) > _LONGEST_TEXT:
            text = text[: _LONGEST_TEXT - 1] + _CUT
        made = WriteOnlyCell(sheet, value=text)
        made.data_type = "s"  # whatever it begins with: a stranger's "=…" is no formula
        return made

    def begin() -> Any:
        made = book.create_sheet("rows" if count == 0 else f"rows from {count + 1}")
        made.freeze_panes = "A2"
        made.append(list(columns))
        return made

    sheet = begin()
    for row in rows:
        if count and count % _ROWS_OF_A_SHEET == 0:
            sheet = begin()
        sheet.append([cell(row.get(column)) for column in columns])
        count += 1
    book.save(file)
    return count
