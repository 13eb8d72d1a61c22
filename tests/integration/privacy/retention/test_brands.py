"""A rule of one brand touches nothing of another, whatever it retires."""

from __future__ import annotations

import pytest

from tests.support import command_line
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.retention_runs import approve, go, rule

COUNTS = {
    "bodies": "SELECT count(*) FROM event_bodies JOIN events USING (event_id) WHERE brand = %s",
    "quarantine": "SELECT count(*) FROM quarantine JOIN events e USING (event_id) WHERE e.brand = %s"
    " AND resolution = 'open'",
    "people": "SELECT count(*) FROM people WHERE brand = %s",
    "touches": "SELECT count(*) FROM touches WHERE brand = %s AND landing_path IS NOT NULL",
    "delivery_log": "SELECT count(*) FROM delivery_log l JOIN deliveries d USING (person_id) WHERE d.brand = %s",
}
LEAD = {"email": "ada.sample@example.org", "page_url": "https://example.org/offers?utm_source=google"}


def held(brand: str) -> dict[str, int]:
    return {what: rows(query, brand)[0][0] for what, query in COUNTS.items()}


@pytest.mark.parametrize("what", COUNTS)
def test_a_rule_of_one_brand_leaves_the_other_as_it_was(installation, what):
    installation.configure(brands={"casa": {}, "ocio": {}})
    for brand in ("casa", "ocio"):
        capture(LEAD, {"full_name": "Nobody Known"}, brand=brand)
    work()
    command_line.deliver()
    before = held("ocio")
    assert min(before.values()) > 0
    approve(installation, rule(what, "30d", brand="casa"), brands={"casa": {}, "ocio": {}})
    assert sum(go().values()) > 0
    assert held("ocio") == before
    assert held("casa")[what] == 0 or what == "bodies"  # those in quarantine have a rule of their own
