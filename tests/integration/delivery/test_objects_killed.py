"""Companies and touches through faults and killed senders: nothing is lost and nothing is there twice."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from typing import Any

import pytest

from pipeline.delivery.sender import deliver
from pipeline.store.engine import transaction
from tests.integration.delivery.test_objects import ADA, BEN, EVE, come, company, crm, of, send, spelling
from tests.support.crm_objects import COMPANY, PERSON, TOUCH
from tests.support.identity_rows import rows

pytestmark = pytest.mark.long  # senders that are killed

__all__ = ["company", "crm", "spelling"]


def _deliver_for_a_while() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for lane in ("hot", "bulk"):
            deliver("crm", lane, budget_seconds=1)
        time.sleep(0.1)


@pytest.mark.timeout(400)
def test_with_faults_and_killed_senders_there_is_one_record_for_each_company_person_and_touch(company, crm, spelling):
    leads = [
        {
            "email": f"p{number}@firm{number % 40}.example",
            "full_name": f"Person Number{number}",
            "company": f"Firm {number % 40}",
            "occurred_at": f"2026-03-0{1 + turn}T09:00:00Z",
        }
        for turn in range(3)
        for number in range(200)
    ]
    come(*leads)
    send_through_kills(crm)
    assert [len(of(crm, subject)) for subject in (PERSON, COMPANY, TOUCH)] == [200, 40, 600]
    assert all(person[COMPANY] for person in of(crm, PERSON))
    linked = {link.partition(".")[2] for link in spelling.links if link.startswith(f"{TOUCH}.")}
    assert all(touch[to] for touch in of(crm, TOUCH) for to in linked)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("crm", ["hubspot"], indirect=True)
def test_where_hubspot_has_no_unique_property_of_notes_none_is_made_twice_either(company, crm):
    crm.sandbox.dialect.objects["notes"].refuse_unique_values()
    crm.sandbox.dialect.search_lag_seconds = 5.0
    come(*({**ADA, "occurred_at": f"2026-03-02T{hour:02}:00:00Z"} for hour in range(24)), *([BEN, EVE] * 3))
    send_through_kills(crm)
    notes = Counter(record["fields"]["afluente_id"] for record in crm.records() if record["object"] == "note")
    assert set(notes.values()) == {1}
    assert len(notes) == len(rows("SELECT FROM deliveries WHERE destination = 'crm/notes'"))
    assert all(note[PERSON] and note[COMPANY] for note in of(crm, TOUCH))


def calls_under_way() -> set[threading.Thread]:
    """The sandbox's threads, which are this process's, one for each connection."""
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def wait_until_its_calls_are_over(others: set[threading.Thread], seconds: float = 20) -> None:
    """A request that a killed sender made may still be at work in the sandbox. Nobody takes its records over before: a
    lease is longer than a call."""
    deadline = time.monotonic() + seconds
    while calls_under_way() - others:
        assert time.monotonic() < deadline, "a call of a killed sender goes on"
        time.sleep(0.01)


def send_through_kills(crm: Any) -> None:
    """Six senders, each killed in its midst, at a CRM that fails as it may; then until nothing is due any more."""
    has_faults = hasattr(crm, "order")
    if has_faults:
        crm.order(status=503, rate=0.1, write_then_drop=0.1, short_answer=0.05, garbled_answer=0.05)
    context = multiprocessing.get_context("fork")
    for _ in range(6):
        others = calls_under_way()
        process = context.Process(target=_deliver_for_a_while)
        process.start()
        time.sleep(0.7)
        process.kill()
        process.join()
        wait_until_its_calls_are_over(others)
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE deliveries SET state = 'due', lease_until = NULL WHERE state = 'in_flight'"
            )
    if has_faults:
        crm.order(status=503, rate=0.1, write_then_drop=0.1)
    send(seconds=120)
