"""Who is who, on real rows: evidence is added, what hangs together is read, clustered anew, and people follow.

Nothing here decides: `pipeline/identity/matching` does, from the evidence alone. What is read is everything that the
new evidence can pull on (`pipeline/identity/neighborhoods.py`), so the outcome is that of clustering all evidence at
once, whatever order it came in: merging two people and taking one apart are the same step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.identity.corrected_events import Departures
from pipeline.identity.evidence_limits import thinned
from pipeline.identity.matching.clustering import cluster, components
from pipeline.identity.matching.evidence import Evidence, evidence_of, keys_of
from pipeline.identity.matching.rules import IdentityRules, identity_rules
from pipeline.identity.neighborhoods import Gathering, Memory, Neighborhood, pack
from pipeline.identity.people_updates import Following, Recompute, Resolved, Verdict, add_leads
from pipeline.records import Lead, new_id
from pipeline.replay import recompute_leads
from pipeline.routing import want_people
from pipeline.store.identity import blocks, evidence_rows, reviews
from pipeline.store.identity.evidence_rows import NewEvidence
from pipeline.store.keyring import blind_index
from pipeline.store.people import people

_ROUNDS = 12  # of beginning again, as others changed what was being locked


def file_evidence(connection: Connection, leads: Sequence[Lead], memory: Memory | None = None) -> dict[UUID, UUID]:
    """Store what these leads say of who they are; gives each event's evidence. Commit before resolving.

    `memory`: hand it on to `resolve`, which then need not open again what was just made, and knows of events that were
    filed under other evidence before.
    """
    memory = memory or Memory()
    new: dict[UUID, NewEvidence] = {}
    of_event: dict[UUID, UUID] = {}
    said = [new_evidence(lead, evidence_of(lead), memory) for lead in leads]
    instead = thinned(connection, said, memory, identity_rules())
    for lead, one in zip(leads, said, strict=True):
        less = instead.get(one.evidence_id)
        made = one if less is None else new_evidence(lead, less, memory)
        of_event[lead.event_id] = made.evidence_id
        known = new.setdefault(made.evidence_id, made)
        if known is not made:
            new[made.evidence_id] = msgspec.structs.replace(known, event_ids=[*known.event_ids, lead.event_id])
    elsewhere = evidence_rows.add_evidence(connection, list(new.values()))
    memory.moving = {event_id: of_event[event_id] for event_id in elsewhere}
    return of_event


def new_evidence(lead: Lead, evidence: Evidence, memory: Memory) -> NewEvidence:
    """A lead's evidence as it is stored."""
    packed, keys = pack(evidence), keys_of(evidence)
    # What shares no key is never compared: equal as it may be, it is evidence of its own (two namesakes, say).
    content = packed if keys else lead.event_id.bytes + packed
    evidence_id = blind_index().content_id(lead.brand.encode() + b"\x00" + content)
    numbers = memory.remember(evidence_id, lead.brand, evidence, keys)
    return NewEvidence(evidence_id, lead.brand, new_id(), packed, numbers, [lead.event_id])


