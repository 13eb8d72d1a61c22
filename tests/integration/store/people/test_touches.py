"""Touches and consents are facts; original and latest source follow from when they happened, not from arrival."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.records import Consent, Touch, new_id
from pipeline.store.engine import transaction
from pipeline.store.people.consents import add_consents
from pipeline.store.people.touches import add_touches, apply_touches
from tests.support.properties import examples
from tests.support.store_rows import NOON, lead_of, minutes, touch_of, write_person

pytestmark = pytest.mark.usefixtures("database")


def _arrive(*touches: Touch) -> None:
    with transaction() as connection:
        add_touches(connection, touches)
        apply_touches(connection, touches)


def _person(person_id) -> dict:
    with transaction() as connection:
        row = connection.exec_driver_sql("SELECT * FROM people WHERE person_id = %s", (person_id,)).mappings().one()
        return {name: value for name, value in row.items() if name not in ("updated_at", "profile")}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_original_and_latest_are_the_same_in_whatever_order_touches_arrive(order):
    person_id = write_person(name="a")
    touches = [touch_of(person_id, NOON + minutes(at), source) for at, source in enumerate(("first", "then", "last"))]
    for place in order:
        _arrive(touches[place])
    person = _person(person_id)
    assert person["original_source"] == "first"
    assert person["original_campaign"] == "first campaign"
    assert person["original_at"] == NOON
    assert person["original_event"] == touches[0].event_id
    assert person["latest_source"] == "last"
    assert person["latest_channel"] == "last channel"
    assert person["touches"] == 3


def test_all_touches_of_a_person_in_one_batch_count():
    person_id = write_person(name="a")
    _arrive(*(touch_of(person_id, NOON + minutes(at), source) for at, source in ((1, "b"), (0, "a"), (2, "c"))))
    person = _person(person_id)
    assert (person["original_source"], person["latest_source"], person["touches"]) == ("a", "c", 3)
    assert person["version"] == 2


def test_touches_of_one_moment_are_ordered_by_their_event():
    person_id = write_person(name="a")
    lesser, greater = sorted((new_id(), new_id()))
    _arrive(touch_of(person_id, NOON, "greater", event_id=greater))
    _arrive(touch_of(person_id, NOON, "lesser", event_id=lesser))
    person = _person(person_id)
    assert (person["original_source"], person["latest_source"]) == ("lesser", "greater")


def test_applying_touches_twice_changes_nothing():
    person_id = write_person(name="a")
    touch = touch_of(person_id, NOON, "a")
    _arrive(touch)
    before = _person(person_id)
    _arrive(touch)
    assert _person(person_id) == before


def test_a_touch_in_the_middle_is_counted_without_a_new_version():
    person_id = write_person(name="a")
    _arrive(touch_of(person_id, NOON, "a"), touch_of(person_id, NOON + minutes(9), "c"))
    version = _person(person_id)["version"]
    _arrive(touch_of(person_id, NOON + minutes(5), "b"))
    person = _person(person_id)
    assert (person["version"], person["touches"]) == (version, 3)


def test_only_new_touches_are_reported_and_the_first_of_an_event_stays():
    person_id = write_person(name="a")
    touch = touch_of(person_id, NOON, "a")
    with transaction() as connection:
        assert add_touches(connection, [touch]) == {touch.event_id}
        assert add_touches(connection, [touch_of(person_id, NOON, "b", event_id=touch.event_id)]) == set()
        assert connection.exec_driver_sql("SELECT source FROM touches").scalar_one() == "a"


def test_a_touch_keeps_every_column():
    touch = Touch(
        new_id(), new_id(), "default", NOON, "google", "Paid Search", "spring", "g", "cpc", 'say "spring"', "term",
        "content", "id", {"gclid": "a\x00b", "fbclid": "{}"}, "www.example.com", "/démo", {"form_id": "7"},
        2, "cpc", "ga4+1",
    )  # fmt: skip
    with transaction() as connection:
        add_touches(connection, [touch])
        row = connection.exec_driver_sql("SELECT * FROM touches").mappings().one()
    sent = {name: getattr(touch, name) for name in Touch.__struct_fields__}
    assert dict(row) == {
        **sent,
        "click_ids": {"gclid": "a\ufffdb", "fbclid": "{}"},  # jsonb cannot hold NUL
        "rerouted_at": None,
    }


def test_concurrent_touches_of_the_same_people_neither_deadlock_nor_lose_a_count():
    ids = [write_person(name="a") for _ in range(20)]
    start = threading.Barrier(4)

    def arrive(worker: int) -> None:
        start.wait()
        for number in range(10):
            ordered = ids if worker % 2 else ids[::-1]
            _arrive(*(touch_of(one, NOON + minutes(worker * 10 + number), f"source {worker}") for one in ordered))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(arrive, range(4)))
    for one in ids:
        person = _person(one)
        assert (person["touches"], person["original_source"], person["latest_source"]) == (40, "source 0", "source 3")


def test_consents_are_kept_as_first_stored_and_fall_back_to_the_lead():
    person_id = write_person(name="a")
    lead = lead_of(new_id(), person_id)
    lead.consents = [
        Consent("marketing", "email", granted=True, at=NOON + minutes(1), source="box", policy_version="2"),
        Consent("marketing", "phone", granted=None),
    ]
    with transaction() as connection:
        add_consents(connection, [lead])
        lead.consents = [Consent("marketing", "email", granted=False)]
        add_consents(connection, [lead])
        rows = connection.exec_driver_sql(
            "SELECT channel, granted, at, source, policy_version FROM consents ORDER BY channel"
        ).all()
    assert rows == [("email", True, NOON + minutes(1), "box", "2"), ("phone", None, NOON, "web_form", None)]


def test_what_is_new_of_a_consent_gives_its_person_a_new_version_where_a_crm_is_told_of_it():
    ids = sorted(write_person(name=name) for name in "ab")
    leads = [lead_of(new_id(), person_id) for person_id in ids]
    for lead in leads:
        lead.consents = [Consent("marketing", "email", granted=True), Consent("marketing", "sms", granted=None)]
    before = [_person(person_id)["version"] for person_id in ids]

    def versions(told: list[str]) -> list[int]:
        with transaction() as connection:
            add_consents(connection, leads, told=told)
        return [_person(person_id)["version"] - was for person_id, was in zip(ids, before, strict=True)]

    assert versions(["default"]) == [1, 1], "once, however many answers there are"
    assert versions(["default"]) == [1, 1], "nothing new"
    for lead in leads:
        lead.consents = [Consent("marketing", "phone", granted=False)]
    assert versions(["another"]) == [1, 1]
    for lead in leads[:1]:
        lead.consents = [Consent("newsletter", "email", granted=False)]
    assert versions(["default"]) == [2, 1]


def test_a_lead_without_a_person_leaves_no_consent():
    lead = lead_of(new_id())
    lead.consents = [Consent("marketing", "email", granted=True)]
    with transaction() as connection:
        add_consents(connection, [lead])
        assert connection.exec_driver_sql("SELECT count(*) FROM consents").scalar_one() == 0


def test_touches_of_one_event_are_ordered_by_their_position():
    person_id = write_person(name="a")
    event_id = new_id()
    _arrive(*(touch_of(person_id, NOON, f"{place}", event_id=event_id, position=place) for place in (1, 2, 0)))
    person = _person(person_id)
    assert (person["original_source"], person["original_position"]) == ("0", 0)
    assert (person["latest_source"], person["latest_position"]) == ("2", 2)


def test_the_first_visit_that_every_form_remembers_counts_once():
    person_id = write_person(name="a")
    for day in range(3):
        event_id = new_id()
        own = touch_of(person_id, NOON + minutes(day), "form", event_id=event_id)
        _arrive(own, touch_of(person_id, NOON - minutes(9), "visit", event_id=event_id, position=1))
    person = _person(person_id)
    assert (person["touches"], person["original_source"], person["latest_source"]) == (4, "visit", "form")


def test_a_late_earlier_touch_becomes_the_original_one():
    person_id = write_person(name="a")
    _arrive(touch_of(person_id, NOON, "form"))
    version = _person(person_id)["version"]
    late = new_id()
    _arrive(
        touch_of(person_id, NOON + minutes(5), "second form", event_id=late),
        touch_of(person_id, NOON - minutes(5), "visit", event_id=late, position=1),
    )
    person = _person(person_id)
    assert (person["original_source"], person["latest_source"]) == ("visit", "second form")
    assert person["version"] == version + 1


# An event: minutes after noon of its own touch, and of those it remembers.
EVENTS = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=3), min_size=1, max_size=5)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 3))
def test_original_and_latest_do_not_depend_on_order_batches_or_repeats(events, chance, batch_size):
    person_id = write_person(name="a")
    made = [_touches_of_an_event(person_id, times) for times in events]
    arrivals = [*made, *(one for one in made if chance.random() < 0.4)]  # some come twice
    chance.shuffle(arrivals)
    for start in range(0, len(arrivals), batch_size):
        _arrive(*(touch for event in arrivals[start : start + batch_size] for touch in event))

    touches = sorted(
        (touch for event in made for touch in event),
        key=lambda touch: (touch.occurred_at, touch.event_id, touch.position),
    )
    person = _person(person_id)
    for end, touch in (("original", touches[0]), ("latest", touches[-1])):
        assert [person[f"{end}_{what}"] for what in ("at", "event", "position", "source", "channel", "campaign")] == [
            touch.occurred_at,
            touch.event_id,
            touch.position,
            touch.source,
            touch.channel,
            touch.campaign,
        ]
    earlier = {(touch.occurred_at, touch.source) for touch in touches if touch.position}
    assert person["touches"] == len(made) + len(earlier)


def _touches_of_an_event(person_id, times) -> list[Touch]:
    event_id = new_id()
    return [
        touch_of(person_id, NOON + minutes(at), f"{at} at {place}", event_id=event_id, position=place)
        for place, at in enumerate(times)
    ]
