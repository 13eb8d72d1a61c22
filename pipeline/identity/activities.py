"""Whose activity is it: what is told of somebody known finds its person, or waits for it (docs/decisions/0029).

Nobody is made, joined or changed by it: its evidence is compared with that of leads by the rules that compare two
leads, and it hangs on the piece that it has most in common with. So it goes along when people come together or apart.

An activity is stored, and committed, before its person is looked for; a lead's evidence before it is looked for who
waits. So of two that meet at the same time at least the later one sees the other; the sweep finds who met in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import open_activity, open_evidence, seal_activity, seal_evidence
from pipeline.identity.evidence_cache import pack, unpack
from pipeline.identity.filing import FiledLeads
from pipeline.identity.matching.evidence import EMAIL, PHONE, PROFILE, STRONG_KINDS, Evidence, evidence_of, keys_of
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.matching.scoring import compare
from pipeline.identity.screening import screen
from pipeline.lanes import BULK
from pipeline.records import ABOUT_PERSON, CONSENTS_SOURCE, Activity, Consent, Lead
from pipeline.routing import told_of_consent, want_people
from pipeline.store.engine import transaction
from pipeline.store.identity import blocks
from pipeline.store.keyring import key_number
from pipeline.store.people import activities as store
from pipeline.store.people.activities import ActivityRow, Candidate
from pipeline.store.people.consents import ConsentRow, consent_rows, write_consents

_SWEPT = 200  # at once
_LOOK_AGAIN_SECONDS = 60.0
_RANK = {PROFILE: 0, EMAIL: 1, PHONE: 2}  # of what two have in common, where they weigh the same


class Kept(msgspec.Struct, frozen=True):
    """What is sealed of an activity."""

    details: dict[str, Any] = {}
    consents: list[Consent] = []

    def __repr__(self) -> str:
        return "<Kept>"


_to_kept = msgspec.msgpack.Decoder(Kept).decode
_kept_to_bytes = msgspec.msgpack.Encoder().encode


def open_kept(sealed: bytes, event_id: UUID) -> Kept:
    """What is kept of an activity."""
    return _to_kept(open_activity(sealed, event_id))


def file_activities(connection: Connection, activities: Iterable[Activity], leads: Iterable[Lead]) -> dict[UUID, str]:
    """Store what is told of somebody, and of leads what they are besides. Commit before `find_people`. Two statements,
    none where there is nothing of the kind, four where an address is suppressed: by event why those are not stored."""
    rows: list[ActivityRow] = []
    keys: dict[UUID, list[int]] = {}
    said: list[tuple[Lead, Evidence]] = []
    for activity in activities:
        evidence = evidence_of(activity.lead)
        said.append((activity.lead, evidence))
        numbers = list(_strong_keys(activity.lead.brand, evidence))
        rows.append(_row(activity, evidence, is_anybody=bool(numbers) or names_person(activity)))
        keys[activity.event_id] = numbers
    rows += [_row_beside(lead) for lead in leads if is_more(lead)]
    store.file_activities(connection, rows)
    stopped = screen(connection, said, store.file_keys(connection, keys))
    store.drop_activities(connection, stopped)
    return stopped


def names_person(activity: Activity) -> bool:
    """Whether it is about somebody who is named by an id, and so about nobody else with the same address."""
    return activity.lead.source == CONSENTS_SOURCE and ABOUT_PERSON in activity.details


def _row(activity: Activity, evidence: Evidence, *, is_anybody: bool) -> ActivityRow:
    event_id, lead = activity.event_id, activity.lead
    until = None if activity.wait_days is None else datetime.now(UTC) + timedelta(days=activity.wait_days)
    kept = Kept(activity.details, lead.consents)
    return ActivityRow(
        *(event_id, lead.brand, lead.source, activity.reason, activity.kind, lead.occurred_at),
        state="waiting" if is_anybody else "ended",  # who names nobody waits for nobody
        waits_until=until,
        sealed_evidence=seal_evidence(pack(evidence), event_id),
        sealed=seal_activity(_kept_to_bytes(kept), event_id),
    )


def is_more(lead: Lead) -> bool:
    """Whether a lead is something else besides, or may be where its record was known before."""
    return lead.also is not None or lead.later is not None


def _row_beside(lead: Lead) -> ActivityRow:
    says, _, kind = (lead.also or f"activity:{lead.later}").partition(":")
    sealed = seal_activity(_kept_to_bytes(Kept(lead.details)), lead.event_id)
    state = "later" if lead.also is None else "also"
    return ActivityRow(
        *(lead.event_id, lead.brand, lead.source, says, kind or says, lead.occurred_at, state, None, None), sealed
    )


def keys_of_leads(filed: FiledLeads) -> set[tuple[UUID, int]]:
    """By which the people of these leads are found whom activities wait for: (evidence, key)."""
    leads = [(evidence_id, lead) for evidence_id, group in filed.leads.items() for lead in group[:1]]
    return {(evidence_id, key) for evidence_id, lead in leads for key in _strong_keys(lead.brand, evidence_of(lead))}


def _strong_keys(brand: str, evidence: Evidence) -> dict[int, tuple[str, str]]:
    """The address, number and profile keys, as they are stored, with what they are."""
    return {key_number(brand, *named): named for named in keys_of(evidence) if named[0] in STRONG_KINDS}


def find_people(
    connection: Connection, event_ids: Collection[UUID], keys: Collection[int], *, lane: str, own: Collection[UUID] = ()
) -> int:
    """Look whose these activities are, and those with these keys that wait; gives how many found their person.

    What they say of consent is the person's then; who is told of it in a CRM is wanted there, but for `own`: people
    whose lead settles after this. At most nine statements, one where nothing waits.
    """
    waiting = store.hold_waiting(connection, event_ids, keys)
    return _give(connection, waiting, {row.event_id: _sought(row) for row in waiting}, lane=lane, own=own)


def _give(
    connection: Connection,
    waiting: Sequence[ActivityRow],
    sought: Mapping[UUID, _Sought],
    *,
    lane: str,
    own: Collection[UUID] = (),
) -> int:
    """What `find_people` does with those that wait, held, and what is `sought` for each."""
    if not waiting:
        return 0
    found = _find(connection, sought) | _find_named(connection, waiting, sought)
    people = store.hold_people_of(connection, set(found.values()))
    found = {event_id: evidence_id for event_id, evidence_id in found.items() if evidence_id in people}
    store.attach(connection, found)
    rows = [row for row in waiting if row.event_id in found]
    told = told_of_consent(row.brand for row in rows)
    consents = [consent for row in rows for consent in _consents(row, people[found[row.event_id]])]
    write_consents(connection, consents, told=told)
    settling = set(own)
    changed = {(consent.person_id, consent.brand) for consent in consents if consent.person_id not in settling}
    if told and changed:
        want_people(connection, changed, lane)
    return len(found)


def _consents(row: ActivityRow, person_id: UUID) -> list[ConsentRow]:
    said = open_kept(row.sealed, row.event_id).consents
    return consent_rows(said, event_id=row.event_id, person_id=person_id, brand=row.brand, source=row.source, at=row.at)


class _Sought(NamedTuple):
    evidence: Evidence
    keys: dict[int, tuple[str, str]]


def _find(connection: Connection, sought: Mapping[UUID, _Sought]) -> dict[UUID, UUID]:
    """The piece of evidence that each activity has most in common with, if that is enough to be one person's."""
    all_keys = {key for one in sought.values() for key in one.keys}
    by_key: dict[int, list[Candidate]] = {}
    for candidate in store.read_candidates(connection, all_keys):
        by_key.setdefault(candidate.key, []).append(candidate)
    if not by_key:
        return {}
    names = blocks.read_shared_keys(connection, by_key)
    opened = {
        candidate.evidence_id: unpack(open_evidence(candidate.sealed, candidate.evidence_id))
        for candidates in by_key.values()
        for candidate in candidates
    }
    best = {event_id: _best(one, by_key, opened, names) for event_id, one in sought.items()}
    return {event_id: evidence_id for event_id, evidence_id in best.items() if evidence_id is not None}


