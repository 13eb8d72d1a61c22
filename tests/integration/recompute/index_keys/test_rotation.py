"""People are found by a new key of the index while leads come in: the same people, and nobody who was erased."""

from __future__ import annotations

import threading

import pytest

from pipeline import flow
from pipeline.errors import RefusedError, UsageError
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.rules import identity_rules
from pipeline.lanes import LANES
from pipeline.privacy import erasure
from pipeline.privacy.subjects import Asked
from pipeline.privacy.suppression import suppress_address
from pipeline.recompute import index_rotation
from pipeline.recompute.index_rotation import index_key_use, rotate
from pipeline.recompute.people import recompute_people
from pipeline.store.engine import count_statements, transaction
from pipeline.store.identity import blocks
from pipeline.store.keys import index_keys, rotating
from tests.integration.identity.test_activities import joined, registered, took
from tests.support.command_line import capture, work
from tests.support.identity_rows import owner, rows, stored
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

KEYS = "SELECT coalesce(generation, 0), count(*) FROM evidence_keys GROUP BY 1 ORDER BY 1"


class Killed(BaseException):
    pass


def person(number: int, **more: object) -> dict[str, object]:
    return {
        "full_name": f"Ada Sample{number}",
        "email": f"ada{number}@sample.example",
        "phone": f"+34 612 34 {number // 100:02} {number % 100:02}",
        **more,
    }


def again(number: int, word: str = "again") -> dict[str, object]:
    """The same with something else: evidence of its own, which only the address brings together with what was filed."""
    name, email, _ = person(number).values()
    return {"full_name": name, "email": email, "other_emails": [f"{word}{number}@sample.example"]}


def switchboard(number: int) -> dict[str, object]:
    """Somebody whose telephone several have."""
    return {"full_name": f"Bea Fulano{number}", "email": f"bea{number}@fulano.example", "phone": "+34 912 345 678"}


def file(*records: dict[str, object]) -> list:
    event_ids = capture(*records)
    work()
    return [owner(event_id) for event_id in event_ids]


def claimed():
    claim = next(filter(None, map(flow.claim_batch, LANES)))
    return flow.normalize_batch(flow.map_claim(claim))


def assert_people_are_sound() -> None:
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")
    assert rows("SELECT key FROM shared_keys EXCEPT SELECT key FROM evidence_keys") == []


def test_everybody_is_found_by_the_new_key_alone_and_is_who_they_were():
    owners = file(*(person(number) for number in range(40)), *(switchboard(number) for number in range(6)))
    before, counted, shared = stored(), rows(KEYS), rows("SELECT names FROM shared_keys ORDER BY 1")
    numbers = rows("SELECT key FROM evidence_keys")
    done = rotate(rows_at_once=7)
    assert done.done["file evidence"] == 46
    assert rows(KEYS) == [(1, counted[0][1])]
    assert rows("SELECT names FROM shared_keys ORDER BY 1") == shared
    assert not {row[0] for row in numbers} & {row[0] for row in rows("SELECT key FROM evidence_keys")}
    assert stored() == before
    assert_people_are_sound()
    assert file(*(again(number) for number in range(40)), *map(switchboard, range(6))) == owners
    assert {generation for generation, _ in rows(KEYS)} == {1}


def test_finding_all_people_anew_after_it_changes_nobody():
    file(*(person(number) for number in range(12)), *(switchboard(number) for number in range(6)))
    rotate()
    before = stored()
    found = recompute_people()
    assert (found.joined, found.parted, found.moved) == (0, 0, 0)
    assert stored() == before


def test_leads_between_any_two_pages_find_their_people():
    owners = file(*(person(number) for number in range(20)), *(switchboard(number) for number in range(6)))
    found, asked = [], []

    def come(step: str, _rows: int) -> None:
        asked.append(step)
        if asked.count(step) > 4:
            return
        number = len(found)
        found.append(file(again(number), person(100 + number)))

    rotate(rows_at_once=5, on_progress=come)
    assert {"file evidence", "drop evidence_keys"} <= set(asked)
    assert [known for known, _ in found] == owners[: len(found)]
    assert len({new for _, new in found}) == len(found)
    assert file(*(again(100 + number) for number in range(len(found)))) == [new for _, new in found]
    assert {generation for generation, _ in rows(KEYS)} == {1}
    assert_people_are_sound()


