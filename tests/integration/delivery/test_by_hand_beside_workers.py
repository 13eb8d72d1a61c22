"""What operators do by hand while workers are at the same rows: neither ends the other. Two real connections each."""

from __future__ import annotations

import pytest

from pipeline.inspection.destinations import resume_destination
from pipeline.records import new_id
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.deliveries.objects import want_touches
from pipeline.store.engine import transaction
from tests.integration.delivery.test_objects import ADA, come, company, crm
from tests.support.identity_rows import rows
from tests.support.side_by_side import beside
from tests.support.store_rows import bump

__all__ = ["company", "crm"]

LATER = "now() + interval '1 hour'"


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
