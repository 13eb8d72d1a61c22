"""What a lead says of its way here becomes touches, original and latest source: through the whole chain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline import flow
from pipeline.records import EarlierTouch, new_id
from pipeline.store.engine import count_statements, transaction
from pipeline.store.people.attribution_report import stream_paths
from tests.support.command_line import capture, work
from tests.support.store_rows import NOON, minutes

pytestmark = pytest.mark.usefixtures("database")

FIRST_VISIT = {"at": "2026-02-01T10:00:00Z", "utm_source": "google", "utm_medium": "cpc", "utm_campaign": "Brand"}
FORM = {"email": "ada@example.org", "utm_source": "News", "utm_medium": "Email", "occurred_at": "2026-03-01T10:00:00Z"}


def rows(statement: str) -> list[tuple]:
    with transaction() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def test_the_first_visit_that_a_form_remembers_is_the_original_source():
    capture({**FORM, "earlier_touches": [FIRST_VISIT]})
    work()
    assert rows("SELECT position, source, medium, channel, campaign FROM touches ORDER BY position") == [
        (0, "news", "email", "Email", None),
        (1, "google", "cpc", "Paid Search", "Brand"),
    ]
    assert rows("SELECT original_source, original_campaign, latest_source, touches FROM people") == [
        ("google", "Brand", "news", 2)
    ]
    assert rows("SELECT channel FROM events") == [("Email",)]


def attributed(count: int, *, earlier: int):
    capture(*({"email": f"person{number}.{earlier}@example.org"} for number in range(count)))
    claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
    batch = flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim)))
    for lead in batch.leads:
        lead.earlier_touches = [EarlierTouch(NOON + minutes(-place), {"utm_source": "x"}) for place in range(earlier)]
    with count_statements() as seen:
        done = flow.attribute_batch(batch)
    return done, seen.count


def test_earlier_touches_take_no_further_statement_and_do_not_travel_on():
    alone, without = attributed(4, earlier=0)
    batch, with_three = attributed(4, earlier=3)
    assert len(batch.leads) == len(alone.leads) == 4
    assert with_three == without
    assert all(lead.earlier_touches == [] and lead.fields == {} for lead in batch.leads)
    assert rows("SELECT count(*) FROM touches WHERE position > 0") == [(12,)]


def test_attributing_a_batch_twice_changes_nothing():
    capture({**FORM, "earlier_touches": [FIRST_VISIT]})
    claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
    for _ in range(2):
        batch = flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim)))
        flow.attribute_batch(batch)
    assert rows("SELECT count(*) FROM touches") == [(2,)]
    assert rows("SELECT touches, original_source, latest_source FROM people") == [(2, "google", "news")]


def test_a_native_lead_form_is_known_by_its_platform():
    capture(
        {"email": "ada@example.org", "platform": "meta", "is_organic": False, "ad_id": "238001", "form_id": "550066"}
    )
    work()
    assert rows("SELECT source, medium, channel FROM touches") == [("facebook", "paid_social", "Paid Social")]


def path_of(*, until: datetime | None = None) -> list[list[str]]:
    with transaction() as connection:
        return [[touch.name for touch in path] for path in stream_paths(connection, by="source", until=until)]


def test_a_report_sees_a_visit_that_several_forms_remember_once():
    visit = {**FIRST_VISIT, "campaign_name": "x"}
    capture(
        {**FORM, "earlier_touches": [visit]},
        {**FORM, "earlier_touches": [visit], "occurred_at": "2026-03-02T10:00:00Z"},
    )
    work()
    assert rows("SELECT count(*) FROM touches") == [(4,)]
    assert path_of() == [["google", "news", "news"]]
    assert rows("SELECT touches FROM people") == [(3,)]


def test_a_remembered_visit_is_no_conversion_before_its_lead_came():
    capture({**FORM, "earlier_touches": [FIRST_VISIT]})
    work()
    assert path_of(until=datetime(2026, 2, 15, tzinfo=UTC)) == []
    assert path_of(until=datetime(2026, 3, 2, tzinfo=UTC)) == [["google", "news"]]


# As the program before migration 0003 writes: while both run, their touches meet.
OLD_INSERT = """
INSERT INTO touches (event_id, person_id, brand, occurred_at, source, channel, click_ids, details)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::jsonb[],
    %s::jsonb[])
ON CONFLICT DO NOTHING RETURNING event_id
"""


def test_the_program_before_may_go_on_writing_touches_after_the_migration():
    capture(FORM)
    work()
    ((known, person_id),) = rows("SELECT event_id, person_id FROM touches")
    for event_id, expected in ((known, 0), (new_id(), 1)):
        values = ([event_id], [person_id], ["default"], [NOON], ["google"], ["Paid Search"], ["{}"], ["{}"])
        with transaction() as connection:
            assert len(connection.exec_driver_sql(OLD_INSERT, values).all()) == expected
    assert rows("SELECT count(*), max(position) FROM touches") == [(2, 0)]
