"""The page that says what each kind of CRM can do says what its writers can."""

from __future__ import annotations

from tests.architecture.abilities import PAGE, TITLES, shown_table, table


def test_the_table_of_abilities_is_that_of_the_writers():
    page = PAGE.read_text(encoding="utf-8")
    assert shown_table(page) == table(), "run: python -m tests.architecture.abilities write"


def test_a_column_stands_for_each_ability():
    assert all(title in table() for title in TITLES.values())
