"""Deliveries are wanted against sent versions: changes coalesce, answers are fenced, nothing wanted is forgotten."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest

from pipeline.records import Due, Outcome, new_id
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from pipeline.store.events import quarantine
from pipeline.store.people import people
from tests.support.store_rows import bump, new_person, want, write_person

pytestmark = pytest.mark.usefixtures("database")


def _claim(lane: str = "bulk", *, limit: int = 200, lease_seconds: float = 60, linger_seconds: float = 0):
    with transaction() as connection:
        return deliveries.claim_deliveries(
            connection, "crm", lane, limit=limit, lease_seconds=lease_seconds, linger_seconds=linger_seconds
        )


def _record(claim: UUID, dues: list[Due], *outcomes: Outcome, max_attempts: int = 3, wait: float = 0.0) -> dict:
    with transaction() as connection:
        return deliveries.record_outcomes(
            connection,
            "crm",
            claim,
            dues,
            outcomes,
            call_id=new_id(),
            backoff=lambda attempt: wait * attempt,
            max_attempts=max_attempts,
        )


def _row(person_id: UUID) -> dict:
    with transaction() as connection:
        return dict(
            connection.exec_driver_sql(
                "SELECT *, extract(epoch FROM next_attempt_at - now())::float AS waits FROM deliveries"
                " WHERE person_id = %s",
                (person_id,),
            )
            .mappings()
            .one()
        )


def _send(person_id: UUID) -> None:
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "sent", external_id="00Q1"))


def test_a_wanted_person_is_due_once_however_often_it_is_wanted():
    ids = [write_person(name="a") for _ in range(3)]
    assert want(ids) == {("crm", "bulk"): 3}
    assert want(ids) == {}
    bump(ids)
    want(ids)
    _, dues = _claim()
    assert sorted(due.person_id for due in dues) == sorted(ids)
    assert {due.version for due in dues} == {2}
    assert _claim()[1] == []


def test_a_sent_person_is_due_again_only_in_a_new_version():
    person_id = write_person(name="a")
    want([person_id])
    _send(person_id)
    row = _row(person_id)
    assert (row["state"], row["sent_version"], row["external_id"], row["attempts"]) == ("sent", 1, "00Q1", 0)
    assert row["loaded_at"] is not None
    assert want([person_id]) == {}
    bump([person_id])
    assert want([person_id]) == {("crm", "bulk"): 1}
    assert _claim()[1] == [Due("crm", person_id, 2, 0, "00Q1", sent_version=1)]


def test_a_version_wanted_while_the_last_one_is_under_way_is_due_again_afterwards():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    bump([person_id])
    assert want([person_id]) == {}  # under way: nothing to hint yet
    assert _record(claim, dues, Outcome(person_id, "sent", external_id="00Q1")) == {person_id: "due"}
    row = _row(person_id)
    assert (row["sent_version"], row["wanted_version"]) == (1, 2)
    assert _claim()[1] == [Due("crm", person_id, 2, 0, "00Q1", sent_version=1)]


def test_a_version_wanted_at_the_same_moment_as_the_answer_is_recorded_is_not_lost():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    bump([person_id])
    has_wanted = threading.Event()

    def want_slowly() -> None:
        with transaction() as connection:
            deliveries.want_deliveries(connection, [("crm", person_id, "bulk")])
            has_wanted.set()
            time.sleep(0.3)  # the answer is recorded meanwhile, and has to wait

    with ThreadPoolExecutor(1) as threads:
        wanting = threads.submit(want_slowly)
        has_wanted.wait(10)
        assert _record(claim, dues, Outcome(person_id, "sent")) == {person_id: "due"}
        wanting.result()
    assert _row(person_id)["wanted_version"] == 2


def test_a_stale_claim_changes_nothing():
    person_id = write_person(name="a")
    want([person_id])
    stale, dues = _claim(lease_seconds=-1)
    with transaction() as connection:
        assert deliveries.sweep_deliveries(connection, max_attempts=12) == 1
    current, _ = _claim()
    assert _record(stale, dues, Outcome(person_id, "rejected", code="X", message="")) == {}
    with transaction() as connection:
        assert (
            deliveries.release_deliveries(connection, "crm", stale, delay_seconds=0, error=None, count_attempt=True)
            == 0
        )
    row = _row(person_id)
    assert (row["state"], row["claim"], row["attempts"], row["sent_version"]) == ("in_flight", current, 1, 0)
    assert _record(current, dues, Outcome(person_id, "sent")) == {person_id: "sent"}


def test_a_failure_that_may_pass_waits_longer_each_time_and_then_goes_to_quarantine():
    person_id = write_person(name="a")
    want([person_id])
    for attempt in (1, 2):
        claim, dues = _claim()
        _record(claim, dues, Outcome(person_id, "retry", code="LOCKED", message="row busy"), wait=100)
        row = _row(person_id)
        assert (row["state"], row["attempts"], row["last_error"]) == ("due", attempt, "LOCKED: row busy")
        assert 100 * attempt - 5 < row["waits"] <= 100 * attempt
        assert _claim()[1] == []
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET next_attempt_at = now()")
    claim, dues = _claim()
    assert _record(claim, dues, Outcome(person_id, "retry", code="LOCKED")) == {person_id: "quarantined"}
    with transaction() as connection:
        (parked,) = quarantine.list_quarantine(connection)
    assert (parked.person_id, parked.destination, parked.stage, parked.code) == (person_id, "crm", "deliver", "LOCKED")


def test_a_retry_after_longer_than_the_backoff_is_honored():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "retry", retry_after=500.0), wait=10)
    assert 490 < _row(person_id)["waits"] <= 500


def test_a_rejected_person_is_quarantined_until_its_version_grows():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "rejected", code="TOO_LONG", field="City", message="at most 40"))
    assert want([person_id]) == {}
    assert _claim()[1] == []
    bump([person_id])
    assert want([person_id]) == {("crm", "bulk"): 1}
    row = _row(person_id)
    assert (row["state"], row["attempts"]) == ("due", 0)
    _send(person_id)
    with transaction() as connection:
        assert quarantine.list_quarantine(connection) == []
        (closed,) = quarantine.list_quarantine(connection, resolution=None)
    assert (closed.resolution, closed.field) == ("fixed", "City")


def test_a_rejected_person_with_a_newer_version_is_tried_in_that_one():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    bump([person_id])
    want([person_id])
    assert _record(claim, dues, Outcome(person_id, "rejected", code="X")) == {person_id: "due"}


def test_the_hot_lane_wins_over_bulk_and_not_the_other_way_round():
    person_id = write_person(name="a")
    want([person_id])
    assert want([person_id], lane="hot") == {("crm", "hot"): 1}
    want([person_id], lane="bulk")
    assert _claim("bulk")[1] == []
    assert [due.person_id for due in _claim("hot")[1]] == [person_id]
    with transaction() as connection:
        both = [("crm", person_id, "hot"), ("crm", person_id, "bulk")]
        assert deliveries.want_deliveries(connection, both) == {}
    assert _row(person_id)["lane"] == "hot"


def test_few_young_deliveries_linger_and_a_full_or_old_batch_does_not():
    ids = [write_person(name="a") for _ in range(3)]
    want(ids)
    assert _claim(limit=4, linger_seconds=60)[1] == []
    with transaction() as connection:
        assert 55 < deliveries.linger_left(connection, "crm", "bulk", linger_seconds=60) <= 60
        assert deliveries.linger_left(connection, "crm", "hot", linger_seconds=60) == 0
    claim, dues = _claim(limit=3, linger_seconds=60)
    assert len(dues) == 3
    with transaction() as connection:
        deliveries.release_deliveries(connection, "crm", claim, delay_seconds=0, error=None, count_attempt=False)
        connection.exec_driver_sql("UPDATE deliveries SET wanted_at = now() - interval '2 minutes'")
    assert len(_claim(limit=4, linger_seconds=60)[1]) == 3


def test_released_deliveries_wait_and_keep_the_reason():
    person_id = write_person(name="a")
    want([person_id])
    claim, _ = _claim()
    with transaction() as connection:
        released = deliveries.release_deliveries(
            connection, "crm", claim, delay_seconds=30, error="quota", count_attempt=False
        )
        assert released == 1
        assert deliveries.due_counts(connection) == {}
    row = _row(person_id)
    assert 25 < (row["next_attempt_at"] - datetime.now(UTC)).total_seconds() <= 30
    assert (row["attempts"], row["last_error"]) == (0, "quota")


def test_a_record_that_keeps_losing_its_sender_goes_to_quarantine():
    person_id = write_person(name="a")
    want([person_id])
    for _ in range(3):
        _claim(lease_seconds=-1)
        with transaction() as connection:
            deliveries.sweep_deliveries(connection, max_attempts=3)
    assert _row(person_id)["state"] == "quarantined"
    with transaction() as connection:
        assert quarantine.list_quarantine(connection)[0].code == "sender_lost"


def test_deliveries_without_an_outcome_stay_claimed():
    ids = [write_person(name="a") for _ in range(2)]
    want(ids)
    claim, dues = _claim()
    assert _record(claim, dues, Outcome(ids[0], "sent")) == {ids[0]: "sent"}
    assert _row(ids[1])["state"] == "in_flight"


def test_a_person_who_is_gone_is_claimed_all_the_same_so_that_the_delivery_can_end():
    person_id = write_person(name="a")
    want([person_id])
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM people")
    _, dues = _claim()
    assert [due.person_id for due in dues] == [person_id]
    with transaction() as connection:
        assert deliveries.read_people_to_send(connection, [person_id]) == {}


def test_every_answer_leaves_a_trace():
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "retry", code="LOCKED", message="busy"))
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "sent"))
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT version, outcome, code, message FROM delivery_log ORDER BY id").all()
    assert rows == [(1, "retry", "LOCKED", "busy"), (1, "sent", None, None)]


@pytest.mark.long
def test_wanting_and_answering_the_same_people_at_once_does_not_deadlock():
    persons = [new_person(name="a") for _ in range(600)]
    with transaction() as connection:
        people.write_people(connection, persons)
    ids = [person.person_id for person in persons]
    want(ids)
    is_over = threading.Event()

    def keep_wanting() -> None:
        while not is_over.is_set():
            bump(ids)
            want(ids[::-1])

    with ThreadPoolExecutor(2) as threads:
        wanting = [threads.submit(keep_wanting) for _ in range(2)]
        try:
            for _ in range(40):
                claim, dues = _claim(limit=600)
                _record(claim, dues[::-1], *(Outcome(due.person_id, "sent") for due in dues))
        finally:
            is_over.set()
        for one in wanting:
            one.result()


@pytest.mark.parametrize(("content_id", "waits"), [(new_id(), "on"), (None, "off")])
def test_a_claim_waits_for_the_disk_where_it_forgets_what_the_crm_has(content_id, waits):
    person_id = write_person(name="a")
    want([person_id])
    claim, dues = _claim()
    _record(claim, dues, Outcome(person_id, "sent", external_id="00Q1", content_id=content_id))
    bump([person_id])
    want([person_id])

    with transaction(synchronous=False) as connection:
        deliveries.claim_deliveries(connection, "crm", "bulk", limit=200, lease_seconds=60)
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == waits
