"""Many people, changed twice while they are sent, a tenth of the calls spoiled in every way, workers killed at random:
in the end one record each, with the last that is known of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time

import pytest

from pipeline.delivery.sender import deliver
from pipeline.store.deliveries.deliveries import sweep_deliveries
from pipeline.store.engine import transaction
from pipeline.store.people.people import write_people
from tests.integration.delivery.test_each_crm_faults import KINDS, TOLD_BY_PLACE, opened_account
from tests.integration.delivery.test_sender import make_people, profile_of, rows, states, want
from tests.support.faulty_line import FAULTS

pytestmark = pytest.mark.long

WORKERS = 2
SUBMISSIONS = 3
PEOPLE = {"salesforce": 10_000}
OTHERS = 1_000  # of the kinds that are slower or share what was shown of the first
LONGEST_SECONDS = 240.0
_CHUNK = 2_000
_KILL_EVERY_SECONDS = 2.0
_SLOW = {"late_answer", "429_alone", "409_for_the_batch"}  # half a minute's wait each, over and over: shown one by one
_REACH = "SELECT count(*) FROM deliveries WHERE state IN ('due', 'in_flight')"


def work() -> None:
    """A worker: sends what is due until it is killed."""
    while True:
        deliver("crm", "bulk", budget_seconds=5.0)
        time.sleep(0.05)


class Workers:
    """Processes that send, of which one is killed at each submission and every two seconds, another in its place."""

    def __init__(self) -> None:
        self._dice = random.Random(11)
        self._made = multiprocessing.get_context("spawn")
        self.killed = 0
        self._running = [self._start() for _ in range(WORKERS)]
        self._next = time.monotonic() + 2 * _KILL_EVERY_SECONDS

    def _start(self):
        process = self._made.Process(target=work, daemon=True)
        process.start()
        return process

    def kill_when_it_is_time(self) -> None:
        if time.monotonic() >= self._next:
            self.kill()

    def kill(self) -> None:
        place = self._dice.randrange(WORKERS)
        self._end(self._running[place])
        self.killed += 1
        self._running[place] = self._start()
        self._next = time.monotonic() + _KILL_EVERY_SECONDS * (1 + self._dice.random())

    def end(self) -> None:
        for process in self._running:
            self._end(process)

    @staticmethod
    def _end(process) -> None:
        process.kill()
        process.join()


def submit_again(people, number: int) -> None:
    """Another submission of everybody: another company."""
    for begin in range(0, len(people), _CHUNK):
        chunk = people[begin : begin + _CHUNK]
        for person in chunk:
            person.version += 1
            person.is_new = False
            person.profile.fields.update(profile_of({"company": f"Bramblewick {number}"}).fields)
        with transaction() as connection:
            write_people(connection, chunk)
        want(chunk)


def take_back_what_the_killed_had() -> None:
    """As the sweep does once a lease ran out; here from its last 20 seconds on, as they would only be waited for."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET lease_until = now() - interval '1 s'"
            " WHERE state = 'in_flight' AND lease_until < now() + interval '20 s'"
        )
        sweep_deliveries(connection, max_attempts=1_000)


def left() -> int:
    with transaction() as connection:
        return connection.exec_driver_sql(_REACH).scalar_one()


@pytest.mark.timeout(LONGEST_SECONDS + 60)
@pytest.mark.parametrize("kind", KINDS)
def test_many_people_changed_twice_under_faults_and_kills_end_as_one_record_each(
    kind, database, redis_client, tmp_path, monkeypatch
):
    begun = time.monotonic()
    count = PEOPLE.get(kind, OTHERS)
    with opened_account(kind, tmp_path, monkeypatch, redis_client, batch_size=100) as account:
        faults = set(FAULTS) - _SLOW - ({"other_order"} if kind in TOLD_BY_PLACE else set())
        account.order(*sorted(faults), rate=0.1)
        people = make_people(count)
        with contextlib.ExitStack() as ending:
            workers = Workers()
            ending.callback(workers.end)
            submission = 2
            while left() or submission <= SUBMISSIONS:
                assert time.monotonic() - begun < LONGEST_SECONDS, states()
                if submission <= SUBMISSIONS and left() < count * 2 // 3:
                    workers.kill()  # in the middle: a third of them has been sent
                    submit_again(people, submission)
                    submission += 1
                workers.kill_when_it_is_time()
                take_back_what_the_killed_had()
                account.end_waits()
                time.sleep(0.2)
        assert workers.killed
        assert account.line.struck
        assert states() == {"sent": count}
        assert account.keys() == sorted(str(person.person_id) for person in people)
        assert {tuple(row) for row in rows("wanted_version, sent_version")} == {(SUBMISSIONS, SUBMISSIONS)}
        assert account.companies() == {f"Bramblewick {SUBMISSIONS}"}
