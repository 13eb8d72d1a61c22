"""Consents as contact point consents of Dynamics 365: one row for each contact point and purpose, also where Dynamics
has one already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.writers import open_writer
from pipeline.errors import ConfigurationError
from pipeline.intake.crm_consents.reading import read_due
from pipeline.targets import targets_of
from tests.integration.delivery.test_consents_told import ADA, BEN, come, consents_of_page, says
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.integration.intake.crm_consents.test_reading import holds, make_reading_due
from tests.support.command_line import work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.crm_objects import DATAVERSE, people_alone
from tests.support.identity_rows import rows

TABLE = "msdynmkt_contactpointconsent4s"
OPTED_IN, OPTED_OUT = 534120001, 534120002
CONSENTS = consents_of_page("dataverse.md")
MAPPING = people_alone(DATAVERSE.mapping).replace("destination: alone", "destination: whole") + CONSENTS


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("dataverse", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whole", MAPPING)
        crm.configure(kind="dataverse", mapping="whole")
        yield sources


def told(crm: Any) -> list[tuple[str, int]]:
    consents = [record["fields"] for record in crm.records() if record["object"] == TABLE]
    return sorted((fields["msdynmkt_contactpointvalue"], fields["msdynmkt_value"]) for fields in consents)


def test_each_consent_is_a_contact_point_consent_that_says_what_holds(company, crm):
    come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, True, "2026-03-01T09:00:00Z"))
    send()
    assert told(crm) == [("ada@example.org", OPTED_IN), ("ben@example.org", OPTED_IN)]
    calls = crm.calls()
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    send()
    assert told(crm) == [("ada@example.org", OPTED_OUT), ("ben@example.org", OPTED_IN)]
    assert crm.calls() == calls + 1


def test_what_dynamics_has_of_the_contact_point_and_purpose_is_taken_and_nothing_made_beside_it(company, crm):
    purpose = "/msdynmkt_purposes(10000000-0000-0000-0000-000000000003)"
    known = {"msdynmkt_contactpointvalue": "Ada@example.org", "msdynmkt_contactpointtype": 534120000}
    other = {**known, "msdynmkt_contactpointtype": 534120001}
    crm.sandbox.records.upsert(
        TABLE,
        {
            "id=10000000-0000-0000-0000-00000000000a": {
                **known,
                "msdynmkt_contactpointconsent4id": "10000000-0000-0000-0000-00000000000a",
                "msdynmkt_purposeId@odata.bind": purpose,
                "msdynmkt_value": OPTED_OUT,
            },
            "id=10000000-0000-0000-0000-00000000000b": {
                **other,
                "msdynmkt_contactpointconsent4id": "10000000-0000-0000-0000-00000000000b",
                "msdynmkt_purposeId@odata.bind": purpose,
                "msdynmkt_value": OPTED_OUT,
            },
        },
    )
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    assert told(crm) == [("Ada@example.org", OPTED_OUT), ("ada@example.org", OPTED_IN)]
    (ours,) = [row for row in crm.records() if row["object"] == TABLE and not row["external_id"].startswith("id=")]
    assert ours["fields"]["msdynmkt_contactpointconsent4id"] == "10000000-0000-0000-0000-00000000000a"
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    send()
    assert told(crm) == [("Ada@example.org", OPTED_OUT), ("ada@example.org", OPTED_OUT)]


def test_a_table_of_ones_own_takes_consents_too(company, crm):
    own = CONSENTS.replace(TABLE, "new_consents")
    write_destination(company, "whole", MAPPING.replace(CONSENTS, own))
    crm.configure(kind="dataverse", mapping="whole", options={"consent_id_field": "new_consentid"})
    (target,) = [target for target in targets_of("crm") if target.subject == "consent"]
    assert open_writer(target).sent_as == "new_consents by new_afluenteid"


def test_no_consent_becomes_a_lead(company, crm):
    write_destination(company, "whole", MAPPING.replace(TABLE, "leads"))
    crm.configure(kind="dataverse", mapping="whole")
    (target,) = [target for target in targets_of("crm") if target.subject == "consent"]
    with pytest.raises(ConfigurationError, match=r"objects\.leads\.of"):
        open_writer(target)


def test_what_somebody_chooses_in_dynamics_comes_back_and_what_we_told_does_not(company, crm):
    says_so = {"withdrawn": [OPTED_OUT], "granted": [OPTED_IN], "when": {"msdynmkt_contactpointtype": [534120000]}}
    fields = {"msdynmkt_value": {"question": "marketing.email", **says_so}}
    reads = {TABLE: {"fields": fields, "email": ["msdynmkt_contactpointvalue"]}}
    crm.configure(kind="dataverse", mapping="whole", reads_consent=reads)
    ada, ben = come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, False, "2026-03-01T09:00:00Z"))
    send()
    assert read_due("crm").statements == 0
    (key,) = [
        row["external_id"]
        for row in crm.records()
        if row["object"] == TABLE and row["fields"]["msdynmkt_contactpointvalue"] == "ada@example.org"
    ]
    crm.sandbox.records.upsert(TABLE, {key: {"msdynmkt_value": OPTED_OUT}})
    make_reading_due()
    report = read_due("crm")
    assert report.statements == 1, rows("SELECT last_error FROM crm_consent_reads")
    work()
    assert (holds(ada), holds(ben)) == ("withdrawn", "denied")
