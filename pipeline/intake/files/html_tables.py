"""Reads the table of an HTML page: many systems send one under the name of an Excel file.

A page is read whole, so its size is bounded. Of several tables the one with most cells is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.grids import grid_rows
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError

MAX_PAGE_BYTES = 100 * 1_048_576
_CHUNK_CHARACTERS = 65_536
_WIDEST_SPAN = 1_000  # columns or rows that one cell may cover
_BREAKS = re.compile(r"\s+")
_SILENT = ("script", "style")

Row = tuple[int, list[str]]  # place in its table, from 1, as a spreadsheet would number it


def read_html_table(contents: FileContents, notes: TableNotes) -> Iterator[FileRow]:
    """Rows below the header. Raises UnreadableFileError if no table has two rows."""
    if contents.size > MAX_PAGE_BYTES:
        raise UnreadableFileError(
            f"this is an HTML page of {contents.size // 1_048_576} MB; up to {MAX_PAGE_BYTES // 1_048_576} MB can be"
            " read: open it in a spreadsheet and save it as CSV"
        )
    reader = _TableReader()
    try:
        with contents.open_text() as file:
            while chunk := file.read(_CHUNK_CHARACTERS):
                reader.feed(chunk.encode(errors="replace").decode())
        reader.close()
    except (AssertionError, ValueError):  # markup that the parser gives up on
        raise UnreadableFileError("this is HTML that cannot be read; save the table as CSV or Excel") from None
    tables = [table for table in reader.tables if sum(any(row) for _, row in table) > 1]
    if not tables:
        raise UnreadableFileError("this is an HTML page without a table of rows, perhaps an error or a login page")
    return grid_rows(iter(max(tables, key=lambda table: sum(len(row) for _, row in table))), notes)


class _Table:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.cell: list[str] | None = None  # pieces of the open cell's text
        self.span = (1, 1)  # of the open cell: columns, rows
        self.below: dict[int, int] = {}  # column -> rows that a cell further up still covers

    def begin_row(self) -> None:
        self.end_row()
        self.rows.append((len(self.rows) + 1, []))

    def begin_cell(self, columns: int, rows: int) -> None:
        self.end_cell()
        if not self.rows:
            self.begin_row()
        self.cell, self.span = [], (columns, rows)

    def end_cell(self) -> None:
        if self.cell is None:
            return
        cells = self.rows[-1][1]
        self._skip_covered(cells)
        columns, rows = self.span
        for place in range(len(cells), len(cells) + columns):
            if rows > 1:
                self.below[place] = rows - 1
        cells += [_tidy("".join(self.cell)), *[""] * (columns - 1)]
        self.cell = None

    def end_row(self) -> None:
        self.end_cell()
        if self.rows:
            self._skip_covered(self.rows[-1][1])

    def _skip_covered(self, cells: list[str]) -> None:
        while self.below.get(len(cells), 0):
            self.below[len(cells)] -= 1
            cells.append("")


class _TableReader(HTMLParser):
    """Collects the tables of a page; one within a cell of another is a table of its own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[Row]] = []
        self._open: list[_Table] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "table":
            self._open.append(_Table())
            self.tables.append(self._open[-1].rows)
        elif self._open:
            table = self._open[-1]
            if tag == "tr":
                table.begin_row()
            elif tag in ("td", "th"):
                attributes = dict(attrs)
                table.begin_cell(_span(attributes.get("colspan")), _span(attributes.get("rowspan")))
            elif tag in ("br", "p", "div") and table.cell is not None:
                table.cell.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif self._open:
            if tag == "table":
                self._open.pop().end_row()
            elif tag == "tr":
                self._open[-1].end_row()
            elif tag in ("td", "th"):
                self._open[-1].end_cell()

    def handle_data(self, data: str) -> None:
        if self._open and not self._silent and (cell := self._open[-1].cell) is not None:
            cell.append(_BREAKS.sub(" ", data))

    def close(self) -> None:
        super().close()
        while self._open:
            self._open.pop().end_row()


def _span(span: str | None) -> int:
    return min(max(int(span), 1), _WIDEST_SPAN) if span and span.isascii() and span.isdigit() and len(span) < 9 else 1


def _tidy(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
