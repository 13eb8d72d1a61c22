"""Who opts out in a CRM has withdrawn: here, and at every other CRM; what we wrote there ourselves says nothing new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from connectors.destinations.salesforce import changes
from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.delivery.writers import close_writer
from pipeline.identity.decisions import Decision
from pipeline.identity.matching.evidence import Evidence
from pipeline.identity.merges import merge_people
from pipeline.intake.crm_consents import reading
from pipeline.intake.crm_consents.reading import due_destinations, read_due
from pipeline.intake.crm_consents.taking import take_page
from pipeline.intake.own_consents import choose
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.privacy.suppression import digests_of, suppress
from pipeline.settings.loading import settings
from pipeline.store.engine import count_statements, transaction
from tests.integration.delivery.test_consents_told import ADA, BEN, come, says
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_sender import make_due_now
from tests.support.command_line import work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows
from tests.support.services import forget_caches

QUESTION = ("marketing", "email")
SALES = """
destination: sales
version: 1
fields:
  LastName: {from: [last_name, full_name, email], required: true}
  Company: {constant: "[not provided]"}
  Title: {from: job_title}
  Email: {from: email, as: email}
  HasOptedOutOfEmail:
    from: consent.marketing.email
    as: boolean
    values: {granted: false, denied: true, withdrawn: true, unknown: ""}
    write: once
"""
SERVICE = """
destination: service
version: 1
fields:
  lastname: {from: [last_name, full_name, email], required: true}
  emailaddress1: {from: email, as: email}
  donotbulkemail:
    from: consent.marketing.email
    as: boolean
    values: {granted: false, denied: true, withdrawn: true, unknown: ""}
    write: once
