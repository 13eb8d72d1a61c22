"""People from PostgreSQL to Dynamics 365 over HTTP, with its faults on request: as many records as people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.sandbox.server import Sandbox
from pipeline.delivery.breaker import Breaker
from pipeline.delivery.sender import SendReport, deliver
from pipeline.delivery.shared_state import shared_redis
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import Crm, change, deliver_until, make_due_now, make_people, rows, states
from tests.support.command_line import capture, work
from tests.support.identity_rows import owner

MARK = "new_afluentemergedinto"


class Dynamics(Crm):
    def configure(self, **more: Any) -> None:
        super().configure(**{"kind": "dataverse", "base_url": self.address, **more})

    def order(self, **faults: Any) -> None:
        super().order(on="/api/data", **faults)


@pytest.fixture
def crm(database, redis_url, tmp_path, monkeypatch) -> Iterator[Dynamics]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect="dataverse") as sandbox:
        yield Dynamics(sandbox, tmp_path / "afluente.yaml")


def test_people_reach_dynamics_in_full_batches_and_once(crm):
    people = make_people(250)
    assert deliver("crm", "bulk", budget_seconds=20) == SendReport(sent=250)
    assert crm.calls() == 3
    stored = {record["external_id"]: record for record in crm.records()}
    assert stored.keys() == {str(person.person_id) for person in people}
    assert {kept for (kept,) in rows("external_id")} == {record["id"] for record in stored.values()}
    assert {record["fields"]["subject"] for record in stored.values()} == {"Example"}
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport()
    assert crm.calls() == 3


def test_a_change_updates_the_record_and_what_is_sent_again_changes_nothing(crm):
    (person,) = make_people(1)
    deliver("crm", "bulk", budget_seconds=5)
    change(person, company="Newer", job_title="Buyer")
    deliver("crm", "bulk", budget_seconds=5)
    (record,) = crm.records()
    assert (record["fields"]["companyname"], record["fields"]["jobtitle"]) == ("Newer", "Buyer")
    assert crm.written() == {"written": 2, "created": 1, "changed": 1, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize("fault", ["write_then_drop", "write_then_fail", "garbled_answer", "short_answer"])
def test_an_answer_that_got_lost_makes_no_second_record(crm, fault):
    make_people(300)
    crm.order(**{fault: 0.5})

    def is_done() -> bool:
        make_due_now()
        return states() == {"sent": 300}

    deliver_until(is_done, seconds=60)
    assert len(crm.records()) == 300
    assert crm.written()["created"] == 300


def test_everything_going_wrong_at_once_ends_with_as_many_records_as_people(crm):
    make_people(400)
    crm.order(status=503, rate=0.2, write_then_drop=0.2, short_answer=0.3, garbled_answer=0.1, latency_ms=5,
              record_error={"code": "0x80044151", "rate": 0.05})  # fmt: skip

    def is_done() -> bool:
        make_due_now()
        return states().get("sent", 0) > 320

    deliver_until(is_done, seconds=90)
    crm.order()
    make_due_now()
    deliver_until(lambda: states() == {"sent": 400}, seconds=60)
    assert len(crm.records()) == 400
    assert crm.written()["created"] == 400


def test_records_that_dynamics_refuses_are_quarantined_and_the_rest_of_their_batch_is_sent(crm):
    make_people(200)
    crm.order(record_error={"code": "0x80040265", "field": "companyname", "rate": 0.2})
    report = deliver("crm", "bulk", budget_seconds=20)
    assert report.rejected
    assert (report.sent + report.rejected, len(crm.records())) == (200, report.sent)
    with transaction() as connection:
        found = connection.exec_driver_sql("SELECT DISTINCT stage, code, field FROM quarantine").all()
    assert [tuple(row) for row in found] == [("deliver", "0x80040265", "companyname")]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "not an address", "invalid_email"),
        ("phone", "1" * 51, "too_long"),
        ("employee_count", -1, "out_of_range"),
    ],
)
def test_a_person_whom_dynamics_would_refuse_is_quarantined_before_any_call(crm, field, value, code):
    make_people(1, **{field: value})
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport(rejected=1)
    assert crm.calls() == 0
    ((_, error),) = rows("state, last_error")
    assert error.partition(":")[0].split()[0] == code


def test_texts_that_are_longer_than_dynamics_takes_are_cut_to_fit(crm):
    make_people(1, last_name="n" * 60, company="c" * 150, job_title="t" * 150, message="m" * 3_000, street="s" * 300)
    assert deliver("crm", "bulk", budget_seconds=5).sent == 1
    fields = crm.records()[0]["fields"]
    names = ("lastname", "companyname", "jobtitle", "description", "address1_line1")
    assert [len(fields[name]) for name in names] == [50, 100, 100, 2_000, 250]


@pytest.mark.long
def test_a_limit_is_waited_for_and_costs_no_delivery_an_attempt(crm):
    crm.configure(calls_per_second=8, burst=1, batch_size=20)
    make_people(100)
    crm.order(limit_per_second=3, burst=1)
    deliver_until(lambda: states() == {"sent": 100}, seconds=60)
    assert {attempts for (attempts,) in rows("attempts")} == {0}
    assert len(crm.records()) == 100


@pytest.mark.long
def test_an_outage_costs_no_delivery_an_attempt_and_ends_by_itself(crm):
    make_people(200)
    crm.order(status=500, seconds=3)
    deliver_until(lambda: states() == {"sent": 200})
    assert {attempts for (attempts,) in rows("attempts")} == {0}


def test_an_alternate_key_that_is_not_there_halts_the_destination_and_says_so(crm):
    crm.configure(options={"external_id_field": "new_other"})
    make_people(20)
    assert deliver("crm", "bulk", budget_seconds=5).wait_seconds > 50
    reason = Breaker(shared_redis(settings().broker_url)).state("crm").reason or ""
    assert "0x80060888" in reason
    assert states() == {"due": 20}
    assert crm.records() == []


def test_a_person_who_turned_out_to_be_another_is_marked_and_unmarked(crm):
    events = capture(
        {"email": "ada@brandt.example", "full_name": "Ada Brandt", "occurred_at": "2026-03-02T09:00:00Z"},
        {"email": "ben@kairo.example", "full_name": "Ben Kairo", "occurred_at": "2026-03-03T09:00:00Z"},
    )
    work()
    ada, ben = (owner(event_id) for event_id in events)
    me = Decision("vera")
    _send_all()
    before = _in_crm(crm)
    merge_people(ada, ben, me)
    _send_all()
    assert _in_crm(crm)[str(ben)] == {**before[str(ben)], MARK: str(ada)}
    unmerge_person(ada, me)
    _send_all()
    assert _in_crm(crm) == before


def _send_all() -> None:
    while "due" in states():
        for lane in ("hot", "bulk"):
            deliver("crm", lane, budget_seconds=2)


def _in_crm(crm: Dynamics) -> dict[str, dict[str, Any]]:
    return {record["external_id"]: record["fields"] for record in crm.records()}
