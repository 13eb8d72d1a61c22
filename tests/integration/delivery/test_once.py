"""Fields written once: what a human changed in the CRM stays, until our own value changes."""

from __future__ import annotations

import pytest
import requests

from pipeline.delivery.sender import deliver
from pipeline.records import new_id
from pipeline.store.deliveries.deliveries import send_again_what_was_overtaken
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import crm, make_people, rows, states
from tests.support import crm as crm_api
from tests.support.command_line import capture, work

__all__ = ["crm"]

UPSERT = crm_api.UPSERT
ADA = {"email": "ada@example.org", "last_name": "Brandt", "company": "Brandt"}


def arrive(at: str, source: str, **fields: str) -> None:
    """A lead of Ada's, through the chain and into the CRM."""
    capture({**ADA, "occurred_at": at, "utm_source": source, "utm_medium": "cpc", **fields})
    work()
    assert deliver("crm", "bulk", budget_seconds=5).sent + deliver("crm", "hot", budget_seconds=5).sent == 1


def change_by_hand(crm, **fields: str) -> None:
    """A human edits the only record in the CRM."""
    (record,) = crm.records()
    entry = {"attributes": {"type": "Lead"}, "Afluente_Id__c": record["external_id"], **fields}
    answer = crm_api.call(crm, "PATCH", UPSERT, json={"allOrNone": False, "records": [entry]})
    assert answer.status_code == 200, answer.text


def in_crm(crm, *names: str) -> tuple[str | None, ...]:
    (record,) = crm.records()
    return tuple(record["fields"].get(name) for name in names)


def test_what_a_human_changed_stays_when_the_person_writes_again(crm):
    arrive("2026-03-02T09:00:00Z", "google")
    assert in_crm(crm, "Original_Source__c", "Latest_Source__c") == ("google", "google")
    change_by_hand(crm, Original_Source__c="trade fair", Original_Campaign__c="stand 7")
    arrive("2026-03-05T09:00:00Z", "linkedin", city="Berlin")
    assert in_crm(crm, "Original_Source__c", "Original_Campaign__c") == ("trade fair", "stand 7")
    assert in_crm(crm, "Latest_Source__c", "City") == ("linkedin", "Berlin")


def test_a_late_lead_that_was_earlier_rewrites_the_original(crm):
    arrive("2026-03-02T09:00:00Z", "google")
    change_by_hand(crm, Original_Source__c="trade fair")
    arrive("2026-02-20T09:00:00Z", "newsletter")
    assert in_crm(crm, "Original_Source__c", "Latest_Source__c") == ("newsletter", "google")


def test_a_campaign_never_stands_beside_the_source_of_another_visit(crm):
    arrive("2026-03-02T09:00:00Z", "google", utm_campaign="spring")
    assert in_crm(crm, "Original_Campaign__c", "Latest_Campaign__c") == ("spring", "spring")
    arrive("2026-03-05T09:00:00Z", "linkedin")
    assert in_crm(crm, "Latest_Source__c", "Latest_Campaign__c") == ("linkedin", None)
    arrive("2026-02-20T09:00:00Z", "newsletter")
    assert in_crm(crm, "Original_Source__c", "Original_Campaign__c") == ("newsletter", None)


def test_what_the_crm_did_not_confirm_is_sent_again(crm):
    make_people(1)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE people SET original_source = 'google'")
    crm.order(record_error={"code": "UNABLE_TO_LOCK_ROW"})
    assert deliver("crm", "bulk", budget_seconds=2).retried == 1
    assert rows("once_digest") == [(None,)]
    crm.order()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET next_attempt_at = now()")
    assert deliver("crm", "bulk", budget_seconds=2).sent == 1
    assert in_crm(crm, "Original_Source__c") == ("google",)
    ((digest,),) = rows("once_digest")
    assert len(digest) == 32


def test_a_record_that_the_crm_had_lost_gets_its_original_back(crm):
    arrive("2026-03-02T09:00:00Z", "google")
    requests.post(f"{crm.address}/_reset", timeout=5)
    assert crm.records() == []
    capture({**ADA, "occurred_at": "2026-03-05T09:00:00Z", "utm_source": "linkedin", "city": "Berlin"})
    work()
    sent = [deliver("crm", lane, budget_seconds=5).sent for lane in ("bulk", "hot")]
    assert sum(sent) == 2, "once as it was thought to be, then with what it lacked"
    assert in_crm(crm, "Original_Source__c", "City") == ("google", "Berlin")
    assert states() == {"sent": 1}


def test_what_was_cut_to_fit_is_sent_and_named_in_the_story_of_the_delivery(crm):
    make_people(1, job_title="x" * 200, city="y" * 41)
    assert deliver("crm", "bulk", budget_seconds=5).sent == 1
    assert [len(text) for text in in_crm(crm, "Title", "City")] == [128, 40]
    with transaction() as connection:
        found = connection.exec_driver_sql("SELECT outcome, code, message FROM delivery_log").all()
    assert [tuple(one) for one in found] == [("sent", "truncated", "cut to fit: Title, City")]
    assert rows("last_error") == [(None,)]


def test_what_a_late_sender_may_have_overwritten_is_no_longer_taken_as_confirmed(crm):
    """Its call carried older values: the original among them is sent again, though nothing changed."""
    arrive("2026-03-02T09:00:00Z", "google")
    change_by_hand(crm, Original_Source__c="an older value")
    with transaction() as connection:
        ((person_id,),) = connection.exec_driver_sql("SELECT person_id FROM people").all()
        assert send_again_what_was_overtaken(connection, "crm", new_id(), [person_id]) == 1
    assert sum(deliver("crm", lane, budget_seconds=5).sent for lane in ("hot", "bulk")) == 1
    assert in_crm(crm, "Original_Source__c") == ("google",)


@pytest.mark.parametrize("answer", [{"write_then_drop": 1.0}, {"write_then_fail": 1.0}])
def test_a_call_whose_answer_was_lost_is_made_again_with_the_same_result(crm, answer):
    make_people(1)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE people SET original_source = 'google'")
    crm.order(**answer)
    deliver("crm", "bulk", budget_seconds=1)
    assert rows("once_digest") == [(None,)]
    assert in_crm(crm, "Original_Source__c") == ("google",)
