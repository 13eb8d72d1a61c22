"""Balance, exports, explanations and cursors: what people ask of the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.health.readings import read_database
from pipeline.records import Consent, FieldValue, Outcome, Parked, Stage, Suppressed, new_id
from pipeline.store import reports
from pipeline.store.deliveries import deliveries
from pipeline.store.deliveries.backfill import note_in_force
from pipeline.store.engine import transaction
from pipeline.store.events import balance, cursors, events, quarantine
from pipeline.store.identity.people_moves import Change, log_changes
from pipeline.store.people import people
from pipeline.store.people.consents import add_consents
from pipeline.store.people.touches import add_touches, apply_touches
from tests.support.memory import most_memory
from tests.support.store_rows import (
    NOON,
    claim,
    lead_of,
    new_event,
    new_person,
    read_cursor,
    store,
    touch_of,
    want,
    write_person,
)

pytestmark = pytest.mark.usefixtures("database")
_FIGURES = ("accepted", "settled", "suppressed", "quarantined", "pending", "in_flight", "repeated", "difference")


def _balance(destinations=None) -> dict:
    with transaction() as connection:
        return balance.balance(connection, destinations or {})


def _figures(found: dict) -> tuple[int, ...]:
    return tuple(found[name] for name in _FIGURES)


def test_the_balance_counts_every_state_of_every_source():
    with transaction() as connection:
        events.insert_events(connection, [new_event("a"), new_event("a"), new_event("a")])
    store(5)
    store(2, source="api")
    person_id = write_person(name="a")
    held = claim(limit=4)
    first, second, third, _ = held.event_ids
    with transaction() as connection:
        events.settle_events(connection, held.claim_id, [lead_of(first, person_id)])
        events.suppress_events(connection, held.claim_id, [Suppressed(second, "spam")])
        quarantine.park_events(connection, held.claim_id, [Parked(third, Stage.MAP_FIELDS, "a", "")])
    found = _balance()
    assert _figures(found["sources"]["web_form"]) == (6, 1, 1, 1, 2, 1, 2, 0)
    assert _figures(found["sources"]["api"]) == (2, 0, 0, 0, 2, 0, 0, 0)
    assert _figures(found["all"]) == (8, 1, 1, 1, 4, 1, 2, 0)


def test_a_lost_event_shows_as_a_difference():
    store(3)
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE event_id = (SELECT max(event_id::text)::uuid FROM events)")
    assert _balance()["all"]["difference"] == 1


def test_a_settled_event_without_its_delivery_is_missing():
    store(2)
    person_id = write_person(name="a")
    held = claim()
    with transaction() as connection:
        note_in_force(connection, "default", ["crm", "sheet"])
        events.settle_events(connection, held.claim_id, [lead_of(one, person_id) for one in held.event_ids])
    assert _balance({"default": ["crm"], "other": ["crm"]})["missing_deliveries"] == 2
    want([person_id])
    assert _balance({"default": ["crm"]})["missing_deliveries"] == 0
    assert _balance(lambda brand: ["crm", "sheet"])["missing_deliveries"] == 2
    assert _balance({})["missing_deliveries"] == 0


def test_the_balance_holds_at_every_moment_while_events_come_in():
    def keep_storing(_: int) -> None:
        for _ in range(20):
            store(10)

    with ThreadPoolExecutor(2) as threads:
        storing = [threads.submit(keep_storing, one) for one in range(2)]
        while not all(one.done() for one in storing):
            assert _balance()["all"]["difference"] == 0
    assert _balance()["all"]["accepted"] == 400


def test_exports_stream_in_the_order_of_ids_and_leave_the_connection_free_for_others():
    ids = store(1200)
    store(1, source="api")
    with transaction() as connection:
        seen = []
        for row in reports.stream_events(connection, source="web_form"):
            seen.append(row["event_id"])
            if len(seen) % 400 == 0:
                assert events.read_events(connection, seen[-2:])
                open_cursors = connection.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar_one()
                assert open_cursors == 1  # the rows wait at the server, not in this process
    assert seen == ids
    assert list(row) == [
        "event_id", "external_id", "source", "brand", "state", "person_id", "received_at", "occurred_at", "lane",
        "channel", "reason", "mapping_version",
    ]  # fmt: skip


@pytest.mark.long
def test_an_export_of_any_length_takes_little_memory():
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (event_id, brand, source, lane, external_id)"
            " SELECT gen_random_uuid(), 'default', 'web_form', 'bulk', repeat('x', 200) FROM generate_series(1, 30000)"
        )
        counts = []
        most = most_memory(lambda: counts.append(sum(1 for _ in reports.stream_events(connection))))
    assert counts == [30_000]
    assert most < 4_000_000


def test_people_and_deliveries_are_exported_with_values_and_states():
    person_id = write_person(email="ada.sample@example.com")
    want([person_id])
    with transaction() as connection:
        (person,) = reports.stream_people(connection)
        (delivery,) = reports.stream_deliveries(connection, destination="crm")
        assert list(reports.stream_deliveries(connection, destination="other")) == []
        assert list(reports.stream_people(connection, brand="other")) == []
    assert person["values"] == {"email": "ada.sample@example.com"}
    assert (person["person_id"], person["version"], person["touches"]) == (person_id, 1, 0)
    assert (delivery["state"], delivery["wanted_version"], delivery["sent_version"]) == ("due", 1, 0)


def _whole_way() -> tuple:
    """One event from its storing to the CRM's answer."""
    with transaction() as connection:
        events.insert_events(connection, [new_event("a"), new_event("a")])
    held = claim()
    (event_id,) = held.event_ids
    person = new_person(email="ada.sample@example.com")
    lead = lead_of(event_id, person.person_id)
    lead.consents = [Consent("marketing", "email", granted=True)]
    with transaction() as connection:
        people.write_people(connection, [person])
        log_changes(connection, [Change("default", "duplicate", person.person_id, None, "rules", {}, event_id)])
        touches = [touch_of(person.person_id, NOON, "a", event_id=event_id)]
        add_touches(connection, touches)
        apply_touches(connection, touches)
        add_consents(connection, [lead])
        events.settle_events(connection, held.claim_id, [lead])
        deliveries.want_deliveries(connection, [("crm", person.person_id, "hot")])
        sending, dues = deliveries.claim_deliveries(connection, "crm", "hot", limit=9, lease_seconds=60)
        retry = Outcome(person.person_id, "retry", code="LOCKED", message="busy")
        deliveries.record_outcomes(
            connection, "crm", sending, dues, [retry], call_id=new_id(), backoff=lambda _: 60.0, max_attempts=9
        )
    return event_id, person


