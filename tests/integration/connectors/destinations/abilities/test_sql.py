"""What the writer of a PostgreSQL table is able to do beside writing, on a real database."""

from __future__ import annotations

import pytest

from connectors.destinations.sql import DESTINATION
from connectors.kit import ConfigurationError, Lookup, Record, SentField, TerminalError
from tests.support.target_database import FIELDS, TABLE, Target, person

TIMES = (*FIELDS, SentField("seen_at", "datetime"))
FIRST_COLUMNS = "afluente_id text PRIMARY KEY, last_name varchar(80)"


@pytest.fixture
def target(empty_database) -> Target:
    return Target(empty_database)


@pytest.fixture
def writer(target):
    target.make_table("seen_at timestamptz")
    opened = target.writer(fields=TIMES)
    yield opened
    opened.close()


def test_it_has_all_abilities():
    assert DESTINATION.abilities == (
        "reads",
        "deletes",
        "describes",
        "lists",
        "finds",
        "adopts",
        "sets_up",
        "tells_changes",
    )


def test_what_was_written_is_read_back_by_our_key(writer):
    writer.write([person(1, employee_count=12, seen_at="2026-03-02T09:14:55Z"), person(2)])
    found = writer.read(["key-001", "nobody"])
    assert set(found) == {"key-001"}
    assert found["key-001"].fields == {
        "last_name": "Brandt",
        "email": "ada1@example.org",
        "city": None,
        "employee_count": 12,
        "merged_into": None,
        "seen_at": "2026-03-02T09:14:55+00:00",
    }


def test_deleted_rows_are_gone_and_a_repeat_says_so(writer, target):
    writer.write([person(1), person(2)])
    told = writer.delete([person(1), person(3)])
    assert [(result.state, result.code) for result in told] == [("written", None), ("written", "record_gone")]
    assert [row[0] for row in target.rows()] == ["key-002"]


def test_who_may_not_delete_is_told_so_and_nothing_is_gone(target):
    target.make_table()
    target.execute("CREATE ROLE writes_only LOGIN; GRANT USAGE ON SCHEMA afluente TO writes_only;")
    target.execute(f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO writes_only")
    try:
        crm = target.writer(user="writes_only")
        crm.write([person(1)])
        with pytest.raises(TerminalError, match="insufficient_privilege"):
            crm.delete([person(1)])
        assert len(target.rows()) == 1
        assert {field.is_writable for field in crm.describe()} == {True}
        target.execute(f"REVOKE UPDATE ON {TABLE} FROM writes_only")
        assert {field.is_writable for field in crm.describe()} == {False}
        crm.close()
    finally:
        target.execute("DROP OWNED BY writes_only; DROP ROLE writes_only")


def test_columns_are_described_with_what_a_mapping_has_to_know(target):
    target.execute("CREATE TYPE plan AS ENUM ('gold', 'silver')")
    target.make_table(
        "plan plan, country char(2) NOT NULL, score numeric NOT NULL DEFAULT 0, day date, seen_at timestamptz",
        "joined text GENERATED ALWAYS AS (last_name || city) STORED, is_new boolean",
    )
    fields = {field.name: field for field in target.writer().describe()}
    assert fields["plan"].values == ("gold", "silver")
    assert (fields["country"].is_required, fields["country"].max_length) == (True, 2)
    assert (fields["score"].is_required, fields["score"].kind) == (False, "number")
    assert (fields["day"].kind, fields["seen_at"].kind, fields["is_new"].kind) == ("date", "datetime", "boolean")
    assert fields["joined"].is_writable is False
    assert [name for name, field in fields.items() if field.is_key] == ["afluente_id"]
    assert [name for name, field in fields.items() if field.is_required] == ["country"]


def test_a_table_that_is_to_be_made_is_described_as_it_would_be(target):
    with pytest.raises(TerminalError, match="there is no table"):
        target.writer().describe()
    fields = {field.name for field in target.writer(options={"create_tables": True}).describe()}
    assert {"afluente_id", "last_name", "updated_at"} <= fields
    assert target.execute("SELECT to_regclass('afluente.contacts')") == [(None,)]


def test_the_table_is_made_once_and_takes_what_the_mapping_sends(target):
    crm = target.writer()
    assert crm.setup(dry_run=True) == ('table "afluente"."contacts" with 8 columns',)
    assert target.execute("SELECT to_regclass('afluente.contacts')") == [(None,)]
    assert len(crm.setup()) == 1
    assert crm.setup() == ()
    assert crm.write([person(1)])[0].state == "written"


def test_columns_that_are_missing_are_added_to_a_table_with_rows(target):
    target.execute(f"CREATE SCHEMA afluente; CREATE TABLE {TABLE} (last_name varchar(80), theirs int)")
    target.execute(f"INSERT INTO {TABLE} VALUES ('Before', 1)")
    crm = target.writer(fields=FIELDS)
    tried = crm.setup(dry_run=True)
    assert 'column city varchar(40) of "afluente"."contacts"' in tried
    assert crm.setup() == tried
    assert crm.setup() == ()
    assert crm.write([person(1)])[0].state == "written"
    assert target.execute(f"SELECT last_name FROM {TABLE} ORDER BY 1") == [("Before",), ("Brandt",)]


def test_everybody_is_listed_once_page_by_page_while_somebody_is_added_and_somebody_goes(writer):
    for number in (500, 501, 502, *range(499, -1, -1)):  # the last ones first
        writer.write([person(number)])
    first = writer.list_people()
    writer.delete([person(1)])
    writer.write([Record("key-000a", {"last_name": "Between"}), Record("key-999", {"last_name": "Later"})])
    second = writer.list_people(first.cursor)
    listed = [found.crm_id for page in (first, second) for found in page.people]
    assert (len(first.people), len(listed), len(set(listed)), second.cursor) == (500, 504, 504, None)
    assert listed[-1] == "key-999"
    assert first.people[0].values == {"email": "ada0@example.org", "last_name": "Brandt"}


def test_people_are_found_by_an_address_in_a_column_of_any_name(target):
    target.execute(f"CREATE SCHEMA afluente; CREATE TABLE {TABLE} ({FIRST_COLUMNS}, mail text, phone text)")
    target.execute(
        f"INSERT INTO {TABLE} VALUES ('a', 'A', 'Ada@Example.org', NULL), ('b', 'B', NULL, '(202) 555-0123')"
    )
    crm = target.writer(fields=(SentField("last_name"), SentField("mail", "email")))
    found = crm.find(
        [Lookup("ada", ("ada@example.org",)), Lookup("bob", (), ("+12025550123",)), Lookup("no", ("n@n.n",))]
    )
    assert {key: [person.crm_id for person in several] for key, several in found.items()} == {
        "ada": ["a"],
        "bob": ["b"],
    }
    assert crm.find([]) == {}


def test_a_name_that_postgresql_cannot_have_is_refused_before_anything_is_made(target):
    with pytest.raises(ConfigurationError):
        target.writer(fields=(SentField("x" * 64),))
