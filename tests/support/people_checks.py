"""Leads through the stages in any order and cut, and what must hold of the people they make, whatever the order was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline import flow, replay
from pipeline.crypto.encryption import seal_envelope
from pipeline.errors import TransientError
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.clustering import CROWDED, cluster, count_users
from pipeline.identity.matching.evidence import STRONG_KINDS, keys_of
from pipeline.identity.matching.rules import IdentityRules
from pipeline.records import Batch, Envelope, NewEvent, Profile, new_id
from pipeline.stages.survivorship.survivorship import merge_profile
from pipeline.store.engine import transaction
from pipeline.store.events import events
from pipeline.store.identity import blocks, evidence_rows
from pipeline.store.keys.index_keys import key_number
from pipeline.store.people import people

Fields = Mapping[str, Any]


def forget_work() -> None:
    """What an example that failed left behind is no work of the next one."""
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE state IN ('pending', 'in_flight')")


def accept(leads: Iterable[Fields], *, brand: str = "default") -> None:
    """Store leads as intake does, in one batch."""
    new = []
    for lead in leads:
        event_id = new_id()
        sealed = seal_envelope(Envelope("application/json", json.dumps(lead).encode()), event_id)
        new.append(
            NewEvent(
                brand, "api", "bulk", event_id.bytes * 2, event_id, sealed, str(lead.get("_name", lead["external_id"]))
            )
        )
    with transaction() as connection:
        events.insert_events(connection, new)


def claim() -> Batch | None:
    """The next batch, mapped and normalized."""
    claimed = flow.claim_batch("bulk")
    return None if claimed is None else flow.normalize_batch(flow.map_claim(claimed))


def finish(batch: Batch, *, repeats: int = 0) -> None:
    """The rest of the chain; each step `repeats` times more, as a chain that was killed after it would run it again."""
    for step in (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch):
        for _ in range(repeats):
            patiently(step, deepcopy(batch))
        done = patiently(step, batch)
    assert done is not None


def patiently(step: Any, batch: Batch) -> Any:
    """As a worker does: what is over in a moment is tried again."""
    for _ in range(3):
        untouched = deepcopy(batch)
        try:
            return step(batch)
        except TransientError:
            batch.leads = untouched.leads
    return step(batch)


def people_by_lead(brand: str) -> dict[str, UUID]:
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT external_id, person_id FROM events WHERE brand = %s AND state = 'settled'", (brand,)
        )
        return dict(map(tuple, rows))


def clusters(people_of: Mapping[str, UUID]) -> set[frozenset[str]]:
    """Who is one person with whom, without the ids, which depend on who came first."""
    members: dict[UUID, set[str]] = {}
    for lead, person_id in people_of.items():
        members.setdefault(person_id, set()).add(lead)
    return {frozenset(one) for one in members.values()}


def assert_people_are_those_of_all_evidence(brand: str, rules: IdentityRules) -> None:
    """What was found piece by piece is what clustering everything at once finds; counts of shared keys included."""
    with transaction() as connection:
        known = _read_all(connection, brand)
        cache = EvidenceCache()
        evidence = {key: cache.evidence(one) for key, one in known.items()}
        users: dict[tuple[str, str], list[UUID]] = {}
        for key, one in evidence.items():
            for name in keys_of(one):
                users.setdefault(name, []).append(key)
        counts = {}
        for (kind, value), keys in users.items():
            count = 1
            if len(keys) > rules.crowded:
                count = CROWDED
            elif kind in STRONG_KINDS:
                count = count_users(kind, (evidence[key] for key in keys), rules.of_many)
            counts[kind, value] = count
        numbers = {key_number(brand, kind, value): count for (kind, value), count in counts.items()}
        noted = blocks.read_shared_keys(connection, numbers)
        must, cannot = evidence_rows.read_link_pairs(connection, known)
    assert {number: noted.get(number, 1) for number in numbers} == numbers
    expected = cluster(
        evidence, lambda kind, value: counts.get((kind, value), 1), must=must, cannot=cannot, rules=rules
    )
    found: dict[UUID, set[UUID]] = {}
    for key, one in known.items():
        assert one.person_id is not None
        found.setdefault(one.person_id, set()).add(key)
    assert {frozenset(keys) for keys in found.values()} == set(expected.people)
    for one, other in expected.bonds:
        assert known[one].component == known[other].component
    for person_id, keys in found.items():
        assert person_id == min(known[key].birth_id for key in keys)


def assert_all_follows(brand: str) -> None:
    """Events, touches and consents are where their evidence is; people are what their events say; ids forward."""
    with transaction() as connection:
        owners = dict(
            map(
                tuple,
                connection.exec_driver_sql(
                    "SELECT x.event_id, e.person_id FROM evidence_events x JOIN evidence e USING (evidence_id)"
                    " WHERE e.brand = %s",
                    (brand,),
                ),
            )
        )
        for table in ("events", "touches", "consents"):
            strangers = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} f JOIN evidence_events x USING (event_id)"
                " JOIN evidence e USING (evidence_id)"
                " WHERE e.brand = %s AND f.person_id IS DISTINCT FROM e.person_id",
                (brand,),
            ).scalar()
            assert strangers == 0, table
        rows = connection.exec_driver_sql(
            "SELECT p.person_id, p.merged_into, e.person_id, p.touches, (SELECT count(*) FROM touches t"
            " WHERE t.person_id = p.person_id AND t.position = 0) FROM people p"
            " LEFT JOIN evidence e ON e.birth_id = p.person_id WHERE p.brand = %s",
            (brand,),
        ).all()
        standing = set(owners.values())
        for person_id, merged_into, now, touches, counted in rows:
            if now is None:  # what it began with is gone
                assert person_id in standing or merged_into in standing
            else:
                assert merged_into == (None if person_id in standing else now)
            assert touches == counted
        assert standing <= {row[0] for row in rows}
        events_of: dict[UUID, list[UUID]] = {}
        for event_id, person_id in owners.items():
            events_of.setdefault(person_id, []).append(event_id)
        stored = people.read_people(connection, standing, lock=False)
        for person_id, event_ids in events_of.items():
            profile = Profile()
            for lead in replay.recompute_leads(connection, sorted(event_ids)):
                profile, _ = merge_profile(profile, lead)
            assert stored[person_id].profile.fields == profile.fields
            assert stored[person_id].profile.votes == profile.votes


def _read_all(connection: Connection, brand: str) -> dict[UUID, evidence_rows.StoredEvidence]:
    ids = [row[0] for row in connection.exec_driver_sql("SELECT evidence_id FROM evidence WHERE brand = %s", (brand,))]
    return evidence_rows.read_evidence(connection, ids)


def in_batches(leads: Sequence[Fields], cuts: Iterable[int]) -> list[list[Fields]]:
    places = [0, *sorted({cut % (len(leads) + 1) for cut in cuts}), len(leads)]
    return [list(leads[one:other]) for one, other in pairwise(places) if one < other]
