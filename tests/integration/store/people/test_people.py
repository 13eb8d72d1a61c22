"""People and their evidence: however many workers meet the same person at once, there is one of each."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.identity.filing import file_evidence
from pipeline.identity.resolution import resolve
from pipeline.records import new_id
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from pipeline.store.identity import blocks, evidence_rows
from pipeline.store.keyring import blind_index
from pipeline.store.people import people
from tests.support.store_rows import bump, lead_of, new_person, write_person

pytestmark = pytest.mark.usefixtures("database")

_WORKERS, _ROUNDS, _BATCH, _PEOPLE = 4, 20, 30, 90


def _deduplicate(numbers: list[int]) -> None:
    """What flow.deduplicate_batch does, with a person for each number who has an e-mail and a phone."""
    leads = [
        lead_of(new_id(), email=f"person{number}@example.com", phone=f"+3460{number:07}", city=f"city {new_id()}")
        for number in numbers
    ]
    with transaction(synchronous=False) as connection:
        filed = file_evidence(connection, leads)
    with transaction(synchronous=False) as connection:
        resolve(connection, filed, lambda *_: ())


def _work(seed: int, failures: multiprocessing.Queue) -> None:
    chance = random.Random(seed)
    try:
        for _ in range(_ROUNDS):
            _deduplicate(chance.sample(range(_PEOPLE), _BATCH))
    except TransientError as error:
        failures.put(str(error))


@pytest.mark.long
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
        made, keyed, events = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM people), (SELECT count(DISTINCT person_id) FROM evidence),"
            " (SELECT count(*) FROM evidence_events)"
        ).one()
        person_ids = list(connection.exec_driver_sql("SELECT person_id FROM people").scalars())
        found = people.read_people(connection, person_ids, lock=False)
    assert made == keyed == _PEOPLE
    assert events == _WORKERS * _ROUNDS * _BATCH
    assert all("city" in person.profile.fields for person in found.values())


A, B = UUID(int=1 << 90), UUID(int=2 << 90)


def test_components_are_held_until_the_transaction_ends():
    order = []
    has_begun = threading.Event()

    def second() -> None:
        has_begun.wait()
        with transaction() as connection:
            assert blocks.lock_components(connection, [B, A], is_patient=True)
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        with transaction() as connection:
            assert blocks.lock_components(connection, [A], is_patient=True)
            running = threads.submit(second)
            has_begun.set()
            time.sleep(0.2)
            order.append("first")
        running.result(10)
    assert order == ["first", "second"]


def test_other_components_do_not_wait_and_whoever_does_not_want_to_hears_that_one_is_held():
    with transaction() as first, transaction(timeout_seconds=2) as second:
        assert blocks.lock_components(first, [A], is_patient=True)
        assert blocks.lock_components(second, [B], is_patient=True)
        assert not blocks.lock_components(second, [A, B], is_patient=False)


def _components(count: int, *, of: int = 0) -> list[UUID]:
    """Ids that differ in the eight bytes that are locked."""
    return [UUID(int=(of * 1_000_000 + number) << 64) for number in range(count)]


def _most() -> int:
    """An eighth of the server's lock table."""
    with transaction() as connection:
        return connection.exec_driver_sql(
            "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int"
            " + current_setting('max_prepared_transactions')::int) / 8"
        ).scalar_one()


def _held(connection: Connection) -> int:
    return connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted").scalar()


def test_a_batch_takes_all_its_components_or_where_they_are_too_many_everything_at_once():
    most = _most()
    for count, locks in ((8, 9), (most, most + 1), (most + 1, 1), (30_000, 1)):
        with transaction() as connection:
            assert blocks.lock_components(connection, _components(count), is_patient=True)
            assert _held(connection) == locks


def test_a_batch_that_takes_everything_waits_for_all_others_and_they_for_it():
    many = _components(_most() + 1)
    for small_first in (True, False):
        first_one, second_one = ([A], many) if small_first else (many, [A])
        with transaction() as first, transaction() as second:
            assert blocks.lock_components(first, first_one, is_patient=True)
            assert not blocks.lock_components(second, second_one, is_patient=False)


def test_workers_with_large_batches_fit_into_the_lock_table():
    most = _most()
    together = threading.Barrier(6)

    def lock_many(worker: int) -> int:
        with transaction() as connection:
            blocks.lock_components(connection, _components(most, of=worker + 1), is_patient=True)
            together.wait(30)
            return _held(connection)

    with ThreadPoolExecutor(6) as threads:
        assert max(threads.map(lock_many, range(6))) == 6 * (most + 1)


def test_the_same_evidence_is_stored_once_and_keeps_whoever_it_was_given_first():
    lead, again = (lead_of(new_id(), email="ada.sample@example.com") for _ in range(2))
    with transaction() as connection:
        (evidence_id,) = file_evidence(connection, [lead]).leads
        (before,) = evidence_rows.read_evidence(connection, [evidence_id]).values()
        for _ in range(2):
            assert list(file_evidence(connection, [again]).leads) == [evidence_id]
        assert evidence_rows.read_evidence(connection, [evidence_id, new_id()]) == {evidence_id: before}
        assert evidence_rows.events_of_evidence(connection, [evidence_id]) == {
            evidence_id: sorted([lead.event_id, again.event_id])
        }


def test_people_of_two_brands_have_no_evidence_in_common():
    lead, other = (lead_of(new_id(), email="ada.sample@example.com") for _ in range(2))
    other.brand = "other"
    with transaction() as connection:
        resolved = resolve(connection, file_evidence(connection, [lead, other]), lambda *_: ())
    assert len(set(resolved.owners.values())) == 2


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
    number = blind_index().number("ada.sample@example.com")
    blind_index.cache_clear()
    assert blind_index().number("ada.sample@example.com") == number


def test_a_person_to_send_has_the_golden_fields_and_the_attribution():
    person_id = write_person(email="ada.sample@example.com", company="Analytical Engines")
    with transaction() as connection:
        person = deliveries.read_people_to_send(connection, [person_id])[person_id]
    assert person.values == {"email": "ada.sample@example.com", "company": "Analytical Engines"}
    assert person.attribution["original_source"] is None
    assert person.attribution["touches"] == 0
    assert "ada" not in repr(person)
