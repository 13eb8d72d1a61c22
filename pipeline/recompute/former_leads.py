"""Evidence of leads that were settled before any was kept: filed once, right after the upgrade.

Until that is done nobody knows those people, so `dedupe` waits. People are taken in the order of their ids, the oldest
first, and the first evidence of each takes its id as the one that it is born with: so who was one person stays it,
under the same id, unless the evidence says otherwise. All of a person's evidence is one component until it was looked
at (`recompute_people`), so it is never parted by chance. What is filed stays filed: a run that was killed is run again.

Two kinds of events come last, one by one. What gives no lead any more (its mapping changed) says nothing, and is filed
with the person's own evidence. What says the same as an older person's leads is filed there, and its touches go along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache, pack
from pipeline.identity.filing import file_evidence, new_evidence
from pipeline.identity.matching.evidence import Evidence, evidence_of
from pipeline.identity.resolution import resolve_people
from pipeline.lanes import BULK
from pipeline.records import Lead, new_id
from pipeline.replay import recompute_leads, require_mappings
from pipeline.store.engine import transaction
from pipeline.store.identity import evidence_rows, people_moves, upgrades
from pipeline.store.identity.evidence_rows import NewEvidence, StoredEvidence
from pipeline.store.identity.upgrades import FormerEvidence, Unfiled
from pipeline.store.keyring import blind_index
from pipeline.store.keys import index_keys
from pipeline.store.people import people

EVENTS_AT_ONCE = 200
_DECIDED_BY = "upgrade"
_START = (UUID(int=0), UUID(int=0))
_LANE = BULK


def file_former_leads(
    *, events_at_once: int = EVENTS_AT_ONCE, on_progress: Callable[[int, int], None] = lambda _done, _events: None
) -> int:
    """File the evidence of all events that have a person and none; gives of how many.

    `on_progress` hears how many are done, and how many there were. Raises ConfigurationError if a source's mapping
    cannot be read, TransientError if the database stays away; what is done stays done.
    """
    with transaction(timeout_seconds=0) as connection:
        total = upgrades.count_unfiled(connection)
    done = 0
    for work in (_file, _file_rest):
        after: Unfiled | None = _START
        while after is not None and done < total:
            with transaction(timeout_seconds=0) as connection:
                upgrades.hold_filing(connection)
                index_keys.hold(connection)
                rows, after = upgrades.next_unfiled(connection, after, events_at_once)
                done += work(connection, rows) if rows else 0
            on_progress(done, total)
    return done


def _file(connection: Connection, rows: list[Unfiled]) -> int:
    """Those that are the person's own; gives how many. The others are left."""
    standing = upgrades.hold_standing(connection, {person_id for person_id, _ in rows})
    cache = EvidenceCache()
    leads = _leads(connection, [event_id for _, event_id in rows])
    made = {event_id: new_evidence(lead, evidence_of(lead), cache) for event_id, lead in leads.items()}
    known: Mapping[UUID, StoredEvidence] = evidence_rows.read_evidence(
        connection, {evidence.evidence_id for evidence in made.values()}
    )
    owners = {evidence_id: stored.person_id for evidence_id, stored in known.items()}
    homes = upgrades.read_first_evidence(connection, standing)
    new: list[FormerEvidence] = []
    filed: list[tuple[UUID, UUID]] = []
    for person_id, event_id in rows:
        evidence = made.get(event_id)
        if evidence is None or person_id not in standing:
            continue
        if evidence.evidence_id not in owners:
            new.append(_own(evidence, person_id, homes))
            owners[evidence.evidence_id] = person_id
        if owners[evidence.evidence_id] == person_id:
            filed.append((event_id, evidence.evidence_id))
    upgrades.add_former_evidence(connection, new)
    upgrades.file_events(connection, filed)
    return len(filed)


def _own(evidence: NewEvidence, person_id: UUID, homes: dict[UUID, UUID]) -> FormerEvidence:
    """The first one takes the person's id as the one that it is born with, and names the component."""
    birth_id = new_id() if person_id in homes else person_id
    home = homes.setdefault(person_id, evidence.evidence_id)
    return FormerEvidence(msgspec.structs.replace(evidence, birth_id=birth_id), person_id, home)


def _file_rest(connection: Connection, rows: list[Unfiled]) -> int:
    for person_id, event_id in rows:
        lead = _leads(connection, [event_id]).get(event_id)
        if lead is None:
            require_mappings(connection, [event_id])
        evidence_id, owner = upgrades.find_home(connection, person_id) or _silent(connection, person_id, event_id)
        upgrades.file_events(connection, [(event_id, evidence_id)])
        if owner != person_id:
            people_moves.move_facts(connection, {event_id: owner})
            people_moves.rebuild_touches(connection, {person_id, owner})
        if lead is not None:
            cache = EvidenceCache()
            leads = file_evidence(connection, [lead], cache)
            resolve_people(connection, _LANE, leads, decided_by=_DECIDED_BY, cache=cache)
    return len(rows)


def _silent(connection: Connection, person_id: UUID, event_id: UUID) -> tuple[UUID, UUID]:
    """Evidence that says nothing, shared with nobody, for a person who has no other."""
    brand = people.read_people(connection, {person_id}, lock=True)[person_id].brand
    packed = pack(Evidence())
    evidence_id = blind_index().content_id(brand.encode() + b"\x00" + event_id.bytes + packed)
    evidence = NewEvidence(evidence_id, brand, person_id, packed, [], [event_id])
    upgrades.add_former_evidence(connection, [FormerEvidence(evidence, person_id, evidence_id)])
    return evidence_id, person_id


def _leads(connection: Connection, event_ids: list[UUID]) -> dict[UUID, Lead]:
    return {lead.event_id: lead for lead in recompute_leads(connection, sorted(event_ids))}
