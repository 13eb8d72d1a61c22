"""What we hold of people, destroyed in one transaction: the ledger first, then nothing is left of them but records in
CRMs, which are wanted gone and waited for.

Everybody else who works on these people is kept out by the locks that they take too: components of evidence, then rows
of people. So nobody merges, and nothing is filed under their evidence, while they go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.errors import TransientError
from pipeline.identity.evidence_cache import EvidenceCache, unpack
from pipeline.identity.screening import digests_of
from pipeline.privacy.erasing.addresses import finder_of
from pipeline.privacy.holds import held_people, restricted_people
from pipeline.privacy.inventory import DELETED, tables_of_people
from pipeline.privacy.subjects import Subjects
from pipeline.privacy.suppression import suppress
from pipeline.store.deliveries import objects
from pipeline.store.erasures import crm, rows
from pipeline.store.erasures.events import forget_events
from pipeline.store.erasures.found import FoundPeople, components_of, find_all_of
from pipeline.store.erasures.unfiled import activities_with_keys
from pipeline.store.identity import blocks, evidence_rows, people_moves
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.identity.filed_keys import hold_all_filing
from pipeline.store.people import people
from pipeline.store.suppressions import suppressions

# Those of the inventory that go in a way, or at a time, of their own.
_OTHERWISE = frozenset({"deliveries", "delivery_log", "crm_records", "event_bodies", "fetches", "evidence_keys"})


class Destroyed(msgspec.Struct, frozen=True):
    """`rows`: how many by table. `subjects`: whose records in CRMs are waited for, people and companies, by brand."""

    rows: dict[str, int]
    people: dict[UUID, str]
    companies: dict[UUID, str]


def hold_subjects(
    connection: Connection, person_ids: Collection[UUID], *, with_restricted: bool = False
) -> tuple[FoundPeople, set[UUID]]:
    """All that hangs on these people, theirs alone until the transaction ends; and those of them who must stay because
    of a legal hold (`with_restricted`: or a restriction), of whom nothing is in it. Raises TransientError if others
    changed them meanwhile: try again."""
    hold_all_filing(connection)
    components = components_of(connection, person_ids)
    blocks.lock_components(connection, components, is_patient=True)
    found = find_all_of(connection, person_ids)
    if not {stored.component for stored in found.evidence.values()} <= components:
        raise TransientError("others changed these people meanwhile")
    people.hold_people(connection, found.people)
    held = held_people(connection, found.people)
    if with_restricted:
        held |= restricted_people(connection, found.people)
    return (find_all_of(connection, found.people.keys() - held) if held else found), held


def destroy(connection: Connection, subjects: Subjects, request_id: UUID) -> Destroyed:
    """Suppress their addresses, want their records in CRMs gone, and delete all the rest. The ledger has it already."""
    found = subjects.found
    for brand, digests in sorted(subjects.digests.items()):
        suppress(connection, brand, digests, request_id=request_id)
    brands = {company_id: _brand_of(found) for company_id in found.companies}
    _want_gone(connection, found)
    told = _waiting_activities(connection, subjects)
    fresh = _unresolved(connection, subjects, request_id)
    brought = evidence_rows.events_of_evidence(connection, fresh)
    ids: dict[str, Collection[UUID]] = {
        **found.ids,
        "evidence": {*found.evidence, *fresh},
        "event": {*found.ids["event"], *told, *(event for events in brought.values() for event in events)},
    }
    gone: dict[str, int] = {
        "evidence_keys": rows.drop_keys(connection, subjects.keys | _keys_of(fresh), ids["evidence"]),
    }
    for held in tables_of_people():
        if held.fate == DELETED and held.reach and held.table not in _OTHERWISE:
            gone[held.table] = rows.delete_rows(connection, held.table, held.reach, ids)
    gone["events"] = forget_events(connection, ids["event"], is_theirs=finder_of(subjects.digests))
    return Destroyed({table: count for table, count in gone.items() if count}, found.people, brands)


def destroy_again(connection: Connection, subject_ids: Collection[UUID]) -> int:
    """What was still written for somebody who is gone, by who had read them before: a sender in its midst. Gives how
    many rows. A statement for each table."""
    ids = {"person": subject_ids, "company": subject_ids}
    objects.want_absent(connection, subject_ids)
    return sum(
        rows.delete_rows(connection, held.table, held.reach, ids)
        for held in tables_of_people()
        if held.fate == DELETED and held.reach and held.table not in _OTHERWISE
    )


def _unresolved(connection: Connection, subjects: Subjects, request_id: UUID) -> dict[UUID, StoredEvidence]:
    """Evidence with an address of theirs that was filed and has no person yet: its worker finds it gone, and looks
    anew."""
    theirs = suppressions.evidence_of_requests(connection, [request_id]).get(request_id, set())
    filed = evidence_rows.read_evidence(connection, theirs)
    return {
        evidence_id: stored
        for evidence_id, stored in filed.items()
        if stored.person_id is None
        and digests_of(stored.brand, [unpack(stored.packed)]) & subjects.digests.get(stored.brand, frozenset())
    }


def _keys_of(evidence: Mapping[UUID, StoredEvidence]) -> set[int]:
    cache = EvidenceCache()
    return {key for stored in evidence.values() for key in cache.all_numbers(stored)}


def _brand_of(found: FoundPeople) -> str:
    return next(iter(found.people.values()), "")


def _want_gone(connection: Connection, found: FoundPeople) -> None:
    if not found.people:
        return
    people_moves.drop_unsent_deliveries(connection, found.people)
    crm.want_records_absent(connection, found.people, _owners_of_records(connection, found))
    objects.want_absent(connection, {*found.people, *found.companies})
    crm.tell_companies_again(connection, found.people)
    crm.forget_former_words(connection, {*found.people, *found.companies})


def _owners_of_records(connection: Connection, found: FoundPeople) -> dict[UUID, UUID]:
    """Of each record that a CRM had before us the person whose it is."""
    if not found.records:
        return {}
    brought = evidence_rows.events_of_evidence(connection, found.evidence, with_records=True)
    return {
        record: owner
        for evidence_id, event_ids in brought.items()
        for record in event_ids
        if record in found.records and (owner := found.evidence[evidence_id].person_id) is not None
    }


def _waiting_activities(connection: Connection, subjects: Subjects) -> set[UUID]:
    """What is told of them and waits for somebody: by a key of theirs, and then by the whole address."""
    wanted = {digest for digests in subjects.digests.values() for digest in digests}
    keys = {int.from_bytes(digest[:8], "big", signed=True) for digest in wanted}
    return {
        waiting.event_id
        for waiting in activities_with_keys(connection, keys)
        if digests_of(waiting.brand, [unpack(open_evidence(waiting.sealed_evidence, waiting.event_id))]) & wanted
    }