def _find_named(
    connection: Connection, waiting: Sequence[ActivityRow], sought: Mapping[UUID, _Sought]
) -> dict[UUID, UUID]:
    """Of what is said to us of a person by id: the evidence that person began with, so that it stays theirs when they
    are taken apart from whom they were one with; a confirmation is of an address, so it goes with what it has most in
    common with. A mailbox of several tells nobody apart, and what is withdrawn must find its person. One statement
    where there is any.
    """
    named: dict[UUID, tuple[str, UUID]] = {}
    of_address: set[UUID] = set()
    for row in waiting:
        if row.source == CONSENTS_SOURCE:
            kept = open_kept(row.sealed, row.event_id)
            if any(consent.double_opt_in_confirmed_at is not None for consent in kept.consents):
                of_address.add(row.event_id)
            with suppress(ValueError):
                named[row.event_id] = row.brand, UUID(str(kept.details.get(ABOUT_PERSON)))
    of_people = store.read_evidence_of(connection, set(named.values()))
    found = {}
    for event_id, person in named.items():
        ranked = [
            (
                event_id in of_address or not is_first,
                -_score(sought[event_id].evidence, evidence_id, sealed),
                evidence_id,
            )
            for evidence_id, sealed, is_first in of_people.get(person, [])
        ]
        if ranked:
            found[event_id] = min(ranked)[-1]
    return found


