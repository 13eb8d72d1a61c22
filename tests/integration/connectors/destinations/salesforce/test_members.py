"""Touches as members of a campaign: made once, found by our id when tried again, whichever record a person has."""

from __future__ import annotations

import pytest

from connectors.destinations.salesforce import DESTINATION
from connectors.kit import Connection, Link, Record
from tests.support.crm import call, record, records

ROOT = "/services/data/v67.0"


@pytest.fixture
def people(sandbox):
    return DESTINATION.connect(Connection("crm", sandbox.address))


@pytest.fixture
def members(sandbox):
    return DESTINATION.connect(Connection("crm", sandbox.address, object="CampaignMember", subject="touch"))


@pytest.fixture
def campaign(sandbox):
    return call(sandbox, "POST", f"{ROOT}/sobjects/Campaign", json={"Name": "Spring"}).json()["id"]


def touch(key, person_id, campaign, role="LeadId", **fields):
    links = (Link(role, "Lead", person_id),)
    return Record(key, {"CampaignId": campaign, "Status": "Responded", **fields}, links=links)


def of_members(sandbox):
    return [known["fields"] for known in records(sandbox) if known["object"] == "CampaignMember"]


def test_a_member_is_made_and_a_repeat_whose_answer_was_lost_finds_it_by_our_id(sandbox, people, members, campaign):
    (lead,) = people.write([record("p-1")])
    wanted = touch("t-1", lead.crm_id, campaign)
    (made,) = members.write([wanted])
    (repeated,) = members.write([wanted])
    assert (repeated.state, repeated.created, repeated.crm_id) == ("written", False, made.crm_id)
    assert of_members(sandbox) == [{"CampaignId": campaign, "Status": "Responded", "LeadId": lead.crm_id}]


def test_a_second_touch_of_the_same_campaign_is_there_already(sandbox, people, members, campaign):
    (lead,) = people.write([record("p-1")])
    first, second = (members.write([touch(key, lead.crm_id, campaign)])[0] for key in ("t-1", "t-2"))
    assert (first.code, second.state, second.code) == (None, "written", "already_member")
    assert len(of_members(sandbox)) == 1


def test_whose_record_is_a_contact_is_a_member_as_one_whatever_the_mapping_calls_it(sandbox, members, campaign):
    contact = call(sandbox, "POST", f"{ROOT}/sobjects/Contact", json={"LastName": "Brandt"}).json()["id"]
    (made,) = members.write([touch("t-1", contact, campaign)])
    assert made.state == "written"
    assert of_members(sandbox)[0]["ContactId"] == contact


def test_a_status_that_changed_is_written_to_the_member_that_is_there(sandbox, people, members, campaign):
    (lead,) = people.write([record("p-1")])
    members.write([touch("t-1", lead.crm_id, campaign)])
    results = members.write([touch("t-1", lead.crm_id, campaign, Status="Sent"), touch("t-9", lead.crm_id, "701x")])
    assert [(result.state, result.code) for result in results] == [
        ("written", None), ("rejected", "INVALID_CROSS_REFERENCE_KEY")
    ]  # fmt: skip
    assert of_members(sandbox)[0]["Status"] == "Sent"
