"""People written to a table of PostgreSQL: one row each, whatever comes twice, late, half or at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from connectors.kit import Record, RecordError
from tests.support.target_database import TABLE, Target, mark, person


def said(results) -> list[tuple[Any, ...]]:
    return [(result.key, result.state, result.crm_id, result.created, result.code) for result in results]


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def waits_for_a_lock(target: Target) -> bool:
    return target.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != [(0,)]


def test_a_person_is_inserted_then_updated_by_the_same_id(target, writer):
    assert said(writer.write([person(city="Berlin")])) == [("key-001", "written", "key-001", True, None)]
    assert said(writer.write([person(city="Bremen")])) == [("key-001", "written", "key-001", False, None)]
    assert target.rows() == [("key-001", "Brandt", "ada1@example.org", "Bremen")]


def test_results_come_in_the_order_of_the_records_whatever_the_order_of_the_keys(writer):
    results = writer.write([person(3), person(1), person(2)])
    assert [result.key for result in results] == ["key-003", "key-001", "key-002"]


def test_the_same_batch_twice_is_told_as_written_and_touches_no_row(target, writer):
    batch = [person(number, city="Berlin") for number in range(50)]
    writer.write(batch)
    before = target.rows("afluente_id, xmin::text, updated_at, first_written_at")
    assert {result[1:4] for result in said(writer.write(batch))} == {("written", "key-000", False)} | {
        ("written", f"key-{number:03}", False) for number in range(50)
    }
    assert target.rows("afluente_id, xmin::text, updated_at, first_written_at") == before


def test_only_a_row_that_changes_gets_a_new_time(target, writer):
    writer.write([person(1), person(2)])
    before = target.rows("first_written_at, updated_at")
    writer.write([person(1), person(2, city="Berlin")])
    after = target.rows("first_written_at, updated_at")
    assert [row[0] for row in after] == [row[0] for row in before]
    assert after[0] == before[0]
    assert after[1][1] > before[1][1]


def test_none_empties_a_column_and_what_is_left_out_stays(target, writer):
    writer.write([person(1, city="Berlin"), person(2, city="Bonn")])
    writer.write([Record("key-001", {"city": None}), Record("key-002", {"email": "eva@example.org"})])
    assert target.rows() == [
        ("key-001", "Brandt", "ada1@example.org", None),
        ("key-002", "Brandt", "eva@example.org", "Bonn"),
    ]


def test_a_row_may_be_updated_without_what_its_table_demands(target):
    """PostgreSQL asks NOT NULL and CHECK of the row as it would be inserted, though it is there and only updated."""
    target.make_table("CHECK (city IS NOT NULL)")
    target.execute(f"ALTER TABLE {TABLE} ALTER last_name SET NOT NULL")
    writer = target.writer()
    writer.write([person(city="Berlin")])
    assert (
        said(writer.write([Record("key-001", {"email": "eva@example.org"}), person(2, city="Bonn")]))[0][1] == "written"
    )
    assert said(writer.write([mark()]))[0] == ("key-001", "written", "key-001", False, None)
    assert target.rows("last_name, email, city, merged_into")[0] == ("Brandt", "eva@example.org", "Berlin", "key-999")
    writer.close()


def test_a_new_row_gets_the_table_s_own_default_for_what_its_record_leaves_out(target):
    target.make_table("stage text NOT NULL DEFAULT 'new'")
    writer = target.writer()
    writer.write([person(1), person(2, stage="known"), person(3, stage="known")])
    assert target.rows("stage") == [("new",), ("known",), ("known",)]
    writer.write([person(1, stage="won"), person(2), person(3, city="Bonn")])
    assert target.rows("stage") == [("won",), ("known",), ("known",)]
    writer.close()


def test_what_a_record_leaves_alone_is_what_somebody_wrote_a_moment_ago(target, writer):
    writer.write([person(city="Berlin"), person(2)])
    with target.session() as other:
        other.execute(f"UPDATE {TABLE} SET city = 'Hamburg' WHERE afluente_id = 'key-001'")
        batch = [Record("key-001", {"email": "eva@example.org"}), person(2, city="Bonn")]
        writing = threading.Thread(target=writer.write, args=(batch,))
        writing.start()
        wait_for(lambda: waits_for_a_lock(target))
    writing.join()
    assert target.rows("email, city") == [("eva@example.org", "Hamburg"), ("ada2@example.org", "Bonn")]


def test_a_row_that_another_inserts_in_the_same_moment_keeps_what_is_not_sent(target, writer):
    with target.session() as other:
        other.execute(
            f"INSERT INTO {TABLE} (afluente_id, city, first_written_at, updated_at)"
            " VALUES ('key-001', 'Ulm', now(), now())"
        )
        results: list[Any] = []
        writing = threading.Thread(target=lambda: results.extend(writer.write([person(), person(2, city="Bonn")])))
        writing.start()
        wait_for(lambda: waits_for_a_lock(target))
    writing.join()
    assert [result.created for result in results] == [False, True]
    assert target.rows("email, city") == [("ada1@example.org", "Ulm"), ("ada2@example.org", "Bonn")]


def test_a_mark_makes_no_row_and_touches_nothing_else_of_one(target, writer):
    writer.write([person(1, city="Berlin")])
    marked, gone = writer.write([mark(1), mark(2)])
    assert said([marked, gone]) == [
        ("key-001", "written", "key-001", False, None),
        ("key-002", "written", None, False, "record_gone"),
    ]
    assert target.rows("afluente_id, last_name, city, merged_into") == [("key-001", "Brandt", "Berlin", "key-999")]
    writer.write([mark(1, into=None)])
    assert target.rows("last_name, merged_into") == [("Brandt", None)]


@pytest.mark.parametrize("record", [mark(), person(city=None)])
def test_a_row_deleted_in_the_same_moment_does_not_come_back_with_what_it_held(target, writer, record):
    writer.write([person(employee_count=7)])
    results: list[Any] = []
    with target.session() as other:
        other.execute(f"DELETE FROM {TABLE}")
        writing = threading.Thread(target=lambda: results.extend(writer.write([record])))
        writing.start()
        wait_for(lambda: waits_for_a_lock(target))
    writing.join()
    if record.update_only:
        assert said(results) == [("key-001", "written", None, False, "record_gone")]
        assert target.rows() == []
    else:
        assert said(results) == [("key-001", "written", "key-001", True, None)]
        assert target.rows("employee_count") == [(None,)]


def test_two_who_write_the_same_people_at_once_make_one_row_a_person_and_wait_in_one_order(target):
    target.make_table()
    keys = list(range(200))
    failures: list[Exception] = []

    def write(order: list[int], city: str) -> None:
        writer = target.writer()
        try:
            for round_number in range(5):
                writer.write([person(number, city=f"{city} {round_number}") for number in order])
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            writer.close()

    threads = [threading.Thread(target=write, args=args) for args in ((keys, "Bonn"), (keys[::-1], "Ulm"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(target.rows()) == 200


def test_a_value_is_stored_as_the_column_s_type_and_as_it_was_written(target, writer):
    target.execute(
        f"ALTER TABLE {TABLE} ADD since date, ADD seen timestamptz, ADD agreed boolean, ADD score numeric,"
        " ADD words text"
    )
    odd = 'O\'Neil \\ %s %(x)s {0} "ü" \U0001f600 \ud83d'
    fields = {"since": "2026-03-02", "seen": "2026-03-02T09:14:55Z", "agreed": True, "score": 1.5}
    with pytest.raises(RecordError):  # half a sign
        writer.write([person(words=odd)])
    writer.write([person(words=odd[:-1], employee_count=12, **fields)])
    [row] = target.rows("since::text, seen AT TIME ZONE 'UTC', agreed, score, employee_count, words")
    assert (row[0], row[1].isoformat(), *row[2:4], row[4]) == ("2026-03-02", "2026-03-02T09:14:55", True, 1.5, 12)
    assert row[5] == odd[:-1]


def test_columns_may_be_named_as_odd_as_postgresql_allows(target):
    names = ['50% "off"', "{x}", "Straße", "SELECT"]
    target.make_table(*(f'"{name.replace(chr(34), chr(34) * 2)}" text' for name in names))
    writer = target.writer()
    for value in ("a", "b"):
        writer.write([person(**dict.fromkeys(names, value)), person(2)])
    columns = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)
    assert target.rows(columns) == [("b",) * 4, (None,) * 4]
    writer.close()


def test_a_key_column_of_type_uuid_does_as_well(target):
    target.execute(
        f"CREATE SCHEMA afluente; CREATE TABLE {TABLE} (afluente_id uuid PRIMARY KEY, last_name text, merged_into uuid,"
        " first_written_at timestamptz, updated_at timestamptz)"
    )
    writer = target.writer(fields=())
    key = "0190a1b2-0000-7000-8000-000000000001"
    for created in (True, False):
        [result] = writer.write([Record(key, {"last_name": "Brandt"})])
        assert (result.crm_id, result.created) == (key, created)
    other = key.replace("1b2", "1b3")
    assert said(writer.write([Record(other, {"merged_into": key}, update_only=True)]))[0][4] == "record_gone"
    writer.close()


def test_a_value_that_the_column_holds_to_be_the_same_but_that_reads_otherwise_is_written(target, writer):
    """As `brandt` and `Brandt` in a column without case."""
    target.execute(f"ALTER TABLE {TABLE} ADD score numeric")
    for score in ("1.5", "1.50"):
        writer.write([person(score=score)])
    assert target.rows("score::text") == [("1.50",)]


def test_a_row_that_a_trigger_keeps_out_is_not_told_as_written(target, writer):
    target.execute(
        "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f" CREATE TRIGGER keep_out BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION keep_out()"
    )
    assert said(writer.write([person()])) == [("key-001", "retry", None, None, "no_result")]


def test_no_records_make_no_call_and_a_key_twice_or_too_many_are_a_bug_of_the_caller(target, writer):
    assert writer.write([]) == []
    for records in ([person(), person()], [person(number) for number in range(501)]):
        with pytest.raises(ValueError, match="at most 500 records with different keys"):
            writer.write(records)
    assert target.rows() == []
