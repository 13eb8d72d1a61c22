"""Consents as subscriptions of HubSpot, from the lead to the state of the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.inquiries import inquire
from pipeline.settings.loading import settings
from tests.integration.delivery.test_consents_told import ADA, BEN, come, consents_of_page, says
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.support.company_sources import CompanySources, company_sources
from tests.support.crm_objects import HUBSPOT, people_alone
from tests.support.identity_rows import rows

SUBSCRIPTIONS = consents_of_page("hubspot.md")
MAPPING = people_alone(HUBSPOT.mapping).replace("destination: alone", "destination: whole") + SUBSCRIPTIONS


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("hubspot", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whole", MAPPING)
        crm.configure(kind="hubspot", mapping="whole")
        yield sources


def subscribed(crm: Any) -> dict[str, str]:
    return {
        record["fields"]["subscriberIdString"]: record["fields"]["statusState"]
        for record in crm.records()
        if record["object"] == "subscription"
    }


def test_who_consents_is_subscribed_and_who_takes_it_back_is_not(company, crm):
    come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, False, "2026-03-01T09:00:00Z"))
    send()
    assert subscribed(crm) == {"ada@example.org": "SUBSCRIBED", "ben@example.org": "UNSUBSCRIBED"}
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    send()
    assert subscribed(crm)["ada@example.org"] == "UNSUBSCRIBED"


def test_consents_of_a_batch_cost_one_call_and_nothing_new_none(company, crm):
    come(*(says({"email": f"p{number}@example.org"}, True, "2026-03-01T09:00:00Z") for number in range(40)))
    send()
    assert crm.calls() == 2  # one for the people, one for what they consent to
    come(says({"email": "p1@example.org", "job_title": "Lighthouse keeper"}, True, "2026-03-01T09:00:00Z"))
    send()
    assert crm.calls() == 2


def test_a_question_without_a_subscription_type_is_told_nobody_and_waits_for_nothing(company, crm):
    lead = says(ADA, True, "2026-03-01T09:00:00Z")
    come({**lead, "consents": [{**lead["consents"][0], "purpose": "newsletter"}]})
    send()
    assert subscribed(crm) == {}
    assert rows("SELECT state FROM deliveries WHERE destination = 'crm/subscriptions'") == [("sent",)]
    assert rows("SELECT code FROM delivery_log WHERE destination = 'crm/subscriptions'") == [("no_subscription",)]


def test_a_subscription_type_that_the_account_has_not_is_found_before_the_first_lead(company, crm):
    wrong = MAPPING.replace('"371111"', '"371999"')
    write_destination(company, "whole", wrong)
    crm.configure(kind="hubspot", mapping="whole")
    with inquire(settings(), "crm") as inquiry:
        (misfit,) = [misfit for misfit in inquiry.misfits() or () if misfit.place.startswith("objects.subscriptions")]
    assert (misfit.code, misfit.field) == ("picklist", "subscriptionId")
    assert "371999" in misfit.sentence
