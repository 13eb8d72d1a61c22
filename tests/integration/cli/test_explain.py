"""`afluente explain` through the real command line: the whole story of a lead or a person, by any of its ids."""

from __future__ import annotations

import pytest

from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, deliver, problem, run, work

pytestmark = pytest.mark.usefixtures("database")

FIRST = {
    "external_id": "a-1",
    "occurred_at": "2026-01-02T10:00:00Z",
    "email": "Ada.Sample@Example.COM",
    "phone": "not a number",
    "utm_source": "google",
    "utm_medium": "cpc",
    "shoe_size": 38,
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
}
SECOND = {
    "external_id": "a-2",
    "occurred_at": "2026-02-02T10:00:00Z",
    "email": "ada.sample@example.com",
    "full_name": "ada sample",
    "company": "Sample Works",
    "website": "www.sample.example",
}


@pytest.fixture
def story(database):
    """Two leads of one person, delivered."""
    first, second = capture(FIRST, SECOND)
    capture(SECOND)
    work()
    deliver()
    return str(first), str(second)


def test_an_event_tells_its_request_fields_match_touch_and_crm_calls(story):
    first, _ = story
    found = answer("explain", first)
    assert (found["kind"], found["event_id"], found["state"]) == ("event", first, "settled")
    assert '"Ada.Sample@Example.COM"' in found["request"]["body"]
    assert found["request"]["headers"] == {"user-agent": "tests"}
    assert found["verification"] == "API key tests"
    assert found["mapping"]["stored"] == found["mapping"]["current"]
    fields = {row["field"]: row for row in found["fields"]}
    assert fields["email"] == {
        "path": "email",
        "raw": "Ada.Sample@Example.COM",
        "field": "email",
        "normalized": "ada.sample@example.com",
        "flags": [],
    }
    assert (fields["phone"]["raw"], fields["phone"]["normalized"]) == ("not a number", None)
    assert fields["phone"]["flags"]
    assert (fields["custom"]["path"], fields["custom"]["raw"]) == ("shoe_size", 38)
    assert found["match"]["reason"] == "new"
    assert [touch["channel"] for touch in found["touches"]] == ["Paid Search"]
    assert [(one["purpose"], one["granted"]) for one in found["consents"]] == [("marketing", True)]
    (delivery,) = found["deliveries"]
    assert (delivery["destination"], delivery["state"]) == ("sandbox", "sent")
    assert [call["outcome"] for call in delivery["calls"]] == ["sent"]


def test_a_later_event_says_by_what_it_was_known_and_from_where(story):
    first, second = story
    found = answer("explain", second)
    assert found["match"]["reason"] == "email"
    assert found["match"]["strongest"]["event_id"] == first
    (piece,) = [one for one in found["match"]["strongest"]["pieces"] if one["kind"] == "email"]
    assert (piece["one"], piece["other"]) == ("ada.sample@example.com", "ada.sample@example.com")
    assert [(one["action"], one["event_id"]) for one in found["notices"]] == [("duplicate", second)]
    assert found["idempotency"][0]["repeats"] == 1
    (derived,) = [row for row in found["fields"] if row["flags"] == ["derived"]]
    assert (derived["field"], derived["normalized"]) == ("company_domain", "sample.example")


def test_a_person_tells_where_each_value_of_its_golden_record_comes_from(story):
    first, second = story
    person_id = answer("explain", first)["person_id"]
    found = answer("explain", person_id)
    assert (found["kind"], found["person_id"], found["touches"]) == ("person", person_id, 2)
    origins = {one["field"]: (one["value"], one["event_id"]) for one in found["fields"]}
    assert origins["full_name"] == ("Ada Sample", second)
    assert [event["event_id"] for event in found["events"]] == [first, second]
    assert found["original_source"] == "google"
    assert found["derived"] == {"company_domain": "sample.example"}


def test_the_story_is_readable_too(story):
    first, second = story
    text = run("explain", second).stdout
    for heading in ("Request", "Mapping", "Fields", "Match", "Touches", "Deliveries"):
        assert f"\n{heading}" in text
    assert "known by its email" in text
    assert "repeated      1 time, last at" in text
    person = run("explain", answer("explain", first)["person_id"]).stdout
    assert "Golden record" in person
    assert "Derived values" in person
    assert "ada.sample@example.com" in person


def test_a_lead_in_quarantine_shows_why_and_what_was_sent():
    (event_id,) = capture({"message": "\x1b[2Jplease call"})
    work()
    found = answer("explain", str(event_id))
    assert (found["state"], found["match"], found["deliveries"]) == ("quarantined", None, [])
    assert [one["code"] for one in found["quarantine"]] == ["nothing_to_identify"]
    assert answer("explain", found["quarantine"][0]["quarantine_id"])["event_id"] == str(event_id)
    text = run("explain", str(event_id)).stdout
    assert "nothing_to_identify" in text
    assert "\x1b" not in text, "a stranger's text could steer the terminal"


def test_an_id_that_is_none_or_nobodys_is_refused():
    assert "nobody is known by this" in problem("explain", "ada@example.com", code=1)
    assert "no event, person or quarantined thing" in problem("explain", "01930000-0000-7000-8000-000000000000", code=1)


def test_a_lead_that_waits_shows_its_normalized_values_and_flags(database):
    (waiting,) = capture({"first_name": "ADA", "phone": "not a number"})
    work()
    fields = {row["field"]: row for row in answer("explain", str(waiting))["fields"]}
    assert fields["first_name"]["normalized"] == "Ada"
    assert fields["phone"]["normalized"] is None
    assert fields["phone"]["flags"]


def test_a_settled_lead_is_not_mapped_again_by_itself_and_its_story_names_the_command_that_does_it(story):
    first, _ = story
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET mapping_version = 'api@0+0' WHERE event_id = %s", (first,))
    text = run("explain", first).stdout
    assert "A settled lead is not mapped again by itself." in text
    assert "a replay would make of it" not in text
    assert "afluente leads replay --settled --source api --dry-run" in text