def test_leads_filed_before_the_keys_change_places_and_resolved_after_it_make_nobody_a_second_person():
    (ada,) = file(person(1))
    (event_id,) = capture(again(1))
    batch = claimed()
    cache = EvidenceCache()
    filed = flow._file(batch, cache)
    rotate()
    with transaction() as connection:
        flow.upgrades.require_finished(connection, flow.KEYS_VERSION)
        resolved = flow.resolve_people(connection, batch.lane, filed, cache=cache)
    assert set(resolved.owners.values()) == {ada}
    flow.give_back(batch.claim_id, is_lost=False)
    work()
    assert owner(event_id) == ada
    assert_people_are_sound()


def test_killed_at_any_page_and_called_again_it_comes_to_the_same():
    file(*(person(number) for number in range(6)), *(switchboard(number) for number in range(3)))
    before, (counted,) = stored(), rows(KEYS)
    killed, is_over = 0, False

    def kill(_step: str, _rows: int) -> None:
        raise Killed

    while not is_over:
        try:
            rotate(rows_at_once=10, on_progress=kill, is_new=not killed)
            is_over = True
        except Killed:
            killed += 1
            index_keys._known.cache_clear()  # as the next process would
    assert killed > 8
    assert rows(KEYS) == [(1, counted[1])]
    assert rows("SELECT state FROM index_keys ORDER BY generation") == [("kept",), ("current",)]
    assert stored() == before
    assert_people_are_sound()
    with pytest.raises(UsageError, match="no rotation was begun"):
        rotate(is_new=False)


def test_a_batch_costs_as_many_statements_while_both_keys_are_in_force_as_before():
    file(person(1))

    def statements(number: int) -> int:
        capture(person(number))
        batch = claimed()
        with count_statements() as seen:
            flow.deduplicate_batch(batch)
        flow.give_back(batch.claim_id, is_lost=False)
        return seen.count

    counted = [statements(2)]

    def count(step: str, _rows: int) -> None:
        if step == "file evidence":
            statements(50 + len(counted))  # reads the keys, once
            counted.append(statements(80 + len(counted)))

    rotate(on_progress=count)
    statements(90)
    assert set(counted) | {statements(91)} == {counted[0]}


def test_each_value_is_looked_up_by_one_number_also_while_both_keys_are_in_force():
    file(person(1))
    asked: dict[str, list[int]] = {}

    def look(step: str, _rows: int) -> None:
        (event_id,) = capture(person(10 + len(asked)))
        with pytest.MonkeyPatch.context() as patch:
            read_blocks = blocks.read_blocks
            patch.setattr(
                blocks,
                "read_blocks",
                lambda connection, keys, *, most: (
                    asked.setdefault(step, []).append(len(keys)) or read_blocks(connection, keys, most=most)
                ),
            )
            work()
        assert owner(event_id)

    look("before", 0)
    rotate(on_progress=look)
    assert len(asked) > 2
    assert len({count for counts in asked.values() for count in counts}) == 1


def test_what_is_told_of_somebody_who_comes_only_after_it_finds_them():
    told = capture(*(joined(f"ada{number}") for number in range(5)), source="zoom_webinar")
    work()
    assert {took(event_id)[1] for event_id in told} == {"nobody_yet"}
    between = []

    def tell(step: str, _rows: int) -> None:
        if step == "file activities" and len(between) < 3:
            between.extend(capture(joined(f"eve{len(between)}"), source="zoom_webinar"))
            work()

    rotate(rows_at_once=2, on_progress=tell)
    assert rows("SELECT DISTINCT generation FROM activity_keys") == [(1,)]
    names = [*(f"ada{number}" for number in range(5)), *(f"eve{number}" for number in range(len(between)))]
    leads = capture(*map(registered, names), source="zoom_webinar")
    work()
    assert [took(event_id)[2] for event_id in [*told, *between]] == [owner(event_id) for event_id in leads]
    assert rows("SELECT * FROM activity_keys") == []


def test_a_second_rotation_takes_the_place_of_the_first_and_an_unneeded_key_can_be_dropped():
    owners = file(*(person(number) for number in range(5)))
    first = index_keys.known().current.key_id
    middle = rotate().key_id
    last = rotate().key_id
    assert file(*(again(number) for number in range(5))) == owners
    use = {key.key_id: key for key in index_key_use()}
    assert {key_id: use[key_id].state for key_id in (first, middle, last)} == {
        first: "kept",
        middle: "kept",
        last: "current",
    }
    assert (use[middle].is_droppable, use[middle].digests) == (True, {})
    with pytest.raises(RefusedError, match="people are looked up by it"):
        index_rotation.drop_key(last)
    with pytest.raises(RefusedError, match="named by it"):
        index_rotation.drop_key(first)
    index_rotation.drop_key(middle)
    assert {key.key_id for key in index_key_use()} == {first, last}
    assert file(*(again(number, "once") for number in range(5))) == owners
    rotate()
    assert file(*(again(number, "last") for number in range(5))) == owners


