"""What companies and touches cost in calls: each is charged to the account, and none is made beyond its quota."""

from __future__ import annotations

import pytest

from pipeline.delivery.sender import deliver
from tests.integration.delivery.test_account_quota import WIDE, counted
from tests.integration.delivery.test_objects import (
    ADA,
    BEN,
    EVE,
    come,
    company,
    crm,
    make_due_now,
    of,
    send,
    spelling,
    with_api,
)
from tests.support.crm_objects import COMPANY, PERSON, TOUCH

__all__ = ["company", "crm", "spelling"]

HUBSPOT = pytest.mark.parametrize("crm", ["hubspot"], indirect=True)


@with_api
def test_every_call_for_a_person_their_company_and_their_touches_is_charged(company, crm):
    crm.configure(kind=crm.kind, mapping="whole", windows={"wide": WIDE})
    come(ADA, BEN, EVE)
    send()
    come({**ADA, "company": "Kairo AG", "website": "https://kairo.example", "occurred_at": "2020-01-01T00:00:00Z"})
    send()
    assert counted().own == crm.calls()


@HUBSPOT
def test_calls_that_look_for_marks_before_a_note_is_made_are_charged_too(company, crm):
    crm.sandbox.dialect.objects["notes"].refuse_unique_values()
    crm.configure(kind="hubspot", mapping="whole", windows={"wide": WIDE})
    come(ADA, BEN, EVE)
    send()
    assert len(of(crm, TOUCH)) == 3
    assert counted().own == crm.calls()


@pytest.mark.long
@HUBSPOT
def test_within_a_narrow_window_no_call_is_refused_and_all_are_linked_in_the_end(company, crm):
    crm.sandbox.dialect.limits.calls_in_window = 20
    crm.configure(
        kind="hubspot", mapping="whole", batch_size=5, calls_per_second=19, windows={"ten_seconds": {"calls": 20}}
    )
    come(*({"email": f"p{number}@firm{number % 6}.example", "full_name": f"P Q{number}"} for number in range(30)))
    while len(of(crm, TOUCH)) < 30 or not all(touch[PERSON] and touch[COMPANY] for touch in of(crm, TOUCH)):
        make_due_now()
        deliver("crm", "bulk", budget_seconds=2)
        deliver("crm", "hot", budget_seconds=2)
    assert crm.calls("429") == 0
    assert all(person[COMPANY] for person in of(crm, PERSON))
