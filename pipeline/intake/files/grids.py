"""Rows of cells that a spreadsheet or an HTML page holds, made into rows of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import orjson

from pipeline.intake.files.footers import Footer, without_footer
from pipeline.intake.files.rows import FileRow, NoLeads, TableNotes, find_header, name_columns
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.stages.mapping.bodies import ROW

_SAMPLE_ROWS = 200

Grid = Iterator[tuple[int, list[str]]]  # line from 1, cells
Fault = tuple[str, str]  # code, message


def grid_rows(
    grid: Grid,
    notes: TableNotes,
    *,
    fill_header: Callable[[int, list[str]], list[str]] = lambda _line, cells: cells,
    check: Callable[[int, Sequence[str], Sequence[str]], Fault | None] = lambda _line, _names, _cells: None,
) -> Iterator[FileRow]:
    """Rows below the header. `fill_header` gets the header's line and cells, merged ones empty; `check` line, names
    and cells of each row. Raises UnreadableFileError if there is no header."""
    sample = list(islice(grid, _SAMPLE_ROWS))
    cells = [row for _, row in sample]
    if not any(any(row) for row in cells):
        raise UnreadableFileError("the table has no rows")
    place = find_header(cells)
    notes.skipped_title_rows = place
    header = fill_header(*sample[place])
    names = name_columns(header, cells[place + 1 :], notes)
    return without_footer(_records(chain(sample[place + 1 :], grid), names, NoLeads(header), check), notes)


def _records(
    grid: Grid,
    names: Sequence[str],
    no_leads: NoLeads,
    check: Callable[[int, Sequence[str], Sequence[str]], Fault | None],
) -> Iterator[tuple[FileRow, bool]]:
    """Each row, and whether it may stand below the table."""
    width, footer = len(names), Footer(len(names))
    for line, cells in grid:
        if not footer.sees(cells, blanks=True):
            continue
        record = dict(zip(names, cells, strict=False))
        fault = no_leads.fault(line, cells) or check(line, names, cells)
        if any(cells[width:]):
            record |= {f"column_{place}": cell for place, cell in enumerate(cells[width:], start=width + 1)}
            fault = "ragged_row", f"line {line}: {len(cells)} cells, header has {width}"
        yield FileRow(line, record, orjson.dumps(record), ROW, *(fault or ())), footer.may_hold(cells)
