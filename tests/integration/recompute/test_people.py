"""The rules of who is who change: everybody follows. Killed, repeated, in any batches, beside workers, too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from benchmarks.identity import read_leads, stream
from pipeline.identity import resolution
from pipeline.identity.decisions import Decision
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.merges import reject_review
from pipeline.recompute.people import recompute_people
from tests.support.command_line import capture, work
from tests.support.identity_rows import leads, people, rows, stored, waiting
from tests.support.paths import IDENTITY_DEV
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence

pytestmark = pytest.mark.usefixtures("database")

MARRIED = [
    {"full_name": "Ada Sample", "phone": "+34 612 345 001"},
    {"full_name": "Ada Muster", "phone": "+34 612 345 001"},
]


@pytest.fixture
def rules(monkeypatch):
    """Puts other rules in force."""

    def change(**changes):
        changed = msgspec.structs.replace(identity_rules(), **changes)
        monkeypatch.setattr(resolution, "identity_rules", lambda: changed)
        return changed

    return change


def everything():
    return stored() | {"reviews": {one.people for one in waiting()}}


def test_rules_that_ask_less_join_people_and_the_old_rules_part_them_again(rules):
    ada, other = leads(*MARRIED)
    before = everything()
    new = rules(same=8)
    done = recompute_people()
    assert (done.pieces, done.joined, done.parted) == (2, 1, 0)
    assert people().keys() == {ada}
    assert waiting() == []
    assert_people_are_those_of_all_evidence("default", new)
    old = rules(same=9)
    done = recompute_people()
    assert (done.pieces, done.joined, done.parted) == (2, 0, 1)
    assert everything() == before
    assert_people_are_those_of_all_evidence("default", old)
    assert rows("SELECT person_id, other_id, action FROM identity_log WHERE decided_by = 'recompute' ORDER BY id") == [
        (ada, other, "merged"),
        (ada, other, "split"),
    ]


def test_a_dry_run_tells_what_would_change_and_changes_nothing(rules):
    leads(*MARRIED, {"full_name": "Bea Fulano", "email": "bea@fulano.example"})
    before, log = everything(), rows("SELECT count(*) FROM identity_log")
    shared, versions = rows("SELECT * FROM shared_keys"), rows("SELECT person_id, version FROM people ORDER BY 1")
    rules(same=8)
    done = recompute_people(is_dry_run=True, pieces_at_once=1)
    assert (done.pieces, done.joined, done.parted, done.moved) == (3, 1, 0, 1)
    assert everything() == before
    assert rows("SELECT count(*) FROM identity_log") == log
    assert rows("SELECT * FROM shared_keys") == shared
    assert rows("SELECT person_id, version FROM people ORDER BY 1") == versions
    recompute_people()
    rules(same=9)
    done = recompute_people(is_dry_run=True)
    assert (done.joined, done.parted, done.moved) == (0, 1, 1)


def test_what_changed_is_wanted_at_the_crm(rules):
    ada, _ = leads(*MARRIED)
    before = dict(rows("SELECT person_id, wanted_version FROM deliveries"))
    rules(same=8)
    recompute_people()
    after = dict(rows("SELECT person_id, wanted_version FROM deliveries"))
    assert after[ada] > before[ada]
    assert rows("SELECT version FROM people WHERE person_id = %s", ada) == [(after[ada],)]


def test_what_humans_said_outlasts_new_rules(rules):
    leads(*MARRIED)
    reject_review(waiting()[0].review_id, Decision("vera"))
    before = everything()
    rules(same=1, review=1)
    done = recompute_people()
    assert (done.joined, done.parted) == (0, 0)
    assert everything() == before


def test_shared_addresses_and_numbers_are_counted_anew(rules):
    leads(*MARRIED)
    noted = rows("SELECT key, names FROM shared_keys ORDER BY 1")
    assert [names for _, names in noted] == [2]
    rows("UPDATE shared_keys SET names = 3 RETURNING 1")
    recompute_people()
    assert rows("SELECT key, names FROM shared_keys ORDER BY 1") == noted


def test_reviews_are_found_anew_and_those_that_are_none_any_more_forgotten(rules):
    leads(*MARRIED)
    assert len(waiting()) == 1
    rules(review=9)
    recompute_people()
    assert waiting() == []
    rules(review=5)
    recompute_people()
    assert len(waiting()) == 1


@pytest.mark.long
@pytest.mark.parametrize("pieces_at_once", [7, 200])
@pytest.mark.parametrize(
    "changes",
    [{"same": 2, "review": 1}, {"same": 12, "review": 10}, {"crowded": 3}],
)
def test_a_crowd_becomes_what_the_new_rules_make_of_all_evidence_at_once(rules, changes, pieces_at_once):
    """Rules that ask less bind what hung together with nothing; rules that ask more let go of what hung together."""
    stream(read_leads(IDENTITY_DEV)[:700], batch=140)
    before = people()
    new = rules(**changes)
    told = recompute_people(is_dry_run=True, pieces_at_once=pieces_at_once)
    done = recompute_people(pieces_at_once=pieces_at_once)
    assert (told.joined, told.parted) == (done.joined, done.parted)
    assert done.joined + done.parted > 2
    assert_people_are_those_of_all_evidence("default", new)
    assert_all_follows("default")
    after = everything()
    done = recompute_people()
    assert (done.joined, done.parted) == (0, 0)
    assert everything() == after
    rules()
    recompute_people(pieces_at_once=pieces_at_once)
    assert people() == before
    assert_all_follows("default")


class _KilledError(Exception):
    pass


@pytest.mark.long
def test_a_run_that_was_killed_is_run_again(rules):
    leads(*MARRIED, {"full_name": "Bea Fulano", "email": "bea@fulano.example"})
    new = rules(same=8)

    def kill(done, total):
        assert total == 3
        if done.pieces == 1:
            raise _KilledError

    with pytest.raises(_KilledError):
        recompute_people(pieces_at_once=1, on_progress=kill)
    recompute_people(pieces_at_once=1)
    assert_people_are_those_of_all_evidence("default", new)
    assert_all_follows("default")


def test_only_a_brands_people_are_found_anew(rules):
    leads(*MARRIED)
    rules(same=8)
    assert recompute_people(brand="other").pieces == 0
    assert len(people()) == 2
    assert recompute_people(brand="default").joined == 1


@pytest.mark.long
def test_workers_go_on_meanwhile(rules):
    records = [
        {**one, "phone": f"+34 612 {number:03} 7{number:02}", "company": f"Company {more}"}
        for number in range(10)
        for more in range(4)
        for one in MARRIED
    ]
    capture(*records[:40])
    work()
    capture(*records[40:])
    new = rules(same=8)
    begun = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        run = pool.submit(recompute_people, pieces_at_once=3, on_progress=lambda _done, _total: begun.set())
        begun.wait(30)
        pool.submit(work).result(timeout=120)
        run.result(timeout=120)
    assert {state for (state,) in rows("SELECT state FROM events")} == {"settled"}
    recompute_people()
    assert_people_are_those_of_all_evidence("default", new)
    assert_all_follows("default")