def resolve(
    connection: Connection,
    leads: Mapping[UUID, Sequence[Lead]],
    recompute: Recompute,
    *,
    again: Collection[UUID] = (),
    decided_by: str = "rules",
    memory: Memory | None = None,
) -> Resolved:
    """Find or make the people of `leads` (by evidence id), and of evidence to be looked at `again`.

    One transaction. A second run, or one beside others, changes nothing. Evidence in `again` that has no person yet is
    left to the worker that brings it. Raises TransientError if others keep changing the same people, or if evidence
    went away since it was filed: file it again.
    """
    memory, rules = memory or Memory(), identity_rules()
    wanted: set[UUID] = set()
    for _ in range(_ROUNDS):
        attempt = connection.begin_nested()  # undoing it lets go of its locks
        gathering = Gathering(connection, memory, rules)
        # Before anything is read: whoever is waited for gives notice, so what was read before would be out of date.
        gathering.hold(wanted)
        departures = Departures(connection, memory.moving)
        known = evidence_rows.read_evidence(connection, {*leads, *again, *departures.pieces})
        if not leads.keys() <= known.keys():
            raise TransientError("evidence went away before it was resolved")
        fresh = {key: one for key, one in known.items() if one.person_id is None and key in leads}
        asked = {*again, *departures.pieces}
        looked_at = {key: one for key, one in known.items() if one.person_id is not None and key in asked}
        if fresh or looked_at or departures:
            departures.begin(known, memory)
            near = gathering.gather(fresh, looked_at)
            if near is not None:
                departures.leave(near)
                verdict = _cluster(connection, near, memory, {*fresh, *looked_at} - departures.vanishing.keys(), rules)
                made = Following(
                    connection,
                    known | near.known,
                    verdict,
                    leads,
                    departures=departures,
                    recompute=recompute,
                    decided_by=decided_by,
                )
                if made.hold_people() and departures.complete():
                    resolved = made.bring_up_to_date()
                    attempt.commit()
                    return resolved
            wanted = gathering.wanted
        else:
            owners = {key: one.person_id for key, one in known.items() if one.person_id is not None}
            rows = people.read_people(connection, set(owners.values()), lock=True)
            if evidence_rows.read_owners(connection, owners) == owners:
                attempt.commit()
                add_leads(connection, leads, owners, rows)
                return Resolved(owners, {})
        attempt.rollback()
    raise TransientError("others keep changing the people in question")


def _cluster(
    connection: Connection, near: Neighborhood, memory: Memory, looked_at: set[UUID], rules: IdentityRules
) -> Verdict:
    together = {key: one for key, one in near.known.items() if key not in near.alone}
    blocks.note_shared_keys(connection, near.recounted)
    blocks.give_notice(connection, near.noticing)
    must, cannot = evidence_rows.read_decisions(connection, together)
    brands: dict[str, dict[UUID, Evidence]] = {}
    for key, one in together.items():
        brands.setdefault(one.brand, {})[key] = memory.evidence(one)
    verdict = Verdict([frozenset([key]) for key in near.alone], {key: key for key in near.alone}, {})
    for brand, evidence in brands.items():

        def names_on(kind: str, value: str, brand: str = brand) -> int:
            return near.names.get(memory.number(brand, kind, value), 1)

        settled = {
            key: together[key].component
            for key in evidence
            if key not in near.looked_at and together[key].person_id is not None
        }
        found = cluster(evidence, names_on, must=must, cannot=cannot, rules=rules, keys=near.keys, settled=settled)
        verdict.people += found.people
        verdict.components |= components(evidence, [*found.bonds, *must, *cannot])
        verdict.reviews[brand] = found
    # What comes apart without a word of its own may have to be asked about again.
    moved = {
        key
        for members in verdict.people
        for target in [min(near.known[key].birth_id for key in members)]
        for key in members
        if near.known[key].person_id not in (None, target)
    }
    fresh = looked_at | moved
    reviews.note_reviews(
        connection,
        [
            (brand, pair, comparison)
            for brand, found in verdict.reviews.items()
            for pair, comparison in found.reviews.items()
            if pair[0] in fresh or pair[1] in fresh
        ],
    )
    return verdict


def resolve_people(
    connection: Connection,
    lane: str,
    leads: Mapping[UUID, Sequence[Lead]],
    *,
    again: Collection[UUID] = (),
    decided_by: str = "rules",
    memory: Memory | None = None,
) -> Resolved:
    """`resolve`, and what every CRM must hear of people who came together or apart by it, in the same transaction."""
    resolved = resolve(connection, leads, recompute_leads, again=again, decided_by=decided_by, memory=memory)
    want_people(connection, resolved.changed.items(), lane)
    return resolved
