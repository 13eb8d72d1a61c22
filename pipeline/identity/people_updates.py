"""People follow what was found of their evidence: rows, ids and facts become what the clusters say.

A person's id is the smallest one that its evidence was born with. So whoever was merged and is parted again has the old
id back, and events, touches and consents go along with the evidence they came with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.corrected_events import Departures
from pipeline.identity.matching.clustering import Clusters
from pipeline.records import Lead, Person, Profile
from pipeline.stages.survivorship.survivorship import merge_profile, merge_profiles, taken_back
from pipeline.store.identity import evidence_rows, people_moves
from pipeline.store.identity.evidence_rows import KnownEvidence
from pipeline.store.people import people

Recompute = Callable[[Connection, Sequence[UUID]], Iterable[Lead]]  # events through map and normalize once more


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


class Verdict(msgspec.Struct):
    people: list[frozenset[UUID]]
    components: dict[UUID, UUID]
    reviews: dict[str, Clusters]


class Following:
    """Makes rows of people what the clusters say."""

    def __init__(
        self,
        connection: Connection,
        known: Mapping[UUID, KnownEvidence],
        verdict: Verdict,
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
        return not unheld or evidence_rows.read_owners(self._connection, unheld) == unheld

    def bring_up_to_date(self) -> Resolved:
        moved = {
            key: target for key, target in self._targets.items() if self._known[key].person_id not in (None, target)
        }
        losing = {
            person_id for key in moved if (person_id := self._known[key].person_id) is not None
        } | self._heirs.keys()
        evidence_rows.assign(
            self._connection,
            [
                (key, target, self._components[key])
                for key, target in self._targets.items()
                if (self._known[key].person_id, self._known[key].component) != (target, self._components[key])
            ],
        )
        moves_made = self._move(moved, losing) if moved or self._departures else Resolved({}, {})
        rest = {key: some for key, some in self._leads.items() if self._owners[key] not in self._remade}
        add_leads(self._connection, rest, self._owners, self._rows)
        return msgspec.structs.replace(moves_made, owners=self._owners)

    def _move(self, moved: Mapping[UUID, UUID], losing: Collection[UUID]) -> Resolved:
        """Evidence that has other people now takes its facts along; those people get records of all they have."""
        known, connection, rows = self._known, self._connection, self._rows
        leaving = {event_id: self._owners[key] for event_id, key in self._departures.targets.items()}
        affected = {*losing, *moved.values(), *leaving.values()}
        gone = affected - set(self._targets.values())
        of_births = {one.birth_id: key for key, one in known.items()}
        members: dict[UUID, list[UUID]] = {}
        for key, target in self._targets.items():
            if target in affected:
                members.setdefault(target, []).append(key)
        absorbed = {person_id: self._absorbed(person_id, keys, losing) for person_id, keys in members.items()}
        anew = {person_id: keys for person_id, keys in members.items() if absorbed[person_id] is None}
        events = evidence_rows.events_of_evidence(
            connection, [*moved, *(key for keys in anew.values() for key in keys)]
        )
        people_moves.move_facts(
            connection,
            leaving | {event_id: target for key, target in moved.items() for event_id in events.get(key, ())},
        )
        remade = []
        for person_id, keys in sorted(members.items()):
            before, whole = rows.get(person_id), absorbed[person_id]
            profile = Profile() if before is None or whole is None else before.profile
            for other in whole or ():
                profile = merge_profiles(profile, rows[other].profile)
            pieces = keys if whole is None else self._parts_of_others(person_id, keys, whole)
            for lead in self._recompute(connection, sorted(event for key in pieces for event in events.get(key, ()))):
                profile, _ = merge_profile(profile, lead)
            for key in keys:
                for lead in self._leads.get(key, ()):
                    profile, _ = merge_profile(profile, lead)
            version = before.version + 1 if before else 1
            if before:
                profile.emptied = taken_back(before.profile, profile, version)
            remade.append(Person(person_id, known[keys[0]].brand, version, profile, is_new=before is None))
        people.write_people(connection, remade)
        self._remade = members.keys() & affected
        forwards = self._forwards(moved, gone)
        revived = {person_id: None for person_id in members if person_id in rows}
        followed = people_moves.forward_people(connection, {**forwards, **revived})
        people_moves.rebuild_touches(connection, affected)
        people_moves.drop_unsent_deliveries(connection, gone)
        joined = {person_id: forwards[person_id] for person_id in gone}
        people_moves.log_changes(connection, self._changes(joined, members, losing))
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

    def _absorbed(self, person_id: UUID, keys: Sequence[UUID], losing: Collection[UUID]) -> set[UUID] | None:
        """The people that this one takes up whole, where it keeps all that it had: then its golden record and theirs
        say what all their events would say again, however many those are. None: it is to be made anew from its events.
        """
        owners = {self._known[key].person_id for key in keys}
        if self._departures or person_id in losing or person_id not in self._rows or person_id not in owners:
            return None
        others = {owner for owner in owners if owner not in (None, person_id) and owner in self._rows}
        return others - {
            one.person_id for key, one in self._known.items() if self._owners.get(key) != person_id and one.person_id
        }

    def _parts_of_others(self, person_id: UUID, keys: Sequence[UUID], whole: Collection[UUID]) -> list[UUID]:
        owners = {key: self._known[key].person_id for key in keys}
        return [key for key, owner in owners.items() if owner not in (None, person_id) and owner not in whole]

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
    ) -> list[people_moves.Change]:
        changes = []
        for person_id, target in sorted(forwards.items()):
            brand, details = self._known[members[target][0]].brand, self._sides(person_id, members[target])
            changes.append(people_moves.Change(brand, "merged", target, person_id, self._decided_by, details))
        for person_id, keys in sorted(members.items()):
            left = {self._known[key].person_id for key in keys} - {None, person_id}
            changes += [
                people_moves.Change(self._known[keys[0]].brand, "split", other, person_id, self._decided_by)
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


def add_leads(
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
