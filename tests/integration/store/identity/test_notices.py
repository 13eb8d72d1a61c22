"""Known people who come again: noted once, routed again where they ask more urgently, told to whoever listens."""

from __future__ import annotations

import random
import threading
from datetime import datetime
from itertools import count
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.lanes import LANES
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import engine, transaction
from pipeline.store.identity.notices import Notice, read_notices
from pipeline.store.identity.people_moves import Change, log_changes
from pipeline.store.schema import migrate
from tests.support.command_line import answer, capture, deliver, lines, work

pytestmark = pytest.mark.usefixtures("database")

_numbers = count()
ANA = {"full_name": "Ana López", "email": "ana.lopez@gmail.com"}


def come(*leads: dict, lane: str) -> list[UUID]:
    """Leads in this lane, through the whole chain; gives their events."""
    found = capture(*({**lead, "external_id": str(next(_numbers))} for lead in leads))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET lane = %s WHERE event_id = ANY(%s::uuid[])", (lane, found))
    work()
    return found


def told() -> list[tuple[str, UUID | None]]:
    with transaction() as connection:
        return [(notice.kind, notice.event_id) for notice in read_notices(connection)]


def person() -> dict:
    """The only person there is, merged ones aside."""
    with transaction() as connection:
        row = connection.exec_driver_sql("SELECT * FROM people WHERE merged_into IS NULL").mappings().one()
        return {name: value for name, value in row.items() if name not in ("profile", "updated_at")}


def marks() -> dict[UUID, datetime | None]:
    with transaction() as connection:
        return dict(map(tuple, connection.exec_driver_sql("SELECT person_id, rerouted_at FROM people")))


def test_somebody_new_is_no_news():
    come(ANA, lane="hot")
    assert told() == []
    assert person()["rerouted_at"] is None


def test_a_known_person_is_updated_with_the_new_source_and_noted_with_its_lead():
    come({**ANA, "utm_source": "google", "utm_campaign": "spring"}, lane="bulk")
    (again,) = come({**ANA, "utm_source": "linkedin", "utm_campaign": "autumn"}, lane="bulk")
    found = person()
    assert (found["original_source"], found["latest_source"], found["latest_campaign"]) == (
        "google", "linkedin", "autumn",
    )  # fmt: skip
    assert found["touches"] == 2
    with transaction() as connection:
        (notice,) = read_notices(connection)
    details = {"lane": "bulk", "source": "api", "channel": found["latest_channel"]}
    assert notice == Notice(
        notice.id, notice.at, "default", "duplicate", found["person_id"], None, again, "rules", details
    )


def test_leads_of_one_batch_are_told_apart_by_which_came_first():
    _, second, third = come(ANA, {**ANA, "city": "Berlin"}, {**ANA, "phone": "+34600111222"}, lane="bulk")
    assert told() == [("duplicate", second), ("duplicate", third)]


def test_who_was_known_from_bulk_leads_only_and_asks_urgently_is_to_be_routed_again():
    come(ANA, lane="bulk")
    before = person()
    (asking,) = come(ANA, lane="hot")
    after = person()
    assert told() == [("duplicate", asking), ("rerouted", asking)]
    assert before["rerouted_at"] is None
    assert after["rerouted_at"] is not None
    assert after["version"] > before["version"]
    with transaction() as connection:
        sent = deliveries.read_people_to_send(connection, [after["person_id"]])[after["person_id"]]
    assert sent.attribution["rerouted_at"] == after["rerouted_at"]


def test_the_crm_gets_the_person_again_in_the_urgent_lane():
    come(ANA, lane="bulk")
    assert deliver() == 1
    come(ANA, lane="hot")
    with transaction() as connection:
        assert deliveries.due_counts(connection)["sandbox"].keys() == {"hot"}
    assert deliver() == 1


def test_a_lead_that_came_late_and_changes_nothing_else_asks_for_routing_too():
    for month in (1, 3):
        come({**ANA, "occurred_at": f"2026-0{month}-01T10:00:00Z"}, lane="bulk")
    before = person()
    (asking,) = come({**ANA, "occurred_at": "2026-02-01T10:00:00Z"}, lane="hot")
    after = person()
    assert ("rerouted", asking) in told()
    assert after["latest_at"] == before["latest_at"]
    assert after["version"] == before["version"] + 1


