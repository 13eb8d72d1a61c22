"""What a CRM's people take back stands, whatever was between two readings, and whatever the CRM gives beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from connectors.destinations.salesforce import changes
from connectors.kit import ChangedRecord, ChangesPage
from pipeline.intake.crm_consents import reading
from pipeline.intake.crm_consents.reading import read_due
from pipeline.intake.crm_consents.taking import take_page
from pipeline.intake.own_consents import choose
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.integration.delivery.test_consents_told import ADA, BEN
from tests.integration.intake.crm_consents.test_reading import (
    QUESTION,
    agreed,
    company,  # noqa: F401 - a fixture
    crms,  # noqa: F401 - a fixture
    holds,
    make_reading_due,
    read,
    send,
)
from tests.support.command_line import work
from tests.support.identity_rows import rows


def opted_out_an_hour_ago(crms) -> tuple[UUID, str]:  # noqa: F811
    (ada,) = agreed(ADA)
    crms.in_sales(ada, HasOptedOutOfEmail=True)
    ((crm_id,),) = rows("SELECT external_id FROM deliveries WHERE destination = 'sales'")
    assert take(changed(ada, datetime.now(UTC) - timedelta(hours=1), crm_id=crm_id)) == 1
    assert holds(ada) == "withdrawn"
    send()
    choose(ada, {QUESTION: True}, method="preference_page")
    work()
    return ada, crm_id


def test_who_opts_out_again_after_our_own_write_opted_them_in_has_withdrawn(company, crms):  # noqa: F811
    """Between two readings the box was unticked by us, for a confirmed opt-in, and ticked again by a human."""
    ada, crm_id = opted_out_an_hour_ago(crms)
    send()
    assert (holds(ada), crms.leads()[str(ada)]["HasOptedOutOfEmail"]) == ("granted", False)
    again = changed(ada, crm_id=crm_id)
    assert (take(again), holds(ada)) == (1, "withdrawn")
    send()
    assert take(again) == 0


def test_an_opt_in_that_a_crm_was_not_told_of_yet_is_not_undone_by_another_change_there(company, crms):  # noqa: F811
    ada, crm_id = opted_out_an_hour_ago(crms)
    assert take(changed(ada, crm_id=crm_id, Title="Lighthouse keeper")) == 0
    assert holds(ada) == "granted"


def changed(key: object, at: datetime | None = None, *, crm_id: str = "00Q1", **fields: object) -> ChangedRecord:
    return ChangedRecord(crm_id, str(key), at or datetime.now(UTC), {"HasOptedOutOfEmail": True, **fields})


def take(*records: ChangedRecord) -> int:
    declared = settings().destinations["sales"].reads_consent["Lead"]
    with transaction() as connection:
        count = take_page(connection, "sales", "Lead", declared, records)
    work()
    return count


def test_a_crm_whose_clock_is_years_ahead_keeps_nobody_from_opting_in_again(company, crms):  # noqa: F811
    (ada,) = agreed(ADA)
    assert take(changed(ada, datetime.now(UTC) + timedelta(days=3_650))) == 1
    assert holds(ada) == "withdrawn"
    choose(ada, {QUESTION: True}, method="preference_page")
    work()
    assert holds(ada) == "granted"


def test_a_page_with_one_record_twice_and_two_records_of_one_person_is_taken(company, crms):  # noqa: F811
    ada, ben = agreed(ADA, BEN)
    assert take(changed(ada), changed(ada), changed(ada, crm_id="00Q2"), changed(ben, crm_id="00Q3")) == 3
    assert (holds(ada), holds(ben)) == ("withdrawn", "withdrawn")
    assert take(changed(ada), changed(ada, crm_id="00Q2")) == 0


def test_a_record_of_nobody_beside_others_stops_none(company, crms):  # noqa: F811
    (ada,) = agreed(ADA)
    odd = "x" * 3_000 + "\x00\ud800"
    assert take(changed(uuid4(), crm_id="gone"), changed(odd, crm_id="00Q9\x00"), changed(ada)) == 1
    assert holds(ada) == "withdrawn"


@pytest.mark.parametrize("page", [1_000, 1], ids=["of one page", "of several"])
def test_a_reading_that_stood_still_while_another_took_over_writes_nothing_twice(company, crms, monkeypatch, page):  # noqa: F811
    """As after a stopped process, a suspended machine or a CRM that answers later than the hold of a page."""
    monkeypatch.setattr(changes, "_PAGE", page)
    people = agreed(ADA, BEN)
    ask, later = reading._page, []

    def answered_late(*arguments, **named):
        found = ask(*arguments, **named)
        if not later:
            later.append(True)
            for person_id in people:
                crms.in_sales(person_id, HasOptedOutOfEmail=True)
            make_reading_due()
            later.append(read_due("sales").statements)
        return found

    monkeypatch.setattr(reading, "_page", answered_late)
    assert (read_due("sales").statements, later[1]) == (0, 2)
    assert read() == 0
    assert {holds(person_id) for person_id in people} == {"withdrawn"}
    assert rows("SELECT count(*) FROM consents WHERE NOT granted") == [(2,)]
    assert rows("SELECT cursor, watermark IS NOT NULL FROM crm_consent_reads") == [(None, True)]


def test_records_that_say_not_when_they_were_changed_are_said_and_stop_no_others(company, crms, monkeypatch):  # noqa: F811
    (ada,) = agreed(ADA)
    pages = [ChangesPage((), "further", 2), ChangesPage((changed(ada),), None, 1)]
    monkeypatch.setattr(reading, "_page", lambda *_: pages.pop(0))
    report = read_due("sales")
    work()
    assert (report.statements, report.undated, report.waits, holds(ada)) == (1, 3, 0, "withdrawn")


def test_pages_that_lead_round_in_a_circle_are_told_and_not_read_on_and_on(company, crms, monkeypatch):  # noqa: F811
    calls = []

    def circle(target, permits, watched, begun, cursor):
        calls.append(cursor)
        if len(calls) > 20:
            raise AssertionError("read on and on")
        return ChangesPage((), {None: "a", "a": "b", "b": "c", "c": "a"}[cursor])

    monkeypatch.setattr(reading, "_page", circle)
    assert read_due("sales").waits == 1
    assert calls == [None, "a", "b", "c"]
    ((error, failures),) = rows("SELECT last_error, failures FROM crm_consent_reads")
    assert ("never end" in error, failures) == (True, 1)
