"""Companies and touches at each kind of CRM beside people: each once, linked to one another, whatever comes first."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.delivery.writers import close_writer
from pipeline.errors import ConfigurationError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.recompute.deliveries import backfill_destination
from pipeline.stages.destination_mapping.declarations import read_destination
from pipeline.store.deliveries.objects import want_absent
from pipeline.store.engine import transaction
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_sender import Crm, forget_breaker, make_due_now
from tests.support.command_line import answer, capture, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.crm_objects import (
    COMPANY,
    PERSON,
    SALESFORCE,
    SPELLINGS,
    TOUCH,
    Spelling,
    TargetCrm,
    people_alone,
)
from tests.support.identity_rows import owner, rows
from tests.support.target_database import Target

APIS = ("salesforce", "hubspot", "dataverse")
with_api = pytest.mark.parametrize("crm", APIS, indirect=True)
ADA = {"email": "ada@brandt.example", "full_name": "Ada Brandt", "company": "Brandt GmbH"}
BEN = {"email": "ben@brandt.example", "full_name": "Ben Kairo", "company": "Brandt GmbH"}
EVE = {"email": "eve@gmail.com", "full_name": "Eve Moss", "company": "Moss & Sons"}
pytestmark = pytest.mark.short(1)  # of the kinds of CRM


def open_crm(kind: str, request: pytest.FixtureRequest, tmp_path, monkeypatch) -> Iterator[Any]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    if kind == "sql":
        monkeypatch.setenv("WAREHOUSE_USER", "postgres")
        yield TargetCrm(Target(request.getfixturevalue("empty_database")), tmp_path / "afluente.yaml")
        close_writer("crm")
        return
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect=kind) as sandbox:
        if kind == "hubspot":
            sandbox.dialect.limits.calls_in_window = 10_000
        opened = Crm(sandbox, tmp_path / "afluente.yaml")
        opened.sandbox = sandbox
        yield opened


@pytest.fixture(params=list(SPELLINGS))
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    for opened in open_crm(request.param, request, tmp_path, monkeypatch):
        opened.kind, opened.spelling = request.param, SPELLINGS[request.param]
        yield opened


@pytest.fixture
def spelling(crm) -> Spelling:
    return crm.spelling


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whole", crm.spelling.mapping)
        write_destination(sources, "alone", people_alone(crm.spelling.mapping))
        crm.configure(kind=crm.kind, mapping="whole")
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


def of(crm: Any, subject: str) -> list[dict[str, Any]]:
    """Records that stand for it, under our names."""
    return [seen for record in crm.records() if (seen := crm.spelling.seen(record))["subject"] == subject]


def come(*leads: dict[str, Any]) -> list[Any]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def by_email(crm: Any) -> dict[str, dict[str, Any]]:
    return {person["email"]: person for person in of(crm, PERSON)}


def test_two_people_of_one_company_have_one_account_and_a_task_for_each_touch(company, crm, spelling):
    come(ADA, BEN, EVE)
    assert sum(deliver("crm", lane, budget_seconds=5).sent for lane in ("hot", "bulk")) == 3 + 2 + 3
    companies = {record["name"]: record["id"] for record in of(crm, COMPANY)}
    assert sorted(companies) == ["Brandt GmbH", "Moss & Sons"]
    people = by_email(crm)
    assert {email: person[COMPANY] for email, person in people.items()} == {
        "ada@brandt.example": companies["Brandt GmbH"],
        "ben@brandt.example": companies["Brandt GmbH"],
        "eve@gmail.com": companies["Moss & Sons"],
    }
    touches = of(crm, TOUCH)
    assert Counter(touch[PERSON] for touch in touches) == Counter(person["id"] for person in people.values())
    if "touch.company" in spelling.links:
        assert {touch[COMPANY] for touch in touches} == set(companies.values())


@with_api
def test_a_second_lead_of_the_same_person_makes_one_more_task_and_no_call_but_its_own(company, crm, spelling):
    come(ADA)
    send()
    before = crm.calls()
    come({**ADA, "occurred_at": "2020-01-01T00:00:00Z"})
    send()
    assert Counter(record["subject"] for record in map(spelling.seen, crm.records())) == {
        PERSON: 1,
        COMPANY: 1,
        TOUCH: 2,
    }
    assert crm.calls() == before + spelling.calls_of_touch


def test_two_companies_of_one_name_and_two_domains_stay_two(company, crm):
    come(ADA, {**BEN, "email": "ben@brandt-bonn.example"})
    send()
    assert [record["name"] for record in of(crm, COMPANY)] == ["Brandt GmbH", "Brandt GmbH"]


def test_who_names_no_company_has_none(company, crm):
    come({"email": "joe@gmail.com", "full_name": "Joe Doe"})
    send()
    assert of(crm, COMPANY) == []
    assert by_email(crm)["joe@gmail.com"][COMPANY] is None


def test_a_company_that_the_crm_refuses_does_not_hold_its_people_and_is_linked_when_it_is_there(company, crm, spelling):
    write_destination(company, "whole", spelling.mapping.replace("required: true, max: 160", "required: true, max: 5"))
    come(ADA)
    send()
    assert of(crm, COMPANY) == []
    assert by_email(crm)["ada@brandt.example"][COMPANY] is None
    write_destination(company, "whole", spelling.mapping)
    assert run("quarantine", "replay", "--destination", "crm").returncode == 0
    send()
    (account,) = of(crm, COMPANY)
    assert by_email(crm)["ada@brandt.example"][COMPANY] == account["id"]
    if "touch.company" in spelling.links:
        assert [touch[COMPANY] for touch in of(crm, TOUCH)] == [account["id"]]


def test_who_changes_the_company_is_linked_to_the_new_one_alone(company, crm):
    come({**ADA, "website": "https://brandt.example"}, BEN)
    send()
    come({**ADA, "company": "Kairo AG", "website": "https://kairo.example"})
    send()
    names = {record["id"]: record["name"] for record in of(crm, COMPANY)}
    people = by_email(crm)
    assert names[people["ada@brandt.example"][COMPANY]] == "Kairo AG"
    assert names[people["ben@brandt.example"][COMPANY]] == "Brandt GmbH"


def test_people_who_were_there_before_get_accounts_and_tasks_by_a_backfill(company, crm):
    crm.configure(kind=crm.kind, mapping="alone")
    come(ADA, BEN, EVE)
    send()
    assert (len(of(crm, PERSON)), len(crm.records())) == (3, 3)
    crm.configure(kind=crm.kind, mapping="whole")
    if crm.kind == "sql":  # whose table has no column for the link yet
        assert run("destination", "setup", "crm").returncode == 0
    backfill_destination("crm", ["default"])
    send()
    assert [len(of(crm, subject)) for subject in (PERSON, COMPANY, TOUCH)] == [3, 2, 3]
    assert all(person[COMPANY] for person in of(crm, PERSON))


def test_the_touches_of_who_is_merged_move_to_the_one_who_stays(company, crm):
    ada, ben = come(ADA, {**BEN, "email": "ada.b@other.example"})
    send()
    merge_people(ada, ben, Decision("vera"))
    send()
    (stays,) = [row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NULL")]
    contact = next(person for person in of(crm, PERSON) if person["external_id"] == str(stays))
    assert {touch[PERSON] for touch in of(crm, TOUCH)} == {contact["id"]}


def test_explain_shows_the_records_of_a_person_their_company_and_their_touches_with_each_call(company, crm, spelling):
    (ada,) = come(ADA)
    send()
    told = answer("explain", str(ada))
    names = [name.group(1) for name in re.finditer(r"^  (\w+):$", spelling.mapping, re.MULTILINE)]
    assert {
        delivery["destination"]: [call["outcome"] for call in delivery["calls"]] for delivery in told["deliveries"]
    } == {"crm": ["sent"], f"crm/{names[1]}": ["sent"], f"crm/{names[2]}": ["sent"]}
    ids = {record["id"] for record in crm.records()}
    assert {delivery["external_id"] for delivery in told["deliveries"]} == ids


@with_api
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


@with_api
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
    assert {person["last_name"] for person in of(crm, PERSON)} == {"Brandt"}


def test_a_mapping_that_names_an_object_twice_for_people_or_links_to_nothing_is_refused(tmp_path):
    mapping = SALESFORCE.mapping
    without_accounts = mapping[: mapping.index("  Account:")] + mapping[mapping.index("  Task:") :]
    for broken, said in (
        (mapping.replace("of: company", "of: person"), "has 2 objects `of: person`"),
        (mapping.replace("    links: {WhoId: person, WhatId: company}\n", ""), "nobody would know"),
        (mapping.replace("of: touch", "of: deal"), "objects.Task.of"),
        (mapping.replace("from: summary", "from: email"), "objects.Task.fields.Subject.from"),
        (mapping.replace("from: industry", "from: phone"), "of a company"),
        (without_accounts, "no object `of: company`"),
    ):
        path = tmp_path / "whole.yaml"
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigurationError) as refused:
            read_destination(path)
        assert said in str(refused.value)


def test_what_is_wanted_absent_is_gone_from_the_crm_and_stays_gone(company, crm):
    ada, _ = come(ADA, BEN)
    send()
    with transaction() as connection:
        want_absent(connection, [ada])
    send()
    assert sorted(by_email(crm)) == ["ben@brandt.example"]


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
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
    (account,) = of(crm, COMPANY)
    assert {field["field"]: field["value"] for field in after["crm"]["fields"]}["AccountId"] == account["id"]