def test_an_event_is_explained_with_all_that_came_of_it():
    event_id, _ = _whole_way()
    with transaction() as connection:
        found = reports.explain_event(connection, event_id)
        assert reports.explain_event(connection, new_id()) is None
    assert found["event"]["state"] == "settled"
    assert [(key["repeats"], len(key["digest"])) for key in found["keys"]] == [(1, 64)]
    assert (len(found["touches"]), len(found["consents"]), found["quarantine"]) == (1, 1, [])
    about = found["person"]
    assert about["person"]["original_source"] == "a"
    assert isinstance(about["profile"].fields["email"], FieldValue)
    assert [row["event_id"] for row in about["events"]] == [event_id]
    assert [(row["action"], row["event_id"]) for row in about["history"]] == [("duplicate", event_id)]
    assert [row["state"] for row in about["deliveries"]] == ["due"]
    assert [(row["outcome"], row["code"]) for row in about["delivery_log"]] == [("retry", "LOCKED")]
    assert "profile" not in about["person"]


def test_an_id_tells_what_it_is_of():
    event_id, person = _whole_way()
    with transaction() as connection:
        assert reports.find_kind(connection, event_id) == "event"
        assert reports.find_kind(connection, person.person_id) == "person"
        assert reports.find_kind(connection, new_id()) is None


def test_the_readings_show_what_waits_and_the_last_errors():
    _whole_way()
    store(3)
    claim(limit=1)
    with transaction() as connection:
        cursors.lock_cursor(connection, "default", "json_feed")
        cursors.finish_poll(connection, "default", "json_feed", next_run_in_seconds=0, error="HTTP 503")
    readings = read_database()
    assert readings.pending["bulk"].count == 2
    assert readings.in_flight == {"bulk": 1}
    assert readings.due == {}, "the only delivery waits for its second attempt"
    assert {name: last.error for name, last in readings.destination_errors.items()} == {"crm": "LOCKED: busy"}
    assert {name: last.error for name, last in readings.source_errors.items()} == {"json_feed": "HTTP 503"}


def test_a_cursor_moves_with_what_was_stored_or_not_at_all():
    with pytest.raises(LookupError), transaction() as connection:  # noqa: PT012 - the block is what is undone
        events.insert_events(connection, [new_event("a")])
        cursors.move_cursor(connection, "default", "json_feed", position="2025-03-01")
        raise LookupError
    with transaction() as connection:
        assert read_cursor(connection, "json_feed") is None
        cursors.move_cursor(connection, "default", "json_feed", position="2025-03-02")
        assert read_cursor(connection, "json_feed").position == "2025-03-02"


def test_one_stream_is_polled_by_one_worker_at_a_time():
    with transaction() as first:
        assert cursors.lock_cursor(first, "default", "json_feed") is not None
        with transaction(timeout_seconds=2) as second:
            assert cursors.lock_cursor(second, "default", "other") is not None
    with transaction() as connection:
        assert cursors.lock_cursor(connection, "default", "json_feed", hold_seconds=60) is not None
    with transaction() as connection:
        assert cursors.lock_cursor(connection, "default", "json_feed") is None
        assert cursors.lock_cursor(connection, "default", "json_feed", at_once=True) is None
        connection.exec_driver_sql("UPDATE cursors SET held_until = now() - interval '1 second'")
        assert cursors.lock_cursor(connection, "default", "json_feed", at_once=True) is not None


def test_a_poll_is_due_until_it_ran_and_again_when_its_time_has_come():
    both = [("default", "json_feed", ""), ("default", "other", "")]
    with transaction() as connection:
        assert cursors.due_polls(connection, both) == both
        cursors.lock_cursor(connection, "default", "json_feed", hold_seconds=60)
        assert cursors.due_polls(connection, both) == both[1:]
    with transaction() as connection:
        cursors.finish_poll(connection, "default", "json_feed", next_run_in_seconds=0, error="HTTP 503")
    with transaction() as connection:
        assert cursors.due_polls(connection, both) == both
        assert read_cursor(connection, "json_feed").last_error == "HTTP 503"
        assert read_cursor(connection, "other") is None
