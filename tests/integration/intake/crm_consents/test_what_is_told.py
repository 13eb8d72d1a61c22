"""Whether opt-outs of a CRM are read in time is told by `doctor`, and so is a mapping that would undo one."""

from __future__ import annotations

import requests

from pipeline.health.privacy.crm_consents import check_crm_consents
from pipeline.health.status import collect_status
from pipeline.intake.crm_consents.reading import read_due
from pipeline.intake.starts import due_starts
from pipeline.settings.loading import load_settings, settings
from pipeline.store.engine import transaction
from pipeline.tasks import read_consents
from tests.integration.delivery.test_consents_told import ADA
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.intake.crm_consents.test_reading import READS, SALES, agreed, company, crms, read
from tests.support.intake_server import running_receiver

__all__ = ["company", "crms"]


def told() -> tuple[bool, str, str]:
    (check,) = [check for check in check_crm_consents(settings()) if check.name == "opt-outs of sales"]
    return check.ok, check.detail, check.remedy


def change(statement: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(statement)


def test_a_crm_whose_opt_outs_are_read_in_time_is_well(company, crms):
    assert told() == (True, "is to be read", "")
    agreed(ADA)
    read()
    assert told() == (True, "Lead read in time", "")


def test_a_reading_that_is_late_is_told_with_its_reason(company, crms):
    agreed(ADA)
    read()
    change("UPDATE crm_consent_reads SET read_at = now() - interval '20 minutes', last_error = 'sales is halted'")
    is_ok, detail, remedy = told()
    assert (is_ok, detail) == (False, "Lead was read last 20 minutes ago: sales is halted")
    assert "written to meanwhile" in remedy
    assert any("sales: what people took back in Lead" in problem for problem in collect_status()["problems"])
    with running_receiver(load_settings()) as receiver:
        metrics = requests.get(f"{receiver.address}/metrics", timeout=10).text
    assert 'afluente_opt_outs_unread_seconds{destination="sales",object="Lead"} 12' in metrics


def test_what_a_crm_refuses_is_told_before_it_is_late(company, crms):
    crms.configure({"Nothing": {"fields": {"X__c": "marketing.email"}}})
    read_due("sales")
    is_ok, detail, _ = told()
    assert (is_ok, detail.partition(":")[0]) == (False, "Nothing")


def test_a_mapping_that_writes_the_box_with_every_change_is_told(company, crms):
    write_destination(company, "sales", SALES.replace("    write: once\n", ""))
    crms.configure(READS)
    is_ok, detail, remedy = told()
    assert (is_ok, "HasOptedOutOfEmail" in detail, "write: once" in remedy) == (False, True, True)


def test_what_is_due_is_named_with_the_task_that_asks(company, crms):
    assert [named for named in due_starts() if named[0] == "destinations.read_consents"] == [
        ("destinations.read_consents", {"destination": "sales"}),
        ("destinations.read_consents", {"destination": "service"}),
    ]
    assert read_consents("sales") == {"records": 0, "statements": 0, "waits": 0}
