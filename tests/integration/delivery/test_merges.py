"""What a CRM sees when two people turn out to be one, and when they are taken apart again."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
import time
from typing import Any
from uuid import UUID

import pytest
import requests

from connectors.kit import destination_types
from pipeline.delivery import accounts, calls, writers
from pipeline.delivery.sender import deliver
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.store.deliveries.deliveries import sweep_deliveries
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import crm, make_due_now
from tests.support import crm as crm_api
from tests.support.command_line import capture, work
from tests.support.identity_rows import owner, rows

__all__ = ["crm"]

ME = Decision("vera")
MARK = "Afluente_Merged_Into__c"
ADA = {
    "email": "ada@brandt.example",
    "full_name": "Ada Brandt",
    "company": "Brandt",
    "occurred_at": "2026-03-02T09:00:00Z",
    "utm_source": "google",
    "utm_medium": "cpc",
}
BEN = {
    "email": "ben@kairo.example",
    "full_name": "Ben Kairo",
    "phone": "+4915123456789",
    "job_title": "Buyer",
    "city": "Bonn",
    "occurred_at": "2026-02-20T09:00:00Z",
    "utm_source": "news",
    "utm_medium": "email",
    "utm_campaign": "spring",
}


def come(*leads: dict[str, Any]) -> list[UUID]:
    """Leads through the chain; gives their people."""
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def send() -> int:
    """All that is due, as the sweep would; gives how many were sent."""
    sent, deadline = 0, time.monotonic() + 20
    while "due" in deliveries().values():
        assert time.monotonic() < deadline, deliveries()
        sent += sum(deliver("crm", lane, budget_seconds=2).sent for lane in ("hot", "bulk"))
    return sent


def in_crm(crm) -> dict[str, dict[str, Any]]:
    return {record["external_id"]: record["fields"] for record in crm.records()}


def change_by_hand(crm, person_id: UUID, **fields: str) -> None:
    entry = {"attributes": {"type": "Lead"}, "Afluente_Id__c": str(person_id), **fields}
    answer = crm_api.call(crm, "PATCH", crm_api.UPSERT, json={"allOrNone": False, "records": [entry]})
    assert answer.status_code == 200, answer.text


def deliveries() -> dict[UUID, str]:
    return dict(rows("SELECT person_id, state FROM deliveries"))


def test_the_record_of_the_second_is_marked_and_both_are_as_before_when_taken_apart(crm):
    ada, ben = come(ADA, BEN)
    with transaction() as connection:
        for table in ("touches", "people"):
            connection.exec_driver_sql(f"UPDATE {table} SET rerouted_at = now() WHERE person_id = %s", (ben,))
    assert send() == 2
    before = in_crm(crm)
    merge_people(ada, ben, ME)
    assert send() == 2
    joined = in_crm(crm)
    assert joined[str(ben)] == {**before[str(ben)], MARK: str(ada)}
    assert (joined[str(ada)]["City"], joined[str(ada)]["Title"]) == ("Bonn", "Buyer")
    assert joined[str(ada)]["Original_Campaign__c"] == "spring", "Ben wrote first"
    assert joined[str(ada)]["Afluente_Rerouted_At__c"] == before[str(ben)]["Afluente_Rerouted_At__c"]
    assert MARK not in joined[str(ada)]
    unmerge_person(ada, ME)
    assert send() == 2
    assert in_crm(crm) == before


def test_merging_and_unmerging_again_and_again_leaves_no_trace(crm):
    ada, ben, cleo = come(
        ADA, BEN, {**ADA, "email": "cleo@dot.example", "full_name": "Cleo Dot", "phone": "+34600111222"}
    )
    send()
    before = in_crm(crm)
    for _ in range(3):
        merge_people(ben, cleo, ME)
        send()
        merge_people(ada, ben, ME)
        send()
        marks = {key: fields.get(MARK) for key, fields in in_crm(crm).items()}
        assert marks == {str(ada): None, str(ben): str(ada), str(cleo): str(ada)}
        unmerge_person(ada, ME)
        send()
        unmerge_person(ben, ME)
        send()
        assert in_crm(crm) == before


def test_what_a_human_wrote_into_fields_that_we_never_filled_stays(crm):
    ada, ben = come(ADA, BEN)
    send()
    change_by_hand(crm, ada, Street="Poststr. 1", Original_Source__c="trade fair")
    change_by_hand(crm, ben, Street="Ring 2", Title="Head of buying")
    merge_people(ada, ben, ME)
    send()
    assert in_crm(crm)[str(ben)]["Title"] == "Head of buying", "a mark is all that a merged record gets"
    unmerge_person(ada, ME)
    send()
    after = in_crm(crm)
    assert (after[str(ada)]["Street"], after[str(ben)]["Street"]) == ("Poststr. 1", "Ring 2")
    assert "City" not in after[str(ada)]


def test_what_was_taken_back_is_emptied_once_and_then_left_alone(crm):
    ada, ben = come(ADA, BEN)
    send()
    merge_people(ada, ben, ME)
    send()
    unmerge_person(ada, ME)
    send()
    change_by_hand(crm, ada, City="Köln")
    come({**ADA, "occurred_at": "2026-03-09T09:00:00Z", "job_title": "CEO"})
    send()
    assert (in_crm(crm)[str(ada)]["City"], in_crm(crm)[str(ada)]["Title"]) == ("Köln", "CEO")


def test_no_record_is_made_to_be_marked(crm):
    ada, ben = come(ADA, BEN)
    merge_people(ada, ben, ME)
    assert set(deliveries()) == {ada}
    assert send() == 1
    assert set(in_crm(crm)) == {str(ada)}
    unmerge_person(ada, ME)
    send()
    assert {key: fields["LastName"] for key, fields in in_crm(crm).items()} == {str(ada): "Brandt", str(ben): "Kairo"}


def test_a_merged_record_that_the_crm_has_lost_is_not_made_again(crm):
    ada, ben = come(ADA, BEN)
    send()
    before = in_crm(crm)
    requests.post(f"{crm.address}/_reset", timeout=5)
    merge_people(ada, ben, ME)
    send()
    assert set(in_crm(crm)) == {str(ada)}
    assert deliveries() == {ada: "sent", ben: "sent"}
    assert rows("SELECT code FROM delivery_log WHERE person_id = %s ORDER BY id DESC LIMIT 1", ben) == [
        ("record_gone",)
    ]
    unmerge_person(ada, ME)
    send()
    assert in_crm(crm) == before


def test_one_whom_the_crm_had_refused_leaves_quarantine_when_merged(crm):
    (ada,) = come(ADA)
    send()
    (ben,) = come(BEN)
    crm.order(record_error={"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no"})
    send()
    crm.order()
    assert deliveries() == {ada: "sent", ben: "quarantined"}
    merge_people(ada, ben, ME)
    send()
    assert deliveries()[ben] == "sent"
    assert rows("SELECT resolution FROM quarantine WHERE person_id = %s", ben) == [("fixed",)]
    assert str(ben) not in in_crm(crm)


def test_a_crm_that_cannot_be_marked_gets_no_call_for_a_merged_person(crm, monkeypatch):
    ada, ben = come(ADA, BEN)
    send()
    before = in_crm(crm)
    kinds = {name: dataclasses.replace(kind, merge="none") for name, kind in destination_types().items()}
    monkeypatch.setattr(accounts, "destination_types", lambda: kinds)
    writers.close_writer("crm")
    merge_people(ada, ben, ME)
    send()
    assert in_crm(crm)[str(ben)] == before[str(ben)]
    assert deliveries() == {ada: "sent", ben: "sent"}
    unmerge_person(ada, ME)
    send()
    writers.close_writer("crm")
    assert in_crm(crm) == before


def wait_until_in_flight(count: int) -> None:
    deadline = time.monotonic() + 20
    while list(deliveries().values()).count("in_flight") != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("is_known", [False, True])
def test_the_late_answer_of_a_call_begun_before_the_merge_is_followed_by_the_mark(crm, is_known):
    ada, ben = come(ADA, BEN)
    if is_known:
        send()
        come({**ADA, "city": "Berlin"}, {**BEN, "city": "Köln", "occurred_at": "2026-02-21T09:00:00Z"})
    crm.order(latency_ms=1200)
    calls = [
        threading.Thread(target=deliver, args=("crm", lane), kwargs={"budget_seconds": 1}) for lane in ("hot", "bulk")
    ]
    for call in calls:
        call.start()
    wait_until_in_flight(2)
    merge_people(ada, ben, ME)
    for call in calls:
        call.join()
    crm.order()
    send()
    marked = in_crm(crm)
    assert (marked[str(ben)][MARK], marked[str(ben)]["LastName"]) == (str(ada), "Kairo")
    assert deliveries() == {ada: "sent", ben: "sent"}
    unmerge_person(ada, ME)
    send()
    assert [fields.get(MARK) for fields in in_crm(crm).values()] == [None, None]


@pytest.mark.parametrize("fault", ["write_then_drop", "write_then_fail"])
def test_a_mark_whose_answer_was_lost_is_emptied_all_the_same(crm, fault):
    ada, ben = come(ADA, BEN)
    send()
    before = in_crm(crm)
    merge_people(ada, ben, ME)
    crm.order(**{fault: 1.0})
    deliver("crm", "bulk", budget_seconds=1)
    assert in_crm(crm)[str(ben)][MARK] == str(ada)
    crm.order()
    unmerge_person(ada, ME)
    restart()
    send()
    assert in_crm(crm) == before


def restart() -> None:
    """As if the breaker's pause were over, and every backoff too."""
    from tests.integration.delivery.test_sender import forget_breaker

    forget_breaker()
    make_due_now()


