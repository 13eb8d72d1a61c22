"""What a record is linked to changes after it was sent: a company that is there at last, a person whose record was made
again, a company that somebody is of no more."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from connectors.kit import Link, Record
from pipeline.delivery.claims import claim_batch
from pipeline.delivery.sender import deliver
from pipeline.delivery.writers import open_writer
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.lanes import LANES
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.engine import transaction
from pipeline.store.people import people
from pipeline.targets import targets_of
from tests.integration.delivery.test_objects import (
    ADA,
    BEN,
    EVE,
    by_email,
    come,
    company,
    crm,
    of,
    send,
    spelling,
)
from tests.support.crm_objects import COMPANY, PERSON, TOUCH
from tests.support.identity_rows import rows

__all__ = ["company", "crm", "spelling"]


def leave_company(person_id: UUID) -> None:
    """As when the lead that named it was corrected: nothing is known of a company any more."""
    with transaction() as connection:
        (person,) = people.read_people(connection, [person_id], lock=True).values()
        del person.profile.fields["company"]
        person.version += 1
        people.write_people(connection, [person])
        want_deliveries(connection, [("crm", person_id, "hot")])


def target_of(subject: str) -> Any:
    return next(target for target in targets_of("crm") if target.subject == subject)


def claim_people() -> None:
    """A sender claims people, wants their companies, and is lost."""
    target = target_of(PERSON)
    for lane in LANES:
        with transaction() as connection:
            claim_batch(connection, target, open_writer(target), lane, until=time.monotonic(), lease_seconds=60)


@pytest.mark.parametrize("crm", ["salesforce", "hubspot", "dataverse"], indirect=True)
def test_the_touches_of_a_person_whose_record_was_made_again_lead_to_the_new_one(company, crm):
    (ada,) = come(ADA)
    send()
    (before,) = of(crm, PERSON)
    open_writer(target_of(PERSON)).delete([Record(str(ada), {}, crm_id=before["id"])])
    come({**ADA, "full_name": "Ada Brandt-Moss"})
    send()
    (after,) = of(crm, PERSON)
    assert after["id"] != before["id"]
    assert {touch[PERSON] for touch in of(crm, TOUCH)} == {after["id"]}


def test_who_is_of_no_company_any_more_is_linked_to_none_and_others_stay(company, crm):
    eve, *_ = come(EVE, {**BEN, "company": "Moss & Sons", "email": "ben@gmail.com"})
    send()
    (account,) = of(crm, COMPANY)
    leave_company(eve)
    send()
    assert {email: person[COMPANY] for email, person in by_email(crm).items()} == {
        "eve@gmail.com": None,
        "ben@gmail.com": account["id"],
    }


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
def test_a_company_that_a_human_gave_to_somebody_without_one_stays(company, crm):
    (joe,) = come({"email": "joe@gmail.com", "full_name": "Joe Doe"})
    come(ADA)
    send()
    (account,) = of(crm, COMPANY)
    by_hand = Link("AccountId", "Account", account["id"])
    open_writer(target_of(PERSON)).write([Record(str(joe), {"LastName": "Doe"}, links=(by_hand,))])
    come({"email": "joe@gmail.com", "full_name": "Joe Doe", "job_title": "Buyer"})
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'due', content_id = NULL WHERE person_id = %s", (joe,)
        )
    send()
    assert by_email(crm)["joe@gmail.com"][COMPANY] == account["id"]


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
def test_a_company_of_which_nobody_was_left_is_made_when_somebody_names_it_again(company, crm):
    (eve,) = come(EVE)
    claim_people()
    assert rows("SELECT count(*) FROM companies") == [(1,)]
    leave_company(eve)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due', claim = NULL WHERE state = 'in_flight'")
    send()
    assert of(crm, COMPANY) == []
    assert rows("SELECT code FROM delivery_log WHERE destination = 'crm/Account'") == [("nobody_left",)]
    come({**EVE, "email": "max@gmail.com", "full_name": "Max Moss"})
    send()
    (account,) = of(crm, COMPANY)
    assert by_email(crm)["max@gmail.com"][COMPANY] == account["id"]


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
def test_a_company_that_was_not_made_for_a_merge_is_made_when_the_merge_is_undone(company, crm):
    """Its person says the same of it as before, so nothing else tells that it is wanted."""
    ada, ben = come(ADA, {**BEN, "email": "ben@kairo.example", "company": "Kairo Ltd"})
    come({**ADA, "job_title": "Buyer"})  # said last, so it stays hers
    claim_people()
    merge_people(ada, ben, Decision("vera"))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due', claim = NULL WHERE state = 'in_flight'")
    send()
    assert len(of(crm, COMPANY)) == 1
    (merged,) = [row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NOT NULL")]
    unmerge_person(merged, Decision("vera"))
    with transaction() as connection:
        want_deliveries(connection, [("crm", person_id, "hot") for person_id in (ada, ben)])
    send()
    assert sorted(record["name"] for record in of(crm, COMPANY)) == ["Brandt GmbH", "Kairo Ltd"]
    companies = {record["id"] for record in of(crm, COMPANY)}
    assert {person[COMPANY] for person in by_email(crm).values()} == companies


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
def test_a_touch_that_waits_for_its_company_is_woken_by_the_answer(company, crm):
    come(ADA)
    send()
    (task,) = rows("SELECT person_id FROM deliveries WHERE destination = 'crm/Task'")
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'due', external_id = NULL, content_id = NULL, attempts = 0, sent_version = 0"
            " WHERE destination = 'crm/Account'"
        )
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'due', last_error = 'waits: for its Account', links_id = NULL,"
            " next_attempt_at = now() + interval '1 hour' WHERE person_id = %s",
            task,
        )
    for lane in LANES:
        deliver("crm", lane, budget_seconds=5)
    assert rows("SELECT state FROM deliveries WHERE person_id = %s", *task) == [("sent",)]
