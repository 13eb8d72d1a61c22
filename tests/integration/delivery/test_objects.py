"""Companies and touches at the CRM beside people: each once, linked to one another, whatever comes first."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.sender import deliver
from pipeline.errors import ConfigurationError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.recompute.deliveries import backfill_destination
from pipeline.stages.destination_mapping.declarations import read_destination
from pipeline.store.deliveries.objects import want_absent
from pipeline.store.engine import transaction
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_sender import crm, forget_breaker, make_due_now
from tests.support.command_line import answer, capture, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import owner, rows

__all__ = ["crm"]

OBJECTS = """
destination: whole
version: 1
objects:
  Contact:
    of: person
    links: {AccountId: company}
    fields:
      LastName: {from: [last_name, full_name, email], required: true}
      Email: {from: email, as: email}
  Account:
    of: company
    fields:
      Name: {from: [company, company_domain], required: true, max: 255}
      Website: {from: website}
      Industry: {from: industry}
  Task:
    of: touch
    links: {WhoId: person, WhatId: company}
    fields:
      Subject: {from: summary, max: 255, too_long: truncate}
      ActivityDate: {from: occurred_at, as: date}
      Status: {constant: Completed}
      Event__c: {from: event_id}
"""
PEOPLE_ALONE = """
destination: alone
version: 1
objects:
  Contact:
    of: person
    fields:
      LastName: {from: [last_name, full_name, email], required: true}
      Email: {from: email, as: email}
