"""`afluente deliveries preview`: what would be sent of a person, without sending it."""

from __future__ import annotations

import pytest

from pipeline.delivery import sender
from pipeline.lanes import LANES
from tests.support.command_line import answer, capture, lines, problem, run, work
from tests.support.crm import calls, records

FIELDS = {
    "LastName": {"from": ["last_name", "email_local_part"], "required": True, "default": "Unknown"},
    "Company": {"from": "company", "required": True, "default": "Unknown", "max": 255},
    "Email": {"from": "email", "as": "email", "max": 80},
    "City": {"from": "city", "max": 5, "too_long": "truncate"},
    "Phone": {"from": "phone", "max": 40},
    "LeadSource": {"from": "original_channel", "max": 40, "write": "once"},
    "Rating": {"constant": "Hot"},
}
ADA = {"email": "ada@example.com", "city": "Springfield"}


@pytest.fixture
def sandbox(database, redis_url, crm_of):
    return crm_of("salesforce", FIELDS)


def settle(**lead):
    capture({**ADA, **lead})
    work()


def send():
    for lane in LANES:
        sender.deliver("crm", lane, budget_seconds=2.0)


def preview(text=ADA["email"], *options):
    (found,) = answer("deliveries", "preview", text, *options)["deliveries"]
    return found, {field["field"]: (field["value"], field["origin"], field["remark"]) for field in found["fields"]}


def test_each_field_is_shown_as_it_would_be_sent_with_whose_value_it_is_and_nothing_is_sent(sandbox):
    settle()
    found, fields = preview()
    assert fields == {
        "LastName": ("ada", "email_local_part", ""),
        "Company": ("Unknown", "default", ""),
        "Email": ("ada@example.com", "email", ""),
        "City": ("Sprin", "city", "cut to 5 characters"),
        "Phone": (None, None, "left out: the person has none"),
        "LeadSource": ("Direct", "original_channel", "written once"),
        "Rating": ("Hot", "constant", ""),
    }
    assert (found["destination"], found["kind"], found["state"], found["differs"]) == ("crm", "salesforce", "due", None)
    assert calls(sandbox) == []


def test_what_is_shown_is_what_is_sent(sandbox):
    settle()
    _, fields = preview()
    send()
    (sent,) = records(sandbox)
    assert {name: value for name, (value, _, _) in fields.items() if value is not None} == sent["fields"]


def test_after_it_was_sent_it_is_said_whether_anything_differs_and_what_is_written_once_stays_out(sandbox):
    settle()
    send()
    found, fields = preview()
    assert (found["state"], found["differs"]) == ("sent", False)
    assert fields["LeadSource"][2] == "left out: written once, and the CRM has it"
    assert found["external_id"] == records(sandbox)[0]["id"]
    settle(city="Bonn")
    found, fields = preview(found["external_id"])
    assert found["differs"] is True
    assert fields["City"] == ("Bonn", "city", "")
    assert "differs from what the CRM confirmed last" in run("deliveries", "preview", ADA["email"]).stdout


def test_a_value_that_would_be_refused_is_named_beside_the_others(sandbox, crm_of):
    settle()
    crm_of("salesforce", {**FIELDS, "City": {"from": "city", "max": 5}})
    found, fields = preview()
    assert "would wait in quarantine as too_long" in found["problem"]
    assert fields["City"] == (None, "city", "refused (too_long): City takes 5 characters, there are 11")
    assert fields["Email"][0] == "ada@example.com"


def test_who_is_one_with_another_is_shown_the_mark_alone(sandbox, crm_of):
    settle()
    settle(email="bob@example.com")
    ids = {row["email"]: row["person_id"] for row in lines("people", "export")}
    run("people", "merge", *ids.values(), "--why", "a test", "--by", "carl")
    mark = {"from": "merged_into", "max": 36, "when_empty": "clear"}
    crm_of("salesforce", {**FIELDS, "Afluente_Merged_Into__c": mark})
    gone = next(person for person in ids.values() if len(preview(person)[1]) == 1)
    kept = next(person for person in ids.values() if person != gone)
    assert preview(gone)[1] == {"Afluente_Merged_Into__c": (kept, "merged_into", "")}
    assert preview(kept)[1]["Afluente_Merged_Into__c"] == (None, None, "emptied there")


def test_a_lead_leads_to_its_person_and_several_people_are_listed(sandbox):
    settle(phone="+493023125001")
    (row,) = lines("leads", "export")
    assert preview(row["event_id"])[0]["person_id"] == row["person_id"]
    assert "nobody is known by this" in problem("deliveries", "preview", "nobody@example.com", code=1)
    unknown = "01930000-0000-7000-8000-000000000000"
    assert "no person has this" in problem("deliveries", "preview", unknown, code=1)
    assert "known: crm" in problem("deliveries", "preview", row["person_id"], "--destination", "other", code=2)
