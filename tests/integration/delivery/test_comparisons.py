"""A CRM is asked whether its mapping fits before the first write and once a day; what is found is told and stops
nothing."""

from __future__ import annotations

import pytest

from pipeline import tasks
from pipeline.delivery.comparisons import compare_mappings
from pipeline.health.metrics import collect_gauges
from pipeline.store.engine import transaction
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import ADA, come, company, crm, of
from tests.support.command_line import answer, run
from tests.support.crm_objects import PERSON, SALESFORCE
from tests.support.identity_rows import rows
from tests.support.services import forget_caches

__all__ = ["company", "crm"]

pytestmark = pytest.mark.parametrize("crm", ["salesforce"], indirect=True)

FITS = SALESFORCE.mapping.replace("      Event__c: {from: event_id}\n", "")
TOO_LONG = FITS.replace("required: true, max: 160", "required: true, max: 256")
FINDING = "objects.Account.fields.Name.max: is 256, the CRM takes 255 characters"


def deliver() -> None:
    for lane in ("hot", "bulk"):
        tasks.deliver("crm", lane)


def listed() -> dict[str, object]:
    (row,) = [row for row in answer("destination", "list") if row["name"] == "crm"]
    return row


def let_a_day_pass() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE mapping_comparisons SET compared_at = compared_at - interval '1 day'")


def test_what_does_not_fit_is_told_before_the_first_write_and_nobody_waits_for_it(company, crm):
    write_destination(company, "whole", TOO_LONG)
    come(ADA)
    deliver()
    assert len(of(crm, PERSON)) == 1
    (sentence,) = listed()["misfits"]
    assert sentence.startswith(FINDING)
    assert f"crm: the mapping does not fit: {FINDING}" in run("destination", "list").stdout
    samples = [sample for gauge in collect_gauges() for sample in gauge.samples]
    assert [sample.value for sample in samples if sample.name == "afluente_mapping_misfits"] == [1.0]
    ((asked_at, wrote_at),) = rows("SELECT compared_at, (SELECT min(at) FROM delivery_log) FROM mapping_comparisons")
    assert asked_at < wrote_at


def test_a_crm_is_asked_once_a_day_and_when_the_mapping_changed(company, crm):
    assert compare_mappings() == 1
    assert compare_mappings() == 0
    write_destination(company, "whole", TOO_LONG)
    forget_caches()
    assert compare_mappings() == 1
    assert len(listed()["misfits"]) == 1
    let_a_day_pass()
    tasks.maintain()
    assert compare_mappings() == 0


def test_a_crm_that_cannot_be_asked_gets_its_leads_and_what_was_found_before_stays(company, crm):
    write_destination(company, "whole", TOO_LONG)
    compare_mappings()
    let_a_day_pass()
    crm.order(status=503, rate=1.0, on="/services/data/v67.0/sobjects")
    compare_mappings()
    come(ADA)
    deliver()
    assert len(of(crm, PERSON)) == 1
    assert len(listed()["misfits"]) == 1
    ((fault,),) = rows("SELECT fault FROM mapping_comparisons")
    assert "503" in fault
