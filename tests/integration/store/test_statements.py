"""A batch of any size takes a fixed number of statements: what makes the store fast is held here."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest

from pipeline.identity.matching.scoring import Comparison, MatchWeight
from pipeline.privacy.people_to_send import read_named_people
from pipeline.records import Consent, Due, Lead, Outcome, Parked, Stage, Suppressed, new_id
from pipeline.routing import note_returns
from pipeline.stages.destination_mapping.names import Named, named_in
from pipeline.store.deliveries import deliveries, jobs
from pipeline.store.deliveries.jobs import DeliveryJob, JobRecord
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import balance, events, quarantine
from pipeline.store.identity import (
    blocks,
    busy_keys,
    corrected_events,
    decisions,
    evidence_rows,
    filed_keys,
    identity_log,
    notices,
    people_moves,
    reviews,
    upgrades,
)
from pipeline.store.identity.corrected_events import CorrectedEvent
from pipeline.store.identity.upgrades import FormerEvidence
from pipeline.store.people import activities, activity_keys, people
from pipeline.store.people.activities import ActivityRow
from pipeline.store.people.consents import add_consents
from pipeline.store.people.touches import add_touches, apply_touches
from tests.support.store_rows import (
    NOON,
    claim,
    evidence_of,
    lead_of,
    minutes,
    new_event,
    new_person,
    states,
    touch_of,
)

pytestmark = pytest.mark.usefixtures("database")

_PAIR = Comparison(6.0, (MatchWeight("name_full", 6.0),))

# BEGIN and COMMIT come on top. Raise a number only with a reason: each is a round trip per batch.
EXPECTED = {
    "insert_events": 2,
    "claim_events": 2,
    "read_claimed": 1,
    "read_patches": 1,
    "require_finished": 1,
    "hold_keys": 1,
    "read_busy_keys": 1,
    "read_evidence_sample": 1,
    "add_evidence": 3,
    "evidence_of_events": 1,
    "read_blocks": 1,
    "read_members": 1,
    "lock_components": 1,
    "hold_new": 1,
    "give_notice": 1,
    "read_evidence": 1,
    "read_components": 1,
    "read_evidence_of_people": 1,
    "read_owners": 1,
    "read_shared_keys": 1,
    "note_shared_keys": 1,
    "assign": 1,
    "hold_owners": 1,
    "events_of_evidence": 1,
    "read_link_pairs": 1,
    "note_reviews": 1,
    "write_people": 1,
    "read_people": 1,
    "update people": 1,
    "add_touches": 1,
    "apply_touches": 2,
    "add_consents": 1,
    "file_activities": 1,
    "file_keys of activities": 1,
    "hold_waiting": 1,
    "read_candidates": 1,
    "hold_people_of": 1,
    "attach": 1,
    "events_carried": 1,
    "end_events of activities": 3,
    "expire": 1,
    "note_returns of new people": 1,
    "note_returns of known people": 3,
    "read_notices": 1,
    "stream_log": 1,
    "count_reviews": 1,
    "move_facts": 3,
    "rebuild_touches": 1,
    "forward_people": 1,
    "drop_unsent_deliveries": 1,
    "log_changes": 1,
    "settle_events": 1,
    "suppress_events": 1,
    "park_events": 1,
    "want_deliveries": 1,
    "claim_deliveries": 1,
    "read_people_to_send": 1,
    "read_named_people of a mapping that names no more": 1,
    "read_named_people of one that names touches and consents": 3,
    "look_at_jobs": 1,
    "add_job": 1,
    "take_job": 1,
    "leave_job": 2,
    "end_job": 1,
    "record_outcomes": 3,
    "sweeps of nothing": 2,
    "balance": 5,
    "move_events": 1,
    "drop_keys": 1,
    "hand_on_links": 2,
    "remove_evidence": 3,
}
# Once, after an update: per page, so that it goes on where it was.
EXPECTED_AFTER_AN_UPDATE = {
    "is_finished": 1,
    "hold_filing": 1,
    "begin_refiling": 6,
    "next_pieces": 1,
    "file_again": 1,
    "end_refiling": 3,
    "next_unfiled": 1,
    "hold_standing": 1,
    "read_first_evidence": 1,
    "add_former_evidence": 2,
    "file_events": 1,
    "finish": 1,
}


@pytest.mark.parametrize("size", [4, 200])
def test_a_batch_makes_as_many_statements_as_it_should_whatever_its_size(size):
    counted = {}

    def run(name, work):
        with transaction() as connection, count_statements() as seen:
            result = work(connection)
        counted[name] = seen.count
        return result

    run("insert_events", lambda it: events.insert_events(it, [new_event() for _ in range(size)]))
    held = run("claim_events", lambda it: events.claim_events(it, "bulk", limit=size, lease_seconds=60))
    raw = run("read_claimed", lambda it: events.read_claimed(it, held))
    run("read_patches", lambda it: quarantine.read_patches(it, held.event_ids))
    assert len(raw) == size

    persons = [new_person(name="a") for _ in raw]
    leads: list[Lead] = [lead_of(one, person.person_id) for one, person in zip(raw, persons, strict=True)]
    for lead in leads:
        lead.consents = [Consent("marketing", "email", granted=True)]
    keys = dict.fromkeys(range(size), 2)
    filed = [
        evidence_of(lead.event_id, birth_id=lead.person_id, keys=[key]) for lead, key in zip(leads, keys, strict=True)
    ]
    ids = [one.evidence_id for one in filed]
    pairs = [(min(pair), max(pair)) for pair in pairwise(ids)]
    run("require_finished", lambda it: upgrades.require_finished(it, 1))
    run("hold_keys", lambda it: busy_keys.hold_keys(it, keys))
    run("read_busy_keys", lambda it: busy_keys.read_busy_keys(it, keys, least=1, most=9))
    run("read_evidence_sample", lambda it: busy_keys.read_evidence_sample(it, keys, most=9))
    run("add_evidence", lambda it: evidence_rows.add_evidence(it, filed))
    run("evidence_of_events", lambda it: decisions.evidence_of_events(it, held.event_ids))
    run("read_blocks", lambda it: blocks.read_blocks(it, keys, most=9))
    run("read_members", lambda it: blocks.read_members(it, keys))
    run("lock_components", lambda it: blocks.lock_components(it, ids, is_patient=True))
    run("hold_new", lambda it: blocks.hold_new(it, ids, is_patient=True))
    run("give_notice", lambda it: blocks.give_notice(it, ids))
    run("read_evidence", lambda it: evidence_rows.read_evidence(it, ids))
    run("read_components", lambda it: evidence_rows.read_components(it, ids))
    run("read_evidence_of_people", lambda it: evidence_rows.read_evidence_of_people(it, ids))
    run("read_shared_keys", lambda it: blocks.read_shared_keys(it, keys))
    run("note_shared_keys", lambda it: blocks.note_shared_keys(it, keys))
    run("assign", lambda it: evidence_rows.assign(it, [(one.evidence_id, one.birth_id, ids[0]) for one in filed]))
    run("read_owners", lambda it: evidence_rows.read_owners(it, ids))
    run("write_people", lambda it: people.write_people(it, persons))
    owners = run("hold_owners", lambda it: evidence_rows.hold_owners(it, held.event_ids))
    assert owners == {lead.event_id: lead.person_id for lead in leads}
    run("events_of_evidence", lambda it: evidence_rows.events_of_evidence(it, ids))
    run("read_link_pairs", lambda it: evidence_rows.read_link_pairs(it, ids))
    run("note_reviews", lambda it: reviews.note_reviews(it, [("default", pair, _PAIR) for pair in pairs]))
    known = run("read_people", lambda it: people.read_people(it, [one.person_id for one in persons], lock=True))
    run("update people", lambda it: people.write_people(it, list(known.values())))

    touches = [touch_of(lead.person_id, NOON + minutes(1), "a", event_id=lead.event_id) for lead in leads]
    run("add_touches", lambda it: add_touches(it, touches))
    run("apply_touches", lambda it: apply_touches(it, touches))
    run("add_consents", lambda it: add_consents(it, leads, told=["default"]))

    _tell_of_people(run, held.claim_id, dict(zip(held.event_ids, ids, strict=True)))

    new = {lead.event_id for lead in leads}
    run("note_returns of new people", lambda it: note_returns(it, leads, new))
    again = [lead_of(new_id(), lead.person_id) for lead in leads]
    for lead in again:
        lead.lane = "hot"
    returned = {lead.event_id for lead in again}
    run("note_returns of known people", lambda it: note_returns(it, again, returned))
    assert len(run("read_notices", lambda it: notices.read_notices(it, limit=9))) == min(2 * size, 9)
    assert len(run("stream_log", lambda it: [*identity_log.stream_log(it)])) == 2 * size
    run("count_reviews", reviews.count_reviews)
    run("move_facts", lambda it: people_moves.move_facts(it, owners))
    run("rebuild_touches", lambda it: people_moves.rebuild_touches(it, owners.values()))
    run("forward_people", lambda it: people_moves.forward_people(it, dict.fromkeys(owners.values())))
    run("drop_unsent_deliveries", lambda it: people_moves.drop_unsent_deliveries(it, owners.values()))

    changes = [people_moves.Change("default", "merged", one, new_id(), "rules") for one in owners.values()]
    run("log_changes", lambda it: people_moves.log_changes(it, changes))

    half, quarter = size // 2, size // 4
    run("settle_events", lambda it: events.settle_events(it, held.claim_id, leads[:half]))
    ended = [Suppressed(lead.event_id, "spam") for lead in leads[half : half + quarter]]
    run("suppress_events", lambda it: events.suppress_events(it, held.claim_id, ended))
    parked = [Parked(lead.event_id, Stage.MAP_FIELDS, "a", "") for lead in leads[half + quarter :]]
    run("park_events", lambda it: quarantine.park_events(it, held.claim_id, parked))
    assert states() == {"settled": half, "suppressed": quarter, "quarantined": quarter}

    wanted = [("crm", lead.person_id, "bulk") for lead in leads]
    run("want_deliveries", lambda it: deliveries.want_deliveries(it, wanted))
    sending, dues = run(
        "claim_deliveries", lambda it: deliveries.claim_deliveries(it, "crm", "bulk", limit=size, lease_seconds=60)
    )
    run("read_people_to_send", lambda it: deliveries.read_people_to_send(it, [due.person_id for due in dues]))
    asked = [due.person_id for due in dues]
    run("read_named_people of a mapping that names no more", lambda it: read_named_people(it, asked, Named()))
    named = named_in(["original_gclid", "latest_form_name", "consent.a.b", "consent.c.d.at"])
    told = run(
        "read_named_people of one that names touches and consents", lambda it: read_named_people(it, asked, named)
    )
    assert len(dues) == size == len(told)
    _run_a_job(run, sending, dues)
    said = [Outcome(due.person_id, ("sent", "retry", "rejected")[place % 3]) for place, due in enumerate(dues)]
    run("record_outcomes", lambda it: _record(it, sending, dues, said))
    run("sweeps of nothing", lambda it: (events.sweep_leases(it), deliveries.sweep_deliveries(it, max_attempts=12)))
    run("balance", balance.balance)

    heirs = dict(zip(ids[:half], ids[half:], strict=True))
    leaving = [CorrectedEvent(one.event_ids[0], one.evidence_id, heirs[one.evidence_id]) for one in filed[:half]]
    assert run("move_events", lambda it: corrected_events.move_events(it, leaving))
    run("drop_keys", lambda it: corrected_events.drop_keys(it, heirs, keys))
    run("hand_on_links", lambda it: corrected_events.hand_on_links(it, heirs, heirs))
    births = {one.evidence_id: one.birth_id for one in filed[:half]}
    born = {heirs[gone]: birth_id for gone, birth_id in births.items()}
    assert run("remove_evidence", lambda it: corrected_events.remove_evidence(it, births, born))
    assert counted == EXPECTED


def _tell_of_people(run, claim_id: UUID, found: dict[UUID, UUID]) -> None:
    """Activities that are stored, and find the evidence given with them."""
    told = [ActivityRow(new_id(), "default", "a", "activity", "b", NOON, "waiting", NOON, b"x", b"x") for _ in found]
    attached = {row.event_id: evidence_id for row, evidence_id in zip(told, found.values(), strict=True)}
    run("file_activities", lambda it: activities.file_activities(it, told))
    run("file_keys of activities", lambda it: activity_keys.file_keys(it, {row.event_id: {1: 0} for row in told}))
    assert len(run("hold_waiting", lambda it: activities.hold_waiting(it, attached))) == len(told)
    run("read_candidates", lambda it: activities.read_candidates(it, range(len(told))))
    run("hold_people_of", lambda it: activities.hold_people_of(it, found.values()))
    run("attach", lambda it: activities.attach(it, attached))
    carried = run("events_carried", lambda it: evidence_rows.events_carried(it, found.values()))
    assert carried[0] == {evidence_id: [event_id] for event_id, evidence_id in found.items()}
    assert carried[1] == {evidence_id: [event_id] for event_id, evidence_id in attached.items()}
    versions = dict.fromkeys(attached, "a@1")
    run("end_events of activities", lambda it: activities.end_events(it, claim_id, versions))
    assert run("expire", lambda it: activities.expire(it, limit=9)) == 0


@pytest.mark.parametrize("size", [4, 200])
def test_so_does_a_page_of_what_an_update_leaves_to_do(size):
    counted = {}

    def run(name, work):
        with transaction() as connection, count_statements() as seen:
            result = work(connection)
        counted[name] = seen.count
        return result

    filed = [evidence_of(new_id(), keys=[number]) for number in range(size)]
    people_of_before = [new_person() for _ in filed]
    ids = [one.person_id for one in people_of_before]
    with transaction() as connection:
        upgrades.require_finished(connection, 1)
        evidence_rows.add_evidence(connection, filed)
        people.write_people(connection, people_of_before)
        add_touches(connection, [touch_of(person_id, NOON, "a") for person_id in ids])
    assert not run("is_finished", lambda it: upgrades.is_finished(it, 2))
    run("hold_filing", upgrades.hold_filing)
    assert run("begin_refiling", lambda it: filed_keys.begin_refiling(it, 2))
    pieces = run("next_pieces", lambda it: filed_keys.next_pieces(it, UUID(int=0), size))
    assert len(pieces) == size
    run("file_again", lambda it: filed_keys.file_again(it, enumerate(pieces)))
    run("end_refiling", filed_keys.end_refiling)
    unfiled, _ = run("next_unfiled", lambda it: upgrades.next_unfiled(it, (UUID(int=0), UUID(int=0)), size))
    assert len(unfiled) == size
    assert len(run("hold_standing", lambda it: upgrades.hold_standing(it, ids))) == size
    run("read_first_evidence", lambda it: upgrades.read_first_evidence(it, ids))
    former = [
        FormerEvidence(evidence_of(event_id, birth_id=person_id, keys=[size]), person_id, new_id())
        for person_id, event_id in unfiled
    ]
    run("add_former_evidence", lambda it: upgrades.add_former_evidence(it, former))
    run(
        "file_events",
        lambda it: upgrades.file_events(it, [(one.evidence.event_ids[0], one.evidence.evidence_id) for one in former]),
    )
    run("finish", upgrades.finish)
    with transaction() as connection:
        assert upgrades.count_unfiled(connection) == 0
        assert upgrades.is_finished(connection, 2)
    assert counted == EXPECTED_AFTER_AN_UPDATE


def _run_a_job(run, claim_id, dues):
    """A claim as a job: its statements do not grow with its records."""
    job = DeliveryJob(claim_id, "job-1", "1", "Lead by Key__c", [JobRecord(due.person_id, due.version) for due in dues])
    run("look_at_jobs", lambda it: jobs.look_at_jobs(it, "crm", "bulk", most=9))
    run("add_job", lambda it: jobs.add_job(it, "crm", "bulk", job, busy_seconds=-1))
    assert run("take_job", lambda it: jobs.take_job(it, "crm", busy_seconds=60)) == job
    run("leave_job", lambda it: jobs.leave_job(it, "crm", claim_id, poll_seconds=60, lease_seconds=60))
    assert run("end_job", lambda it: jobs.end_job(it, claim_id)) is True


def _record(connection, claim_id, dues: list[Due], said: list[Outcome]) -> None:
    deliveries.record_outcomes(
        connection, "crm", claim_id, dues, said, call_id=new_id(), backoff=lambda _: 1.0, max_attempts=3
    )


def test_nothing_to_do_takes_no_statement():
    with transaction() as connection, count_statements() as seen:
        events.insert_events(connection, [])
        events.settle_events(connection, new_id(), [])
        events.suppress_events(connection, new_id(), [])
        events.read_events(connection, [])
        quarantine.park_events(connection, new_id(), [])
        quarantine.read_patches(connection, [])
        evidence_rows.add_evidence(connection, [])
        busy_keys.hold_keys(connection, [])
        busy_keys.read_busy_keys(connection, [], least=1, most=9)
        busy_keys.read_evidence_sample(connection, [], most=9)
        decisions.evidence_of_events(connection, [])
        decisions.evidence_about(connection, [])
        upgrades.add_former_evidence(connection, [])
        upgrades.file_events(connection, [])
        blocks.read_blocks(connection, [], most=9)
        blocks.read_members(connection, [])
        blocks.lock_components(connection, [], is_patient=True)
        blocks.give_notice(connection, [])
        evidence_rows.read_evidence(connection, [])
        blocks.read_shared_keys(connection, [])
        blocks.note_shared_keys(connection, {})
        evidence_rows.assign(connection, [])
        evidence_rows.hold_owners(connection, [])
        evidence_rows.events_of_evidence(connection, [])
        evidence_rows.read_link_pairs(connection, [])
        reviews.note_reviews(connection, [])
        people_moves.move_facts(connection, {})
        people_moves.rebuild_touches(connection, [])
        people_moves.forward_people(connection, {})
        people_moves.drop_unsent_deliveries(connection, [])
        people_moves.log_changes(connection, [])
        note_returns(connection, [], [])
        people.read_people(connection, [], lock=True)
        people.write_people(connection, [])
        add_touches(connection, [])
        apply_touches(connection, [])
        add_consents(connection, [])
        deliveries.want_deliveries(connection, [])
        deliveries.read_people_to_send(connection, [])
        read_named_people(connection, [], named_in(["latest_gclid", "consent.a.b"]))
        _record(connection, new_id(), [], [])
    assert seen.count == 0
    assert claim() is None
