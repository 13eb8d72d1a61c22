"""One row of a file on its way in, good or bad; and what makes a table's first row its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.values.column_titles import count_titles, title_key, totals

_TITLE_LINES = 10  # a header further down is not looked for
_LEAST_COLUMNS_BELOW_TITLES = 3
_LEAST_KNOWN_TITLES = 3  # that prove a header which is not the first row
_SECOND_HEADERS = 3  # rows below the header among which another header is looked for
_NUMERIC = re.compile(r"^[-+()\d.,:'%\s\u00a0\u202f€$£]*$")
_LONGEST_SUM = 30  # characters of a first cell as `Grand total:`


class FileRow(msgspec.Struct):
    """`line` counts from 1 as an editor does. `record` is None where no record could be made of the text.

    A row with a `code` is stored and goes to quarantine at once; `raw` are its bytes as they stood in the file.
    """

    line: int
    record: dict[str, Any] | None
    body: bytes
    content_type: str
    code: str | None = None
    message: str = ""
    raw: bytes | None = None

    def __repr__(self) -> str:
        return f"<FileRow {self.line}{f' {self.code}' if self.code else ''}>"


@dataclass
class TableNotes:
    """What was noticed about a file as a whole, for the person who imports it. Holds no value of a lead."""

    encoding: str = ""
    delimiter: str | None = None
    sheet: str | None = None
    other_sheets: list[str] = field(default_factory=list)
    skipped_title_rows: int = 0
    skipped_footer_rows: int = 0
    imprecise_columns: list[str] = field(default_factory=list)  # numbers of more digits than a spreadsheet keeps
    columns: int = 0
    phones_seen: int = 0  # in the first rows
    phones_without_country: int = 0  # of them
    likely_region: str | None = None  # where those may belong; nothing is read by it
    unread_columns: list[str] = field(default_factory=list)  # that the mapping neither reads nor has decided about
    renamed_columns: list[tuple[int, str, str]] = field(default_factory=list)  # position from 1, as it was, as it is


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Index of the header among the first rows: 0, unless the rows above it are surely titles.

    Surely: each of them is empty or has one filled cell, and below stand a full row of three or more different names
    and rows as wide as it; or a row of known titles stands below one with fewer of them (groups of columns, a report's
    own lines). Raises UnreadableFileError if what should be the header is data.
    """
    index = _header_by_shape(rows)
    better = _header_by_titles(rows, index)
    return _checked(rows, index if better is None else better)


def _header_by_shape(rows: Sequence[Sequence[str]]) -> int:
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    for index, row in enumerate(rows[:_TITLE_LINES]):
        if filled[index] <= 1:
            continue
        names = [cell.strip() for cell in row if cell.strip()]
        is_sure = len(names) >= _LEAST_COLUMNS_BELOW_TITLES and len(set(names)) == len(names)
        if index and (
            not is_sure or any(len(later) != len(row) for later in rows[index + 1 : index + 4] if any(later))
        ):
            return _first_filled(filled)
        return index
    return _first_filled(filled)


def _header_by_titles(rows: Sequence[Sequence[str]], index: int) -> int | None:
    known = [count_titles(row) for row in rows[:_TITLE_LINES]]
    best = max(range(len(known)), key=lambda place: (known[place], -place), default=0)
    if not known or best == index or known[best] < _LEAST_KNOWN_TITLES or not _is_of_titles(rows[best], known[best]):
        return None
    if index >= len(known):
        return best
    is_wider = sum(map(bool, rows[best])) > sum(map(bool, rows[index]))
    return best if known[best] > known[index] and (is_wider or known[best] >= 2 * known[index]) else None


def _is_of_titles(row: Sequence[str], known: int) -> bool:
    filled = [cell for cell in row if cell.strip()]
    return 2 * known >= len(filled) and not any(_looks_like_an_address(cell) for cell in filled)


class NoLeads:
    """Recognizes lines of a table that are no leads: the header once more, a second header, a line of sums."""

    def __init__(self, header: Sequence[str]) -> None:
        self._header = [cell.strip() for cell in header]
        self._first = next((cell for cell in self._header if cell), None)
        self._ahead = _SECOND_HEADERS
        self._totals = totals()

    def fault(self, line: int, cells: Sequence[str]) -> tuple[str, str] | None:
        """(code, message) if this row is none; None for a lead. Cheap for a lead."""
        first = cells[0] or next((cell for cell in cells if cell), "")
        if first.startswith("\ufeff"):  # two files put together
            cells = [cells[0].lstrip("\ufeff").strip('"'), *cells[1:]]
            first = cells[0]
        if self._ahead:
            self._ahead -= 1
            known = count_titles(cells)
            if known >= _LEAST_KNOWN_TITLES and _is_of_titles(cells, known):
                return "repeated_header", f"line {line}: a second header, not a lead"
        if first.strip() == self._first and [cell.strip() for cell in cells] == self._header:
            return "repeated_header", f"line {line}: the header once more, not a lead"
        if len(first) <= _LONGEST_SUM and first[:1].isalpha() and self._is_sum(first, cells):
            return "totals_row", f"line {line}: adds up what stands above it, so it is no lead"
        return None

    def _is_sum(self, first: str, cells: Sequence[str]) -> bool:
        for cell in cells:  # first, as it costs least: the second cell of a lead is hardly ever a number
            if cell and cell is not first and not _NUMERIC.match(cell):
                return False
        return title_key(first.rstrip(" :0123456789")) in self._totals


def name_columns(header: Sequence[str], sample: Sequence[Sequence[str]], notes: TableNotes) -> list[str]:
    """Names of the columns, each once: empty ones become `column_3`, repeated ones `Name (2)`.

    Bytes that are not of the file's encoding become question marks, as no name could be stored with them.
    Nameless columns at the end that hold nothing (a delimiter at the end of each line) are left out.
    """
    cells = [cell.encode(errors="replace").decode().strip().strip("\ufeff").strip() for cell in header]
    while cells and not cells[-1] and not any(row[len(cells) - 1].strip() for row in sample if len(row) >= len(cells)):
        cells.pop()
    names: list[str] = []
    taken = {cell for cell in cells if cell}
    used: set[str] = set()
    counts: dict[str, int] = {}  # number given last to columns of one title
    for position, cell in enumerate(cells, start=1):
        title = cell or f"column_{position}"
        name, count = title, counts.get(title, 1)
        while name in used or (count > 1 and name in taken) or (not cell and name in taken):
            count += 1
            name = f"{title} ({count})"
        counts[title] = count
        used.add(name)
        names.append(name)
        if name != cell:
            notes.renamed_columns.append((position, cell, name))
    return names


def _first_filled(filled: Sequence[int]) -> int:
    return next((index for index, count in enumerate(filled) if count), 0)


def _checked(rows: Sequence[Sequence[str]], index: int) -> int:
    if any(_looks_like_an_address(cell) for cell in rows[index]):
        raise UnreadableFileError(
            "the first row holds an e-mail address, so it is not a header: put the columns' names above it"
        )
    return index


def _looks_like_an_address(cell: str) -> bool:
    local, _, domain = cell.strip().partition("@")
    return bool(local) and "." in domain and " " not in cell.strip()
