"""Who is who, on real rows: evidence is added, what hangs together is read, clustered anew, and people follow.

Nothing here decides: `pipeline/stages/identity` does, from the evidence alone. What is read is everything that the new
evidence can pull on (`pipeline/neighborhoods.py`), so the outcome is that of clustering all evidence at once, whatever
order it came in: merging two people and taking one apart are the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.departures import Departures
from pipeline.errors import TransientError
from pipeline.neighborhoods import Gathering, Memory, Neighborhood, pack
from pipeline.records import Lead, Person, Profile, new_id
from pipeline.stages.identity.clustering import Clusters, cluster, components
from pipeline.stages.identity.evidence import Evidence, evidence_of, keys_of
from pipeline.stages.identity.rules import IdentityRules, identity_rules
from pipeline.stages.survivorship import merge_profile, taken_back
from pipeline.store import identity, moves, people, reviews
from pipeline.store.identity import KnownEvidence, NewEvidence
from pipeline.store.keyring import blind_index
from pipeline.thinning import thinned

Recompute = Callable[[Connection, Sequence[UUID]], Iterable[Lead]]  # events through map and normalize once more
_ROUNDS = 12  # of beginning again, as others changed what was being locked


class Resolved(msgspec.Struct, frozen=True):
    """`owners`: the person of each piece of evidence asked about. `changed`: further people whose CRM records must
    follow (merged, taken apart), by brand. `joined`: who forwards to whom since now; `parted`: who stands for itself
    since now."""

    owners: dict[UUID, UUID]
    changed: dict[UUID, str]
    joined: dict[UUID, UUID] = {}
    parted: frozenset[UUID] = frozenset()

    def __repr__(self) -> str:
        return f"<Resolved: {len(self.owners)} pieces of evidence, {len(self.changed)} people changed>"


def file_evidence(connection: Connection, leads: Sequence[Lead], memory: Memory | None = None) -> dict[UUID, UUID]:
    """Store what these leads say of who they are; gives each event's evidence. Commit before resolving.

    `memory`: hand it on to `resolve`, which then need not open again what was just made, and knows of events that were
    filed under other evidence before.
    """
    memory = memory or Memory()
    new: dict[UUID, NewEvidence] = {}
    of_event: dict[UUID, UUID] = {}
    said = [new_evidence(lead, evidence_of(lead), memory) for lead in leads]
    instead = thinned(connection, {one.evidence_id for one in said}, memory, identity_rules())
    for lead, one in zip(leads, said, strict=True):
        less = instead.get(one.evidence_id)
        made = one if less is None else new_evidence(lead, less, memory)
        of_event[lead.event_id] = made.evidence_id
        known = new.setdefault(made.evidence_id, made)
        if known is not made:
            new[made.evidence_id] = msgspec.structs.replace(known, event_ids=[*known.event_ids, lead.event_id])
    elsewhere = identity.add_evidence(connection, list(new.values()))
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
        departures = Departures(connection, memory.moving)
        known = identity.read_evidence(connection, {*leads, *again, *departures.pieces})
        if not leads.keys() <= known.keys():
            raise TransientError("evidence went away before it was resolved")
        fresh = {key: one for key, one in known.items() if one.person_id is None and key in leads}
        asked = {*again, *departures.pieces}
        looked_at = {key: one for key, one in known.items() if one.person_id is not None and key in asked}
        attempt = connection.begin_nested()  # undoing it lets go of its locks
        if fresh or looked_at or departures:
            departures.begin(known, memory)
            gathering = Gathering(connection, memory, rules, wanted)
            near = gathering.gather(fresh, looked_at)
            if near is not None:
                departures.leave(near)
                verdict = _cluster(connection, near, memory, {*fresh, *looked_at} - departures.vanishing.keys(), rules)
                made = _People(
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
            if identity.read_owners(connection, owners) == owners:
                attempt.commit()
                _add_leads(connection, leads, owners, rows)
                return Resolved(owners, {})
        attempt.rollback()
    raise TransientError("others keep changing the people in question")


def _cluster(
    connection: Connection, near: Neighborhood, memory: Memory, looked_at: set[UUID], rules: IdentityRules
) -> _Verdict:
    together = {key: one for key, one in near.known.items() if key not in near.alone}
    identity.note_shared_keys(connection, near.recounted)
    identity.give_notice(connection, near.noticing)
    must, cannot = identity.read_decisions(connection, together)
    brands: dict[str, dict[UUID, Evidence]] = {}
    for key, one in together.items():
        brands.setdefault(one.brand, {})[key] = memory.evidence(one)
    verdict = _Verdict([frozenset([key]) for key in near.alone], {key: key for key in near.alone}, {})
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


class _Verdict(msgspec.Struct):
    people: list[frozenset[UUID]]
    components: dict[UUID, UUID]
    reviews: dict[str, Clusters]


class _People:
    """Makes rows of people what the clusters say."""

    def __init__(
        self,
        connection: Connection,
        known: Mapping[UUID, KnownEvidence],
        verdict: _Verdict,
        leads: Mapping[UUID, Sequence[Lead]],
        *,
        departures: Departures,
        recompute: Recompute,
        decided_by: str,
    ) -> None:
        self._connection, self._leads, self._departures = connection, leads, departures
        self._heirs = departures.heirs(known)
        known = {key: one for key, one in known.items() if key not in departures.vanishing}
        self._known = known
        self._recompute, self._decided_by, self._components = recompute, decided_by, verdict.components
        self._targets = {
            key: target
            for members in verdict.people
            for target in [min(known[key].birth_id for key in members)]
            for key in members
        }
        settled = {key: one.person_id for key, one in known.items() if one.person_id is not None}
        self._owners: dict[UUID, UUID] = {**settled, **self._targets}
        self._rows: dict[UUID, Person] = {}
        self._remade: set[UUID] = set()

    def hold_people(self) -> bool:
        """Lock the rows of all people in question. False if those of leads whose evidence is not held have others now.

        People before evidence: whoever holds a person may ask for its evidence, never the other way round.
        """
        involved = {self._owners[key] for key in self._leads} | self._heirs.keys()
        for key, target in self._targets.items():
            before = self._known[key]
            if before.person_id is not None and (before.person_id, before.component) != (target, self._components[key]):
                involved |= {before.person_id, target}
        self._rows = people.read_people(self._connection, involved, lock=True)
        unheld = {key: self._owners[key] for key in self._leads if key not in self._targets}
        return not unheld or identity.read_owners(self._connection, unheld) == unheld

    def bring_up_to_date(self) -> Resolved:
        moved = {
            key: target for key, target in self._targets.items() if self._known[key].person_id not in (None, target)
        }
        losing = {
            person_id for key in moved if (person_id := self._known[key].person_id) is not None
        } | self._heirs.keys()
        identity.assign(
            self._connection,
            [
                (key, target, self._components[key])
                for key, target in self._targets.items()
                if (self._known[key].person_id, self._known[key].component) != (target, self._components[key])
            ],
        )
        moves_made = self._move(moved, losing) if moved or self._departures else Resolved({}, {})
        rest = {key: some for key, some in self._leads.items() if self._owners[key] not in self._remade}
        _add_leads(self._connection, rest, self._owners, self._rows)
        return msgspec.structs.replace(moves_made, owners=self._owners)

    def _move(self, moved: Mapping[UUID, UUID], losing: Collection[UUID]) -> Resolved:
        """Evidence that has other people now takes its facts along; those people are made anew from all they have."""
        known, connection, rows = self._known, self._connection, self._rows
        leaving = {event_id: self._owners[key] for event_id, key in self._departures.targets.items()}
        affected = {*losing, *moved.values(), *leaving.values()}
        gone = affected - set(self._targets.values())
        of_births = {one.birth_id: key for key, one in known.items()}
        members: dict[UUID, list[UUID]] = {}
        for key, target in self._targets.items():
            if target in affected:
                members.setdefault(target, []).append(key)
        events = identity.events_of_evidence(connection, [key for keys in members.values() for key in keys])
        moves.move_facts(
            connection,
            leaving | {event_id: target for key, target in moved.items() for event_id in events.get(key, ())},
        )
        remade = []
        for person_id, keys in sorted(members.items()):
            profile = Profile()
            for lead in self._recompute(connection, sorted(event for key in keys for event in events.get(key, ()))):
                profile, _ = merge_profile(profile, lead)
            before = rows.get(person_id)
            version = before.version + 1 if before else 1
            if before:
                profile.emptied = taken_back(before.profile, profile, version)
            remade.append(Person(person_id, known[keys[0]].brand, version, profile, is_new=before is None))
        people.write_people(connection, remade)
        self._remade = members.keys() & affected
        forwards = self._forwards(moved, gone)
        revived = {person_id: None for person_id in members if person_id in rows}
        followed = moves.forward_people(connection, {**forwards, **revived})
        moves.rebuild_touches(connection, affected)
        moves.drop_unsent_deliveries(connection, gone)
        joined = {person_id: forwards[person_id] for person_id in gone}
        moves.log_changes(connection, self._changes(joined, members, losing))
        # Whoever has new evidence only was nobody before, or is no other than before: `load` wants what it settles.
        changed = {
            person_id: known[keys[0]].brand
            for person_id, keys in members.items()
            if any(known[key].person_id is not None for key in keys)
        } | {
            person_id: known[members[target][0]].brand
            for person_id, target in {**followed, **joined}.items()
            if target is not None
        }
        return Resolved(
            {},
            changed,
            joined,
            frozenset(one for one in members if known[of_births[one]].person_id not in (None, one)),
        )

    def _forwards(self, moved: Mapping[UUID, UUID], gone: Collection[UUID]) -> dict[UUID, UUID]:
        """Whom the ids of people stand for: a person goes where the evidence that it began with goes, also one that had
        become one with another before. Where that evidence was deleted, the oldest that is left counts; where none is,
        what its events say now.
        """
        births = {self._known[key].birth_id: target for key, target in moved.items()}
        forwards = {birth_id: target for birth_id, target in births.items() if birth_id != target}
        left = {person_id: self._owners[key] for person_id, key in self._heirs.items() if person_id in gone}
        parts: dict[UUID, UUID] = {}
        for key in sorted(moved, key=lambda key: self._known[key].birth_id):
            person_id = self._known[key].person_id
            if person_id in gone and person_id is not None:
                parts.setdefault(person_id, moved[key])
        return left | parts | forwards

    def _changes(
        self, forwards: Mapping[UUID, UUID], members: Mapping[UUID, Sequence[UUID]], losing: Collection[UUID]
    ) -> list[moves.Change]:
        changes = []
        for person_id, target in sorted(forwards.items()):
            brand, details = self._known[members[target][0]].brand, self._sides(person_id, members[target])
            changes.append(moves.Change(brand, "merged", target, person_id, self._decided_by, details))
        for person_id, keys in sorted(members.items()):
            left = {self._known[key].person_id for key in keys} - {None, person_id}
            changes += [
                moves.Change(self._known[keys[0]].brand, "split", other, person_id, self._decided_by)
                for other in sorted(one for one in left if one is not None and one in losing and one not in forwards)
            ]
        return changes

    def _sides(self, merged: UUID, members: Sequence[UUID]) -> dict[str, object]:
        """Which evidence was the merged person's, and which nobody's until now: what it takes to part them again."""
        before = {key: self._known[key].person_id for key in members}
        return {
            "evidence": sorted(str(key) for key, person_id in before.items() if person_id == merged),
            "new": sorted(str(key) for key, person_id in before.items() if person_id is None),
        }


def _add_leads(
    connection: Connection,
    leads: Mapping[UUID, Sequence[Lead]],
    owners: Mapping[UUID, UUID],
    rows: Mapping[UUID, Person],
) -> None:
    """Put the leads' values into their people's golden records, those in `rows` or new ones. At most two statements."""
    written: dict[UUID, Person] = {}
    ordered = sorted(
        ((lead, owners[key]) for key, group in leads.items() for lead in group),
        key=lambda item: (item[0].occurred_at, item[0].event_id),
    )
    for lead, person_id in ordered:
        before = rows.get(person_id)
        person = written.get(person_id) or before or Person(person_id, lead.brand, 1, Profile(), is_new=True)
        profile, is_changed = merge_profile(person.profile, lead)
        if person.is_new or is_changed or profile != person.profile:
            grows = before is not None and is_changed
            version = before.version + 1 if before is not None and grows else person.version
            written[person_id] = Person(person_id, person.brand, version, profile, person.is_new)
    people.write_people(connection, list(written.values()))
