"""Lines below a table that are no rows of it: a report's totals, its name, who made it, a copyright."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.values.column_titles import BRACKETS, title_key, totals

_MOST_LINES = 30
_MOST_CELLS = 2  # filled ones of a line below a table
_LEAST_COLUMNS = 3  # of a table that has such lines


class Footer:
    """Tells which lines may be of a footer: it begins below an empty line with a sentence, or with a line of sums, and
    goes on with lines of few cells. Fed each line in order."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._is_below_blank = False
        self._has_begun = False

    def sees(self, cells: Sequence[str], *, blanks: bool = False) -> bool:
        """Whether anything stands in the line; `blanks` count as something."""
        is_filled = any(cells) if blanks else any(cell.strip() for cell in cells)
        self._is_below_blank = self._is_below_blank or not is_filled
        return is_filled

    def may_hold(self, cells: Sequence[str]) -> bool:
        """Whether this line, not empty, may be of the footer. An address makes it a lead."""
        if not (self._is_below_blank or self._has_begun) and _are_filled(cells[: _MOST_CELLS + 1]):  # nearly every line
            return False
        filled = [cell for cell in cells if cell and not cell.isspace()]
        is_below_blank, has_begun = self._is_below_blank, self._has_begun
        self._is_below_blank = self._has_begun = False
        if len(filled) > _MOST_CELLS or not filled or self._width < _LEAST_COLUMNS:
            return False
        if any("@" in cell or _has_number(cell) for cell in filled):
            return False
        is_sentence = len(filled) == 1 and " " in filled[0].strip()  # an id alone may be a lead that was cut off
        goes_on = has_begun and (is_sentence or len(cells) < self._width)
        self._has_begun = goes_on or (is_below_blank and is_sentence) or _is_sum(filled[0])
        return self._has_begun


def _are_filled(cells: Sequence[str]) -> bool:
    """Whether these are more than a footer's line fills."""
    return len(cells) > _MOST_CELLS and all(cell and not cell.isspace() for cell in cells)


def _is_sum(cell: str) -> bool:
    return title_key(BRACKETS.sub(" ", cell).rstrip(" :0123456789")) in totals()


def _has_number(cell: str) -> bool:
    """Whether a cell may be a phone number: little else than digits."""
    digits = sum(character.isdigit() for character in cell)
    return digits >= 7 and digits * 2 >= len(cell)


def without_footer(rows: Iterable[tuple[FileRow, bool]], notes: TableNotes) -> Iterator[FileRow]:
    """The rows, less those at the very end that `Footer` took for one. `notes` says how many."""
    held: list[FileRow] = []
    for row, may_be_footer in rows:
        if may_be_footer and row.code != "totals_row" and len(held) < _MOST_LINES:
            held.append(row)
            continue
        yield from held
        held = []
        yield row
    notes.skipped_footer_rows = len(held)
