"""Who is who, on real rows: evidence is added, what hangs together is read, clustered anew, and people follow.

Nothing here decides: `pipeline/stages/identity` does, from the evidence alone. What is read is everything that the new
evidence can pull on, so the outcome is that of clustering all evidence at once, whatever order it came in:
merging two people and taking one apart are the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.records import Lead, Person, Profile, new_id
from pipeline.stages.identity.clustering import Clusters, cluster, components, count_names
from pipeline.stages.identity.evidence import STRONG_KINDS, Evidence, evidence_of, keys_of
from pipeline.stages.identity.rules import IdentityRules, identity_rules
from pipeline.stages.survivorship import merge_profile
from pipeline.store import identity, moves, people, reviews
from pipeline.store.identity import KnownEvidence, NewEvidence
from pipeline.store.keyring import blind_index

Recompute = Callable[[Connection, Sequence[UUID]], Iterable[Lead]]  # events through map and normalize once more
_ROUNDS = 5  # of looking again, when others joined components while we waited for their locks
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Evidence).decode


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


def file_evidence(connection: Connection, leads: Sequence[Lead]) -> dict[UUID, UUID]:
    """Store what these leads say of who they are; gives each event's evidence. Commit before resolving."""
    new: dict[UUID, NewEvidence] = {}
    of_event: dict[UUID, UUID] = {}
    for lead in leads:
        evidence = evidence_of(lead)
        packed = _pack(evidence)
        evidence_id = _id(lead.brand, "evidence", packed.hex())
        of_event[lead.event_id] = evidence_id
        known = new.get(evidence_id)
        if known is None:
            keys = [_id(lead.brand, kind, value) for kind, value in keys_of(evidence)]
            new[evidence_id] = NewEvidence(evidence_id, lead.brand, new_id(), packed, keys, [lead.event_id])
        else:
            new[evidence_id] = msgspec.structs.replace(known, event_ids=[*known.event_ids, lead.event_id])
    identity.add_evidence(connection, list(new.values()))
    return of_event


def resolve(
    connection: Connection,
    leads: Mapping[UUID, Sequence[Lead]],
    recompute: Recompute,
    *,
    again: Collection[UUID] = (),
    decided_by: str = "rules",
) -> Resolved:
    """Find or make the people of `leads` (by evidence id), and of evidence to be looked at `again`.

    One transaction. A second run, or one beside others, changes nothing.
    """
    asked = {*leads, *again}
    known = identity.read_evidence(connection, asked)
    unsettled = {key for key, one in known.items() if one.person_id is None or key in again}
    if not unsettled:
        owners = {key: one.person_id for key, one in known.items() if one.person_id is not None}
        rows = people.read_people(connection, set(owners.values()), lock=True)
        if any(one.person_id != owners.get(key) for key, one in identity.read_evidence(connection, asked).items()):
            raise TransientError("people changed while their rows were waited for")
        _add_leads(connection, leads, owners, rows)
        return Resolved(owners, {})
    rules = identity_rules()
    neighborhood = _read_neighborhood(connection, known, unsettled, rules)
    known = {**known, **neighborhood.known}
    verdict = _cluster(connection, neighborhood, rules)
    return _People(connection, known, verdict, leads, recompute, decided_by).bring_up_to_date()


class _Neighborhood(msgspec.Struct):
    """All evidence that may pull on what is asked about, and how many names use its keys."""

    known: dict[UUID, KnownEvidence]
    names: dict[UUID, int]
    unsettled: set[UUID]
    reader: _Reader


