from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.dates.order import VERDICTS, DateOrder
from pipeline.values.dates.times import read_instant

COLUMNS = [
    (["02/03/2026", "25/03/2026"], "dmy"),
    (["02/03/2026", "03/25/2026"], "mdy"),
    (["25/03/2026", "03/25/2026"], "contradictory"),
    (["02/03/2026", "04/05/2026"], "undecided"),
    (["02/03/2026"], "undecided"),
    ([], "no_dates"),
    (["", None, "x", 5, 45352.5, True], "no_dates"),
    (["2026-03-02", "2026-03-25T10:00:00Z", "20260302"], "no_dates"),
    (["2 March 2026", "12. März 2026"], "no_dates"),
    (["45352", "1772442895"], "no_dates"),
    (["03/03/2026", "05/05/2026"], "no_dates"),
    (["02.03.2026", "04.05.2026"], "dmy"),
    (["02.03.2026", "03.25.2026"], "mdy"),
    (["02.03.2026", "04/05/2026"], "undecided"),
    (["02/03/2026 09:14", "25/03/2026 10:00"], "dmy"),
    (["2/3/26", "3/25/26 9:14 PM"], "mdy"),
    (["02-03-2026", "25-03-2026"], "dmy"),
    (["26-03-02", "25-03-31"], "undecided"),
    (["26-03-02", "31-12-31"], "undecided"),
    (["26-03-02", "32-12-31"], "ymd"),
    (["02-03-26", "31-12-45"], "dmy"),
    (["02-03-26", "12-31-45"], "mdy"),
    (["2026-03-25", "02/03/2026", "25/03/2026"], "dmy"),
    (["31/31/2026", "02/03/2026"], "undecided"),
    (["31/02/2026"], "no_dates"),
    (["\u200e25/\u200e03/\u200e2026"], "dmy"),
    (["٢٥/٠٣/٢٠٢٦"], "dmy"),
    (["25/03/2026 whatever"], "dmy"),
    (["10.000,00", "1.2.3", "1/2", "12/25", "10-12"], "no_dates"),
    (["600-111-2222", "+34 600 111 222", "192.168.10.25"], "no_dates"),
]


@pytest.mark.parametrize(("cells", "verdict"), COLUMNS)
def test_the_order_is_decided_over_the_whole_column(cells, verdict):
    order = DateOrder()
    for cell in cells:
        order.see(cell)
    assert order.verdict() == verdict


def test_a_contradiction_names_both_lines():
    order = DateOrder()
    for line, cell in ((2, "02/03/2026"), (17, "25/03/2026 10:00"), (18, "26/03/2026"), (40, "03/25/2026")):
        order.see(cell, line)
    assert order.verdict() == "contradictory"
    assert order.explain() == "line 17 reads 25/03/2026 (day first), line 40 reads 03/25/2026 (month first)"


def test_without_evidence_the_first_open_date_is_named():
    order = DateOrder()
    order.see("2026-03-02", 2)
    order.see("02/03/2026 09:14", 3)
    order.see("04/05/2026", 4)
    assert order.explain() == "line 3 reads 02/03/2026, and no line says which number is the month"
    assert DateOrder().explain() == "no date in it depends on the order of day and month"


def test_of_a_cell_only_its_date_is_kept():
    order = DateOrder()
    order.see("25/03/2026 called Ada Brandt", 2)
    assert order.evidence["dmy"].text == "25/03/2026"


def test_lines_are_counted_where_none_are_given():
    order = DateOrder()
    for cell in ("", "x", "25/03/2026"):
        order.see(cell)
    assert order.evidence["dmy"].line == 3


@pytest.mark.parametrize("order", ["dmy", "mdy"])
@given(st.lists(st.dates(min_value=date(1991, 1, 1), max_value=date(2099, 12, 31)), min_size=1, max_size=30))
def test_a_column_written_in_one_order_is_never_read_in_the_other(order, days):
    pattern = {"dmy": "{0:%d}/{0:%m}/{1}", "mdy": "{0:%m}/{0:%d}/{1}"}[order]

    cells = [pattern.format(day, day.year) for day in days]
    column = DateOrder()
    for cell in cells:
        column.see(cell)
    assert column.verdict() in (order, "undecided", "no_dates")
    if column.verdict() == order:
        for cell, day in zip(cells, days, strict=True):
            assert read_instant(cell, order=order).moment.date() == day


@given(st.lists(st.text(max_size=30) | st.text(alphabet="0123456789/-. '", max_size=14) | st.integers() | st.none()))
def test_any_column_has_a_verdict_whatever_its_order(cells):
    forward, backward = DateOrder(), DateOrder()
    for cell in cells:
        forward.see(cell)
    for cell in reversed(cells):
        backward.see(cell)
    assert forward.verdict() == backward.verdict()
    assert forward.verdict() in VERDICTS
    assert forward.explain()
