"""Companies and their people at the same moment: whoever comes first, people end up linked and nobody stands in the
other's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from connectors.kit import Record
from pipeline.delivery.claims import claim_batch
from pipeline.delivery.sender import deliver
from pipeline.delivery.writers import open_writer
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.records import new_id
from pipeline.store.deliveries.deliveries import claim_deliveries, send_again_what_was_overtaken, want_deliveries
from pipeline.store.deliveries.objects import want_companies
from pipeline.store.engine import transaction
from pipeline.store.events.quarantine import replay_events
from pipeline.targets import targets_of
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import ADA, BEN, come, company, crm, send
from tests.integration.delivery.test_sender import make_due_now
from tests.support.crm_objects import SALESFORCE
from tests.support.identity_rows import rows

__all__ = ["company", "crm"]

pytestmark = pytest.mark.parametrize("crm", ["salesforce"], indirect=True)


def of(crm: Any, kind: str) -> list[dict[str, Any]]:
    return [record for record in crm.records() if record["object"] == kind]


def by_email(crm: Any) -> dict[str, dict[str, Any]]:
    return {record["fields"]["Email"]: record for record in of(crm, "Contact")}


def look_at_people(lane: str) -> None:
    """What a sender does who claims the people: it wants their companies and gives the people back."""
    target = next(target for target in targets_of("crm") if target.subject == "person")
    with transaction() as connection:
        claim_batch(
            connection, target, open_writer(target), lane, until=time.monotonic(), lease_seconds=60, linger_seconds=0
        )


def lane_of(person_id: UUID) -> str:
    return str(rows("SELECT lane FROM deliveries WHERE person_id = %s AND destination = 'crm'", person_id)[0][0])


def companies() -> list[UUID]:
    return [company_id for (company_id,) in rows("SELECT company_id FROM companies")]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_linked(crm, email: str = ADA["email"]) -> bool:
    return by_email(crm)[email]["fields"].get("AccountId") in {record["id"] for record in of(crm, "Account")}


@pytest.mark.long
def test_who_is_under_way_without_a_link_gets_it_though_the_company_is_made_just_then(company, crm):
    write_destination(
        company, "whole", SALESFORCE.mapping.replace("required: true, max: 160", "required: true, max: 5")
    )
    (ada,) = come(ADA)
    crm.order(latency_ms=4000)
    sender = threading.Thread(target=lambda: deliver("crm", lane_of(ada), budget_seconds=8))
    sender.start()
    wait_until(lambda: rows("SELECT 1 FROM deliveries WHERE person_id = %s AND state = 'in_flight'", ada))
    time.sleep(0.5)  # the call is made, and its answer waits
    crm.order()
    write_destination(company, "whole", SALESFORCE.mapping)
    with transaction() as connection:
        assert replay_events(connection, reason="too_long") == 1
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=1)
    assert len(of(crm, "Account")) == 1
    assert rows("SELECT state FROM deliveries WHERE person_id = %s", ada) == [("in_flight",)]
    sender.join()
    send()
    assert is_linked(crm)


def test_an_answer_about_a_company_and_a_claim_of_its_people_do_not_wait_for_each_other(company, crm):
    (ada,) = come(ADA)
    lane = lane_of(ada)
    look_at_people(lane)
    make_due_now()
    sender = threading.Thread(target=lambda: deliver("crm", lane, budget_seconds=0.1))
    with transaction() as connection:
        claim_deliveries(connection, "crm", lane, limit=10, lease_seconds=60)
        sender.start()
        wait_until(lambda: rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        want_companies(connection, "crm/Account", companies(), lane)
    sender.join()
    assert set(rows("SELECT outcome FROM delivery_log WHERE destination = 'crm/Account'")) == {("sent",)}


def test_people_are_linked_anew_where_their_company_got_another_record(company, crm):
    come(ADA, BEN)
    send()
    (before,) = of(crm, "Account")
    target = targets_of("crm")[0]
    open_writer(target).delete([Record(before["external_id"], {}, crm_id=before["id"])])
    come({**ADA, "industry": "Software"})
    send()
    (after,) = of(crm, "Account")
    assert after["id"] != before["id"]
    assert is_linked(crm, ADA["email"])
    assert is_linked(crm, BEN["email"])


def test_a_company_whose_people_became_others_meanwhile_troubles_nobody(company, crm):
    ada, ben = come(ADA, {**BEN, "email": "ben@kairo.example", "company": "Kairo Ltd"})
    look_at_people(lane_of(ada))
    assert len(companies()) == 2
    merge_people(ada, ben, Decision("vera"))
    send()
    assert rows("SELECT code FROM quarantine") == []
    assert len(of(crm, "Account")) == 1


def test_a_company_is_never_told_what_its_people_say_of_another_one(company, crm):
    (ada,) = come(ADA)
    look_at_people(lane_of(ada))
    come({**ADA, "company": "Kairo Ltd", "company_domain": "kairo.example", "website": "https://kairo.example"})
    send()
    assert [record["fields"]["Name"] for record in of(crm, "Account")] == ["Kairo Ltd"]


def test_a_hot_lead_does_not_wait_for_its_company_in_the_bulk_lane(company, crm):
    (ada,) = come(ADA)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET lane = 'bulk'")
    look_at_people("bulk")
    with transaction() as connection:
        want_deliveries(connection, [("crm", ada, "hot")])
    make_due_now()
    deliver("crm", "hot", budget_seconds=5)
    assert is_linked(crm)


def test_what_a_call_beyond_its_lease_may_have_overwritten_is_sent_though_nothing_else_changed(company, crm):
    (ada,) = come(ADA)
    send()
    calls = crm.calls()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due', wanted_version = wanted_version + 1")
        send_again_what_was_overtaken(connection, "crm", new_id(), [ada])
    send()
    assert crm.calls() == calls + 2  # where it is now, then the write
