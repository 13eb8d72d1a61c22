"""Reads Excel workbooks (.xlsx, .xlsb, .xls) and OpenDocument sheets: the first visible sheet that is a table of leads.

A workbook is read whole, so its size is bounded (contents.MAX_SHEET_BYTES); CSV is the way for more. It is read by a
process of its own with limits of memory and time (`workbook_reader`): what a hostile file breaks is that process.
Hidden rows are read like others. A merged cell has its value in its first row only; in the header, in each of its
columns.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple, cast

import orjson

from pipeline.intake.files import workbook_reader
from pipeline.intake.files.archives import refuse_scattered_cells
from pipeline.intake.files.contents import FileContents, unpacked_size
from pipeline.intake.files.grids import Fault, grid_rows
from pipeline.intake.files.rows import FileRow, TableNotes, find_header
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.values.column_titles import count_titles
from pipeline.values.folding import fold

_LOCKED = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0".encode("ascii")
_PROTECTED = "the workbook is protected by a password; save it without one"
_UNREADABLE = "the workbook cannot be read; save it anew as .xlsx, or as CSV"
_TOO_WIDE = (
    "the workbook needs far more memory than a table of its size: its cells lie far apart. Delete the cells at its far"
    " end, or save the sheet as CSV"
)
_TOO_SLOW = "the workbook takes longer to read than a table of its size may: save the sheet as CSV"
_BASE_MEMORY, _MEMORY_A_BYTE = 1_073_741_824, 12  # bytes; a cell takes 32 in memory and hardly fewer than 10 unpacked
_BASE_SECONDS, _BYTES_A_SECOND = 60, 500_000
_BASE_CELLS, _CELLS_A_BYTE = 4_000_000, 2  # that a sheet may span, empty ones among them
_SECONDS_TO_END = 10
_CUT_OFF_BY_TIME = (-24, -9)  # SIGXCPU, then SIGKILL
_Merged = Sequence[tuple[tuple[int, int], tuple[int, int]]]  # rows and columns from 0, both ends included
CountRead = Callable[[list[str]], int]  # columns -> how many of them somebody can read


class _Sheet(NamedTuple):
    name: str
    height: int
    first_rows: list[list[str]]


def read_spreadsheet(
    contents: FileContents,
    notes: TableNotes,
    *,
    exact: frozenset[str] = frozenset(),
    sheet: str | None = None,
    count_read: CountRead = count_titles,
) -> Iterator[FileRow]:
    """Rows below the header; cells as text, dates as ISO 8601. Raises UnreadableFileError.

    `exact` are columns of ids: a row whose number there has lost digits is bad. `sheet` is the name of one, or its
    number from 1; without it the first is taken that has columns to be read by `count_read`.
    """
    with contents.open_binary() as file:
        refuse_scattered_cells(file)
    reader = _Reader(contents, "")
    sheets, known = reader.sheets()
    if sheet is not None:
        wanted = _named(sheet, known)
        if wanted not in [listed.name for listed in sheets]:  # a hidden one: read by name alone
            reader.close()
            reader = _Reader(contents, wanted)
            sheets, _ = reader.sheets()
        chosen = next(listed for listed in sheets if listed.name == wanted)
    filled = [listed for listed in sheets if listed.height]
    if not filled or (sheet is not None and not chosen.height):
        reader.close()
        fault = (
            f"the sheet {sheet!r} is empty"
            if sheet is not None
            else "the workbook has no visible sheet with anything in it"
        )
        raise UnreadableFileError(fault)
    if sheet is None:
        chosen = _table_of_leads(filled, count_read)
    notes.sheet = chosen.name
    notes.other_sheets = [other.name for other in filled if other.name != chosen.name]
    merged, rows = reader.rows(sheets.index(chosen))
    return _rows(rows, merged, chosen.first_rows, notes, exact)


def _rows(
    rows: Iterator[list[str]],
    merged: _Merged,
    first_rows: Sequence[Sequence[str]],
    notes: TableNotes,
    exact: frozenset[str],
) -> Iterator[FileRow]:
    def fill_header(line: int, header: list[str]) -> list[str]:
        return [cell or _merged_value(first_rows, merged, line - 1, place) for place, cell in enumerate(header)]

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

    return grid_rows(enumerate(rows, start=1), notes, fill_header=fill_header, check=check)


def _table_of_leads(sheets: Sequence[_Sheet], count_read: CountRead) -> _Sheet:
    """The first sheet that is read about as well as the best one: a summary before the leads is passed over."""
    counts = [_count(sheet, count_read) for sheet in sheets]
    best = max(counts)
    return next(sheet for sheet, count in zip(sheets, counts, strict=True) if 2 * count >= best)


def _count(sheet: _Sheet, count_read: CountRead) -> int:
    try:
        header = sheet.first_rows[find_header(sheet.first_rows)]
    except UnreadableFileError:
        return 0
    return count_read([cell for cell in header if cell.strip()]) if len(sheet.first_rows) > 1 else 0


def _named(sheet: str, known: Sequence[tuple[str, bool]]) -> str:
    names = [name for name, _ in known]
    visible = [name for name, is_visible in known if is_visible]
    if sheet in names:
        return sheet
    alike = [name for name in names if fold(name) == fold(sheet) and fold(name)]
    if len(alike) == 1:
        return alike[0]
    if sheet.isdecimal() and 1 <= int(sheet) <= len(visible):
        return visible[int(sheet) - 1]
    raise UnreadableFileError(f"there is no sheet {sheet!r}; --sheet takes one of {', '.join(visible)}, or its number")


class _Reader:
    """The process that reads, and what it says. Ended when all rows are read or nobody wants them any longer."""

    def __init__(self, contents: FileContents, wanted: str) -> None:
        self._contents = contents
        size = unpacked_size(contents)
        memory = _BASE_MEMORY + _MEMORY_A_BYTE * size
        seconds = _BASE_SECONDS + size // _BYTES_A_SECOND
        with tempfile.TemporaryFile() as copy, contents.open_binary() as file:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            descriptor = copy.fileno()
            limits = (descriptor, memory, seconds, _BASE_CELLS + _CELLS_A_BYTE * size)
            self._process = subprocess.Popen(
                [sys.executable, "-I", workbook_reader.__file__, *map(str, limits), wanted],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env={},
            )
        self._in, self._out = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def sheets(self) -> tuple[list[_Sheet], list[tuple[str, bool]]]:
        """(sheets that may be read, name and visibility of all)."""
        said = self._next()
        if not isinstance(said, dict) or "error" in said:
            raise UnreadableFileError(self._reason(said or {}))
        return [_Sheet(*sheet) for sheet in said["sheets"]], [(name, visible) for name, visible in said["known"]]

    def rows(self, place: int) -> tuple[_Merged, Iterator[list[str]]]:
        with contextlib.suppress(OSError):  # it has ended: the next answer says so
            self._in.write(f"{place}\n".encode())
            self._in.flush()
        merged = self._next()
        if not isinstance(merged, list):
            raise UnreadableFileError(self._reason({}))
        return [((a, b), (c, d)) for (a, b), (c, d) in merged], self._all_rows()

    def close(self) -> None:
        self._process.kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def _all_rows(self) -> Iterator[list[str]]:
        try:
            while isinstance(row := self._next(), list):
                yield row
            if row is not None:
                raise UnreadableFileError(self._reason(row))
        finally:
            self.close()

    def _next(self) -> Any:
        line = self._out.readline()
        return orjson.loads(line) if line.endswith(b"\n") else {"error": "ended"}

    def _reason(self, said: dict[str, Any]) -> str:
        """What is wrong, in words. It ends by itself: how, is seen before anybody ends it."""
        error = str(said.get("error", "ended"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        code = self._process.poll() or 0
        self.close()
        if error == "span":
            return (
                f"the sheet spans {said['height']} rows and {said['width']} columns, far beyond its data: delete the"
                " cells at its far end, or save it as CSV"
            )
        if "password" in error.lower():
            return _PROTECTED
        if error == "memory":
            return _TOO_WIDE
        if error == "ended":  # without a word: killed by its limits, or by itself for want of memory
            return _TOO_SLOW if code in _CUT_OFF_BY_TIME else _TOO_WIDE if code < 0 else _UNREADABLE
        with self._contents.open_binary() as file:
            is_locked = _LOCKED in file.read(1_048_576)
        return _PROTECTED if is_locked else _UNREADABLE


def _merged_value(cells: Sequence[Sequence[str]], merged: _Merged, row: int, column: int) -> str:
    """What stands in the merged cell that covers this place, if one does."""
    for (top, left), (bottom, right) in merged:
        if top <= row <= bottom and left <= column <= right and top < len(cells) and left < len(cells[top]):
            return cells[top][left]
    return ""


def _has_lost_digits(cell: str) -> bool:
    """Whether this is how `workbook_reader` writes a number too long for a spreadsheet."""
    mantissa, mark, exponent = cell.partition("e+")
    return bool(mark) and exponent.isdigit() and mantissa.replace(".", "").lstrip("-").isdigit()