"""
READS = {"Lead": {"fields": {"HasOptedOutOfEmail": "marketing.email", "DoNotCall": "marketing.phone"}}}
SERVICE_READS = {"contacts": {"fields": {"donotbulkemail": "marketing.email"}}}


class Crms:
    """A Salesforce and a Dataverse of one company."""

    def __init__(self, sales: Sandbox, service: Sandbox, config: Path) -> None:
        self.sales, self.service = sales, service
        self._config = config
        self.configure()

    def configure(self, reads: dict[str, Any] = READS, **sales: Any) -> None:
        pace = {"calls_per_second": 200, "burst": 50}
        document = {
            "destinations": {
                "sales": {
                    "kind": "salesforce",
                    "mapping": "sales",
                    "base_url": self.sales.address,
                    "reads_consent": reads,
                    **pace,
                    **sales,
                },
                "service": {
                    "kind": "dataverse",
                    "mapping": "service",
                    "base_url": self.service.address,
                    "options": {"table": "contacts", "id_field": "contactid"},
                    "reads_consent": SERVICE_READS,
                    **pace,
                },
            },
            "tuning": {"delivery_linger_seconds": 0.0},
        }
        self._config.write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    def leads(self) -> dict[str, dict[str, Any]]:
        return {row["external_id"]: row["fields"] for row in self.sales.records.stream() if row["object"] == "Lead"}

    def contacts(self) -> dict[str, dict[str, Any]]:
        stream = self.service.records.stream()
        return {row["external_id"]: row["fields"] for row in stream if row["object"] == "contacts"}

    def in_sales(self, key: object, **fields: Any) -> None:
        """What a human changes there."""
        self.sales.records.upsert("Lead", {str(key): fields})

    def in_service(self, key: object, **fields: Any) -> None:
        self.service.records.upsert("contacts", {str(key): fields})

    def calls(self) -> int:
        return sum(call["calls"] for call in self.sales.records.calls() if "query" in call["route"])


@pytest.fixture
def crms(database, redis_url, tmp_path, monkeypatch) -> Iterator[Crms]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with (
        Sandbox(port=0, state=tmp_path / "sales.sqlite", dialect="salesforce") as sales,
        Sandbox(port=0, state=tmp_path / "service.sqlite", dialect="dataverse") as service,
    ):
        yield Crms(sales, service, tmp_path / "afluente.yaml")
        close_writer("sales")
        close_writer("service")


@pytest.fixture
def company(crms, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "sales", SALES)
        write_destination(sources, "service", SERVICE)
        forget_caches()
        yield sources


def send() -> None:
    while rows("SELECT FROM deliveries WHERE state IN ('due', 'in_flight')"):
        make_due_now()
        for name in ("sales", "service"):
            for lane in ("hot", "bulk"):
                deliver(name, lane, budget_seconds=2)


def make_reading_due() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE crm_consent_reads SET next_run_at = now()")


def read(name: str = "sales") -> int:
    """Read what is due now, and go on until all is told everywhere."""
    make_reading_due()
    report = read_due(name)
    assert report.waits == 0, rows("SELECT last_error FROM crm_consent_reads")
    work()
    send()
    return report.statements


def holds(person_id: UUID, question: tuple[str, str] = QUESTION) -> str:
    with transaction() as connection:
        return consent_answers_of(connection, [person_id], [question])[person_id][question].state


def agreed(*people: dict[str, Any]) -> list[UUID]:
    found = come(*(says(person, True, "2026-03-01T09:00:00Z") for person in people))
    send()
    return found


def test_who_opts_out_in_one_crm_has_withdrawn_and_every_other_crm_is_told(company, crms):
    ada, ben = agreed(ADA, BEN)
    assert read() == 0
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    before = datetime.now(UTC)
    assert read() == 1
    assert (holds(ada), holds(ben)) == ("withdrawn", "granted")
    told = {key: fields["donotbulkemail"] for key, fields in crms.contacts().items()}
    assert told == {str(ada): True, str(ben): False}
    ((source, method, act, at),) = rows("SELECT source, method, act, at FROM consents WHERE NOT granted")
    assert (source, method, act) == ("sales", "opted_out_in_crm", "withdrawal")
    assert abs((at - before).total_seconds()) < 5  # the CRM's own moment, not that of the reading


def test_what_we_wrote_ourselves_comes_back_as_nothing(company, crms):
    (ada,) = agreed(ADA)
    come(says(ADA, False, "2026-03-02T09:00:00Z", act="withdrawal"))
    send()
    assert crms.leads()[str(ada)]["HasOptedOutOfEmail"] is True
    assert read() == 0
    assert read("service") == 0
    assert rows("SELECT count(*) FROM consents") == [(2,)]


def test_an_opt_out_is_told_once_however_often_its_record_is_changed_and_read(company, crms):
    (ada,) = agreed(ADA)
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    assert [read(), read()] == [1, 0]
    crms.in_sales(ada, Title="Lighthouse keeper")
    assert read() == 0


def test_a_box_that_is_ticked_no_more_grants_nothing_and_may_be_ticked_again(company, crms):
    (ada,) = agreed(ADA)
    crms.in_sales(ada, DoNotCall=True)
    assert read() == 1
    crms.in_sales(ada, DoNotCall=False)
    assert (read(), holds(ada, ("marketing", "phone"))) == (0, "withdrawn")
    crms.in_sales(ada, DoNotCall=True)
    assert read() == 1


def test_a_confirmed_opt_in_stands_though_the_crm_was_never_told_and_its_record_is_changed(company, crms):
    (ada,) = agreed(ADA)
    crms.in_sales(ada, DoNotCall=True)  # which our mapping does not write
    read()
    choose(ada, {("marketing", "phone"): True}, method="preference_page")
    work()
    assert holds(ada, ("marketing", "phone")) == "granted"
    crms.in_sales(ada, Title="Lighthouse keeper")
    assert (read(), holds(ada, ("marketing", "phone"))) == (0, "granted")


def test_a_grant_in_a_crm_counts_as_a_tick_and_lifts_no_withdrawal(company, crms):
    status = {"question": "marketing.sms", "granted": ["OptIn"], "withdrawn": ["OptOut"]}
    crms.configure({"Lead": {"fields": {"Texts__c": status}}})
    ada, ben = agreed(ADA, BEN)
    come({**BEN, "consents": [{"purpose": "marketing", "channel": "sms", "granted": False, "act": "withdrawal"}]})
    crms.in_sales(ada, Texts__c="OptIn")
    crms.in_sales(ben, Texts__c="OptIn")
    assert read() == 2
    sms = ("marketing", "sms")
    assert (holds(ada, sms), holds(ben, sms)) == ("granted", "withdrawn")


def test_who_opted_out_before_we_knew_them_is_not_marketed_to_when_they_come(company, crms):
    crms.sales.records.upsert("Lead", {"id=other": {"Email": "ada@example.org", "HasOptedOutOfEmail": True}})
    assert read() == 1
    (ada,) = agreed(ADA)
    assert holds(ada) == "withdrawn"


def test_who_was_erased_is_not_brought_back_by_the_record_that_a_crm_keeps(company, crms):
    with transaction() as connection:
        suppress(connection, "default", digests_of("default", [Evidence(email="ada@example.org")]), reason="erased")
    crms.in_sales(uuid4(), Email="ada@example.org", HasOptedOutOfEmail=True)
    read()
    for table in ("consents", "activities", "activity_keys", "evidence", "event_bodies"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_who_was_deleted_in_the_crm_after_opting_out_has_withdrawn(company, crms):
    (ada,) = agreed(ADA)
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    with transaction() as connection:
        ((crm_id,),) = connection.exec_driver_sql("SELECT external_id FROM deliveries WHERE destination = 'sales'")
    crms.sales.dialect._rows.delete(crm_id)
    assert (read(), holds(ada)) == (1, "withdrawn")


def test_dataverse_tells_its_opt_outs_too(company, crms):
    (ada,) = agreed(ADA)
    crms.in_service(ada, donotbulkemail=True)
    assert (read("service"), holds(ada)) == (1, "withdrawn")
    assert crms.leads()[str(ada)]["HasOptedOutOfEmail"] is True


def test_an_opt_out_of_somebody_who_was_merged_is_of_the_one_who_stays(company, crms):
    ada, ben = agreed(ADA, BEN)
    merge_people(ada, ben, Decision("vera"))
    work()
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    crms.in_sales(ben, HasOptedOutOfEmail=True)
    read()
    ((owner,),) = rows("SELECT DISTINCT person_id FROM consents WHERE act = 'withdrawal'")
    assert holds(owner) == "withdrawn"


def test_reading_goes_on_where_it_was_stopped_and_costs_a_call_a_page(company, crms, monkeypatch):
    monkeypatch.setattr(changes, "_PAGE", 4)
    people = agreed(*({"email": f"p{number}@example.org", "full_name": f"Vera {number}"} for number in range(10)))
    for person_id in people:
        crms.in_sales(person_id, HasOptedOutOfEmail=True)
    taken, calls = [], crms.calls()

    def stopped(*arguments, **named):
        if len(taken) == 1:
            raise RuntimeError("killed")
        taken.append(take(*arguments, **named))
        return taken[-1]

    take = reading.take_page
    monkeypatch.setattr(reading, "take_page", stopped)
    with pytest.raises(RuntimeError):
        read_due("sales")
    monkeypatch.setattr(reading, "take_page", take)
    assert read_due("sales").objects == 0  # it is with whoever was stopped, for two minutes
    make_reading_due()
    assert (read_due("sales").statements, taken) == (6, [4])
    assert crms.calls() - calls == 4  # 4, 4 that were lost, the same 4, 2
    work()
    assert {holds(person_id) for person_id in people} == {"withdrawn"}
    assert rows("SELECT cursor, watermark IS NOT NULL FROM crm_consent_reads WHERE object = 'Lead'") == [(None, True)]


def test_a_page_without_news_costs_one_statement(company, crms):
    agreed(ADA, BEN)
    read()
    declared = settings().destinations["sales"].reads_consent["Lead"]
    with transaction() as connection, count_statements(connection) as counted:
        take_page(connection, "sales", "Lead", declared, [])
    assert counted.count == 1


def test_a_field_that_is_read_from_now_on_is_read_from_the_beginning(company, crms):
    (ada,) = agreed(ADA)
    read()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE crm_consent_reads SET watermark = now() + interval '1 day'")
    crms.in_sales(ada, Stop__c="yes")
    fields = {**READS["Lead"]["fields"], "Stop__c": {"question": "marketing.email", "withdrawn": ["yes"]}}
    crms.configure({"Lead": {"fields": fields}})
    assert (read(), holds(ada)) == (1, "withdrawn")


def test_what_is_due_is_named_and_a_crm_that_is_away_is_asked_again(company, crms):
    agreed(ADA)
    assert due_destinations() == ["sales", "service"]
    read()
    assert due_destinations() == ["service"]
    crms.configure({"Nothing": {"fields": {"X__c": "marketing.email"}}})
    report = read_due("sales")
    assert report.waits == 1
    ((error, failures),) = rows("SELECT last_error, failures FROM crm_consent_reads WHERE object = 'Nothing'")
    assert ("INVALID_TYPE" in error, failures) == (True, 1)
    assert due_destinations() == ["service"]


def test_what_stood_there_all_along_stands_before_nobody_who_waits(company, crms):
    ada, ben = agreed(ADA, BEN)
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    read()
    crms.in_sales(ben, HasOptedOutOfEmail=True)
    read()
    assert rows("SELECT lane FROM events WHERE source = 'consents' ORDER BY event_id") == [("bulk",), ("hot",)]


def test_without_a_grant_of_the_quota_nothing_is_asked_and_no_failure_counted(company, crms):
    agreed(ADA)
    read()
    crms.configure(calls_per_second=0.01, burst=1)
    make_reading_due()
    read_due("sales")
    calls = crms.calls()
    make_reading_due()
    assert (read_due("sales").waits, crms.calls()) == (1, calls)
    ((error, failures),) = rows("SELECT last_error, failures FROM crm_consent_reads WHERE destination = 'sales'")
    assert ("cannot be asked now" in error, failures) == (True, 0)
