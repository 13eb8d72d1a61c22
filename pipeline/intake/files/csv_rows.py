"""Reads CSV and its relatives: four delimiters, quoted line breaks, any line end.

A row that cannot be right (a quote that never ends, too many or too few cells) costs itself only: reading goes on at
the line after its first.
"""

from __future__ import annotations

import contextlib
import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from pipeline.intake.files.contents import FileContents, OverlongLine, text_lines
from pipeline.intake.files.footers import Footer, without_footer
from pipeline.intake.files.rows import FileRow, NoLeads, TableNotes, find_header, name_columns
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.stages.mapping.bodies import ROW

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 200
_LINE_LIMIT = 1_048_576  # characters
_RAW_LIMIT = 65_536  # bytes kept of a row that could not be read
_ENCODING_ERRORS = "surrogateescape"
# A quote that never closes is known only at the end of the file, after which reading goes back. So that a file of
# nothing else takes no time without end, the lines read in vain are bounded: this many, and some for each record.
_FREE_LINES = 50_000
_LINES_A_RECORD = 20

csv.field_size_limit(_LINE_LIMIT)  # the module's own limit of 128 KB would end at a long message


def read_csv(contents: FileContents, notes: TableNotes) -> Iterator[FileRow]:
    """Rows of the table below its header. Raises UnreadableFileError, before the first row if there is no header."""
    lines = text_lines(contents, limit=_LINE_LIMIT)
    sample = list(islice(lines, _SAMPLE_LINES))
    feed = _Lines(sample, lines)
    delimiter = _declared_delimiter(sample)
    if delimiter is not None:
        feed.drop(1)
        sample = sample[1:]
    notes.delimiter = delimiter or _guess_delimiter(sample)
    table = _Table(feed, notes.delimiter, contents.encoding)
    first = _first_records(sample, notes.delimiter)
    if not any(any(row) for row in first):
        raise UnreadableFileError("the file has no rows")
    header_index = find_header(first)
    notes.skipped_title_rows = header_index
    header = first[header_index]
    names = name_columns(header, first[header_index + 1 :], notes)
    return without_footer(table.rows(names, NoLeads(header), skip=header_index + 1), notes)


class _Lines:
    """Lines of a file that remembers the present record's, so that reading can go back to them."""

    def __init__(self, sample: Iterable[str], rest: Iterable[str]) -> None:
        self._ahead = deque(sample)
        self._rest = iter(rest)
        self.number = 0  # of the line given last
        self.record: list[str] = []  # lines given since `begin_record`
        self.has_ended = False
        self._credit = _FREE_LINES  # lines that may yet be read a second time

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.record) > 1 and len(self.record) > self._credit:
            raise csv.Error("a cell goes on for too long")
        if self._ahead:
            line = self._ahead.popleft()
        else:
            following = next(self._rest, None)
            if following is None:
                self.has_ended = True
                raise StopIteration
            line = following
        self.number += 1
        self.record.append(line)
        return line

    def drop(self, count: int) -> None:
        for _ in range(count):
            next(self)

    def begin_record(self) -> None:
        self._credit = min(self._credit + _LINES_A_RECORD, _FREE_LINES)
        self.record = []
        self.has_ended = False

    def keep_first_line(self) -> str:
        """Give back all lines of the present record but its first, which is returned."""
        self._ahead.extendleft(reversed(self.record[1:]))
        self._credit -= len(self.record)
        self.number -= len(self.record) - 1
        return self.record[0]


