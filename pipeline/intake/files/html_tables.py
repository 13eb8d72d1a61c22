"""Reads the table of an HTML page: many systems send one under the name of an Excel file.

A page is read whole, so its size is bounded. Of several tables the one with most cells is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.kit.mail.html_tokens import Token, tokens
from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.grids import grid_rows
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError

MAX_PAGE_BYTES = 100 * 1_048_576
_WIDEST_SPAN = 1_000  # columns or rows that one cell may cover
_MOST_COVERED = 2_000_000  # places that all cells of a page may cover beside their own
_BREAKS = re.compile(r"\s+")

Row = tuple[int, list[str]]  # place in its table, from 1, as a spreadsheet would number it


def read_html_table(contents: FileContents, notes: TableNotes) -> Iterator[FileRow]:
    """Rows below the header. Raises UnreadableFileError if no table has two rows."""
    if contents.size > MAX_PAGE_BYTES:
        raise UnreadableFileError(
            f"this is an HTML page of {contents.size // 1_048_576} MB; up to {MAX_PAGE_BYTES // 1_048_576} MB can be"
            " read: open it in a spreadsheet and save it as CSV"
        )
    reader = _TableReader()
    with contents.open_text() as file:
        page = file.read().encode(errors="replace").decode()
    for token in tokens(page):
        reader.take(token)
    reader.close()
    tables = [table for table in reader.tables if sum(any(row) for _, row in table) > 1]
    if not tables:
        raise UnreadableFileError("this is an HTML page without a table of rows, perhaps an error or a login page")
    return grid_rows(iter(max(tables, key=lambda table: sum(len(row) for _, row in table))), notes)


class _Budget:
    """What the cells of a page may cover beside their own places: markup of a few bytes can ask for a billion."""

    def __init__(self) -> None:
        self._left = _MOST_COVERED

    def spend(self, places: int) -> None:
        self._left -= places
        if self._left < 0:
            raise UnreadableFileError(
                "this is an HTML page whose cells cover far more columns and rows than they fill; save the table as CSV"
            )


class _Table:
    def __init__(self, budget: _Budget) -> None:
        self._budget = budget
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
        self._budget.spend(columns - 1)
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
            self._budget.spend(1)
            self.below[len(cells)] -= 1
            cells.append("")


class _TableReader:
    """Collects the tables of a page; one within a cell of another is a table of its own."""

    def __init__(self) -> None:
        self.tables: list[list[Row]] = []
        self._open: list[_Table] = []
        self._budget = _Budget()
        self._link = ""  # the address that the open link of a cell leads to

    def take(self, token: Token) -> None:
        if token.kind == "text":
            if self._open and (cell := self._open[-1].cell) is not None:
                cell.append(_BREAKS.sub(" ", token.text))
        elif token.kind == "open":
            self._begin(token.text, token.attributes)
        elif self._open:
            self._end(token.text)

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table":
            self._open.append(_Table(self._budget))
            self.tables.append(self._open[-1].rows)
        elif self._open:
            table = self._open[-1]
            if tag == "tr":
                table.begin_row()
            elif tag in ("td", "th"):
                table.begin_cell(_span(attributes.get("colspan")), _span(attributes.get("rowspan")))
            elif tag in ("br", "p", "div") and table.cell is not None:
                table.cell.append("\n")
            elif tag == "a" and table.cell is not None:
                self._link = _mailbox(attributes.get("href", ""))

    def _end(self, tag: str) -> None:
        table = self._open[-1]
        if tag == "table":
            self._open.pop().end_row()
        elif tag == "tr":
            table.end_row()
        elif tag in ("td", "th"):
            table.end_cell()
        elif tag == "a":
            if self._link and table.cell is not None and "@" not in "".join(table.cell):
                table.cell.append(f" <{self._link}>")
            self._link = ""

    def close(self) -> None:
        while self._open:
            self._open.pop().end_row()


def _mailbox(link: str) -> str:
    """The address of a link that writes a mail, behind a label in the table."""
    scheme, _, rest = link.strip().partition(":")
    address = rest.partition("?")[0]
    return address if scheme.lower() == "mailto" and "@" in address and "<" not in address else ""


def _span(span: str | None) -> int:
    return min(max(int(span), 1), _WIDEST_SPAN) if span and span.isascii() and span.isdigit() and len(span) < 9 else 1


def _tidy(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
