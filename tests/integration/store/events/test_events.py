"""Events are stored once, leased, taken back in halves, and ended only by whoever holds them."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from msgspec.structs import replace

from pipeline import flow
from pipeline.records import Parked, Stage, Suppressed, new_id
from pipeline.store.engine import transaction
from pipeline.store.events import events, leases, quarantine
from tests.support.command_line import capture, work
from tests.support.store_rows import NOON, claim, column, lead_of, new_event, states, store

pytestmark = pytest.mark.usefixtures("database")


def test_a_repeated_key_gives_the_first_event_id():
    with transaction() as connection:
        first = events.insert_events(connection, [new_event("a")])[0]
    with transaction() as connection:
        again, fresh = events.insert_events(connection, [new_event("a"), new_event("b")])
    assert not first.repeated
    assert again.repeated
    assert again.event_id == first.event_id
    assert not fresh.repeated
    assert states() == {"pending": 2}


def test_the_same_key_twice_in_one_call_is_stored_once_and_counted():
    new = [new_event("a"), new_event("b"), new_event("a"), new_event("a")]
    with transaction() as connection:
        receipts = events.insert_events(connection, new)
    assert [receipt.repeated for receipt in receipts] == [False, False, True, True]
    assert {receipt.event_id for receipt in receipts} == {new[0].event_id, new[1].event_id}
    with transaction() as connection:
        events.insert_events(connection, [new_event("a"), new_event("a")])
        repeats = connection.exec_driver_sql("SELECT sum(repeats) FROM event_keys").scalar_one()
    assert repeats == 4


def test_storing_the_very_same_events_again_is_a_repeat():
    new = [new_event("a"), new_event("b")]
    for expected in (False, True):
        with transaction() as connection:
            receipts = events.insert_events(connection, new)
        assert [receipt.repeated for receipt in receipts] == [expected, expected]
        assert [receipt.event_id for receipt in receipts] == [one.event_id for one in new]


def test_the_same_key_of_another_source_or_brand_is_another_event():
    new = [new_event("a"), new_event("a", source="api")]
    with transaction() as connection:
        assert not any(receipt.repeated for receipt in events.insert_events(connection, new))


def test_text_that_postgresql_cannot_hold_is_stored_all_the_same():
    with transaction() as connection:
        strange = replace(new_event(), external_id='nul \x00, half a pair \ud83d, {"quoted\\"}, NULL')
        events.insert_events(connection, [strange])
        kept = connection.exec_driver_sql("SELECT external_id FROM events").scalar_one()
    assert kept == 'nul \ufffd, half a pair ?, {"quoted\\"}, NULL'


def test_concurrent_calls_with_the_same_keys_neither_deadlock_nor_store_twice():
    start = threading.Barrier(4)

    def store_all(order: int) -> int:
        start.wait()
        fresh = 0
        for _ in range(15):
            new = [new_event(f"key {number}") for number in range(100)]
            with transaction() as connection:
                receipts = events.insert_events(connection, new[::order])
                fresh += sum(not receipt.repeated for receipt in receipts)
        return fresh

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(store_all, [1, -1, 1, -1])) == 100
    assert states() == {"pending": 100}


def test_a_claim_takes_the_oldest_of_its_lane_and_no_other_claim_gets_them():
    bulk, hot = store(5), store(1, lane="hot")
    first, second = claim(limit=3), claim(limit=3)
    assert (first.event_ids, second.event_ids) == (bulk[:3], bulk[3:])
    assert claim() is None
    assert claim("hot").event_ids == hot


def test_concurrent_claims_never_share_an_event():
    ids = store(300)

    def claim_all(_: int) -> list:
        taken = []
        while found := claim(limit=7):
            taken += found.event_ids
        return taken

    with ThreadPoolExecutor(4) as threads:
        taken = [one for part in threads.map(claim_all, range(4)) for one in part]
    assert sorted(taken) == ids


def test_claimed_events_are_read_with_their_bodies_opened():
    with transaction() as connection:
        events.insert_events(connection, [new_event("body text")])
    held = claim()
    with transaction() as connection:
        (raw,) = events.read_claimed(connection, held)
    assert raw.envelope.body == b"body text"
    assert raw.envelope.headers == {"user-agent": "tests"}
    assert (raw.source, raw.lane, raw.brand) == ("web_form", "bulk", "default")
    assert raw.received_at.utcoffset().total_seconds() == 0


def test_of_great_bodies_a_claim_reads_some_and_gives_the_others_back_unharmed():
    new = [new_event(f"{number}" + "x" * 1_000) for number in range(5)]
    with transaction() as connection:
        events.insert_events(connection, new)
    held = claim()
    for limit, count in ((1, 1), (2_500, 3), (100_000, 5)):
        with transaction() as connection:
            found = events.read_claimed(connection, held, max_bytes=limit)
        assert [raw.event_id for raw in found] == held.event_ids[:count]
    with transaction() as connection:
        assert leases.release_unread(connection, held.claim_id, held.event_ids[:2]) == 3
    assert states() == {"in_flight": 2, "pending": 3}
    assert column("losses", held.event_ids[4]) == 0
    assert claim().event_ids == held.event_ids[2:]


def test_a_batch_of_great_leads_is_mapped_in_parts_and_travels_light():
    records = [{"external_id": f"g-{number}", "message": "m" * 5_000_000} for number in range(5)]
    ids = capture(*records)
    held = claim("hot")
    assert held.event_ids == sorted(ids)
    batch = flow.map_claim(held)
    assert 1 <= len(batch.leads) < 5
    assert states() == {"in_flight": len(batch.leads), "pending": 5 - len(batch.leads)}
    assert all(len(lead.fields["message"]) < 100_000 for lead in batch.leads)
    flow.give_back(held.claim_id, is_lost=False)
    work()
    assert states() == {"settled": 5}


def test_a_claim_that_was_taken_back_reads_and_settles_nothing():
    store(3)
    stale = claim(lease_seconds=-1)
    with transaction() as connection:
        assert events.sweep_leases(connection) == {"bulk": 3}
    current = claim(limit=1)
    leads = [lead_of(one) for one in stale.event_ids]
    with transaction() as connection:
        assert events.read_claimed(connection, stale) == []
        assert events.settle_events(connection, stale.claim_id, leads) == set()
        suppressed = [Suppressed(one, "test") for one in stale.event_ids]
        assert events.suppress_events(connection, stale.claim_id, suppressed) == set()
        parked = [Parked(one, Stage.MAP_FIELDS, "code", "message") for one in stale.event_ids]
        assert quarantine.park_events(connection, stale.claim_id, parked) == set()
        assert events.settle_events(connection, current.claim_id, leads) == set(current.event_ids)
    assert states() == {"pending": 2, "settled": 1}


def test_settling_twice_changes_nothing_more():
    (event_id,) = store(1)
    held = claim()
    person_id = new_id()
    with transaction() as connection:
        assert events.settle_events(connection, held.claim_id, [lead_of(event_id, person_id)]) == {event_id}
        assert events.settle_events(connection, held.claim_id, [lead_of(event_id, new_id())]) == set()
    assert column("person_id", event_id) == person_id
    assert column("mapping_version", event_id) == "web_form@1+0123abcd"
    assert column("channel", event_id) == "Direct"


def test_a_suppressed_event_keeps_its_reason():
    (event_id,) = store(1)
    held = claim()
    with transaction() as connection:
        events.suppress_events(connection, held.claim_id, [Suppressed(event_id, "spam")])
    assert (column("state", event_id), column("reason", event_id)) == ("suppressed", "spam")


def test_a_lost_batch_comes_back_in_halves_until_its_poison_stands_alone():
    ids = store(8)
    poison = ids[5]
    sizes = []
    while (held := claim(limit=8, lease_seconds=-1)) and len(sizes) < 20:
        sizes.append(len(held.event_ids))
        with transaction() as connection:
            if poison in held.event_ids:
                events.sweep_leases(connection)
                events.quarantine_lost(connection, after=3)
            else:
                events.settle_events(connection, held.claim_id, [lead_of(one) for one in held.event_ids])
    # 8, its halves, the halves of the poisonous one and so on; the last one three times, as that is what parks it.
    assert sorted(sizes) == [1, 1, 1, 1, 2, 2, 4, 4, 8]
    assert states() == {"settled": 7, "quarantined": 1}
    with transaction() as connection:
        (row,) = quarantine.list_quarantine(connection)
    assert (row.event_id, row.code, row.stage) == (poison, "worker_lost", "unknown")


def test_an_event_that_halving_left_alone_is_not_parked_for_the_losses_of_its_company():
    store(3)
    lone: Counter[UUID] = Counter()
    parked = 0
    while not parked:  # workers are killed whatever they hold
        held = claim(limit=3, lease_seconds=-1)
        lone.update(held.event_ids if len(held.event_ids) == 1 else ())
        with transaction() as connection:
            events.sweep_leases(connection)
            parked = events.quarantine_lost(connection, after=3)
        assert parked == (max(lone.values(), default=0) == 3)


def test_a_claim_of_lost_events_never_mixes_two_former_batches():
    first, second = store(4), store(4)
    for _ in range(2):
        claim(limit=4, lease_seconds=-1)
    with transaction() as connection:
        events.sweep_leases(connection)
    store(4)
    halves = [claim(limit=8).event_ids for _ in range(4)]
    assert sorted(map(tuple, halves)) == sorted(map(tuple, (first[:2], first[2:], second[:2], second[2:])))
    assert len(claim(limit=8).event_ids) == 4  # only then the fresh ones


def test_a_claim_given_back_unharmed_is_fresh_again():
    ids = store(4)
    held = claim()
    with transaction() as connection:
        assert events.release_claim(connection, held.claim_id, lost=False) == 4
    assert claim().event_ids == ids


def test_a_claim_given_back_as_lost_counts_a_loss():
    ids = store(4)
    held = claim()
    with transaction() as connection:
        events.release_claim(connection, held.claim_id, lost=True)
    assert column("losses", ids[0]) == 1
    assert claim().event_ids == ids[:2]


def test_a_lease_that_has_not_run_out_is_not_swept():
    store(1)
    claim(lease_seconds=60)
    with transaction() as connection:
        assert events.sweep_leases(connection) == {}


def test_batches_under_way_are_counted_by_claim_and_lane():
    store(6)
    store(2, lane="hot")
    for _ in range(3):
        claim(limit=2)
    claim("hot")
    with transaction() as connection:
        assert events.count_in_flight_batches(connection, "bulk") == 3
        assert events.count_in_flight_batches(connection, "hot") == 1


def unproven(count: int, *, lane: str = "hot") -> list[UUID]:
    with transaction() as connection:
        new = [replace(new_event(lane=lane), unproven=True) for _ in range(count)]
        return [receipt.event_id for receipt in events.insert_events(connection, new)]


def test_a_flood_of_what_nobody_proved_leaves_the_better_part_of_a_claim_to_what_came_after_it_with_a_proof():
    flood = unproven(500)
    proven = store(100, lane="hot")
    assert set(claim("hot", limit=40).event_ids) == {*flood[:10], *proven[:30]}
    assert set(claim("hot", limit=40).event_ids) == {*flood[10:20], *proven[30:60]}


def test_what_one_kind_does_not_use_of_a_claim_the_other_gets():
    flood = unproven(60)
    proven = store(5, lane="hot")
    assert set(claim("hot", limit=40).event_ids) == {*proven, *flood[:35]}
    assert set(claim("hot", limit=40).event_ids) == set(flood[35:])
    assert claim("hot", limit=40) is None
    alone = store(50, lane="hot")
    assert set(claim("hot", limit=40).event_ids) == set(alone[:40])


def test_both_kinds_are_counted_as_waiting():
    unproven(2)
    store(3, lane="hot")
    with transaction() as connection:
        assert leases.oldest_pending(connection)["hot"][0] == 5


def test_waiting_events_are_counted_fresh_and_lost_alike():
    ids = store(3)
    claim(limit=2, lease_seconds=-1)
    with transaction() as connection:
        events.sweep_leases(connection)
        waiting = events.oldest_pending(connection)
    assert set(waiting) == {"bulk"}
    assert waiting["bulk"] == (3, column("received_at", ids[0]))


def test_what_only_one_event_of_a_batch_has_stays_that_one_s():
    plain, other = (replace(new_event(key), occurred_at=None) for key in "ac")
    dated = replace(new_event("b"), occurred_at=NOON, revised_at=NOON, contact=b"whoever!")
    with transaction() as connection:
        events.insert_events(connection, [plain, dated, other])
        rows = connection.exec_driver_sql("SELECT event_id, occurred_at, revised_at, contact FROM events ORDER BY 1")
        found = {
            event_id: (occurred_at, revised_at, contact and bytes(contact))
            for event_id, occurred_at, revised_at, contact in rows
        }
    assert found == {
        plain.event_id: (None, None, None),
        dated.event_id: (NOON, NOON, b"whoever!"),
        other.event_id: (None, None, None),
    }


def test_a_batch_of_any_size_looks_for_its_mapping_s_file_as_often():
    """A look at the disk for each lead was a tenth of what an import cost."""

    def looks(count: int) -> int:
        store(count)
        work_claim = claim(limit=count)
        seen = 0

        def count_looks(_frame: object, happened: str, function: object) -> None:
            nonlocal seen
            seen += happened == "c_call" and function is os.stat

        sys.setprofile(count_looks)
        try:
            batch = flow.map_claim(work_claim)
        finally:
            sys.setprofile(None)
        assert len(batch.leads) + len(batch.parked) == count
        return seen

    looks(1)  # rules are read at first use
    assert looks(20) == looks(1) > 0
