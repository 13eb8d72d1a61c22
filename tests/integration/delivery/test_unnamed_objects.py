"""An object is taken out of a CRM's mapping: what was wanted of it is kept and said, and goes out when it is back."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline import flow
from pipeline.health.metrics import collect_gauges
from pipeline.routing import hold_unnamed
from pipeline.store.engine import count_statements, transaction
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import ADA, BEN, come, company, crm, of, send
from tests.support.command_line import answer, run
from tests.support.crm_objects import SALESFORCE, TOUCH
from tests.support.identity_rows import rows

__all__ = ["company", "crm"]

pytestmark = pytest.mark.parametrize("crm", ["salesforce"], indirect=True)

WITHOUT_TASKS = SALESFORCE.mapping[: SALESFORCE.mapping.index("  Task:")]


def states() -> Counter[tuple[str, str]]:
    return Counter(rows("SELECT destination, state FROM deliveries"))


def take_tasks_out(company) -> None:
    write_destination(company, "whole", WITHOUT_TASKS)
    flow.sweep()


def test_what_is_due_of_an_object_that_is_named_no_more_is_held_and_nobody_waits_for_it(company, crm):
    come(ADA, BEN)
    take_tasks_out(company)
    assert states()["crm/Task", "held"] == 2
    assert all(target != "crm/Task" for hint, target, *_ in flow.sweep() if hint == "deliver")
    send()
    assert states() == {("crm", "sent"): 2, ("crm/Account", "sent"): 1, ("crm/Task", "held"): 2}
    assert answer("balance")["all"]["difference"] == 0


@pytest.mark.long
def test_what_is_held_is_said_wherever_somebody_looks(company, crm):
    (ada,) = come(ADA)
    take_tasks_out(company)
    (row,) = [row for row in answer("destination", "list") if row["name"] == "crm/Task"]
    assert (row["held"], row["due"], row["state"]) == (1, 0, "gone")
    said = "1 delivery held; the mapping of crm does not name Task any more"
    assert f"crm/Task: {said}" in run("destination", "list").stdout
    assert f"crm/Task: {said}" in run("status").stdout
    assert answer("status", code=None)["held"] == {"crm/Task": 1}
    assert "does not name Task any more" in run("explain", str(ada)).stdout
    held = [
        sample for gauge in collect_gauges() for sample in gauge.samples if sample.name == "afluente_deliveries_held"
    ]
    assert [(sample.labels["destination"], sample.value) for sample in held] == [("crm/Task", 1.0)]


def test_what_was_held_goes_out_when_the_object_is_back_once_each(company, crm):
    come(ADA, BEN)
    take_tasks_out(company)
    send()
    assert of(crm, TOUCH) == []
    write_destination(company, "whole", SALESFORCE.mapping)
    flow.sweep()
    assert states()["crm/Task", "due"] == 2
    send()
    assert (len(of(crm, TOUCH)), states()["crm/Task", "sent"]) == (2, 2)


def test_what_comes_while_the_object_is_out_is_wanted_by_a_backfill_and_nothing_held_twice(company, crm):
    come(ADA)
    take_tasks_out(company)
    come(BEN)
    write_destination(company, "whole", SALESFORCE.mapping)
    flow.sweep()
    assert run("destination", "backfill", "crm").returncode == 0
    send()
    assert len(of(crm, TOUCH)) == 2


def test_a_look_at_what_is_due_and_held_is_one_statement_while_nothing_changes(company, crm):
    come(ADA, BEN)
    for take_out in (lambda _: None, take_tasks_out):
        take_out(company)
        with transaction() as connection, count_statements() as seen:
            hold_unnamed(connection)
        assert seen.count == 1


def test_a_mapping_that_cannot_be_read_takes_no_object_away(company, crm):
    come(ADA)
    write_destination(company, "whole", "destination: whole\nobjects: [broken")
    flow.sweep()
    assert ("crm/Task", "held") not in states()