@pytest.mark.parametrize(("lanes", "expected"), [
    (("bulk", "bulk"), []),
    (("hot", "hot"), []),
    (("hot", "bulk"), []),
    (("bulk", "hot"), [1]),
    (("bulk", "bulk", "hot"), [2]),
    (("bulk", "hot", "hot"), [1]),
    (("bulk", "hot", "bulk", "hot"), [1]),
])  # fmt: skip
def test_only_more_intent_than_ever_before_asks_for_routing(lanes, expected):
    came = [come({**ANA, "city": f"city {place}"}, lane=lane)[0] for place, lane in enumerate(lanes)]
    assert [came.index(event_id) for kind, event_id in told() if kind == "rerouted"] == expected


def test_a_second_run_of_the_chain_notes_nothing_more():
    come(ANA, lane="bulk")
    capture({**ANA, "external_id": "again"})
    claim = next(claim for lane in LANES if (claim := flow.claim_batch(lane)) is not None)
    for _ in range(2):
        flow.attribute_batch(flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim))))
        found = told(), person()
    flow.load_batch(flow.attribute_batch(flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim)))))
    assert (told(), person()) == found
    assert [kind for kind, _ in found[0]].count("duplicate") == 1


def test_the_mark_goes_with_its_lead_when_people_are_joined_and_parted():
    come({"full_name": "Bo Berg", "email": "bo@example.org"}, lane="bulk")
    come(ANA, lane="bulk")
    come(ANA, lane="hot")
    apart = marks()
    bo, ana = sorted(apart)
    assert (apart[bo], apart[ana] is None) == (None, False)
    merge_people(ana, bo, Decision("tests", None))
    assert person()["rerouted_at"] == apart[ana]
    unmerge_person(bo, Decision("tests", None))
    assert marks() == apart
    kinds = [kind for kind, _ in told()]
    assert kinds[:2] == ["duplicate", "rerouted"]
    assert {"merged", "split"} <= set(kinds) or {"joined", "parted"} <= set(kinds)


def test_explain_and_the_export_tell_who_came_again():
    come(ANA, lane="bulk")
    (asking,) = come(ANA, lane="hot")
    found = answer("explain", str(asking))
    assert [(one["action"], one["event_id"]) for one in found["notices"]] == [
        ("duplicate", str(asking)), ("rerouted", str(asking)),
    ]  # fmt: skip
    about = answer("explain", found["person_id"])
    assert about["rerouted_at"]
    assert [one["action"] for one in about["history"]] == ["duplicate", "rerouted"]
    (row,) = lines("people", "export")
    assert row["rerouted_at"] == about["rerouted_at"]


def _note(connection, number: int) -> None:
    log_changes(connection, [Change("default", "duplicate", UUID(int=number), None, "rules")])


def _read_all(seen: list[int]) -> int:
    after = 0
    while True:
        with transaction() as connection:
            found = read_notices(connection, after=after, limit=3)
        if not found:
            return after
        seen += [notice.person_id.int for notice in found]
        after = found[-1].id


def test_notices_are_read_in_batches_each_once():
    for number in range(1, 9):
        with transaction() as connection:
            _note(connection, number)
    seen: list[int] = []
    last = _read_all(seen)
    assert seen == list(range(1, 9))
    with transaction() as connection:
        assert read_notices(connection, after=last) == []


def test_a_reader_never_passes_over_what_an_open_transaction_will_add():
    with transaction() as early:
        _note(early, 1)
        with transaction() as late:
            _note(late, 2)  # committed first, with the greater id
        with transaction() as connection:
            assert read_notices(connection) == []
    seen: list[int] = []
    _read_all(seen)
    assert seen == [1, 2]


def test_notices_of_a_restored_database_come_before_new_ones():
    with transaction() as connection:
        _note(connection, 1)
        connection.exec_driver_sql("UPDATE identity_log SET written_in = 1000000000000")
    seen: list[int] = []
    _read_all(seen)
    assert seen == []
    migrate(engine())
    with transaction() as connection:
        _note(connection, 2)
    _read_all(seen)
    assert seen == [1, 2]


def test_many_writers_and_a_reader_beside_them_lose_no_notice_and_repeat_none():
    writers, each = 4, 60
    is_over = threading.Event()
    seen: list[int] = []

    def write(worker: int) -> None:
        chance = random.Random(worker)
        for number in range(each):
            with transaction(synchronous=False) as connection:
                _note(connection, worker * each + number)
                if chance.random() < 0.3:
                    connection.exec_driver_sql("SELECT pg_sleep(0.01)")

    def read() -> None:
        after = 0
        while True:
            was_over = is_over.is_set()
            with transaction() as connection:
                found = read_notices(connection, after=after, limit=7)
            seen.extend(notice.person_id.int for notice in found)
            if found:
                after = found[-1].id
            elif was_over:
                return

    reader = threading.Thread(target=read)
    reader.start()
    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_over.set()
    reader.join(60)
    assert sorted(seen) == list(range(writers * each))