"""
ADA = {"email": "ada@brandt.example", "full_name": "Ada Brandt", "company": "Brandt GmbH"}
BEN = {"email": "ben@brandt.example", "full_name": "Ben Kairo", "company": "Brandt GmbH"}
EVE = {"email": "eve@gmail.com", "full_name": "Eve Moss", "company": "Moss & Sons"}


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whole", OBJECTS)
        write_destination(sources, "alone", PEOPLE_ALONE)
        crm.configure(mapping="whole")
        yield sources


def send(seconds: float = 30) -> int:
    """All that is due, as the sweep would, with the waits left out; gives how many outcomes were `sent`."""
    sent, deadline = 0, time.monotonic() + seconds
    while waiting := rows("SELECT destination, state, last_error FROM deliveries WHERE state IN ('due', 'in_flight')"):
        assert time.monotonic() < deadline, Counter(waiting)
        make_due_now()
        sent += sum(deliver("crm", lane, budget_seconds=2).sent for lane in ("hot", "bulk"))
        forget_breaker()
    return sent


def of(crm: Any, kind: str) -> list[dict[str, Any]]:
    return [record for record in crm.records() if record["object"] == kind]


def come(*leads: dict[str, Any]) -> list[Any]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def by_email(crm: Any) -> dict[str, dict[str, Any]]:
    return {record["fields"]["Email"]: record for record in of(crm, "Contact")}


def test_two_people_of_one_company_have_one_account_and_a_task_for_each_touch(company, crm):
    come(ADA, BEN, EVE)
    assert sum(deliver("crm", lane, budget_seconds=5).sent for lane in ("hot", "bulk")) == 3 + 2 + 3
    accounts = {record["fields"]["Name"]: record["id"] for record in of(crm, "Account")}
    assert sorted(accounts) == ["Brandt GmbH", "Moss & Sons"]
    people = by_email(crm)
    assert people["ada@brandt.example"]["fields"]["AccountId"] == accounts["Brandt GmbH"]
    assert people["ben@brandt.example"]["fields"]["AccountId"] == accounts["Brandt GmbH"]
    assert people["eve@gmail.com"]["fields"]["AccountId"] == accounts["Moss & Sons"]
    tasks = of(crm, "Task")
    assert Counter(task["fields"]["WhoId"] for task in tasks) == Counter(record["id"] for record in people.values())
    assert {task["fields"]["WhatId"] for task in tasks} == set(accounts.values())


def test_a_second_lead_of_the_same_person_makes_one_more_task_and_no_other_call(company, crm):
    come(ADA)
    send()
    before = crm.calls()
    come({**ADA, "occurred_at": "2020-01-01T00:00:00Z"})
    send()
    assert len(of(crm, "Task")) == 2
    assert len(of(crm, "Contact")) == len(of(crm, "Account")) == 1
    assert crm.calls() == before + 1


def test_two_companies_of_one_name_and_two_domains_stay_two(company, crm):
    come(ADA, {**BEN, "email": "ben@brandt-bonn.example"})
    send()
    assert [record["fields"]["Name"] for record in of(crm, "Account")] == ["Brandt GmbH", "Brandt GmbH"]


def test_who_names_no_company_has_none(company, crm):
    come({"email": "joe@gmail.com", "full_name": "Joe Doe"})
    send()
    assert of(crm, "Account") == []
    assert "AccountId" not in by_email(crm)["joe@gmail.com"]["fields"]


def test_a_company_that_the_crm_refuses_does_not_hold_its_people_and_is_linked_when_it_is_there(company, crm):
    write_destination(company, "whole", OBJECTS.replace("required: true, max: 255", "required: true, max: 5"))
    come(ADA)
    send()
    assert of(crm, "Account") == []
    assert "AccountId" not in by_email(crm)["ada@brandt.example"]["fields"]
    write_destination(company, "whole", OBJECTS)
    assert run("quarantine", "replay", "--destination", "crm").returncode == 0
    send()
    (account,) = of(crm, "Account")
    assert by_email(crm)["ada@brandt.example"]["fields"]["AccountId"] == account["id"]


def test_people_who_were_there_before_get_accounts_and_tasks_by_a_backfill(company, crm):
    crm.configure(mapping="alone")
    come(ADA, BEN, EVE)
    send()
    assert [record["object"] for record in crm.records()] == ["Contact"] * 3
    crm.configure(mapping="whole")
    backfill_destination("crm", ["default"])
    send()
    assert Counter(record["object"] for record in crm.records()) == {"Contact": 3, "Account": 2, "Task": 3}
    assert all("AccountId" in record["fields"] for record in of(crm, "Contact"))


def test_the_touches_of_who_is_merged_move_to_the_one_who_stays(company, crm):
    ada, ben = come(ADA, {**BEN, "email": "ada.b@other.example"})
    send()
    merge_people(ada, ben, Decision("vera"))
    send()
    (stays,) = [row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NULL")]
    contact = next(record for record in of(crm, "Contact") if record["external_id"] == str(stays))
    assert {task["fields"]["WhoId"] for task in of(crm, "Task")} == {contact["id"]}


def test_explain_shows_the_records_of_a_person_their_company_and_their_touches_with_each_call(company, crm):
    (ada,) = come(ADA)
    send()
    told = answer("explain", str(ada))
    assert {
        delivery["destination"]: [call["outcome"] for call in delivery["calls"]] for delivery in told["deliveries"]
    } == {
        "crm": ["sent"],
        "crm/Account": ["sent"],
        "crm/Task": ["sent"],
    }
    ids = {record["id"] for record in crm.records()}
    assert {delivery["external_id"] for delivery in told["deliveries"]} == ids


def test_nothing_changed_costs_no_call(company, crm):
    come(ADA, BEN, EVE)
    send()
    calls = crm.calls()
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'due', next_attempt_at = now(), wanted_version = wanted_version + 1"
        )
    assert send() == 8
    assert crm.calls() == calls
    assert {outcome for (outcome,) in rows("SELECT code FROM delivery_log ORDER BY id DESC LIMIT 8")} == {"unchanged"}


def test_after_a_lost_answer_the_old_content_is_sent_again_though_it_was_confirmed_once(company, crm):
    come(ADA)
    send()
    crm.order(write_then_drop=1.0)
    come({**ADA, "full_name": "Ada Wrong"})
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=1)
    crm.order()
    come(ADA)
    send()
    assert {record["fields"]["LastName"] for record in of(crm, "Contact")} == {"Brandt"}


def test_a_mapping_that_names_an_object_twice_for_people_or_links_to_nothing_is_refused(tmp_path):
    for broken, said in (
        (OBJECTS.replace("of: company", "of: person"), "has 2 objects `of: person`"),
        (OBJECTS.replace("    links: {WhoId: person, WhatId: company}\n", ""), "nobody would know"),
        (OBJECTS.replace("of: touch", "of: deal"), "objects.Task.of"),
        (OBJECTS.replace("from: summary", "from: email"), "objects.Task.fields.Subject.from"),
        (OBJECTS.replace("from: industry", "from: phone"), "of a company"),
        (OBJECTS[: OBJECTS.index("  Account:")] + OBJECTS[OBJECTS.index("  Task:") :], "no object `of: company`"),
    ):
        path = tmp_path / "whole.yaml"
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigurationError) as refused:
            read_destination(path)
        assert said in str(refused.value)


def _deliver_for_a_while() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for lane in ("hot", "bulk"):
            deliver("crm", lane, budget_seconds=1)
        time.sleep(0.1)


@pytest.mark.long
def test_with_faults_and_killed_senders_there_is_one_record_for_each_company_person_and_touch(company, crm):
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
    crm.order(status=503, rate=0.1, write_then_drop=0.1, short_answer=0.05, garbled_answer=0.05)
    context = multiprocessing.get_context("fork")
    for _ in range(6):
        process = context.Process(target=_deliver_for_a_while)
        process.start()
        time.sleep(0.7)
        process.kill()
        process.join()
        with transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE deliveries SET state = 'due', lease_until = NULL WHERE state = 'in_flight'"
            )
    crm.order(status=503, rate=0.1, write_then_drop=0.1)
    send(seconds=120)
    assert Counter(record["object"] for record in crm.records()) == {"Contact": 200, "Account": 40, "Task": 600}
    assert all("AccountId" in record["fields"] for record in of(crm, "Contact"))
    assert all(set(record["fields"]) >= {"WhoId", "WhatId"} for record in of(crm, "Task"))


def test_what_is_wanted_absent_is_gone_from_the_crm_and_stays_gone(company, crm):
    ada, _ = come(ADA, BEN)
    send()
    with transaction() as connection:
        want_absent(connection, [ada])
    send()
    assert sorted(by_email(crm)) == ["ben@brandt.example"]


def test_a_preview_shows_company_and_touches_beside_the_person_and_sends_nothing(company, crm):
    (ada,) = come(ADA)
    before = {found["destination"]: found for found in answer("deliveries", "preview", str(ada))["deliveries"]}
    assert {name: found["state"] for name, found in before.items()} == {
        "crm": "due",
        "crm/Account": "not wanted yet",
        "crm/Task": "due",
    }
    fields = {field["field"]: field for field in before["crm/Account"]["fields"]}
    assert (fields["Name"]["value"], fields["Name"]["origin"]) == ("Brandt GmbH", "company")
    links = {field["field"]: field for field in before["crm"]["fields"]}
    assert links["AccountId"]["remark"] == "link to the company, which is not there yet"
    assert crm.calls() == 0
    send()
    after = {found["destination"]: found for found in answer("deliveries", "preview", str(ada))["deliveries"]}
    assert {found["differs"] for found in after.values()} == {False}
    (account,) = of(crm, "Account")
    assert {field["field"]: field["value"] for field in after["crm"]["fields"]}["AccountId"] == account["id"]
