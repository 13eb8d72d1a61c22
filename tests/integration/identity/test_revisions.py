"""One id with other content takes the place of what the record said before, in whatever order workers come to it."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.matching.rules import identity_rules
from pipeline.records import Batch
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence, patiently
from pipeline.store.people import people as people_rows

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
