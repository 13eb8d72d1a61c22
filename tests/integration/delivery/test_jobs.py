"""Many new people go to a CRM as one job: made once, gone on with by whoever lives, each row's result recorded."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from typing import Any

import pytest

from pipeline.delivery import jobs as delivery_jobs
from pipeline.delivery.sender import SendReport, deliver
from pipeline.flow import sweep
from pipeline.store.deliveries.deliveries import sweep_deliveries
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import change, crm, make_due_now, make_people, rows, states

__all__ = ["crm"]


@pytest.fixture(autouse=True)
def above_fifty(crm):
    crm.configure(options={"bulk_above": 50})


def calls(crm: Any, words: str) -> int:
    return sum(call["calls"] for call in crm._ask("/_calls")["calls"] if words in call["route"])


def jobs() -> list[Any]:
    with transaction() as connection:
        return list(connection.exec_driver_sql("SELECT job_id FROM delivery_jobs"))


def let_time_pass() -> None:
    """Whoever was busy with a job is not any more, and it is time to ask."""
    make_due_now()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE delivery_jobs SET next_poll_at = now()")


def go_on(rounds: int = 6) -> None:
    for _ in range(rounds):
        let_time_pass()
        deliver("crm", "bulk", budget_seconds=10)


def test_many_new_people_are_one_job_and_each_is_there_once_with_its_own_id(crm):
    people = make_people(60)
    deliver("crm", "bulk", budget_seconds=10)
    assert states() == {"in_flight": 60}
    go_on()
    assert states() == {"sent": 60}
    assert jobs() == []
    stored = {record["external_id"]: record["id"] for record in crm.records()}
    assert set(stored) == {str(person.person_id) for person in people}
    assert {str(person): known for person, known in rows("person_id, external_id")} == stored, "rows come in any order"
    assert calls(crm, "POST jobs/ingest") == 1
    assert calls(crm, "PATCH composite") == 0
    assert calls(crm, "DELETE jobs/ingest") == 1, "its rows hold personal data"


def test_fewer_than_the_option_says_go_in_a_batch_and_so_does_who_is_known(crm):
    people = make_people(49)
    assert deliver("crm", "bulk", budget_seconds=10) == SendReport(sent=49)
    for person in people:
        change(person, last_name="Newname")
    make_people(1)
    assert deliver("crm", "bulk", budget_seconds=10).sent == 50
    assert calls(crm, "jobs/ingest") == 0


def test_a_job_says_what_is_wrong_with_a_row_and_the_others_are_written(crm):
    make_people(60, first_name="Ada")
    deliver("crm", "bulk", budget_seconds=10)
    fault = {"code": "STRING_TOO_LONG", "field": "FirstName", "message": "FirstName: data value too large: Ada"}
    crm.order(record_error={**fault, "rate": 0.5})
    go_on(3)
    counted = states()
    assert set(counted) == {"quarantined", "sent"}
    assert len(crm.records()) == counted["sent"] == 60 - counted["quarantined"]
    with transaction() as connection:
        told = {tuple(row) for row in connection.exec_driver_sql("SELECT code, field, message FROM quarantine")}
    assert {(code, field) for code, field, _ in told} == {("STRING_TOO_LONG", "FirstName")}
    assert not [message for _, _, message in told if "Ada" in message]


def test_what_every_row_is_refused_for_is_not_held_against_the_people(crm):
    make_people(60)
    deliver("crm", "bulk", budget_seconds=10)
    crm.order(record_error={"code": "INSUFFICIENT_ACCESS_OR_READONLY"})
    let_time_pass()
    deliver("crm", "bulk", budget_seconds=1)
    let_time_pass()
    deliver("crm", "bulk", budget_seconds=1)
    assert rows("state, attempts") == [("due", 1)] * 60


@pytest.mark.parametrize("code", ["UNPROCESSED", "JOB_FAILED"])
def test_rows_that_a_job_left_out_go_in_a_batch_and_nobody_is_lost(crm, code):
    make_people(120)
    deliver("crm", "bulk", budget_seconds=10)
    crm.order(record_error={"code": code, "rate": 0.5})
    for _ in range(2):
        let_time_pass()
        deliver("crm", "bulk", budget_seconds=1)
    crm.order()
    assert states() == {"sent": 60, "due": 60}
    make_people(50)
    let_time_pass()
    deliver("crm", "bulk", budget_seconds=10)
    assert states() == {"sent": 120, "in_flight": 50}, "what one job left out is in no second one"
    go_on(3)
    assert states() == {"sent": 170}
    assert crm.written()["created"] == 170


def test_who_changed_while_the_job_ran_is_written_again_with_what_is_new(crm):
    people = make_people(60)
    deliver("crm", "bulk", budget_seconds=10)
    change(people[0], last_name="Newname")
    go_on()
    assert states() == {"sent": 60}
    names = {record["external_id"]: record["fields"]["LastName"] for record in crm.records()}
    assert names[str(people[0].person_id)] == "Newname"


def send_and_die(step: str) -> None:
    """A worker that is killed at a step of a job."""
    import os

    def die(*_: object, **__: object) -> None:
        os._exit(9)

    if step == "before the upload":
        from connectors.destinations.salesforce.writer import SalesforceWriter

        SalesforceWriter.fill_job = die  # type: ignore[method-assign]
    elif step == "after the upload":
        delivery_jobs.JobSender._settle_opened = die  # type: ignore[method-assign]
    else:
        delivery_jobs.jobs.end_job = die  # type: ignore[assignment]
        for _ in range(3):
            let_time_pass()
            deliver("crm", "bulk", budget_seconds=5)
    deliver("crm", "bulk", budget_seconds=5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "made"), [("before the upload", 2), ("after the upload", 1), ("with the results in hand", 1)]
)
def test_a_worker_that_is_killed_leaves_its_job_to_another_and_nobody_is_made_twice(crm, step, made):
    make_people(60)
    worker = multiprocessing.get_context("spawn").Process(target=send_and_die, args=(step,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 9
    assert len(jobs()) == 1
    with transaction() as connection:  # however long nobody came
        connection.exec_driver_sql("UPDATE deliveries SET lease_until = now() - interval '1 day'")
        assert sweep_deliveries(connection, max_attempts=12) == 0
    let_time_pass()
    assert ("deliver", "crm", "bulk") in sweep(), "the sweep wakes somebody for it"
    go_on()
    assert states() == {"sent": 60}
    assert rows("attempts") == [(0,)] * 60
    assert calls(crm, "POST jobs/ingest") == made, "one that was never filled wrote nothing"
    assert crm.written() | {"created": 60, "changed": 0} == crm.written()
    assert Counter(record["writes"] for record in crm.records()) == {1: 60}


@pytest.mark.long
def test_two_workers_at_once_make_one_job_and_record_it_once(crm):
    make_people(60)
    context = multiprocessing.get_context("spawn")
    for _ in range(4):
        let_time_pass()
        both = [context.Process(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 5}) for _ in range(2)]
        for worker in both:
            worker.start()
        for worker in both:
            worker.join(60)
    assert states() == {"sent": 60}
    assert calls(crm, "POST jobs/ingest") == 1
    with transaction() as connection:
        logged = connection.exec_driver_sql("SELECT count(*) FROM delivery_log").scalar_one()
    assert logged == 60


def test_a_job_that_the_crm_does_not_know_any_more_is_made_up_for_by_batches(crm):
    make_people(60)
    deliver("crm", "bulk", budget_seconds=10)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE delivery_jobs SET job_id = '750gone'")
    go_on()
    assert states() == {"sent": 60}
    assert Counter(record["writes"] for record in crm.records()) == {1: 60}


def test_a_job_that_cannot_be_had_leaves_all_due_without_an_attempt(crm):
    make_people(60)
    crm.order(status=503)
    report = deliver("crm", "bulk", budget_seconds=2)
    assert report.wait_seconds > 0
    assert rows("state, attempts") == [("due", 0)] * 60
    assert jobs() == []


def test_hot_leads_do_not_wait_for_a_job_however_many_they_are(crm):
    make_people(60)
    deliver("crm", "bulk", budget_seconds=10)
    make_people(70, lane="hot")
    assert deliver("crm", "hot", budget_seconds=5).sent == 70
    assert states() == {"in_flight": 60, "sent": 70}
