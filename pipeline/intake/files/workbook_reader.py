"""The program that reads one workbook, in a process of its own: `spreadsheets` starts it and holds it to its limits.

Reading makes room for everything between the first cell and the last, which a file of a few bytes can lay anywhere, and
the reading library ends its process where there is no room. So this imports nothing of Afluente, and has no secret.

Arguments: descriptor of the file, bytes of memory, seconds of CPU, cells that a sheet may span, name of the one sheet
to read, or empty for all that are visible. Writes JSON lines: the sheets with their first rows, or what is wrong; then,
told the place of one on standard input, its merged ranges and its rows, then null.
"""

from __future__ import annotations

import os
import resource
import sys
from datetime import date, datetime, time
from typing import Any

FIRST_ROWS = 20
_EXACT_BELOW = 1e15  # a spreadsheet keeps 15 digits of a number; of a longer one it has lost the rest


def main() -> None:
    descriptor, memory, seconds, most_cells = map(int, sys.argv[1:5])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _serve(descriptor, most_cells, wanted=sys.argv[5])
    except BaseException as error:  # noqa: BLE001 - the reading library's own, on damaged files, is none of Exception
        _say({"error": "memory" if isinstance(error, MemoryError) else type(error).__name__})


def _serve(descriptor: int, most_cells: int, *, wanted: str) -> None:
    import python_calamine

    with os.fdopen(descriptor, "rb") as file:
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
    known = [
        (sheet.name, sheet.visible == python_calamine.SheetVisibleEnum.Visible)
        for sheet in workbook.sheets_metadata
        if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]
    names = [name for name, is_visible in known if (name == wanted if wanted else is_visible)]
    sheets = [workbook.get_sheet_by_name(name) for name in names]
    for sheet in sheets:
        if sheet.height * sheet.width > most_cells:
            _say({"error": "span", "height": sheet.height, "width": sheet.width})
            return
    _say({"known": known, "sheets": [[sheet.name, sheet.height, _first_rows(sheet)] for sheet in sheets]})
    place = sys.stdin.readline().strip()
    if place:
        sheet = sheets[int(place)]
        _say([[list(corner) for corner in corners] for corners in sheet.merged_cell_ranges or ()])
        for row in sheet.iter_rows():
            _say([_text(cell) for cell in row])
        _say(None)


def _first_rows(sheet: Any) -> list[list[str]]:
    rows = sheet.iter_rows()
    return [[_text(cell) for cell in row] for _, row in zip(range(FIRST_ROWS), rows, strict=False)]


def _say(value: Any) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        sys.stdout.buffer.flush()


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


if __name__ == "__main__":
    main()
