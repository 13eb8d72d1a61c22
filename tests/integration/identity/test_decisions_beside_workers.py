"""Humans join people and take them apart while workers bring in more of the same people: nothing is lost, nobody waits
in a circle, and what comes out is what the evidence and the words say."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import flow
from pipeline.errors import TransientError
from pipeline.identity.decisions import Decision, DecisionRefusedError
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.recompute.people import recompute_people
from pipeline.store.engine import transaction
from pipeline.store.events import events
from tests.support.command_line import capture, work
from tests.support.identity_rows import people, rows, stored
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence

pytestmark = pytest.mark.usefixtures("database")

ME = Decision("vera")
NAMES = ["Ada Sample", "Bea Muster", "Cleo Fulano", "Dora Zola", "Emil Noether", "Fritz Jansen"]


def record(person: int, number: int) -> dict:
    """One of many leads of a person: each says something else of who it is, and hangs together with the others."""
    return {
        "full_name": NAMES[person],
        "email": f"person{person}@example.com",
        "phone": f"+34 612 34{number % 7} 0{person}1",
        "company": f"Company {number}",
        "utm_campaign": f"campaign {number}",
        "consents": [{"purpose": "marketing", "channel": "email", "granted": bool(number % 2)}],
    }


def drain(*, batch: int) -> None:
    """What a worker does until nothing is due, each step again when others were in its way."""
    while True:
        with transaction() as connection:
            claim = events.claim_events(connection, "hot", limit=batch, lease_seconds=600)
        if claim is None:
            return
        made = patiently(lambda claim=claim: flow.map_claim(claim))
        for step in (flow.normalize_batch, flow.deduplicate_batch, flow.attribute_batch, flow.load_batch):
            made = patiently(lambda step=step, made=made: step(made))


def patiently(step):
    for _ in range(50):
        try:
            return step()
        except TransientError:
            continue
    raise AssertionError("fifty times in a row somebody was in the way")


def decide(seed: int, until: threading.Event, done: list[str]) -> None:
    """A human who cannot make up their mind."""
    chance = random.Random(seed)
    while not until.is_set() or len(done) < 20:
        standing = sorted(people())
        try:
            if len(standing) > 1 and chance.random() < 0.5:
                merge_people(*chance.sample(standing, 2), ME)
            else:
                unmerge_person(chance.choice(standing), ME)
            done.append("done")
        except DecisionRefusedError:
            done.append("refused")


@pytest.mark.long
def test_words_beside_workers_lose_nothing_and_end_in_no_deadlock():
    capture(*(record(person, 0) for person in range(len(NAMES))))
    work()
    capture(*(record(number % len(NAMES), number) for number in range(1, 240)))
    until, done = threading.Event(), []
    with ThreadPoolExecutor(5) as pool:
        humans = [pool.submit(decide, seed, until, done) for seed in range(2)]
        workers = [pool.submit(drain, batch=6) for _ in range(3)]
        try:
            for worker in workers:
                worker.result(timeout=120)
        finally:
            until.set()
        for human in humans:
            human.result(timeout=60)
    assert done.count("done") > 5
    assert rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    assert rows("SELECT DISTINCT state FROM events") == [("settled",)]

    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")
    assert rows("SELECT count(*) FROM touches WHERE position = 0") == rows("SELECT count(*) FROM events")
    after = stored()
    done_again = recompute_people()
    assert (done_again.joined, done_again.parted) == (0, 0)
    assert stored() == after
