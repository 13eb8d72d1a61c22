"""What is told of somebody known finds its person, waits for it, goes along with it, and makes nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.activities import sweep_activities
from pipeline.inspection.quarantined import release
from pipeline.inspection.stories import EventStory, PersonStory, tell_story
from pipeline.records import Batch
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events.balance import balance
from tests.support import store_rows
from tests.support.command_line import answer, capture, run, work
from tests.support.identity_rows import rows
from tests.support.people_checks import patiently

pytestmark = pytest.mark.usefixtures("database")

MEETING = {"topic": "Lean operations", "id": "8123", "uuid": "u1=="}


def registered(name: str = "ada", *, phone: str | None = None, at: int = 1_772_442_895_000) -> dict[str, object]:
    who = {"id": f"rg-{name}", "email": f"{name}@example.org", "first_name": name.title(), "last_name": "Sample"}
    return {
        "event": "webinar.registration_created",
        "event_ts": at,
        "payload": {"object": {**MEETING, "registrant": who | ({"phone": phone} if phone else {})}},
    }


def joined(name: str = "ada", *, at: int = 1_773_154_800_000) -> dict[str, object]:
    who = {"user_id": f"u-{name}-{at}", "email": f"{name}@example.org", "join_time": "2026-03-10T15:00:00Z"}
    return {
        "event": "webinar.participant_joined",
        "event_ts": at,
        "payload": {"object": {**MEETING, "participant": who}},
    }


def took(event_id: UUID) -> tuple[str, str | None, UUID | None]:
    """What became of an event, why, and whose it is."""
    ((state, reason, person_id),) = rows("SELECT state, reason, person_id FROM events WHERE event_id = %s", event_id)
    return state, reason, person_id


def people() -> list[UUID]:
    return [row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NULL ORDER BY person_id")]


def person_story(person_id: UUID) -> PersonStory:
    with transaction() as connection:
        story = tell_story(connection, person_id)
    assert isinstance(story, PersonStory)
    return story


def event_story(event_id: UUID) -> EventStory:
    with transaction() as connection:
        story = tell_story(connection, event_id)
    assert isinstance(story, EventStory)
    return story


def assert_balanced(accepted: int) -> None:
    with transaction() as connection:
        found = balance(connection)["all"]
    assert (found["accepted"], found["difference"], found["pending"], found["in_flight"]) == (accepted, 0, 0, 0)


def test_what_is_told_of_somebody_known_is_theirs_and_changes_nothing_else_of_them():
    (lead,) = capture(registered(), source="zoom_webinar")
    work()
    before = rows("SELECT version, touches, profile FROM people")
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    (person_id,) = people()
    assert took(told) == ("suppressed", "activity", person_id)
    assert took(lead)[0] == "settled"
    assert rows("SELECT version, touches, profile FROM people") == before
    assert rows("SELECT event_id FROM touches") == [(lead,)]
    (activity,) = person_story(person_id).activities
    assert (activity.kind, activity.event_id, activity.state) == ("attended", told, "known")
    assert activity.details["webinar"] == "Lean operations"
    assert_balanced(2)


def test_what_comes_before_its_lead_waits_for_it_and_makes_nobody():
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    assert took(told) == ("suppressed", "nobody_yet", None)
    assert people() == []
    assert answer("status", code=None)["activities_waiting"] == 1
    assert "told of somebody who is not known yet: 1" in run("status").stdout
    waiting = event_story(told).activity
    assert waiting is not None
    assert waiting.state == "waiting"
    assert waiting.waits_until is not None
    capture(registered(), source="zoom_webinar")
    work()
    (person_id,) = people()
    assert took(told) == ("suppressed", "activity", person_id)
    assert [activity.event_id for activity in person_story(person_id).activities] == [told]
    assert answer("status", code=None)["activities_waiting"] == 0
    assert_balanced(2)


def test_what_comes_in_one_batch_with_its_lead_is_theirs_whichever_is_first():
    first, _, _, last = capture(
        joined("ada"), registered("ada"), registered("bob"), joined("bob"), source="zoom_webinar"
    )
    work()
    assert len(people()) == 2
    assert {took(event_id)[1] for event_id in (first, last)} == {"activity"}
    assert took(first)[2] != took(last)[2]


def test_of_whom_nobody_comes_nothing_is_lost_and_a_release_looks_again():
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    _let_the_waiting_be_over()
    assert sweep_activities() == 1
    assert took(told) == ("suppressed", "unknown_person", None)
    capture(registered(), source="zoom_webinar")
    work()
    assert took(told) == ("suppressed", "unknown_person", None)
    release(told, "she is known by now")
    work()
    (person_id,) = people()
    assert took(told) == ("suppressed", "activity", person_id)
    assert_balanced(2)


def _let_the_waiting_be_over() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE activities SET waits_until = now() - interval '1 second'")


def test_who_names_nobody_ends_at_once():
    nobody = joined()
    del nobody["payload"]["object"]["participant"]["email"]
    (told,) = capture(nobody, source="zoom_webinar")
    work()
    assert took(told) == ("suppressed", "unknown_person", None)


def test_an_activity_joins_no_two_people_though_it_names_both():
    capture({"email": "ada@example.org", "last_name": "Sample"}, {"phone": "+442079460018", "first_name": "Ruth"})
    work()
    before = people()
    (told,) = capture(
        {
            "happened": "invitee.canceled",
            "record": "i-1",
            "created_at": "2026-03-03T08:00:00Z",
            "payload": {"uri": "i-1", "email": "ada@example.org", "text_reminder_number": "+442079460018"},
        },
        source="calendly",
    )
    work()
    assert people() == before
    assert took(told)[:2] == ("suppressed", "activity")
    assert took(told)[2] in before


def test_a_namesake_at_another_address_is_somebody_else():
    capture(registered("ada"), source="zoom_webinar")
    work()
    (told,) = capture(joined("adah"), source="zoom_webinar")
    work()
    assert took(told) == ("suppressed", "nobody_yet", None)


def test_another_name_on_the_same_number_is_somebody_else():
    capture({"phone": "+442079460018", "full_name": "Ada Sample", "email": "ada@example.org"})
    work()
    payload = {"uri": "i-1", "email": "robert@example.net", "name": "Robert Other"}
    (told,) = capture(
        {
            "happened": "invitee.canceled",
            "record": "i-1",
            "payload": {**payload, "text_reminder_number": "+442079460018"},
        },
        source="calendly",
    )
    work()
    assert took(told) == ("suppressed", "nobody_yet", None)


def test_activities_go_along_when_people_come_together_and_apart():
    capture(registered("ada"), registered("bob"), source="zoom_webinar")
    work()
    one, other = capture(joined("ada"), joined("bob"), source="zoom_webinar")
    work()
    ada, bob = took(one)[2], took(other)[2]
    assert ada != bob
    assert run("people", "merge", str(ada), str(bob), "--why", "they are one").returncode == 0
    (both,) = people()
    assert {activity.event_id for activity in person_story(both).activities} == {one, other}
    assert took(one)[2] == took(other)[2] == both
    gone = bob if both == ada else ada
    assert run("people", "unmerge", str(gone), "--why", "they are two").returncode == 0
    assert len(people()) == 2
    assert (took(one)[2], took(other)[2]) == (ada, bob)
    assert [activity.event_id for activity in person_story(bob).activities] == [other]


def test_whose_address_is_corrected_keeps_no_activity_of_the_other_address():
    record = {"id": "r-1", "updated_at": "2026-03-01T09:00:00Z", "person": {"email": "ada@example.org"}}
    capture(record, source="json_feed")
    work()
    (told,) = capture(joined("ada"), source="zoom_webinar")
    work()
    capture(
        {**record, "updated_at": "2026-03-02T09:00:00Z", "person": {"email": "ruth@example.org"}}, source="json_feed"
    )
    work()
    sweep_activities()
    assert rows("SELECT state, evidence_id FROM activities WHERE event_id = %s", told) == [("waiting", None)]
    (lead,) = capture(registered("ada"), source="zoom_webinar")
    work()
    assert took(told)[2] == took(lead)[2]


def test_what_was_missed_in_between_is_found_by_the_sweep():
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM activity_keys")
    capture(registered(), source="zoom_webinar")
    work()
    assert took(told)[1] == "nobody_yet"
    assert sweep_activities() == 0  # looked for a moment ago
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE activities SET looked_at = now() - interval '2 minutes'")
    assert sweep_activities() == 1
    assert took(told)[1] == "activity"


def test_a_step_that_runs_twice_tells_everything_once():
    capture(registered(), source="zoom_webinar")
    work()
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET state = 'pending' WHERE event_id = %s", (told,))
    work()
    assert took(told)[1] == "activity"
    assert rows("SELECT count(*) FROM activities") == [(1,)]
    assert rows("SELECT count(*) FROM activity_keys") == [(0,)]


def test_ordinary_leads_make_no_statement_more_and_of_activities_their_number_does_not_count():
    def statements(*records: dict[str, object]) -> int:
        capture(*records, source="zoom_webinar")
        with count_statements() as seen:
            work()
        return seen.count

    few = [registered(name) for name in ("ada", "bob")]
    statements(*few)
    plain = [registered(f"guest{number}", at=1_772_442_896_000) for number in range(4)]
    with count_statements() as seen:
        capture(*plain, source="zoom_webinar")
        work()
    assert not [statement for statement in seen.statements if "activit" in statement and "hold_filed" not in statement]
    assert statements(joined("ada")) == statements(*[joined("bob", at=1_773_154_900_000 + n) for n in range(30)])


def test_workers_that_bring_a_lead_and_what_is_told_of_it_at_once_lose_neither():
    names = [f"guest{number}" for number in range(24)]
    capture(*map(joined, names[:12]), *map(registered, names), *map(joined, names[12:]), source="zoom_webinar")
    batches = []
    while (claimed := store_rows.claim(limit=4)) is not None:
        batches.append(flow.normalize_batch(flow.map_claim(claimed)))

    def finish(batch: Batch) -> None:
        for step in (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch):
            batch = patiently(step, batch)

    with ThreadPoolExecutor(4) as workers:
        for done in [workers.submit(finish, batch) for batch in batches]:
            done.result()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE activities SET looked_at = now() - interval '2 minutes'")
    sweep_activities()
    told = rows("SELECT state, reason, count(*) FROM events GROUP BY 1, 2 ORDER BY 1")
    assert told == [("settled", None, 24), ("suppressed", "activity", 24)]
    assert len(people()) == 24
    of_people = rows("SELECT count(DISTINCT person_id) FROM events WHERE reason = 'activity'")
    assert of_people == [(24,)]
    assert_balanced(48)
