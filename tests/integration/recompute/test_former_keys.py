"""A version of the program that makes other keys of evidence files all of it anew, and nobody becomes two meanwhile.

The version before is one whose every key was another number.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress

import pytest

from pipeline import flow
from pipeline.errors import TransientError
from pipeline.health.service_checks import check_database
from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.identity.matching.rules import identity_rules
from pipeline.lanes import LANES
from pipeline.recompute import people as recompute_people
from pipeline.recompute.former_keys import refile_keys
from pipeline.records import Batch
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.identity import blocks
from tests.support.command_line import capture, run, work
from tests.support.identity_rows import leads, owner, people, rows, stored
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence

pytestmark = pytest.mark.usefixtures("database")

ADA = {"full_name": "Ada Sample", "email": "ada@sample.example", "phone": "+34 612 345 001"}
ADA_BY_PHONE = {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
BEA = {"full_name": "Bea Fulano", "email": "bea@fulano.example", "phone": "+34 612 345 001"}
KEYS = "SELECT key, evidence_id FROM evidence_keys ORDER BY 1, 2"


class Killed(BaseException):
    pass


def filed_before() -> None:
    """As if a version before had filed all evidence."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE filed_versions SET version = %s", (KEYS_VERSION - 1,))
        connection.exec_driver_sql("UPDATE evidence_keys SET key = key / 2")
        connection.exec_driver_sql("INSERT INTO shared_keys (key, names) SELECT key, 3 FROM evidence_keys LIMIT 1")


def claim() -> Batch:
    claimed = next(filter(None, map(flow.claim_batch, LANES)))
    return flow.normalize_batch(flow.map_claim(claimed))


def assert_all_is_well() -> None:
    assert rows("SELECT * FROM unfinished_upgrades") == []
    assert rows("SELECT name, version FROM filed_versions") == [("keys", KEYS_VERSION)]
    assert rows("SELECT key FROM shared_keys EXCEPT SELECT key FROM evidence_keys") == []
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")


def test_after_it_evidence_is_found_by_its_keys_of_now_and_by_no_others():
    ada, bea = leads(ADA, BEA)
    keys, before = rows(KEYS), stored()
    filed_before()
    recompute_people.finish_upgrade()
    assert rows(KEYS) == keys
    assert stored() == before
    (event,) = capture(ADA_BY_PHONE)
    work()
    assert owner(event) == ada
    assert people().keys() == {ada, bea}
    assert_all_is_well()


def test_leads_wait_until_it_is_done():
    (ada,) = leads(ADA)
    filed_before()
    (event,) = capture(ADA_BY_PHONE)
    batch, keys = claim(), rows(KEYS)
    with pytest.raises(TransientError, match="afluente migrate"):
        flow.deduplicate_batch(batch)
    assert rows(KEYS) == keys
    assert [check.ok for check in check_database(settings()) if check.name == "migrations"] == [False]
    flow.give_back(batch.claim_id, is_lost=False)
    assert run("migrate", "--check").returncode == 1
    assert run("migrate").returncode == 0
    assert run("migrate", "--check").returncode == 0
    work()
    assert owner(event) == ada
    assert_all_is_well()


def test_evidence_that_has_no_person_yet_is_filed_as_well():
    leads(ADA)
    _, other = capture(ADA_BY_PHONE, BEA)
    flow.deduplicate_batch(claim())
    rows("UPDATE evidence SET person_id = NULL, component = evidence_id WHERE evidence_id IN"
         " (SELECT evidence_id FROM evidence_events WHERE event_id = %s) RETURNING 1", other)  # fmt: skip
    keys = rows(KEYS)
    filed_before()
    assert refile_keys(pieces_at_once=1) == 3
    assert rows(KEYS) == keys
    assert refile_keys() == 0


def test_a_worker_of_the_version_before_does_not_go_on_with_what_it_filed(monkeypatch):
    leads(ADA)
    capture(ADA_BY_PHONE)
    batch, begun = claim(), []

    @contextmanager
    def overtaken(**options):
        if begun:  # between filing evidence and finding its person
            rows("UPDATE filed_versions SET version = version + 1 RETURNING 1")
        begun.append(1)
        with transaction(**options) as connection:
            yield connection

    monkeypatch.setattr(flow, "transaction", overtaken)
    with pytest.raises(TransientError, match="afluente migrate"):
        flow.deduplicate_batch(batch)
    assert len(begun) == 2
    assert rows("SELECT count(*) FROM evidence WHERE person_id IS NULL") == [(1,)]


def test_whoever_files_evidence_is_waited_for():
    """Else evidence could be filed by keys of before when all of it was filed anew already."""
    leads(ADA)
    filed_before()
    with transaction() as connection:
        connection.exec_driver_sql("SELECT hold_filed_keys(%s)", (KEYS_VERSION - 1,))
        with transaction() as other:
            held = other.exec_driver_sql("SELECT pg_try_advisory_xact_lock(415022, 3)").scalar()
    assert not held


@pytest.mark.parametrize("kill_at", range(1, 8))
def test_killed_at_any_commit_and_run_again_it_comes_to_the_same(kill_at):
    leads(ADA, BEA, ADA_BY_PHONE)
    keys, before = rows(KEYS), stored()
    filed_before()
    seen = 0

    def count(*_):
        nonlocal seen
        seen += 1
        if seen == kill_at:
            raise Killed

    with suppress(Killed):
        refile_keys(pieces_at_once=1, on_progress=count)
        recompute_people.recompute_people(pieces_at_once=1, on_progress=count)
    assert rows("SELECT count(*) FROM unfinished_upgrades") == [(1,)]
    recompute_people.finish_upgrade()
    assert rows(KEYS) == keys
    assert stored() == before
    assert_all_is_well()


def test_short_names_added_since_find_people_of_before_once_these_are_found_anew():
    leads(ADA)
    keys = rows(KEYS)
    rows("DELETE FROM evidence_keys WHERE key = (SELECT min(key) FROM evidence_keys) RETURNING 1")
    recompute_people.recompute_people(is_dry_run=True)
    assert len(rows(KEYS)) == len(keys) - 1
    recompute_people.recompute_people()
    assert rows(KEYS) == keys
    assert_all_is_well()


def test_a_key_left_over_from_evidence_that_is_gone_is_nobodys():
    leads(ADA)
    ((key,),) = rows("SELECT min(key) FROM evidence_keys")
    rows("INSERT INTO evidence_keys SELECT %s, gen_random_uuid() RETURNING 1", key)
    with transaction() as connection:
        mates, crowded = blocks.read_blocks(connection, [key], most=9)
        assert len(mates) == 1
        assert crowded == set()
        assert blocks.read_blocks(connection, [key], most=1) == ([], {key})