def test_two_runs_at_once_are_one_too_many():
    file(person(1))

    def another(_step: str, _rows: int) -> None:
        with pytest.raises(RefusedError, match="another"):
            rotate()

    rotate(on_progress=another)


def test_it_waits_for_whoever_files_and_they_find_their_people():
    (ada,) = file(person(1))
    began, go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction() as connection:
            index_keys.hold(connection)
            began.set()
            go.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    began.wait(20)
    with transaction() as connection:
        assert not connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(415022, 3)").scalar_one()
    go.set()
    holder.join()
    rotate()
    assert file(again(1)) == [ada]


def test_erased_people_stay_out_and_their_key_stays():
    file(person(1), person(2))
    request = erasure.erase(Asked(email="ada1@sample.example"), by="somebody")
    erasure.advance(request.request_id)
    first = index_keys.known().current.key_id
    rotate()
    events = capture(person(1), {"phone": person(1)["phone"]}, again(2))
    work()
    said = [rows("SELECT state, reason FROM events WHERE event_id = %s", event_id)[0] for event_id in events]
    assert said == [("suppressed", "erased"), ("suppressed", "erased"), ("settled", None)]
    use = {key.key_id: key for key in index_key_use()}
    assert use[first].state == "kept"
    assert use[first].digests == {"suppressions": 2, "ledger": 2}
    with pytest.raises(RefusedError, match="named by it"):
        index_rotation.drop_key(first)


def test_a_key_that_suppressions_or_the_ledger_need_is_not_dropped():
    file(person(1))
    rotate()
    erasure.erase(Asked(email="ada1@sample.example"), by="somebody")
    middle = index_keys.known().current.key_id
    rotate()
    with pytest.raises(RefusedError, match="2 in ledger, 2 in suppressions"):
        index_rotation.drop_key(middle)
    with pytest.raises(UsageError, match="no key of the index has the id"):
        index_rotation.drop_key("00000000")
    (event_id,) = capture(person(1))
    work()
    assert rows("SELECT reason FROM events WHERE event_id = %s", event_id) == [("erased",)]


def test_who_is_erased_between_any_two_pages_stays_out():
    file(*(person(number) for number in range(12)))
    erased = []

    def erase(_step: str, _rows: int) -> None:
        if len(erased) < 12:
            email = f"ada{len(erased)}@sample.example"
            erasure.erase(Asked(email=email), by="somebody")
            erased.append(email)

    rotate(rows_at_once=4, on_progress=erase)
    assert len(erased) > 5
    events = capture(*({"email": email} for email in erased))
    work()
    assert {row for event_id in events for row in rows("SELECT reason FROM events WHERE event_id = %s", event_id)} == {
        ("erased",)
    }
    assert rows("SELECT key FROM evidence_keys k WHERE NOT EXISTS (SELECT FROM evidence e"
                " WHERE e.evidence_id = k.evidence_id)") == []  # fmt: skip
    assert rows("SELECT key FROM shared_keys EXCEPT SELECT key FROM evidence_keys") == []


def test_an_objection_of_somebody_who_is_known_comes_under_the_new_key():
    file(person(1))
    suppress_address(Asked(email="ada1@sample.example"), reason="objection")
    rotate()
    assert rows("SELECT length(digest), reason FROM suppressions") == [(20, "objection")]
    (event_id,) = capture(again(1))
    work()
    assert rows("SELECT reason FROM events WHERE event_id = %s", event_id) == [("no_consent",)]
    assert suppress_address(Asked(email="ada1@sample.example"), reason="objection", lift=True) == 1


def test_a_key_comes_once():
    file(person(1))
    with transaction() as connection:
        rotating.let_come(connection, rotating.hold_alone(connection))
    forget_caches()
    assert len(index_keys.known().filed) == 2
    (ada,) = file(again(1))
    assert rotate(is_new=True).done["file evidence"] >= 1
    assert len(index_keys.known().all) == 2
    assert file(again(1, "more")) == [ada]
