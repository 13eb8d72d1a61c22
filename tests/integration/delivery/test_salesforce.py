"""Salesforce as the engine meets it: the page's mapping of campaign members, and leads that become contacts."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.sender import deliver
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_sender import crm
from tests.support.command_line import capture, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import owner
from tests.support.paths import ROOT

__all__ = ["crm"]

PAGE = (ROOT / "docs" / "salesforce.md").read_text(encoding="utf-8")
MEMBERS = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL) if "CampaignMember" in block)
SPRING, OTHERS = "701000000000001AAA", "701000000000002AAA"
ADA = {"email": "ada@brandt.example", "full_name": "Ada Brandt", "company": "Brandt GmbH"}


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "members", MEMBERS.replace("destination: salesforce", "destination: members"))
        crm.configure(mapping="members")
        for name in ("Spring", "Others"):
            ask(crm, "sobjects/Campaign", {"Name": name})
        yield sources


def ask(crm: Any, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{crm.address}/services/data/v67.0/{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {crm.issue_token()}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def convert(crm: Any, lead_id: str) -> str:
    answer = ask(crm, "actions/custom/apex/ConvertLead", {"inputs": [{"leadId": lead_id}]})
    return str(answer[0]["outputValues"]["contactId"])


def come(lead: dict[str, Any]) -> Any:
    (event_id,) = capture(lead)
    work()
    for _ in range(2):
        for lane in ("hot", "bulk"):
            deliver("crm", lane, budget_seconds=5)
    return owner(event_id)


def of(crm: Any, kind: str) -> list[dict[str, Any]]:
    return [record for record in crm.records() if record["object"] == kind]


def test_a_touch_becomes_a_member_of_the_campaign_that_the_page_maps_it_to_and_of_the_other_one_else(company, crm):
    come({**ADA, "utm_source": "news", "utm_medium": "email", "utm_campaign": "spring-sale"})
    come({**ADA, "occurred_at": "2020-01-01T00:00:00Z"})
    (lead,) = of(crm, "Lead")
    members = [record["fields"] for record in of(crm, "CampaignMember")]
    assert {member["LeadId"] for member in members} == {lead["id"]}
    assert sorted(member["CampaignId"] for member in members) == [SPRING, OTHERS]


def test_after_a_conversion_news_and_touches_go_to_the_contact_and_explain_says_so(company, crm):
    person = come(ADA)
    (lead,) = of(crm, "Lead")
    contact_id = convert(crm, lead["id"])
    come({**ADA, "full_name": "Ada Brandt-Moss", "utm_source": "news", "utm_medium": "email",
          "utm_campaign": "spring-sale"})  # fmt: skip
    (contact,) = of(crm, "Contact")
    assert contact["id"] == contact_id
    assert contact["fields"]["LastName"] == "Brandt-Moss"
    members = [record["fields"] for record in of(crm, "CampaignMember")]
    assert {member.get("ContactId") or member["LeadId"] for member in members} == {lead["id"], contact_id}
    told = run("explain", str(person)).stdout
    assert "on_contact" in told
    assert "not on Contact: Company" in " ".join(told.split())
