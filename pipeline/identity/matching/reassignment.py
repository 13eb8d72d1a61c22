"""Who becomes whom when evidence changes hands: a plan, made of what is known, that `people_updates` carries out.

A person's id is the smallest one that its evidence was born with. So whoever was merged and is parted again has the old
id back, and events, touches and consents go along with the evidence they came with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

_Ids = tuple[UUID, ...]


class OwnedEvidence(Protocol):
    """A piece of evidence as it is stored. `birth_id`: the person it would be alone; `person_id`: whose it is until
    now, None if it is new."""

    @property
    def brand(self) -> str: ...

    @property
    def birth_id(self) -> UUID: ...

    @property
    def person_id(self) -> UUID | None: ...


class Corrections(msgspec.Struct, frozen=True):
    """Events that bring other evidence than before. `brings`: the evidence that each event brings now. `left`: the
    people whom these events leave, each with what the first of the events brings now."""

    brings: dict[UUID, UUID] = {}
    left: dict[UUID, UUID] = {}


class RenewedPerson(msgspec.Struct, frozen=True):
    """A person whose golden record is written again. `evidence`: all that it has now.

    `keeps_record`: begin with the golden record it has, and merge those of `absorbed` people, who come along whole;
    else begin with nothing. Then come the leads of the events of `read_again` (evidence), and new leads.
    """

    person_id: UUID
    brand: str
    evidence: _Ids
    keeps_record: bool
    absorbed: _Ids
    read_again: _Ids


class Merged(msgspec.Struct, frozen=True):
    """`merged_id` is one with `person_id` now. `evidence`: what was its own; `new`: what was nobody's until now.
    It takes both to part them again."""

    brand: str
    person_id: UUID
    merged_id: UUID
    evidence: _Ids
    new: _Ids


class Split(msgspec.Struct, frozen=True):
    """`parted_id` was taken from `person_id`, who stays."""

    brand: str
    person_id: UUID
    parted_id: UUID


class Reassignment(msgspec.Struct, frozen=True):
    """What follows for people.

    - `moves`: evidence that another person has now, with that person's id; its events go along
    - `events`: corrected events, with the person they are of now
    - `affected`: everybody who gains or loses evidence or events; `gone`: those of them who have no evidence left
    - `renewed`: those who have some; `revived`: those of them who exist, and stand for themselves
    - `forwards`: ids that stand for another person now; `joined`: those of them who had evidence until now
    - `parted`: people who stand for themselves since now
    - `changed`: people, with their brand, who had evidence before: their CRM records must follow
    - `merged`, `split`: the lines of the identity log
    """

    moves: dict[UUID, UUID] = {}
    events: dict[UUID, UUID] = {}
    affected: frozenset[UUID] = frozenset()
    gone: frozenset[UUID] = frozenset()
    renewed: list[RenewedPerson] = []
    revived: frozenset[UUID] = frozenset()
    forwards: dict[UUID, UUID] = {}
    parted: frozenset[UUID] = frozenset()
    changed: dict[UUID, str] = {}
    merged: list[Merged] = []
    split: list[Split] = []

    @property
    def joined(self) -> dict[UUID, UUID]:
        return {person_id: self.forwards[person_id] for person_id in self.gone}


def owners_by_birth(people: Iterable[Collection[UUID]], known: Mapping[UUID, OwnedEvidence]) -> dict[UUID, UUID]:
    """Whose each piece of evidence is, by the clusters `people`: the smallest id that the evidence was born with."""
    owners: dict[UUID, UUID] = {}
    for members in people:
        owners |= dict.fromkeys(members, min(known[evidence_id].birth_id for evidence_id in members))
    return owners


def moves_between(known: Mapping[UUID, OwnedEvidence], targets: Mapping[UUID, UUID]) -> dict[UUID, UUID]:
    """The evidence that has another person than it is to have (`targets`), with that one; without new evidence."""
    return {
        evidence_id: target
        for evidence_id, target in targets.items()
        if known[evidence_id].person_id not in (None, target)
    }


def plan_reassignment(
    known: Mapping[UUID, OwnedEvidence],
    targets: Mapping[UUID, UUID],
    *,
    existing: Collection[UUID],
    corrections: Corrections = Corrections(),  # noqa: B008 - frozen
) -> Reassignment:
    """Who becomes whom. Empty where nothing changes hands.

    `known`: all evidence of the people in question, without what no event is left of. `targets`: whose it is to be, for
    what was clustered (`owners_by_birth`). `existing`: those of the people in question who have a row.
    """
    moves = moves_between(known, targets)
    if not moves and not corrections.brings:
        return Reassignment()
    return _Planner(known, targets, moves, existing, corrections).plan()


class _Planner:
    """The steps of `plan_reassignment`, which share what they are made of."""

    def __init__(
        self,
        known: Mapping[UUID, OwnedEvidence],
        targets: Mapping[UUID, UUID],
        moves: dict[UUID, UUID],
        existing: Collection[UUID],
        corrections: Corrections,
    ) -> None:
        self._known, self._moves, self._existing, self._corrections = known, moves, existing, corrections
        self._owners = {
            **{key: owned.person_id for key, owned in known.items() if owned.person_id is not None},
            **targets,
        }
        self._events = {event_id: self._owners[key] for event_id, key in corrections.brings.items()}
        former_owners = {known[key].person_id for key in moves}
        self._losing = {owner for owner in former_owners if owner is not None} | corrections.left.keys()
        self._affected = frozenset({*self._losing, *moves.values(), *self._events.values()})
        self._gone = self._affected - set(targets.values())
        self._members: dict[UUID, list[UUID]] = {}  # of those affected, all evidence that each has now
        for key, target in targets.items():
            if target in self._affected:
                self._members.setdefault(target, []).append(key)

    def plan(self) -> Reassignment:
        members, known = self._members, self._known
        forwards = self._forwards()
        began_with = {owned.birth_id: key for key, owned in known.items()}
        return Reassignment(
            self._moves,
            self._events,
            self._affected,
            self._gone,
            [self._renewed(person_id, keys) for person_id, keys in sorted(members.items())],
            frozenset(person_id for person_id in members if person_id in self._existing),
            forwards,
            frozenset(
                person_id for person_id in members if known[began_with[person_id]].person_id not in (None, person_id)
            ),
            # Whoever has new evidence only was nobody before, or is no other than before: `load` wants what it settles.
            {
                person_id: known[keys[0]].brand
                for person_id, keys in members.items()
                if any(known[key].person_id is not None for key in keys)
            },
            [self._merged(person_id, forwards[person_id]) for person_id in sorted(self._gone)],
            [split for person_id in sorted(members) for split in self._splits(person_id)],
        )

    def _renewed(self, person_id: UUID, keys: list[UUID]) -> RenewedPerson:
        absorbed = self._absorbed(person_id, keys)
        read_again = keys
        if absorbed is not None:
            former = {key: self._known[key].person_id for key in keys}
            read_again = [key for key in keys if former[key] not in (None, person_id) and former[key] not in absorbed]
        return RenewedPerson(
            person_id,
            self._known[keys[0]].brand,
            tuple(keys),
            absorbed is not None,
            tuple(sorted(absorbed or ())),
            tuple(read_again),
        )

    def _absorbed(self, person_id: UUID, keys: Collection[UUID]) -> set[UUID] | None:
        """The people whom this one takes up whole, where it keeps all that it had: then its golden record and theirs
        say what all their events would say again, however many those are. None: it is made anew from its events.
        """
        former_owners = {self._known[key].person_id for key in keys}
        is_whole = person_id in self._existing and person_id in former_owners and person_id not in self._losing
        if self._corrections.brings or not is_whole:
            return None
        others = {owner for owner in former_owners if owner not in (None, person_id) and owner in self._existing}
        in_part = {owned.person_id for key, owned in self._known.items() if self._owners.get(key) != person_id}
        return {owner for owner in others - in_part if owner is not None}

    def _forwards(self) -> dict[UUID, UUID]:
        """Whom the ids of people stand for: a person goes where the evidence that it began with goes, also one that had
        become one with another before. Where that evidence was deleted, the oldest that is left counts; where none is,
        what its events say now.
        """
        known, moves = self._known, self._moves
        by_birth = {known[key].birth_id: target for key, target in moves.items() if known[key].birth_id != target}
        by_events = {
            person_id: self._owners[key] for person_id, key in self._corrections.left.items() if person_id in self._gone
        }
        by_oldest: dict[UUID, UUID] = {}
        for key in sorted(moves, key=lambda key: known[key].birth_id):
            former_owner = known[key].person_id
            if former_owner is not None and former_owner in self._gone:
                by_oldest.setdefault(former_owner, moves[key])
        return by_events | by_oldest | by_birth

    def _merged(self, merged_id: UUID, person_id: UUID) -> Merged:
        keys = sorted(self._members[person_id])
        return Merged(
            self._known[self._members[person_id][0]].brand,
            person_id,
            merged_id,
            tuple(key for key in keys if self._known[key].person_id == merged_id),
            tuple(key for key in keys if self._known[key].person_id is None),
        )

    def _splits(self, parted_id: UUID) -> list[Split]:
        """From whom this person was taken: those whose evidence it has, and who are not gone themselves."""
        keys = self._members[parted_id]
        former_owners = {self._known[key].person_id for key in keys} - {None, parted_id}
        return [
            Split(self._known[keys[0]].brand, owner, parted_id)
            for owner in sorted(owner for owner in former_owners if owner is not None)
            if owner in self._losing and owner not in self._gone
        ]