class _Reader:
    """Evidence unpacked and its keys made, each once."""

    def __init__(self) -> None:
        self._evidence: dict[UUID, Evidence] = {}
        self._keys: dict[UUID, list[tuple[str, str, UUID]]] = {}
        self._ids: dict[tuple[str, str, str], UUID] = {}

    def evidence(self, one: KnownEvidence) -> Evidence:
        found = self._evidence.get(one.evidence_id)
        if found is None:
            found = self._evidence[one.evidence_id] = _unpack(one.packed)
        return found

    def keys(self, known: Iterable[KnownEvidence]) -> set[UUID]:
        return {key for one in known for _, _, key in self._all(one)}

    def strong_keys(self, known: Iterable[KnownEvidence]) -> set[UUID]:
        return {key for one in known for kind, _, key in self._all(one) if kind in STRONG_KINDS}

    def id_of(self, brand: str, kind: str, value: str) -> UUID:
        key = self._ids.get((brand, kind, value))
        if key is None:
            key = self._ids[brand, kind, value] = _id(brand, kind, value)
        return key

    def _all(self, one: KnownEvidence) -> list[tuple[str, str, UUID]]:
        found = self._keys.get(one.evidence_id)
        if found is None:
            found = [(kind, value, self.id_of(one.brand, kind, value)) for kind, value in keys_of(self.evidence(one))]
            self._keys[one.evidence_id] = found
        return found


def _read_neighborhood(
    connection: Connection, asked: Mapping[UUID, KnownEvidence], unsettled: set[UUID], rules: IdentityRules
) -> _Neighborhood:
    """Lock and read everything that the unsettled evidence can pull on.

    Where it shows that an address or number is used by more names than was known, or by fewer (a full name may say
    that two short ones are one), whoever uses it is looked at anew with all that they say.
    """
    reader = _Reader()
    looked_at = {key: asked[key] for key in unsettled}
    locked: set[UUID] = set()
    for _ in range(_ROUNDS):
        blocks = identity.read_blocks(connection, reader.keys(looked_at.values()), limit=rules.crowded + 1)
        wanted = {component for block in blocks.values() for component in block.values()}
        wanted |= {one.component for one in looked_at.values()}
        identity.lock_components(connection, wanted - locked)
        locked |= wanted
        known = identity.read_components(connection, locked)
        if any(one not in known for block in blocks.values() for one in block):
            continue  # components grew together while we waited for them
        names = identity.read_shared_keys(connection, reader.strong_keys(known.values()))
        recounted: dict[UUID, int] = {}
        for key in reader.strong_keys(looked_at.values()):
            block = blocks.get(key, {})
            used = rules.of_many
            if len(block) <= rules.crowded:
                used = max(1, count_names((reader.evidence(known[one]).name for one in block), rules.of_many))
            if used != names.get(key, 1):
                recounted[key] = used
        more = {one for key in recounted for one in blocks[key]} - looked_at.keys()
        if not more:
            identity.note_shared_keys(connection, recounted)
            return _Neighborhood(known, {**names, **recounted}, unsettled, reader)
        looked_at.update((key, known[key]) for key in more)
    raise TransientError("others keep changing the people in question; looking again")


