"""What operators do by hand while workers are at the same rows: neither ends the other. Two real connections each."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.inspection.destinations import resume_destination
from pipeline.records import new_id
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.deliveries.objects import want_touches
from pipeline.store.engine import transaction
from tests.integration.delivery.test_objects import ADA, come, company, crm
from tests.support.identity_rows import rows
from tests.support.store_rows import bump

__all__ = ["company", "crm"]

LATER = "now() + interval '1 hour'"


def until_it_waits(running: Future[Any]) -> None:
    """Until somebody waits for a lock, or the work is done without."""
    deadline = time.monotonic() + 20
    while not running.done() and not rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def beside(work: Callable[[], Any], first: Callable[[Any], Any], then: Callable[[Any], Any]) -> Any:
    """`work` in a thread, begun between two steps of one transaction of this one; gives what it came to."""
    with ThreadPoolExecutor(1) as threads:
        with transaction() as connection:
            first(connection)
            running = threads.submit(work)
            until_it_waits(running)
            then(connection)
        return running.result(timeout=20)


@pytest.mark.parametrize("crm", ["salesforce"], indirect=True)
def test_a_resume_and_a_lead_that_comes_meanwhile_do_not_wait_for_each_other(company, crm):
    """The lead wants its person, then the touches; the person's id is the greater one."""
    (ada,) = come(ADA)
    bump([ada])
    with transaction() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET next_attempt_at = {LATER}")
        connection.exec_driver_sql("UPDATE deliveries SET parent_id = %s WHERE destination = 'crm/Task'", (new_id(),))
    assert rows("SELECT max(person_id::text) FROM deliveries") == [(str(ada),)]
    beside(
        lambda: resume_destination("crm"),
        lambda connection: want_deliveries(connection, [("crm", ada, "hot")]),
        lambda connection: want_touches(connection, [("crm/Task", ada, "hot")]),
    )
    assert rows("SELECT count(*) FROM deliveries WHERE next_attempt_at > now() + interval '1 minute'") == [(0,)]
