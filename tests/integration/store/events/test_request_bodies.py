"""Bodies of several records: stored once, read once, sealed, and within the bytes that a batch may read."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from pipeline.crypto.encryption import open_request, seal_envelope, seal_request
from pipeline.flow import map_claim
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent, NewRequest, new_id
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import events
from tests.support.store_rows import claim, new_event

pytestmark = pytest.mark.usefixtures("database")


def request(size: int = 10) -> NewRequest:
    request_id = new_id()
    return NewRequest(request_id, seal_request(Envelope("application/json", b"x" * size), request_id))


def pointers(body: NewRequest, count: int, *, label: str = "") -> list[NewEvent]:
    made = [new_event(f"{label}{number}" if label else "") for number in range(count)]
    return [msgspec.structs.replace(event, request=body) for event in made]


def insert(new: list[NewEvent]) -> int:
    with transaction() as connection, count_statements() as seen:
        events.insert_events(connection, new)
    return seen.count


def stored_bodies() -> set[UUID]:
    with transaction() as connection:
        return set(connection.exec_driver_sql("SELECT request_id FROM request_bodies").scalars())


@pytest.mark.parametrize("size", [4, 200])
def test_a_body_costs_one_statement_more_whatever_the_number_of_its_records(size):
    assert insert(pointers(request(), size)) == 3
    assert insert([new_event() for _ in range(size)]) == 2
    held = claim()
    with transaction() as connection, count_statements() as seen:
        found = events.read_claimed(connection, held)
    assert seen.count == 2
    assert len(found) == 2 * size
    assert len({id(event.request) for event in found if event.request}) == 1


def test_bodies_of_many_requests_in_one_commit_are_all_stored_by_one_statement():
    bodies = [request() for _ in range(5)]
    assert insert([event for body in bodies for event in pointers(body, 3)]) == 3
    assert stored_bodies() == {body.request_id for body in bodies}


def test_a_body_whose_records_are_all_known_is_not_stored():
    first, again = request(), request()
    insert(pointers(first, 3, label="same"))
    assert insert(pointers(again, 3, label="same")) == 1
    assert stored_bodies() == {first.request_id}
    more = request()
    insert([*pointers(more, 3, label="same"), *pointers(more, 1)])
    assert stored_bodies() == {first.request_id, more.request_id}


def test_a_batch_reads_as_many_larger_bodies_as_it_may_and_one_at_least():
    bodies = [request(1_000) for _ in range(4)]
    insert([event for body in bodies for event in pointers(body, 2)])
    held = claim()
    with transaction() as connection:
        some = events.read_claimed(connection, held, max_bytes=2_500)
        one = events.read_claimed(connection, held, max_bytes=500)
    assert [event.request is not None for event in some] == [True] * 6
    assert len({id(event.request) for event in some}) == 3
    assert 1 <= len(one) <= 2


def test_an_event_whose_larger_body_is_gone_waits_with_a_reason_and_stops_nobody():
    origin = {STORED: AS_IT_CAME, "place": "rows[0]"}
    body, event = request(), new_event()
    sealed = seal_envelope(Envelope("", b"", {}, origin), event.event_id)
    insert([msgspec.structs.replace(event, sealed=sealed, request=body), new_event()])
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM request_bodies")
    batch = map_claim(claim())
    assert [(parked.code, parked.message) for parked in batch.parked if parked.code == "record_gone"] == [
        ("record_gone", "rows[0]: the part of the request that held this record is gone")
    ]


def test_a_body_opens_at_its_own_place_only():
    body = request()
    assert open_request(body.sealed, body.request_id).body == b"x" * 10
    with pytest.raises(ValueError, match="a sealed request was altered"):
        open_request(body.sealed, new_id())
    assert repr(body) == "<NewRequest>"
