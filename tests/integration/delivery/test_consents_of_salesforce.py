"""Consents as records of an object of Salesforce, linked to their person's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.delivery.test_consents_told import ADA, BEN, come, says
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.support.company_sources import CompanySources, company_sources
from tests.support.crm_objects import SALESFORCE, people_alone

CONSENTS = """  Consent__c:
    of: consent
    links: {Contact__c: person}
    fields:
      Question__c: {from: question, required: true, max: 80}
      State__c: {from: state, required: true, max: 20}
"""
MAPPING = people_alone(SALESFORCE.mapping).replace("destination: alone", "destination: whole") + CONSENTS


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("salesforce", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whole", MAPPING)
        crm.configure(kind="salesforce", mapping="whole")
        yield sources


def told(crm: Any) -> list[tuple[str, str]]:
    found = {record["id"]: record["fields"] for record in crm.records() if record["object"] == "Contact"}
    consents = [record["fields"] for record in crm.records() if record["object"] == "Consent__c"]
    return sorted((found[fields["Contact__c"]]["Email"], fields["State__c"]) for fields in consents)


def test_each_consent_is_a_record_that_leads_to_its_contact_and_says_what_holds(company, crm):
    come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, True, "2026-03-01T09:00:00Z"))
    send()
    assert told(crm) == [("ada@example.org", "granted"), ("ben@example.org", "granted")]
    calls = crm.calls()
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    send()
    assert told(crm) == [("ada@example.org", "withdrawn"), ("ben@example.org", "granted")]
    assert crm.calls() == calls + 1
