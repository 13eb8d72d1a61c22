"""What people cost in calls: full batches, and nothing where nothing changed."""

from __future__ import annotations

import math

import pytest

from connectors.kit import destination_types
from pipeline.delivery.sender import deliver
from pipeline.recompute.deliveries import backfill_destination
from tests.integration.delivery.test_each_crm import crm
from tests.integration.delivery.test_sender import change, make_people, settings, states

__all__ = ["crm"]

PEOPLE = 1_000
QUESTIONS = {"salesforce": 1}  # for a batch of people who were written before: where each is now


def most_calls() -> int:
    """Of a batch for each full number of records that the kind takes."""
    kind = destination_types()[settings().destinations["crm"].kind]
    return math.ceil(PEOPLE / kind.batch_size)


@pytest.mark.long
def test_a_thousand_changed_people_cost_a_call_for_each_full_batch_and_no_other(crm):
    kind = settings().destinations["crm"].kind
    crm.configure(kind=kind)
    people = make_people(PEOPLE)
    assert deliver("crm", "bulk", budget_seconds=60).sent == PEOPLE
    assert crm.calls() == most_calls()
    for person in people:
        change(person, company="Another")
    assert deliver("crm", "bulk", budget_seconds=60).sent == PEOPLE
    assert crm.calls() == (2 + QUESTIONS.get(kind, 0)) * most_calls()


def test_a_second_run_with_nothing_changed_costs_no_call(crm):
    people = make_people(200)
    deliver("crm", "bulk", budget_seconds=60)
    calls = crm.calls()
    for person in people:
        change(person, language="de")  # which no mapping names
    backfill_destination("crm", ["default"])
    deliver("crm", "bulk", budget_seconds=60)
    assert states() == {"sent": 200}
    assert crm.calls() == calls
