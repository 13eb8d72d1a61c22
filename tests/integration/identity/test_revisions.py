"""One id with other content takes the place of what the record said before, in whatever order workers come to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import permutations
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.matching.rules import identity_rules
from pipeline.records import Batch
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from pipeline.store.people import people as people_rows
from pipeline.store.people.consents import read_consents
from pipeline.store.reports import explain_event
from tests.support import store_rows
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence, patiently

pytestmark = pytest.mark.usefixtures("database")

FIRST = {"id": "r-1", "updated_at": "2026-03-01T09:00:00Z", "person": {"full_name": "Ada Sample",
    "email": "ada@sample.example", "phone": "+49 30 901820"}, "campaign": {"utm_source": "fair"}}  # fmt: skip
LATER = {"id": "r-1", "updated_at": "2026-03-02T09:00:00Z", "person": {"full_name": "Ada Sample-Brandt",
    "email": "ada@brandt.example", "company": "Brandt KG"}}  # fmt: skip


def said() -> list[dict[str, object]]:
    """What is known of each person who stands for itself."""
    with transaction() as connection:
        ids = connection.exec_driver_sql("SELECT person_id FROM people WHERE merged_into IS NULL").scalars()
        found = people_rows.read_people(connection, set(ids), lock=False)
    return sorted((person.profile.values() for person in found.values()), key=str)


def of_event(event_id: UUID) -> tuple[str, str | None, UUID | None]:
    ((state, reason, superseded_by),) = rows(
        "SELECT state, reason, superseded_by FROM events WHERE event_id = %s", event_id
    )
    return state, reason, superseded_by


def assert_balanced(accepted: int, *, repeated: int = 0, revised: int = 0) -> None:
    with transaction() as connection:
        found = balance(connection)["all"]
    assert (found["accepted"], found["repeated"], found["revised"]) == (accepted, repeated, revised)
    assert (found["difference"], found["pending"], found["in_flight"]) == (0, 0, 0)


def assert_all_is_well() -> None:
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")


def test_a_revision_takes_the_place_of_what_the_record_said_before():
    (first,) = capture(FIRST, source="json_feed")
    work()
    (later,) = capture(LATER, source="json_feed")
    work()
    (person,) = said()
    assert (person["email"], person["company"]) == ("ada@brandt.example", "Brandt KG")
    assert "phone" not in person
    assert of_event(first) == ("settled", None, later)
    assert of_event(later) == ("settled", None, None)
    assert rows("SELECT event_id, source FROM touches") == [(first, "fair")]
    assert_balanced(2, revised=1)
    assert_all_is_well()


def test_the_person_of_a_revision_under_way_is_told_though_its_touch_is_of_another_event():
    capture(FIRST, source="json_feed")
    work()
    (later,) = capture(LATER, source="json_feed")
    batch = claim()
    for step in (flow.deduplicate_batch, flow.attribute_batch):
        batch = patiently(step, batch)
    with transaction() as connection:
        told = explain_event(connection, later)
    assert told is not None
    assert told["event"]["state"] == "in_flight"
    assert told["person"] is not None
    assert [(told["person"]["person"]["person_id"],)] == rows("SELECT person_id FROM people")


def claim() -> Batch:
    claimed = store_rows.claim()
    assert claimed is not None
    return flow.normalize_batch(flow.map_claim(claimed))


def finish(batch: Batch) -> None:
    for step in (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch):
        batch = patiently(step, batch)


def claim_each(event_ids: list[UUID]) -> dict[UUID, Batch]:
    """Each event in a batch of its own, all of them claimed at once."""
    batches = {}
    for event_id in event_ids:
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE events SET lane = 'hot' WHERE state = 'pending'")
            connection.exec_driver_sql("UPDATE events SET lane = 'bulk' WHERE event_id = %s", (event_id,))
        batches[event_id] = claim()
    return batches


THIRD = {"id": "r-1", "updated_at": "2026-03-03T09:00:00Z", "person": {"full_name": "Ada Brandt",
    "email": "ada@brandt.example", "city": "Kiel"}, "campaign": {"utm_source": "mail"}}  # fmt: skip


@pytest.mark.short(9)
@pytest.mark.parametrize("arrived", list(permutations((FIRST, LATER, THIRD))))
@pytest.mark.parametrize("worked", list(permutations(range(3))))
def test_people_are_those_of_the_last_change_whatever_came_or_was_worked_on_first(arrived, worked):
    events = [capture(record, source="json_feed")[0] for record in arrived]
    batches = claim_each(events)
    for place in worked:
        finish(batches[events[place]])
    work()
    (person,) = said()
    assert (person["full_name"], person["email"], person["city"]) == ("Ada Brandt", "ada@brandt.example", "Kiel")
    assert not {"phone", "company"} & person.keys()
    assert rows("SELECT event_id FROM touches") == [(events[0],)]
    assert [of_event(event)[2] is None for event in events] == [record is THIRD for record in arrived]
    assert_balanced(3, revised=2)
    assert_all_is_well()


@pytest.mark.parametrize("worked", list(permutations(range(3))))
def test_revisions_in_one_batch_end_as_revisions_in_several(worked):
    records = [(FIRST, LATER, THIRD)[place] for place in worked]
    events = capture(*records, {**FIRST, "id": "r-2"}, source="json_feed")
    work()
    assert [person["full_name"] for person in said()] == ["Ada Brandt", "Ada Sample"]
    touched = {event for (event,) in rows("SELECT event_id FROM touches")}
    assert touched == {events[0], events[3]}
    assert_balanced(4, revised=2)
    assert_all_is_well()


STEPS = (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch)


@pytest.mark.parametrize("done", range(4))
@pytest.mark.parametrize("record", [LATER, {**FIRST, "updated_at": "2026-02-01T09:00:00Z"}], ids=["newer", "older"])
def test_a_revision_that_comes_while_the_first_event_is_under_way_ends_as_one_that_comes_after(done, record):
    (first,) = capture(FIRST, source="json_feed")
    batch = claim()
    for step in STEPS[:done]:
        batch = patiently(step, batch)
    (second,) = capture(record, source="json_feed")
    finish(claim())
    for step in STEPS[done:]:
        batch = patiently(step, batch)
    work()
    (person,) = said()
    newer = record is LATER
    assert person["email"] == ("ada@brandt.example" if newer else "ada@sample.example")
    assert ("phone" in person) is not newer
    assert rows("SELECT event_id FROM touches") == [(first,)]
    assert (of_event(first)[2], of_event(second)[2]) == ((second, None) if newer else (None, first))
    assert_balanced(2, revised=1)
    assert_all_is_well()


def test_a_chain_that_is_killed_after_any_step_and_begins_again_changes_nothing():
    capture(FIRST, source="json_feed")
    work()
    capture(LATER, source="json_feed")
    batch = claim()
    for step in STEPS:
        for _ in range(2):
            patiently(step, deepcopy(batch))
        batch = patiently(step, batch)
    (person,) = said()
    assert person["email"] == "ada@brandt.example"
    assert rows("SELECT touches FROM people WHERE merged_into IS NULL") == [(1,)]
    assert_balanced(2, revised=1)
    assert_all_is_well()


def test_what_a_revision_leaves_out_is_gone_also_where_the_person_is_known_by_the_same():
    capture({**FIRST, "person": {**FIRST["person"], "city": "Kiel", "message": "Call me"}}, source="json_feed")
    work()
    capture({**FIRST, "updated_at": "2026-03-02T10:00:00Z", "person": {**FIRST["person"], "city": "Bonn"}},
        source="json_feed")  # fmt: skip
    work()
    (person,) = said()
    assert (person["city"], "message" in person) == ("Bonn", False)
    assert rows("SELECT count(*) FROM touches") == [(1,)]
    assert_all_is_well()


def test_a_revision_leaves_what_other_leads_of_the_person_say():
    capture({"id": "r-9", "updated_at": "2026-01-01T09:00:00Z", "person": {**FIRST["person"], "city": "Kiel"}},
        FIRST, source="json_feed")  # fmt: skip
    work()
    capture(LATER, source="json_feed")
    work()
    assert {(person.get("email"), person.get("city")) for person in said()} == {
        ("ada@brandt.example", None), ("ada@sample.example", "Kiel")}  # fmt: skip
    assert_all_is_well()


def test_a_revision_closes_what_was_quarantined_of_its_record():
    (first,) = capture({"id": "r-1", "updated_at": "2026-03-01T09:00:00Z"}, source="json_feed")
    work()
    assert of_event(first)[0] == "quarantined" or of_event(first)[0] == "settled"
    (later,) = capture(LATER, source="json_feed")
    work()
    assert of_event(first)[1:] == ("superseded", later) or of_event(first) == ("settled", None, later)
    assert rows("SELECT count(*) FROM quarantine WHERE resolution = 'open'") == [(0,)]
    assert len(said()) == 1
    assert rows("SELECT count(*) FROM touches") == [(1,)]
    assert_balanced(2, revised=1)
    assert_all_is_well()


def test_a_revision_that_cannot_be_read_leaves_what_was_said_before():
    (first,) = capture(FIRST, source="json_feed")
    work()
    (later,) = capture({**LATER, "person": {"email": "nothing"}, "is_test": True}, source="json_feed")
    work()
    assert of_event(later)[0] != "settled"
    assert of_event(first) == ("settled", None, None)
    assert said()[0]["email"] == "ada@sample.example"
    assert_all_is_well()


def test_a_grant_that_a_revision_leaves_out_holds_no_more_and_a_refusal_does():
    consents = [
        {"purpose": "marketing", "channel": "email", "granted": True},
        {"purpose": "marketing", "channel": "phone", "granted": False},
    ]
    lead = {"external_id": "c-1", "email": "ada@sample.example", "occurred_at": "2026-03-01T09:00:00Z"}
    capture({**lead, "consents": consents})
    work()
    capture({**lead, "email": "ada@brandt.example"})
    work()
    ((person_id,),) = rows("SELECT person_id FROM people WHERE merged_into IS NULL")
    with transaction() as connection:
        held = [
            (consent.channel, consent.granted) for consent in read_consents(connection, [person_id]).get(person_id, [])
        ]
    assert held == [("phone", False)]


def test_records_of_one_id_that_are_worked_on_at_once_end_right():
    records = [
        {"id": f"r-{number % 3}", "updated_at": f"2026-03-{1 + number:02}T09:00:00Z",
         "person": {"full_name": f"Ada {'ABC'[number % 3]}", "email": f"ada{number}@sample.example"}}
        for number in range(18)
    ]  # fmt: skip
    events = [capture(record, source="json_feed")[0] for record in records]
    batches = list(claim_each(events).values())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(finish, reversed(batches)))
    work()
    assert sorted(person["email"] for person in said()) == [f"ada{number}@sample.example" for number in (15, 16, 17)]
    assert {event for (event,) in rows("SELECT event_id FROM touches")} == set(events[:3])
    assert_balanced(18, revised=15)
    assert_all_is_well()


def test_a_new_contact_of_a_known_record_has_a_touch_of_its_own():
    lead = {"external_id": "p-1", "email": "ada@sample.example", "utm_source": "one"}
    first, again, third = capture(
        {**lead, "occurred_at": "2026-03-01T09:00:00Z"},
        {**lead, "phone": "+49 30 901820"},
        {**lead, "occurred_at": "2026-03-05T09:00:00Z", "utm_source": "two"},
    )
    work()
    assert rows("SELECT event_id, source FROM touches ORDER BY 1") == [(first, "one"), (third, "two")]
    assert of_event(again)[2] == third
    assert rows("SELECT touches, latest_source FROM people WHERE merged_into IS NULL") == [(2, "two")]
    assert_all_is_well()


def test_a_second_submission_of_a_known_person_is_a_contact_of_its_own():
    lead = {"external_id": "p-1", "email": "ada@sample.example"}
    first, again = capture({**lead, "submission_id": "s-1"}, {**lead, "submission_id": "s-2"})
    assert capture({**lead, "submission_id": "s-2"}) == [again]
    work()
    assert {event for (event,) in rows("SELECT event_id FROM touches")} == {first, again}
    assert rows("SELECT count(*) FROM drift") == [(0,)]
    assert_balanced(2, repeated=1, revised=1)


def test_a_stranger_who_knows_an_id_of_an_unsigned_form_silences_nobody():
    stranger, real, again = capture(
        {"submission_id": "f-1", "email": "eve@stranger.example", "name": "Eve Stranger"},
        {"submission_id": "f-1", "email": "ada@sample.example", "name": "Ada Sample"},
        {"submission_id": "f-1", "email": "ada@sample.example", "name": "Ada Sample", "phone": "+49 30 901820"},
        source="web_form",
    )
    for batch in reversed(claim_each([stranger, real, again]).values()):
        finish(batch)
    work()
    assert {person["email"] for person in said()} == {"ada@sample.example", "eve@stranger.example"}
    assert {event for (event,) in rows("SELECT event_id FROM touches")} == {stranger, real}
    assert rows("SELECT DISTINCT state FROM events") == [("settled",)]
    assert rows("SELECT count(*) FROM events WHERE superseded_by IS NOT NULL") == [(0,)]
    assert_balanced(3, revised=2)
    assert_all_is_well()
