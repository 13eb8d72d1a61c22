"""People through the sender into the sandbox of each kind of CRM, with faults on: as many records as people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import SendReport, deliver
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from tests.integration.delivery.test_merges import ADA, BEN, come, in_crm, send
from tests.integration.delivery.test_sender import (
    Crm,
    change,
    deliver_until,
    forget_breaker,
    make_due_now,
    make_people,
    rows,
    states,
)

KINDS = sorted(dialects())


@pytest.fixture(params=KINDS)
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Crm]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect=request.param) as sandbox:
        opened = Crm(sandbox, tmp_path / "afluente.yaml")
        opened.configure(kind=request.param, batch_size=50)
        yield opened


def deliver_all(count: int) -> None:
    """As the sweep does, with the waits between tries left out."""

    def is_done() -> bool:
        make_due_now()
        forget_breaker()
        return states() == {"sent": count}

    deliver_until(is_done, seconds=60)


def keys(crm: Crm) -> list[str]:
    return sorted(record["external_id"] for record in crm.records())


def test_people_reach_the_crm_once_and_a_change_makes_no_second_record(crm):
    people = make_people(120)
    assert deliver("crm", "bulk", budget_seconds=10) == SendReport(sent=120)
    assert keys(crm) == sorted(str(person.person_id) for person in people)
    ids = {record["id"] for record in crm.records()}
    assert {external_id for (external_id,) in rows("external_id")} == ids
    change(people[0], company="Another")
    assert deliver("crm", "bulk", budget_seconds=10) == SendReport(sent=1)
    assert {record["id"] for record in crm.records()} == ids
    assert crm.written()["changed"] == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "faults",
    [
        {"write_then_drop": 0.4},
        {"write_then_fail": 0.4},
        {"short_answer": 0.4},
        {"garbled_answer": 0.4},
        {"drop_connection": 0.4},
        {"status": 503, "rate": 0.4},
        {"token_seconds": 0.05, "on": "/"},
    ],
    ids=lambda faults: next(iter(faults)),
)
def test_with_faults_there_are_as_many_records_as_people(crm, faults):
    people = make_people(200)
    crm.order(**faults)
    for _ in range(4):
        deliver("crm", "bulk", budget_seconds=1)
        make_due_now()
        forget_breaker()
    crm.order()
    deliver_all(200)
    assert keys(crm) == sorted(str(person.person_id) for person in people)
    assert crm.written()["created"] == 200


def test_a_quota_that_ends_costs_no_delivery_an_attempt(crm):
    make_people(200)
    crm.order(limit_per_second=1, burst=1, seconds=2)
    deliver("crm", "bulk", budget_seconds=1)
    assert {attempts for (attempts,) in rows("attempts")} == {0}
    assert len(crm.records()) < 200


@pytest.mark.parametrize("crm", ["hubspot"], indirect=True)
class TestHubSpot:
    def contact(self, crm: Crm, number: int, **fields: str) -> dict[str, str]:
        """Somebody who was in HubSpot before us."""
        answer = requests.post(
            f"{crm.address}/crm/v3/objects/contacts",
            json={"properties": {"email": f"Person{number}@example.com", **fields}},
            headers={"Authorization": "Bearer pat-sandbox"},
            timeout=5,
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def test_who_was_in_hubspot_before_gets_our_id_and_no_second_contact(self, crm):
        known = {self.contact(crm, number, mobilephone="+493023125123")["id"] for number in range(0, 40, 4)}
        people = make_people(40)
        assert deliver("crm", "bulk", budget_seconds=10) == SendReport(sent=40)
        assert keys(crm) == sorted(str(person.person_id) for person in people)
        kept = {record["id"]: record["fields"] for record in crm.records()}
        assert {kept[name]["mobilephone"] for name in known} == {"+493023125123"}
        assert known <= {external_id for (external_id,) in rows("external_id")}

    def test_the_contact_of_one_who_is_another_is_marked_and_unmarked(self, crm):
        ada, ben = come(ADA, BEN)
        assert send() == 2
        before = in_crm(crm)
        merge_people(ada, ben, Decision("vera"))
        send()
        joined = in_crm(crm)
        assert joined[str(ben)] == {**before[str(ben)], "afluente_merged_into": str(ada)}
        assert (joined[str(ada)]["city"], joined[str(ada)]["jobtitle"]) == ("Bonn", "Buyer")
        unmerge_person(ada, Decision("vera"))
        send()
        assert in_crm(crm) == before

    @pytest.mark.long
    def test_one_who_gets_the_email_of_another_by_a_merge_waits_for_a_human_with_all_else_written(self, crm):
        """HubSpot keeps the address for the contact that had it: only its own merge can bring the two together."""
        ben, ada = come(BEN, ADA)
        send()
        merge_people(ben, ada, Decision("vera"))
        send()
        assert in_crm(crm)[str(ada)]["afluente_merged_into"] == str(ben)
        assert in_crm(crm)[str(ben)]["email"] == BEN["email"]
        assert in_crm(crm)[str(ben)]["afluente_latest_source"] == "google", "of Ada's lead, which is the newer one"
        assert states() == {"sent": 1, "quarantined": 1}
