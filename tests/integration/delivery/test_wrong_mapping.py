"""A mapping that does not fit the CRM is the destination's fault, however few people are due: it halts, and nobody is
quarantined or tried in vain."""

from __future__ import annotations

import pytest

from pipeline.delivery.sender import deliver
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import ADA, come, company, crm, of, send
from tests.integration.delivery.test_sender import forget_breaker, make_due_now
from tests.support.crm_objects import PERSON, people_alone
from tests.support.identity_rows import rows

__all__ = ["company", "crm"]

UNKNOWN = {"salesforce": "Zodiac", "hubspot": "zodiac", "dataverse": "zodiac", "sql": "zodiac"}


def lanes() -> None:
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=1)


@pytest.mark.parametrize("crm", ["salesforce", "hubspot", "dataverse", "sql"], indirect=True)
def test_one_person_alone_with_a_field_that_the_crm_does_not_have_halts_the_destination(company, crm):
    mapping = people_alone(crm.spelling.mapping)
    right = mapping.replace("destination: alone", "destination: whole")
    crm.configure(kind=crm.kind, mapping="whole")
    write_destination(company, "whole", right)
    come({**ADA, "email": "first@brandt.example"})
    send()
    write_destination(company, "whole", right.rstrip() + f"\n      {UNKNOWN[crm.kind]}: {{from: job_title}}\n")
    come({**ADA, "job_title": "Buyer"})
    lanes()
    assert rows("SELECT state, attempts FROM deliveries WHERE state <> 'sent'") == [("due", 0)]
    assert rows("SELECT count(*) FROM quarantine") == [(0,)]
    write_destination(company, "whole", right)
    forget_breaker()
    make_due_now()
    send()
    assert len(of(crm, PERSON)) == 2