def _score(evidence: Evidence, evidence_id: UUID, sealed: bytes) -> float:
    other = unpack(open_evidence(sealed, evidence_id))
    return compare(evidence, other, lambda _kind, _value: 1, identity_rules()).score


def _sought(row: ActivityRow) -> _Sought:
    if row.sealed_evidence is None:
        return _Sought(Evidence(), {})
    evidence = unpack(open_evidence(row.sealed_evidence, row.event_id))
    return _Sought(evidence, _strong_keys(row.brand, evidence))


def _best(
    sought: _Sought,
    by_key: Mapping[int, Sequence[Candidate]],
    opened: Mapping[UUID, Evidence],
    names: Mapping[int, int],
) -> UUID | None:
    """By weight, then by what they have in common, then who is known longest: the same whoever looks, and when."""
    used = {named: names.get(key, 1) for key, named in sought.keys.items()}
    rules = identity_rules()
    ranked = []
    for key, (kind, _) in sought.keys.items():
        for candidate in by_key.get(key, ()):
            comparison = compare(
                sought.evidence, opened[candidate.evidence_id], lambda kind, value: used.get((kind, value), 1), rules
            )
            if comparison.score >= rules.same:
                ranked.append((-comparison.score, _RANK[kind], candidate.person_id, candidate.evidence_id))
    return min(ranked)[-1] if ranked else None


def sweep_activities() -> int:
    """End what waited long enough, and look again for the people of some that wait: a lead may have come in between, or
    a lead's address been corrected. Gives how many ended or found their person. Two transactions."""
    with transaction() as connection:
        ended = store.expire(connection, limit=_SWEPT)
        again = store.next_waiting(connection, seconds=_LOOK_AGAIN_SECONDS, limit=_SWEPT)
    if not again:
        return ended
    with transaction() as connection:
        waiting = store.hold_waiting(connection, again)
        sought = {row.event_id: _sought(row) for row in waiting}
        store.file_keys(connection, {event_id: list(mine.keys) for event_id, mine in sought.items()})
        store.note_looked(connection, again)
        return ended + _give(connection, waiting, sought, lane=BULK)
