"""One row of a file on its way in, good or bad; and what makes a table's first row its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.intake.file_contents import UnreadableFileError

_TITLE_LINES = 10  # a header further down is not looked for
_LEAST_COLUMNS_BELOW_TITLES = 3


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
    renamed_columns: list[tuple[int, str, str]] = field(default_factory=list)  # position from 1, as it was, as it is


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Index of the header among the first rows: 0, unless the rows above it are surely titles.

    Surely: each of them is empty or has one filled cell, and below stand a full row of three or more different names
    and rows as wide as it. Raises UnreadableFileError if what should be the header is data.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    for index, row in enumerate(rows[:_TITLE_LINES]):
        if filled[index] <= 1:
            continue
        names = [cell.strip() for cell in row if cell.strip()]
        is_sure = len(names) >= _LEAST_COLUMNS_BELOW_TITLES and len(set(names)) == len(names)
        if index and (
            not is_sure or any(len(later) != len(row) for later in rows[index + 1 : index + 4] if any(later))
        ):
            return _checked(rows, _first_filled(filled))
        return _checked(rows, index)
    return _checked(rows, _first_filled(filled))


def name_columns(header: Sequence[str], sample: Sequence[Sequence[str]], notes: TableNotes) -> list[str]:
    """Names of the columns, each once: empty ones become `column_3`, repeated ones `Name (2)`.

    Nameless columns at the end that hold nothing (a delimiter at the end of each line) are left out.
    """
    cells = [cell.strip().strip("\ufeff").strip() for cell in header]
    while cells and not cells[-1] and not any(row[len(cells) - 1].strip() for row in sample if len(row) >= len(cells)):
        cells.pop()
    names: list[str] = []
    taken = {cell for cell in cells if cell}
    used: set[str] = set()
    for position, cell in enumerate(cells, start=1):
        name, count = cell or f"column_{position}", 1
        while name in used or (count > 1 and name in taken) or (not cell and name in taken):
            count += 1
            name = f"{cell or f'column_{position}'} ({count})"
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
