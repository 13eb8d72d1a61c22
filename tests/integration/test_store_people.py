"""People and match keys: however many workers meet the same person at once, there is one of each."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import TransientError
from pipeline.records import new_id
from pipeline.store import deliveries, people
from pipeline.store.engine import StoreError, transaction
from pipeline.store.keyring import blind_index
from tests.integration.store_rows import bump, key_of, new_person, write_person

pytestmark = pytest.mark.usefixtures("database")

_WORKERS, _ROUNDS, _BATCH, _PEOPLE = 4, 30, 40, 120


def _deduplicate(numbers: list[int]) -> None:
    """What flow.deduplicate_batch does, with a person for each number who has an e-mail and a phone."""
    wanted = {number: [("default", key_of(str(number), kind)) for kind in ("email", "phone")] for number in numbers}
    keys = [key for both in wanted.values() for key in both]
    with transaction(synchronous=False) as connection:
        people.lock_keys(connection, keys)
        known = people.find_people(connection, keys)
        found = people.read_people(connection, known.values(), lock=True)
        time.sleep(0.001)  # deciding takes a moment
        new_keys = []
        for both in wanted.values():
            if both[0] not in known:
                person = new_person(name="one")
                found[person.person_id] = person
                new_keys += [(brand, key, person.person_id, new_id()) for brand, key in both]
        for person in found.values():
            person.version += not person.is_new
        people.write_people(connection, list(found.values()))
        people.add_match_keys(connection, new_keys)


def _work(seed: int, failures: multiprocessing.Queue) -> None:
    chance = random.Random(seed)
    try:
        for _ in range(_ROUNDS):
            _deduplicate(chance.sample(range(_PEOPLE), _BATCH))
    except TransientError as error:
        failures.put(str(error))


def test_parallel_processes_on_overlapping_keys_make_one_person_each_and_no_deadlock():
    fork = multiprocessing.get_context("fork")  # as Celery's prefork pool does
    failures = fork.Queue()
    workers = [fork.Process(target=_work, args=(seed, failures)) for seed in range(_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * _WORKERS
    assert failures.empty(), failures.get()
    with transaction() as connection:
        made, keyed, versions = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM people), (SELECT count(DISTINCT person_id) FROM match_keys),"
            " (SELECT sum(version) FROM people)"
        ).one()
    assert made == keyed == _PEOPLE
    assert versions == _WORKERS * _ROUNDS * _BATCH  # and no change of one was overwritten by another


def test_keys_are_held_until_the_transaction_ends():
    order = []
    has_begun = threading.Event()

    def second() -> None:
        has_begun.wait()
        with transaction() as connection:
            people.lock_keys(connection, [("default", key_of("b")), ("default", key_of("a"))])
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        with transaction() as connection:
            people.lock_keys(connection, [("default", key_of("a"))])
            running = threads.submit(second)
            has_begun.set()
            time.sleep(0.2)
            order.append("first")
        running.result(10)
    assert order == ["first", "second"]


def test_brands_do_not_wait_for_each_other():
    with transaction() as first, transaction(timeout_seconds=2) as second:
        people.lock_keys(first, [("default", key_of("a"))])
        people.lock_keys(second, [("other", key_of("a"))])


@pytest.mark.parametrize(("keys", "permits"), [(8, 0), (9, 1), (512, 1), (513, 1), (2048, 1), (2049, 3)])
def test_a_large_batch_takes_a_permit_and_all_its_keys(keys, permits):
    # A quarter of the lock table (256 locks for each of 100 connections) has room for three times 2,048 keys.
    with transaction() as connection:
        people.lock_keys(connection, [("default", key_of(str(number))) for number in range(keys)])
        held = connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar_one()
    assert held == keys + permits


def test_more_workers_with_large_batches_than_the_lock_table_holds_take_turns():
    with transaction() as connection:
        quarter = connection.exec_driver_sql(
            "SELECT current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int / 4"
        ).scalar_one()
    per_batch = min(quarter, 2000)

    def lock_many(worker: int) -> int:
        with transaction() as connection:
            keys = [("default", key_of(f"{worker} {number}")) for number in range(per_batch)]
            people.lock_keys(connection, keys)
            time.sleep(0.05)
            return connection.exec_driver_sql(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            ).scalar_one()

    with ThreadPoolExecutor(8) as threads:
        most = max(threads.map(lock_many, range(8)))
    assert per_batch < most <= quarter + 8  # several at once, but no more than there is room for


def test_a_batch_with_more_keys_than_the_server_can_lock_is_refused_so_that_it_is_halved():
    with pytest.raises(StoreError, match="ProgramLimitExceeded"), transaction() as connection:
        people.lock_keys(connection, [("default", key_of(str(number))) for number in range(30_000)])


def test_known_keys_are_found_and_unknown_ones_left_out():
    person_id = write_person(email="ada.sample@example.com")
    known, unknown = ("default", key_of("a")), ("default", key_of("b"))
    with transaction() as connection:
        people.add_match_keys(connection, [(*known, person_id, new_id())])
        assert people.find_people(connection, [unknown, known, ("other", key_of("a"))]) == {known: person_id}
        assert people.find_people(connection, []) == {}


def test_a_key_keeps_its_first_owner():
    owner, thief = write_person(name="a"), write_person(name="b")
    key = ("default", key_of("a"))
    with transaction() as connection:
        people.add_match_keys(connection, [(*key, owner, new_id())])
        people.add_match_keys(connection, [(*key, thief, new_id())])
        assert people.find_people(connection, [key]) == {key: owner}


def test_people_come_back_with_their_profile_opened():
    person = new_person(email="ada.sample@example.com", employee_count=5)
    with transaction() as connection:
        people.write_people(connection, [person])
        found = people.read_people(connection, [person.person_id, new_id()], lock=False)
    person.is_new = False
    assert found == {person.person_id: person}


def test_a_person_changed_by_somebody_else_since_it_was_read_is_not_overwritten():
    person_id = write_person(email="ada.sample@example.com")
    with transaction() as connection:
        stale = people.read_people(connection, [person_id], lock=False)[person_id]
    bump([person_id])
    with pytest.raises(TransientError, match="1 people changed"), transaction() as connection:
        people.write_people(connection, [stale])


def test_every_process_gets_the_same_index_key():
    digest = blind_index().digest("email", "ada.sample@example.com")
    blind_index.cache_clear()
    assert blind_index().digest("email", "ada.sample@example.com") == digest


def test_a_person_to_send_has_the_golden_fields_and_the_attribution():
    person_id = write_person(email="ada.sample@example.com", company="Analytical Engines")
    with transaction() as connection:
        person = deliveries.read_people_to_send(connection, [person_id])[person_id]
    assert person.values == {"email": "ada.sample@example.com", "company": "Analytical Engines"}
    assert person.attribution["original_source"] is None
    assert person.attribution["touches"] == 0
    assert "ada" not in repr(person)
