"""A withdrawal and what goes on beside it: a backfill that read before it, a sender that looks before it is wanted."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pipeline import flow
from pipeline.delivery.sender import deliver
from pipeline.recompute.deliveries import backfill_destination
from pipeline.records import Batch, Outcome
from pipeline.store.deliveries import deliveries
from pipeline.store.deliveries.consents import note_consents, wake_consents
from pipeline.store.engine import transaction
from tests.integration.delivery.test_consents_told import (
    ADA,
    WHOLE,
    come,
    company,
    crm,
    order_of_calls,
    says,
    states,
)
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import send
from tests.support import store_rows
from tests.support.command_line import capture
from tests.support.identity_rows import rows
from tests.support.watching import wait_until

__all__ = ["company", "crm"]  # fixtures
TOUCHES = """
  touches:
    of: touch
    links: {contact_id: person}
    fields:
      summary: {from: summary}
"""


def is_withdrawn() -> list[tuple[Any, ...]]:
    return rows("SELECT is_withdrawn FROM person_consents")


def test_a_backfill_that_read_before_a_withdrawal_does_not_take_it_back(company, crm):
    (ada,) = come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    with transaction() as settling:
        settling.exec_driver_sql(
            "INSERT INTO consents (event_id, purpose, channel, person_id, brand, granted, at)"
            " SELECT gen_random_uuid(), 'marketing', 'email', person_id, brand, false, now() FROM people"
        )
        settling.exec_driver_sql("UPDATE people SET version = version + 1")
        note_consents(settling, [ada])

        def read_without_holding_anybody() -> None:
            with transaction() as connection:
                note_consents(connection, [ada])

        backfill = threading.Thread(target=read_without_holding_anybody)
        backfill.start()
        wait_until(
            lambda: rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != [(0,)], seconds=10
        )
    backfill.join()
    assert is_withdrawn() == [(True,)]


def settle_but_for_its_wishes(lead: dict[str, Any]) -> Batch:
    """A lead whose answers are stored, and whose deliveries are not wanted yet."""
    capture(lead)
    claimed = store_rows.claim(lane="hot")
    assert claimed is not None
    batch = flow.normalize_batch(flow.map_claim(claimed))
    return flow.attribute_batch(flow.deduplicate_batch(batch))


def test_a_sender_that_looks_between_a_withdrawal_and_the_wish_to_tell_it_tells_it_before_its_person(
    company, crm, monkeypatch
):
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    come({**ADA, "full_name": "Ada Moss"})  # is due, and was not sent yet
    batch = settle_but_for_its_wishes(says({**ADA, "full_name": "Ada Brandt-Moss"}, False, "2026-03-02T09:00:00Z"))
    with transaction() as connection:  # the answer that stood before is told, so nothing is due but the person
        connection.exec_driver_sql("UPDATE deliveries SET state = 'sent' WHERE destination = 'crm/consents'")
    made = order_of_calls(monkeypatch)
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=2)
    assert made == ["crm/consents", "crm"]
    assert states(crm) == ["withdrawn"]
    flow.load_batch(batch)
    send()
    assert rows("SELECT DISTINCT state FROM deliveries") == [("sent",)]


def test_a_withdrawal_that_a_backfill_meets_first_goes_by_the_hot_lane_all_the_same(company, crm):
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    batch = settle_but_for_its_wishes(says(ADA, False, "2026-03-02T09:00:00Z"))
    assert backfill_destination("crm", ["default"]).wanted == 1
    flow.load_batch(batch)
    assert rows("SELECT lane, state FROM deliveries WHERE destination = 'crm/consents'") == [("hot", "due")]


def test_a_consent_under_way_while_its_persons_record_is_made_again_is_sent_once_more_and_a_later_answer_too(
    company, crm
):
    crm.configure(mapping="linked")
    (ada,) = come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'due', next_attempt_at = now(), lane = 'hot'"
            " WHERE destination = 'crm/consents'"
        )
        claim, dues = deliveries.claim_deliveries(connection, "crm/consents", "hot", limit=9, lease_seconds=60)
    with transaction() as connection:
        wake_consents(connection, "crm/consents", [ada], [ada])
    with transaction() as connection:
        told = deliveries.record_outcomes(
            connection,
            "crm/consents",
            claim,
            dues,
            [Outcome(due.person_id, "sent") for due in dues],
            call_id=claim,
            backoff=float,
            max_attempts=5,
        )
    assert list(told.values()) == ["due"]
    send()
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    send()
    assert states(crm) == ["withdrawn"]


@pytest.mark.parametrize("link", ["", "    links: {contact_id: person}\n"])
def test_a_touch_waits_for_the_withdrawal_of_its_person_and_is_woken_by_its_answer(company, crm, link):
    write_destination(company, "whole", WHOLE.replace("    of: consent\n", f"    of: consent\n{link}") + TOUCHES)
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    with transaction() as connection:  # another sender has it in hand
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'in_flight', claim = gen_random_uuid(), lease_until = now() + interval '1 h'"
            " WHERE destination = 'crm/consents'"
        )
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=2)
    waiting = "SELECT last_error FROM deliveries WHERE destination = 'crm/touches' AND state = 'due'"
    assert rows(waiting) == [("waits: for its withdrawal",)]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due' WHERE destination = 'crm/consents'")
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=2)
    assert rows("SELECT DISTINCT state FROM deliveries") == [("sent",)]
    assert sum(record["object"] == "touches" for record in crm.records()) == 2
