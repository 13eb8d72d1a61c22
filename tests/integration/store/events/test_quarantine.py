"""Quarantine: parked with a reason, fixed or replayed, never counted twice."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline.records import Outcome, Parked, Stage, new_id
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from pipeline.store.events import events, quarantine
from tests.support.store_rows import claim, column, states, store, want, write_person

pytestmark = pytest.mark.usefixtures("database")


def _park(ids: list[UUID], code: str = "missing_required") -> None:
    held = claim()
    with transaction() as connection:
        parked = [Parked(one, Stage.MAP_FIELDS, code, "give the form an e-mail field", "email") for one in ids]
        assert quarantine.park_events(connection, held.claim_id, parked) == set(ids)


def _replay(**filters) -> int:
    with transaction() as connection:
        return quarantine.replay_events(connection, **filters)


def _rows(**filters) -> list[quarantine.Quarantined]:
    with transaction() as connection:
        return quarantine.list_quarantine(connection, **filters)


def test_a_parked_event_is_quarantined_and_shows_why():
    (event_id,) = store(1)
    _park([event_id])
    (row,) = _rows()
    assert (row.event_id, row.stage, row.code, row.field) == (event_id, Stage.MAP_FIELDS, "missing_required", "email")
    assert (row.brand, row.source, row.resolution, row.has_patch) == ("default", "web_form", "open", False)
    assert column("stage", event_id) == "map_fields"
    with transaction() as connection:
        assert quarantine.show_quarantine(connection, row.quarantine_id) == row
        assert quarantine.show_quarantine(connection, event_id) == row
        assert quarantine.show_quarantine(connection, new_id()) is None


def test_a_row_of_a_file_is_parked_right_after_it_was_stored():
    first, second = store(2)
    with transaction() as connection:
        parked = [Parked(first, "intake", "ragged_row", "line 17: 5 cells, header has 8")]
        assert quarantine.park_now(connection, parked) == {first}
    assert states() == {"quarantined": 1, "pending": 1}
    assert claim().event_ids == [second]


def test_an_event_has_one_open_row_and_the_newest_reason():
    (event_id,) = store(1)
    _park([event_id], "first")
    _replay()
    _park([event_id], "second")
    assert [row.code for row in _rows()] == ["second"]
    assert [row.code for row in _rows(resolution=None)] == ["second", "first"]


def test_a_replayed_event_is_fresh_again():
    ids = store(3)
    _park(ids)
    assert _replay() == 3
    assert states() == {"pending": 3}
    assert column("attempts", ids[0]) == 0
    assert _rows() == []
    assert claim().event_ids == ids
    assert _replay() == 0


def test_replay_takes_only_what_was_asked_for():
    ids, others = store(2), store(1, source="api")
    held = claim()
    with transaction() as connection:
        parked = [
            Parked(ids[0], Stage.MAP_FIELDS, "a", ""),
            Parked(ids[1], Stage.MAP_FIELDS, "b", ""),
            Parked(others[0], Stage.MAP_FIELDS, "a", ""),
        ]
        quarantine.park_events(connection, held.claim_id, parked)
        waiting = {("web_form", None, "a"): 1, ("web_form", None, "b"): 1, ("api", None, "a"): 1}
        assert quarantine.count_quarantine(connection) == waiting
    assert _replay(reason="a", source="api") == 1
    assert _replay(reason="b") == 1
    assert _replay(quarantine_ids=[new_id()]) == 0
    assert _replay(quarantine_ids=[_rows()[0].quarantine_id]) == 1
    assert states() == {"pending": 3}


def test_a_quarantined_delivery_is_replayed_too():
    person_id = write_person(name="a")
    want([person_id])
    with transaction() as connection:
        held, dues = deliveries.claim_deliveries(connection, "crm", "bulk", limit=1, lease_seconds=60)
        rejected = Outcome(person_id, "rejected", code="TOO_LONG", field="City")
        deliveries.record_outcomes(
            connection, "crm", held, dues, [rejected], call_id=new_id(), backoff=lambda _: 0.0, max_attempts=3
        )
    assert _replay(reason="TOO_LONG") == 1
    with transaction() as connection:
        _, dues = deliveries.claim_deliveries(connection, "crm", "bulk", limit=1, lease_seconds=60)
    assert [(due.person_id, due.attempts) for due in dues] == [(person_id, 0)]


def test_a_discarded_event_stays_counted_as_quarantined():
    (event_id,) = store(1)
    _park([event_id])
    (row,) = _rows()
    with transaction() as connection:
        assert quarantine.discard(connection, row.quarantine_id, "a test of the agency")
        assert not quarantine.discard(connection, row.quarantine_id, "again")
    assert _rows() == []
    assert _rows(resolution="discarded")[0].why == "a test of the agency"
    assert _replay() == 0
    assert states() == {"quarantined": 1}


def test_values_a_human_set_are_kept_over_replays_and_later_ones_win():
    (event_id,) = store(1)
    _park([event_id])
    with transaction() as connection:
        (row,) = quarantine.list_quarantine(connection)
        assert quarantine.set_patch(connection, row.quarantine_id, {"email": "ada.sample@example.com", "city": "A"})
        assert quarantine.set_patch(connection, row.quarantine_id, {"city": "B"})
        assert quarantine.read_patches(connection, [event_id]) == {
            event_id: {"email": "ada.sample@example.com", "city": "B"}
        }
    _replay()
    _park([event_id], "again")
    with transaction() as connection:
        (row,) = quarantine.list_quarantine(connection)
        quarantine.set_patch(connection, row.quarantine_id, {"city": "C"})
        patches = quarantine.read_patches(connection, [event_id, new_id()])
    assert patches == {event_id: {"email": "ada.sample@example.com", "city": "C"}}


def test_only_an_open_row_of_an_event_can_be_patched():
    (event_id,) = store(1)
    _park([event_id])
    (row,) = _rows()
    _replay()
    with transaction() as connection:
        assert not quarantine.set_patch(connection, row.quarantine_id, {"city": "C"})
        assert not quarantine.set_patch(connection, new_id(), {"city": "C"})


def test_a_long_list_is_read_page_by_page():
    _park(store(5))
    first = _rows(limit=2)
    second = _rows(limit=2, before=first[-1].quarantine_id)
    third = _rows(limit=2, before=second[-1].quarantine_id)
    seen = [row.quarantine_id for row in (*first, *second, *third)]
    assert len(set(seen)) == 5
    assert len(third) == 1


def test_parking_twice_is_parking_once():
    (event_id,) = store(1)
    held = claim()
    with transaction() as connection:
        parked = [Parked(event_id, Stage.MAP_FIELDS, "a", "")]
        assert quarantine.park_events(connection, held.claim_id, [*parked, *parked]) == {event_id}
        assert quarantine.park_events(connection, held.claim_id, parked) == set()
        assert events.read_claimed(connection, held) == []
    assert len(_rows(resolution=None)) == 1