@pytest.mark.long
def test_a_sender_killed_between_the_mark_and_its_answer_changes_nothing_in_the_end(crm):
    ada, ben = come(ADA, BEN)
    send()
    before = in_crm(crm)
    merge_people(ada, ben, ME)
    crm.order(latency_ms=1500)
    victim = multiprocessing.get_context("spawn").Process(
        target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 5}
    )
    victim.start()
    wait_until_in_flight(2)
    victim.kill()
    victim.join()
    time.sleep(1.6)  # the CRM finishes what it was asked to do
    crm.order()
    unmerge_person(ada, ME)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET lease_until = now() - interval '1 second'")
        sweep_deliveries(connection, max_attempts=12)
    restart()
    send()
    assert in_crm(crm) == before
    assert deliveries() == {ada: "sent", ben: "sent"}


def test_a_sender_stopped_for_so_long_that_it_unmarks_a_record_is_made_up_for(crm, monkeypatch):
    """Its lease has run out, another marks the record meanwhile, and then its old call with the whole person lands."""
    ada, ben = come(ADA, BEN)
    send()
    come({**BEN, "city": "Köln", "occurred_at": "2026-02-21T09:00:00Z"})
    write = calls.write_in_halves

    def late(records, *rest, **more):
        monkeypatch.setattr(calls, "write_in_halves", write)
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET lease_until = now() - interval '1 second'")
            sweep_deliveries(connection, max_attempts=12)
        merge_people(ada, ben, ME)
        send()
        assert in_crm(crm)[str(ben)][MARK] == str(ada)
        return write(records, *rest, **more)

    monkeypatch.setattr(calls, "write_in_halves", late)
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=1)
    send()
    assert in_crm(crm)[str(ben)][MARK] == str(ada)