class _Table:
    """Turns lines into records, and what is wrong with them into rows for quarantine."""

    def __init__(self, lines: _Lines, delimiter: str, encoding: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._encoding = encoding

    def rows(self, names: Sequence[str], no_leads: NoLeads, *, skip: int) -> Iterator[tuple[FileRow, bool]]:
        """Rows after the first `skip` records, and whether each may stand below the table."""
        lines, width, footer = self._lines, len(names), Footer(len(names))
        reader = self._reader()
        skipped = 0
        while True:
            lines.begin_record()
            begins_at = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:  # a quotation mark in a wrong place, a cell without end, the end of the file in a cell
                cells = []
                reader = self._reader()
                if len(lines.record) == 1 and not lines.has_ended:
                    cells = next(csv.reader(lines.record, delimiter=self._delimiter), [])
            if skipped < skip:
                skipped += 1
                continue
            if any(isinstance(line, OverlongLine) for line in lines.record):
                first = lines.keep_first_line()
                reader = self._reader()
                code = "overlong_line" if isinstance(first, OverlongLine) else "unclosed_quote"
                yield self._bad(begins_at, names, [], first, code), False
                continue
            if len(cells) > width and not any(cells[width:]):
                del cells[width:]
            if len(cells) == width:
                if footer.sees(cells, blanks=True):
                    row = self._good(begins_at, names, cells, no_leads.fault(begins_at, cells))
                    yield row, footer.may_hold(cells)
            elif len(lines.record) > 1 or lines.has_ended:
                # The quote that opened here does not close where it should: only this line is taken for bad.
                first = lines.keep_first_line()
                reader = self._reader()
                yield self._bad(begins_at, names, _split(first, self._delimiter), first, "unclosed_quote"), False
            elif footer.sees(cells):
                row = self._bad(begins_at, names, cells, "".join(lines.record), "ragged_row")
                yield row, footer.may_hold(cells)

    def _reader(self) -> Any:
        # Strict: a quote that never closed would else end at the next one, and two rows would pass for one.
        return csv.reader(self._lines, delimiter=self._delimiter, strict=True)

    def _good(self, line: int, names: Sequence[str], cells: list[str], fault: tuple[str, str] | None) -> FileRow:
        record = dict(zip(names, cells, strict=True))
        try:
            return FileRow(line, record, orjson.dumps(record), ROW, *(fault or ()))
        except TypeError:  # a surrogate: bytes that the file's encoding does not have
            return self._bad(line, names, cells, "".join(self._lines.record), "undecodable_row")

    def _bad(self, line: int, names: Sequence[str], cells: list[str], text: str, code: str) -> FileRow:
        """What can be read of a bad row is its record: replayed after a look, it goes the usual way."""
        width = len(names)
        labels = [*names, *(f"column_{position}" for position in range(width + 1, len(cells) + 1))]
        record = {label: cell.encode(errors="replace").decode() for label, cell in zip(labels, cells, strict=False)}
        raw = text.encode(self._encoding, _ENCODING_ERRORS)[:_RAW_LIMIT]
        return FileRow(line, record, orjson.dumps(record), ROW, code, self._message(code, line, len(cells), width), raw)

    def _message(self, code: str, line: int, cell_count: int, width: int) -> str:
        if code == "ragged_row":
            return f"line {line}: {cell_count} cells, header has {width}"
        if code == "unclosed_quote":
            return f"line {line}: a quotation mark opens a cell and does not close it as the other rows do"
        if code == "overlong_line":
            return f"line {line}: longer than {_LINE_LIMIT} characters, which no lead is; its beginning is kept"
        return f"line {line}: bytes that are not {self._encoding}"


def _first_records(sample: Sequence[str], delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # a cell without end, further down: `rows` deals with it
        records.extend(csv.reader(sample, delimiter=delimiter))
    return records


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of one line alone, quotation marks taken as they stand."""
    return next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])


def _declared_delimiter(sample: Sequence[str]) -> str | None:
    """Excel's own first line `sep=;`."""
    if not sample:
        return None
    text = sample[0].lstrip("\ufeff").strip("\r\n\"' ")
    return text[4] if len(text) == 5 and text.lower().startswith("sep=") else "\t" if text.lower() == "sep=" else None


def _guess_delimiter(sample: Sequence[str]) -> str:
    """The delimiter by which most records have one and the same number of cells; then the greatest number."""
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        except csv.Error:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(0, 0))
        if width > 1:
            score = (round(count / sum(widths.values()), 1), width)
            best, best_score = max((best, best_score), (delimiter, score), key=lambda item: item[1])
    return best
