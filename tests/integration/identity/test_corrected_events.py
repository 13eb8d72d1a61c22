"""A lead that says something else before it is settled, fixed by hand or mapped anew, leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from pipeline import flow, replay
from pipeline.identity.decisions import Decision
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import file_evidence
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.merges import merge_people, reject_review
from pipeline.identity.resolution import resolve
from pipeline.lanes import LANES
from pipeline.records import Batch
from pipeline.store.engine import transaction
from pipeline.store.events import quarantine
from pipeline.store.identity import decisions
from tests.support.command_line import capture, deliver, work
from tests.support.identity_rows import leads, owner, people, rows, waiting
from tests.support.people_checks import (
    assert_all_follows,
    assert_people_are_those_of_all_evidence,
    patiently,
)

pytestmark = pytest.mark.usefixtures("database")

ADA = {"full_name": "Ada Sample", "email": "ada@sample.example"}
BEA = {"full_name": "Bea Fulano", "email": "bea@fulano.example"}
ME = Decision("vera")


def halted(record: dict[str, object], *, after: str = "attribute") -> UUID:
    """The event of a lead that a bug stopped when its person was known already; it is in quarantine."""
    (event_id,) = capture({"occurred_at": "2026-03-02T09:00:00Z", **record})
    batch = flow.deduplicate_batch(claim())
    if after == "attribute":
        batch = flow.attribute_batch(batch)
    assert flow.park_bug(batch, after, RuntimeError())
    return event_id


def fix(event_id: UUID, **values: object) -> None:
    """What `quarantine fix` does; the event waits for a worker then."""
    ((quarantine_id,),) = rows(
        "SELECT quarantine_id FROM quarantine WHERE event_id = %s AND resolution = 'open'", event_id
    )
    with transaction() as connection:
        assert quarantine.set_patch(connection, quarantine_id, values)
        assert quarantine.replay_events(connection, quarantine_ids=[quarantine_id]) == 1


def claim() -> Batch:
    claimed = next(filter(None, map(flow.claim_batch, LANES)))
    return flow.normalize_batch(flow.map_claim(claimed))


def finish(batch: Batch) -> None:
    for step in (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch):
        batch = patiently(step, batch)


def standing() -> set[UUID]:
    return {row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NULL")}


def assert_nothing_is_left_over() -> None:
    """Every piece of evidence has an event and a person, every key and review its evidence, every person something."""
    for table, column in (
        ("evidence_events", "evidence_id"),
        ("evidence_keys", "evidence_id"),
        ("people", "person_id"),
    ):
        strangers = rows(
            f"SELECT {column} FROM {table} t WHERE NOT EXISTS (SELECT FROM evidence e WHERE e.{column} = t.{column})"
            + " AND t.merged_into IS NULL" * (table == "people")
        )
        assert strangers == [], table
    assert rows("SELECT evidence_id FROM evidence EXCEPT SELECT evidence_id FROM evidence_events") == []
    assert rows("SELECT evidence_id FROM evidence WHERE person_id IS NULL") == []
    for table in ("identity_reviews", "identity_decisions"):
        for column in ("one", "other"):
            assert rows(f"SELECT {column} FROM {table} EXCEPT SELECT evidence_id FROM evidence") == [], table
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")


@pytest.mark.parametrize("after", ["dedupe", "attribute"])
def test_a_fixed_lead_keeps_its_person_who_is_all_that_it_says_now(after):
    event_id = halted(ADA, after=after)
    (person_id,) = people()
    fix(event_id, email="ada.sample@sample.example")
    work()
    assert owner(event_id) == person_id
    assert standing() == people().keys() == {person_id}
    assert rows("SELECT person_id FROM deliveries") == [(person_id,)]
    assert_nothing_is_left_over()


def test_whoever_has_leads_only_that_are_not_settled_yet_is_nobody_at_the_crm():
    """A fixed lead may still stop at a later step."""
    event_id = halted(ADA)
    fix(event_id, email="ada.sample@sample.example")
    batch = flow.deduplicate_batch(claim())
    assert rows("SELECT * FROM deliveries") == []
    finish(batch)
    assert rows("SELECT person_id FROM deliveries") == [(owner(event_id),)]
    assert_nothing_is_left_over()


@pytest.mark.parametrize("after", ["dedupe", "attribute"])
def test_a_person_that_nothing_is_left_of_becomes_whoever_the_lead_is_now(after):
    (ada,) = leads(ADA)
    event_id = halted(BEA, after=after)
    (bea,) = people().keys() - {ada}
    fix(event_id, full_name="Ada Sample", email="ada@sample.example")
    work()
    assert owner(event_id) == ada
    assert standing() == people().keys() == {ada}
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", bea) == [(ada,)]
    assert rows("SELECT person_id FROM deliveries") == [(ada,)]
    assert rows("SELECT person_id, other_id FROM identity_log WHERE action = 'merged'") == [(ada, bea)]
    assert_nothing_is_left_over()


def test_its_crm_record_is_marked_where_one_was_sent():
    (ada,) = leads(ADA)
    event_id = halted(BEA)
    (bea,) = people().keys() - {ada}
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, state)"
            " SELECT 'sandbox', person_id, brand, 'bulk', version, 'due' FROM people"
            " WHERE person_id = %s",
            (bea,),
        )
    deliver()
    fix(event_id, full_name="Ada Sample", email="ada@sample.example")
    work()
    assert rows("SELECT state, wanted_version > sent_version FROM deliveries WHERE person_id = %s", bea) == [
        ("due", True)
    ]
    assert_nothing_is_left_over()


def test_those_whom_it_joined_come_apart_again():
    """One number, a mailbox each: the lead that had both goes, and with it what joined them."""
    one, other = leads(
        {"full_name": "Ada", "email": "ada@sample.example"}, {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
    )
    assert one != other
    event_id = halted({"full_name": "Ada Sample", "email": "ada@sample.example", "phone": "+34 612 345 001"})
    assert people().keys() == {one}
    fix(event_id, full_name="Bea Fulano", email="bea@fulano.example", phone="+34 612 345 999")
    work()
    assert standing() == {one, other, owner(event_id)}
    assert len(standing()) == 3
    assert rows("SELECT person_id, other_id FROM identity_log WHERE action = 'split'") == [(one, other)]
    assert_nothing_is_left_over()


def test_the_oldest_id_of_a_person_stays_though_the_lead_it_began_with_says_something_else_now():
    event_id = halted(ADA)
    (ada,) = people()
    assert leads({**ADA, "phone": "+34 612 345 001"}) == [ada]
    deliver()
    fix(event_id, **BEA)
    work()
    assert owner(event_id) != ada
    assert standing() == {ada, owner(event_id)}
    assert_nothing_is_left_over()


def test_evidence_that_other_leads_bring_too_stays():
    event_id = halted(ADA)
    (ada,) = leads(ADA)
    fix(event_id, **BEA)
    work()
    assert standing() == {ada, owner(event_id)}
    assert len(standing()) == 2
    assert_nothing_is_left_over()


def test_names_on_a_shared_number_are_counted_without_it():
    number = "+34 612 345 001"
    leads({"full_name": "Ada Sample", "phone": number})
    event_id = halted({"full_name": "Bea Fulano", "phone": number})
    assert rows("SELECT names FROM shared_keys") == [(2,)]
    fix(event_id, phone="+34 612 345 999")
    work()
    assert rows("SELECT names FROM shared_keys") == [(1,)]
    assert_nothing_is_left_over()


def test_a_review_of_it_goes_with_it():
    leads({"full_name": "Ada Sample", "phone": "+34 612 345 001"})
    event_id = halted({"full_name": "Ada Muster", "phone": "+34 612 345 001"})
    assert len(waiting()) == 1
    fix(event_id, full_name="Bea Fulano", phone="+34 612 345 999")
    work()
    assert rows("SELECT * FROM identity_reviews") == []
    assert_nothing_is_left_over()


def test_what_a_human_said_of_it_is_said_of_what_the_lead_says_now():
    (ada,) = leads({"full_name": "Ada Sample", "phone": "+34 612 345 001"})
    event_id = halted({"full_name": "Ada Muster", "phone": "+34 612 345 001"})
    reject_review(waiting()[0].review_id, ME)
    fix(event_id, full_name="Ada Sample")  # would be the same person now, but for what was said
    work()
    assert rows("SELECT same, decided_by FROM identity_decisions") == []
    assert owner(event_id) == ada


def test_what_a_human_said_goes_on_to_new_evidence():
    ada, bea = leads(ADA, BEA)
    event_id = halted({"full_name": "Ada Muster", "phone": "+34 612 345 001"})
    (muster,) = people().keys() - {ada, bea}
    merge_people(ada, muster, ME)
    fix(event_id, phone="+34 612 345 999")
    work()
    assert owner(event_id) == ada
    assert rows("SELECT same, decided_by FROM identity_decisions") == [(True, "vera")]
    assert_nothing_is_left_over()


def test_what_a_human_said_does_not_go_on_to_evidence_of_which_something_was_said():
    """Bea is Carl, and he is not Ada: were she Ada now, these three words would contradict each other."""
    ada, bea, carl = leads(ADA, BEA, {"full_name": "Carl Mustermann", "email": "carl@mustermann.example"})
    with transaction() as connection:
        pieces = {
            piece.person_id: piece.evidence_id for piece in decisions.read_person_evidence(connection, {ada, carl})
        }
    event_id = halted({"full_name": "Ada Muster", "phone": "+34 612 345 001"})
    (muster,) = people().keys() - {ada, bea, carl}
    merge_people(ada, muster, ME)
    merge_people(bea, carl, ME)
    with transaction() as connection:
        decisions.add_links(
            connection, muster, [(pieces[ada], pieces[carl])], same=False, brand="default", decided_by="vera", why=None
        )
    fix(event_id, **BEA, phone="")
    work()
    assert owner(event_id) == bea
    assert rows("SELECT same FROM identity_decisions ORDER BY 1") == [(False,), (True,)]
    assert_nothing_is_left_over()


def test_a_worker_killed_before_people_follow_leaves_it_to_the_next():
    event_id = halted(ADA)
    (ada,) = people()
    fix(event_id, **BEA)
    batch = claim()
    with transaction() as connection:
        file_evidence(connection, batch.leads, EvidenceCache())
    assert len(rows("SELECT * FROM evidence")) == 2
    finish(batch)
    assert people().keys() == {ada}
    assert_nothing_is_left_over()


def test_that_an_event_is_corrected_is_told_by_what_was_filed_whatever_is_cached():
    event_id = halted(ADA)
    (ada,) = people()
    fix(event_id, **BEA)
    batch = claim()
    with transaction() as connection:
        filed = file_evidence(connection, batch.leads, EvidenceCache())
    assert filed.corrected == dict.fromkeys([event_id], *filed.leads)
    with transaction() as connection:
        resolved = resolve(connection, filed, replay.recompute_leads, cache=EvidenceCache())
    assert set(resolved.owners.values()) == people().keys() == {ada}
    finish(batch)
    assert_nothing_is_left_over()


@pytest.mark.parametrize("run", range(6))
def test_another_lead_may_bring_the_evidence_while_it_goes(run):
    event_id = halted(ADA)
    fix(event_id, **BEA)
    leaving = claim()
    capture(dict(ADA), dict(ADA, phone="+34 612 345 001"))
    coming = claim()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(finish, (leaving, coming) if run % 2 else (coming, leaving)))
    assert len(standing()) == 2
    assert_nothing_is_left_over()
