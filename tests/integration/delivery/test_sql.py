"""Delivery from PostgreSQL to the PostgreSQL of a team, which is cut off in the middle, slow, or refuses some."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.delivery.sender import SendReport, deliver
from pipeline.delivery.writers import close_writer
from tests.integration.delivery.test_sender import (
    change,
    deliver_until,
    forget_breaker,
    make_due_now,
    make_people,
    rows,
    states,
)
from tests.support.services import forget_caches
from tests.support.target_database import TABLE, Target


@pytest.fixture
def target(empty_database) -> Target:
    return Target(empty_database)


@pytest.fixture
def configure(target, database, redis_url, tmp_path, monkeypatch) -> Iterator[Callable[..., None]]:
    """The pipeline's settings point to the team's database, whose table is made by the first call."""
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setenv("WAREHOUSE_USER", "postgres")

    def write(**destination: Any) -> None:
        known = {"kind": "sql", "base_url": target.url, "secrets": {"user": "env:WAREHOUSE_USER"}}
        known |= {"calls_per_second": 200, "burst": 50, "options": {"create_tables": True}}
        document = {"destinations": {"crm": known | destination}, "tuning": {"delivery_linger_seconds": 0.0}}
        (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    write()
    yield write
    close_writer("crm")


def slow_down(target: Target) -> None:
    """Each call takes long enough to be cut in the middle."""
    target.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END';"
        f" CREATE TRIGGER slow AFTER INSERT ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION slow()"
    )


def cut_in_the_middle(target: Target, times: int, done: threading.Event) -> int:
    """Ends the session of a call under way, `times` times. Gives how many were ended."""
    cuts = 0
    while cuts < times and not done.wait(0.01):
        cuts += len(
            target.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'afluente' AND state = 'active' AND query LIKE '%WITH sent AS%'"
            )
        )
    return cuts


@pytest.mark.long
def test_three_hundred_people_over_a_database_that_is_cut_off_are_one_row_each(configure, target):
    configure(batch_size=20)
    people = make_people(300)
    deliver("crm", "bulk", budget_seconds=0)  # the first call makes the table
    assert len(target.rows()) == 20
    slow_down(target)
    cuts: list[int] = []
    done = threading.Event()
    cutting = threading.Thread(target=lambda: cuts.append(cut_in_the_middle(target, 8, done)))
    cutting.start()
    try:
        deliver_until(lambda: states() == {"sent": 300}, seconds=90)
    finally:
        done.set()
        cutting.join()
    assert cuts == [8]
    assert [key for (key,) in target.rows("afluente_id")] == sorted(str(person.person_id) for person in people)
    assert sorted(rows("external_id")) == target.rows("afluente_id")
    assert {attempts for (attempts,) in rows("attempts")} == {0}


def test_a_person_that_changes_is_the_same_row_with_the_new_value(configure, target):
    (person,) = make_people(1)
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport(sent=1)
    assert target.rows("last_name, company, employee_count") == [("Name0", "Example", None)]
    change(person, company="Newer", employee_count=12)
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport(sent=1)
    assert target.rows("last_name, company, employee_count") == [("Name0", "Newer", 12)]


def test_whom_the_table_refuses_waits_in_quarantine_and_the_others_are_written(configure, target):
    make_people(1)
    deliver("crm", "bulk", budget_seconds=5)
    target.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT no_berlin CHECK (city <> 'Berlin')")
    make_people(40, city="Bonn")
    (bad,) = make_people(1, city="Berlin", email="eva@example.org")
    report = deliver("crm", "bulk", budget_seconds=10)
    assert (report.sent, report.rejected) == (40, 1)
    ((error,),) = [row for row in rows("last_error") if row[0]]
    assert error.startswith("check_violation")
    assert "constraint no_berlin" in error
    assert "Berlin" not in error.replace("no_berlin", "")
    assert str(bad.person_id) not in {key for (key,) in target.rows("afluente_id")}


def test_a_missing_column_halts_the_destination_and_the_statement_of_the_message_is_enough(configure, target):
    configure(options={})
    make_people(3)
    assert deliver("crm", "bulk", budget_seconds=5).wait_seconds == 60
    assert all("docs/sql.md" in error for (error,) in rows("last_error"))
    configure()
    forget_breaker()
    make_due_now()
    deliver("crm", "bulk", budget_seconds=5)
    assert states() == {"sent": 3}
    target.execute(f"ALTER TABLE {TABLE} DROP company")
    make_people(2)
    assert deliver("crm", "bulk", budget_seconds=5).wait_seconds == 60
    [error] = {error for (error,) in rows("last_error") if error}
    target.execute(error[error.index("ALTER TABLE") :])
    forget_breaker()
    make_due_now()
    deliver("crm", "bulk", budget_seconds=5)
    assert states() == {"sent": 5}


def test_several_senders_at_once_write_nobody_twice(configure, target):
    make_people(600)
    configure(batch_size=50)
    senders = [threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 20}) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    end = time.monotonic() + 20
    while states() != {"sent": 600} and time.monotonic() < end:
        deliver("crm", "bulk", budget_seconds=1)
    assert states() == {"sent": 600}
    assert target.execute(f"SELECT count(*), bool_and(updated_at = first_written_at) FROM {TABLE}") == [(600, True)]
