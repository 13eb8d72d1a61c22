"""A withdrawal and what goes on beside it: a backfill that read before it, a sender that looks before it is wanted."""

from __future__ import annotations

import threading
from typing import Any

from pipeline.store.deliveries.consents import note_consents
from pipeline.store.engine import transaction
from tests.integration.delivery.test_consents_told import (
    ADA,
    come,
    company,
    crm,
    says,
)
from tests.integration.delivery.test_objects import send
from tests.support.identity_rows import rows
from tests.support.watching import wait_until

__all__ = ["company", "crm"]  # fixtures


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
