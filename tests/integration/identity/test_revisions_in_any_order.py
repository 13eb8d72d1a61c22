"""Whatever records with ids are delivered, in any order and doubled: people are those of each id's last content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.identity.matching.rules import identity_rules
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from pipeline.store.people import people as people_rows
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence
from tests.support.properties import examples

pytestmark = pytest.mark.usefixtures("database")

_TABLES = (
    "events, event_bodies, event_keys, event_revisions, evidence, evidence_events, evidence_keys, shared_keys, people,"
    " touches, consents, deliveries, identity_log, identity_reviews, identity_decisions, quarantine, drift"
)
_PERSON = st.fixed_dictionaries(
    {"email": st.sampled_from(["ada@sample.example", "bea@sample.example", "info@sample.example"])},
    optional={
        "full_name": st.sampled_from(["Ada Sample", "Bea Fulano"]),
        "phone": st.sampled_from(["+49 30 901820", "+49 30 901821"]),
        "company": st.sampled_from(["Sample KG", "Fulano AG"]),
        "city": st.sampled_from(["Kiel", "Bonn"]),
    },
)
_HISTORY = st.lists(_PERSON, min_size=1, max_size=4)  # what a record said, in the order in which it was changed


def record(number: int, change: int, person: dict[str, str]) -> dict[str, Any]:
    return {"id": f"r-{number}", "updated_at": f"2026-03-{1 + number:02}T{change:02}:00:00Z", "person": person}


def begin_anew() -> None:
    with transaction() as connection:
        connection.exec_driver_sql(f"TRUNCATE {_TABLES}")


def said() -> list[str]:
    with transaction() as connection:
        ids = connection.exec_driver_sql("SELECT person_id FROM people WHERE merged_into IS NULL").scalars()
        found = people_rows.read_people(connection, set(ids), lock=False)
    return sorted(str(sorted(person.profile.values().items())) for person in found.values())


@pytest.mark.long
@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(histories=st.lists(_HISTORY, min_size=1, max_size=4), data=st.data())
def test_people_are_those_of_the_last_content_of_each_id_in_any_order_and_doubled(histories, data):
    contents = [
        record(number, change, person)
        for number, history in enumerate(histories)
        for change, person in enumerate(history)
    ]
    delivered = data.draw(st.permutations(contents + data.draw(st.lists(st.sampled_from(contents), max_size=4))))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(delivered) - 1)), max_size=3)))
    begin_anew()
    for start, end in zip([0, *cuts], [*cuts, len(delivered)], strict=True):
        capture(*delivered[start:end], source="json_feed")
        if data.draw(st.booleans()):
            work()
    work()
    with transaction() as connection:
        found = balance(connection)["all"]
    assert (found["accepted"], found["repeated"]) == (len(contents), len(delivered) - len(contents))
    assert (found["revised"], found["difference"]) == (len(contents) - len(histories), 0)
    assert found["settled"] + found["suppressed"] == len(contents)
    assert rows("SELECT count(*) FROM touches") == [(len(histories),)]
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")
    people = said()
    begin_anew()
    capture(*(record(number, len(history) - 1, history[-1]) for number, history in enumerate(histories)),
        source="json_feed")  # fmt: skip
    work()
    assert people == said()
