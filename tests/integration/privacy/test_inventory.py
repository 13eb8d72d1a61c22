"""Where something of a person may be is written down, column by column, and the database has no other column."""

from __future__ import annotations

import pytest

from pipeline.privacy.inventory import (
    DELETED,
    EMPTIED,
    KEPT,
    NOBODY,
    NONE,
    NOT_EXPORTED,
    SEALED,
    VALUE,
    inventory,
    tables_of_people,
)
from pipeline.store.engine import transaction

_COLUMNS = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    AND NOT c.relispartition AND c.relname <> 'alembic_version'
"""


@pytest.mark.usefixtures("database")
def test_every_column_of_the_database_is_in_the_inventory_and_no_other():
    with transaction() as connection:
        there = {tuple(row) for row in connection.exec_driver_sql(_COLUMNS)}
    written = {(held.table, name) for held in inventory().values() for name in held.columns}
    assert sorted(there - written) == [], "say in pipeline/privacy/inventory.py what these hold of a person"
    assert sorted(written - there) == []


def test_what_is_of_a_person_is_shown_to_them_or_has_a_reason_not_to_be():
    hidden = {
        (held.table, column.name)
        for held in tables_of_people()
        for column in held.columns.values()
        if column.kind in (VALUE, SEALED) and not column.is_exported
    }
    assert hidden == NOT_EXPORTED.keys()
    assert all(NOT_EXPORTED.values())


def test_a_table_whose_rows_stay_says_why_and_what_is_cleared_of_them():
    for held in inventory().values():
        if held.fate in (KEPT, EMPTIED):
            assert held.why, held.table
        personal = [column for column in held.columns.values() if column.kind in (VALUE, SEALED)]
        if held.fate in (KEPT, NOBODY):
            assert not personal, held.table
        if held.fate == EMPTIED:
            assert all(column.is_cleared for column in personal), held.table


def test_no_digest_is_shown_to_anybody_and_no_table_of_nobody_has_a_kind():
    for held in inventory().values():
        assert not [c.name for c in held.exported if c.kind in ("digest", NONE) and c.name != "brand"], held.table
        if held.fate == NOBODY:
            assert {column.kind for column in held.columns.values()} == {NONE}, held.table


def test_rows_that_go_are_found_by_a_column_that_is_there():
    for held in inventory().values():
        assert held.reach.keys() <= held.columns.keys(), held.table
        assert set(held.reach.values()) <= {"person", "event", "evidence", "company"}, held.table
        if held.fate == DELETED and held.table != "shared_keys":
            assert held.reach, held.table
