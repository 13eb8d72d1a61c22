"""Whether the dates of a column put the day or the month first, told from all its cells: 02/03/2026 alone does not say.

Constant memory: the first cell that speaks for each order is all that is kept.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.values.dates.written_dates import ORDERS, leading_date, plain

VERDICTS = (*ORDERS, "undecided", "contradictory", "no_dates")
_NAMES = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}


class DecisiveDate(NamedTuple):
    """The first cell that can be read in one order only: its line, and its date as written."""

    line: int
    text: str


class DateOrder:
    """Gathers a column's dates. `see` each cell, then ask for the `verdict`.

    ISO dates, months by name, numbers and text have no order to be decided: they are passed over.
    """

    def __init__(self) -> None:
        self.evidence: dict[str, DecisiveDate] = {}
        self.open: DecisiveDate | None = None  # the first cell that can be read in two ways
        self._is_all_dotted = True
        self._cells = 0

    def see(self, cell: object, line: int | None = None) -> None:
        """Note one cell. `line` is its place in the file, the count of cells seen where it is not given."""
        self._cells += 1
        if not isinstance(cell, str) or not 6 <= len(cell) <= 200:
            return
        leading = leading_date(plain(cell))
        if leading is None:
            return
        written, _ = leading
        readings = written.readings()
        if len(written.orders) < 2 or not readings:
            return
        self._is_all_dotted = self._is_all_dotted and written.is_dotted
        seen = DecisiveDate(line if line is not None else self._cells, written.text.strip(" ."))
        if len(readings) == 1:
            self.evidence.setdefault(next(iter(readings)), seen)
        elif len(set(readings.values())) > 1 and self.open is None:
            self.open = seen

    def verdict(self) -> str:
        """One of VERDICTS. Dates with dots and no evidence are day first, as `times.settle` reads them."""
        if len(self.evidence) > 1:
            return "contradictory"
        if self.evidence:
            return next(iter(self.evidence))
        if self.open is None:
            return "no_dates"
        return "dmy" if self._is_all_dotted else "undecided"

    def explain(self) -> str:
        """What the verdict rests on, for a person: `line 17 reads 25/03/2026 (day first), line 40 reads …`."""
        if self.evidence:
            by_line = sorted(self.evidence.items(), key=lambda item: item[1].line)
            return ", ".join(f"line {seen.line} reads {seen.text} ({_NAMES[order]})" for order, seen in by_line)
        if self.open is None:
            return "no date in it depends on the order of day and month"
        return f"line {self.open.line} reads {self.open.text}, and no line says which number is the month"
