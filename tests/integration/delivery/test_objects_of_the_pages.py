"""The mapping of several objects on each CRM's page: it fits the CRM, and what it says arrives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.kit.registry import destination_types
from pipeline.delivery.writers import check_object
from pipeline.errors import ConfigurationError
from pipeline.inspection.crm.checks import mapping_problems
from pipeline.inspection.crm.setup import set_up
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import come, open_crm, send
from tests.support.company_sources import CompanySources, company_sources
from tests.support.paths import ROOT

ADA = {
    "email": "ada@brandt.example",
    "phone": "+49 30 23125 100",
    "full_name": "Ada Brandt",
    "company": "Brandt GmbH",
    "website": "https://brandt.example",
    "city": "Bonn",
    "employee_count": 12,
    "job_title": "Buyer",
}
BEN = {"email": "ben@gmail.com", "full_name": "Ben Kairo"}
# What one lead with a company and one without become, and what the touch of the first says.
WRITTEN = {
    "hubspot.md": Counter(contact=2, company=1, note=2),
    "dataverse.md": Counter(contacts=2, accounts=1, tasks=2),
    "sql.md": Counter(contacts=2, companies=1, touches=2),
    "mapping.md": Counter(Contact=2, Account=1, Task=2),
}
pytestmark = pytest.mark.short(1)  # of the kinds of CRM


def blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def mapping_of(page: str) -> str:
    (found,) = [block for block in blocks(page) if "\nobjects:\n" in block]
    return found


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    kind = {"mapping.md": "salesforce"}.get(request.param, request.param.removesuffix(".md"))
    for opened in open_crm(kind, request, tmp_path, monkeypatch):
        opened.kind, opened.page = kind, request.param
        yield opened


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[Any]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, crm.kind, mapping_of(crm.page))
        crm.configure(kind=crm.kind)
        yield sources


@pytest.fixture
def company_folder(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path / "company", monkeypatch)


@pytest.mark.parametrize("crm", list(WRITTEN), indirect=True)
def test_what_the_page_shows_fits_the_crm_and_arrives_there(crm, company):
    done = set_up("crm")
    assert (done.by_hand, done.refused) == ([], None)
    assert mapping_problems("crm") == {f"mappings/destinations/{crm.kind}.yaml": []}
    come(ADA, BEN)
    send()
    assert Counter(record["object"] for record in crm.records()) == WRITTEN[crm.page]


@pytest.mark.parametrize("crm", ["hubspot.md"], indirect=True)
def test_the_task_of_hubspots_page_may_stand_in_place_of_the_note(crm, company):
    (task,) = [block for block in blocks("hubspot.md") if block.startswith("  tasks:")]
    whole = mapping_of("hubspot.md")
    write_destination(company, "hubspot", whole[: whole.index("  notes:")] + task)
    assert set_up("crm").by_hand == []
    come(ADA)
    send()
    (made,) = [record["fields"] for record in crm.records() if record["object"] == "task"]
    assert (made["hs_task_status"], made["hubspot_owner_id"]) == ("NOT_STARTED", "77")
    assert len(made["associations.contacts"]) == len(made["associations.companies"]) == 1


def test_a_mapping_of_several_objects_is_refused_for_a_crm_that_takes_persons_only(company_folder):
    write_destination(company_folder, "sql", mapping_of("sql.md"))
    mapping = DESTINATION_MAPPINGS.get("sql")
    with pytest.raises(ConfigurationError, match="no object that Tryton takes; allowed: none"):
        check_object(destination_types()["tryton"], mapping)
    assert "`objects:` in its mapping is refused" in (ROOT / "docs" / "tryton.md").read_text(encoding="utf-8")