def _cluster(connection: Connection, near: _Neighborhood, rules: IdentityRules) -> _Verdict:
    must, cannot = identity.read_decisions(connection, near.known)
    brands: dict[str, dict[UUID, Evidence]] = {}
    for key, one in near.known.items():
        brands.setdefault(one.brand, {})[key] = near.reader.evidence(one)
    verdict = _Verdict([], {}, {})
    for brand, evidence in brands.items():

        def names_on(kind: str, value: str, brand: str = brand) -> int:
            return near.names.get(near.reader.id_of(brand, kind, value), 1)

        found = cluster(evidence, names_on, must=must, cannot=cannot, rules=rules)
        verdict.people += found.people
        verdict.components |= components(evidence, [*found.bonds, *must, *cannot])
        verdict.reviews[brand] = found
    fresh = near.unsettled
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
        recompute: Recompute,
        decided_by: str,
    ) -> None:
        self._connection, self._known, self._leads = connection, known, leads
        self._recompute, self._decided_by, self._components = recompute, decided_by, verdict.components
        # Evidence of a batch that another worker is at gets its person from that worker, unless it is one with ours.
        self._targets = {
            key: target
            for members in verdict.people
            if any(known[key].person_id is not None or key in leads for key in members)
            for target in [min(known[key].birth_id for key in members)]
            for key in members
        }

    def bring_up_to_date(self) -> Resolved:
        moved = {
            key: target for key, target in self._targets.items() if self._known[key].person_id not in (None, target)
        }
        losing = {person_id for key in moved if (person_id := self._known[key].person_id) is not None}
        owners = {
            **{key: one.person_id for key, one in self._known.items() if one.person_id is not None},
            **self._targets,
        }
        # People before evidence: whoever holds a person may ask for its evidence, never the other way round.
        involved = {*losing, *moved.values(), *(owners[key] for key in self._leads)}
        rows = people.read_people(self._connection, involved, lock=True)
        identity.assign(
            self._connection,
            [
                (key, target, self._components[key])
                for key, target in self._targets.items()
                if (self._known[key].person_id, self._known[key].component) != (target, self._components[key])
            ],
        )
        moves_made = self._move(moved, losing, rows) if moved else Resolved({}, {})
        rest = {key: some for key, some in self._leads.items() if owners[key] not in moves_made.changed}
        _add_leads(self._connection, rest, owners, rows)
        return msgspec.structs.replace(moves_made, owners=owners)

    def _move(self, moved: Mapping[UUID, UUID], losing: Collection[UUID], rows: Mapping[UUID, Person]) -> Resolved:
        """Evidence that has other people now takes its facts along; those people are made anew from all they have."""
        known, connection = self._known, self._connection
        affected = {*losing, *moved.values()}
        gone = affected - set(self._targets.values())
        of_births = {one.birth_id: key for key, one in known.items()}
        members: dict[UUID, list[UUID]] = {}
        for key, target in self._targets.items():
            if target in affected:
                members.setdefault(target, []).append(key)
        events = identity.events_of_evidence(connection, [key for keys in members.values() for key in keys])
        moves.move_facts(
            connection, {event_id: target for key, target in moved.items() for event_id in events.get(key, ())}
        )
        remade = []
        for person_id, keys in sorted(members.items()):
            profile = Profile()
            for lead in self._recompute(connection, sorted(event for key in keys for event in events.get(key, ()))):
                profile, _ = merge_profile(profile, lead)
            before = rows.get(person_id)
            version = before.version + 1 if before else 1
            remade.append(Person(person_id, known[keys[0]].brand, version, profile, is_new=before is None))
        people.write_people(connection, remade)
        forwards: dict[UUID, UUID | None] = {
            person_id: self._targets[of_births[person_id]] for person_id in gone if person_id in of_births
        }
        revived = {person_id: None for person_id in members if person_id in rows}
        moves.forward_people(connection, {**revived, **forwards})
        moves.rebuild_touches(connection, affected)
        moves.drop_unsent_deliveries(connection, gone)
        moves.log_changes(connection, self._changes(forwards, members, losing))
        changed = {person_id: known[keys[0]].brand for person_id, keys in members.items()} | {
            person_id: known[of_births[person_id]].brand for person_id in forwards
        }
        return Resolved(
            {},
            changed,
            {person_id: target for person_id, target in forwards.items() if target is not None},
            frozenset(one for one in members if known[of_births[one]].person_id not in (None, one)),
        )

    def _changes(
        self, forwards: Mapping[UUID, UUID | None], members: Mapping[UUID, Sequence[UUID]], losing: Collection[UUID]
    ) -> list[moves.Change]:
        changes = []
        for person_id, target in sorted(forwards.items()):
            if target is None or target not in members:
                continue
            brand, details = self._known[members[target][0]].brand, self._sides(person_id, members[target])
            changes.append(moves.Change(brand, "merged", target, person_id, self._decided_by, details))
        for person_id, keys in sorted(members.items()):
            left = {self._known[key].person_id for key in keys} - {None, person_id}
            for other in sorted(one for one in left if one is not None and one in losing and one not in forwards):
                changes.append(moves.Change(self._known[keys[0]].brand, "split", other, person_id, self._decided_by))
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


def _id(brand: str, kind: str, value: str) -> UUID:
    """16 bytes of a keyed digest: evidence and keys can be compared, not guessed at."""
    return UUID(bytes=blind_index().digest(kind, f"{brand}\x00{value}")[:16])
