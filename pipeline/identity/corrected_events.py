"""Events that say something else than they said at first: fixed by hand, or mapped anew, before they were settled.

Such an event leaves its evidence for other evidence. Where it was the last one, that evidence goes, and people are
those of what is left:

- its keys go, so shared addresses are counted without it, and whoever hung together with it is clustered anew;
- the id of the person that it began goes to the oldest piece left of that person, or else to what the event says now,
  if that is new; a person that has nothing left forwards to whoever the event's person is;
- what humans said of it is said of what the event says now, unless they said something of that already: then the later
  word is not overruled by one about something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.neighborhoods import Memory, Neighborhood
from pipeline.store.identity import corrected_events as store
from pipeline.store.identity import decisions, evidence_rows
from pipeline.store.identity.corrected_events import Departure
from pipeline.store.identity.evidence_rows import KnownEvidence


class Departures:
    """One attempt to resolve, where events may leave evidence. Does nothing, in no statement, where none does."""

    def __init__(self, connection: Connection, moving: Mapping[UUID, UUID]) -> None:
        """`moving`: events whose leads say something else than they are filed under, and what they say now."""
        self._connection = connection
        held = decisions.evidence_of_events(connection, moving)
        self.all = [
            Departure(event_id, held[event_id], target)
            for event_id, target in moving.items()
            if held.get(event_id, target) != target
        ]
        self.vanishing: dict[UUID, KnownEvidence] = {}
        self._births: dict[UUID, UUID] = {}

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def pieces(self) -> set[UUID]:
        return {piece for one in self.all for piece in (one.source, one.target)}

    @property
    def targets(self) -> dict[UUID, UUID]:
        """What each event that leaves says now."""
        return {one.event_id: one.target for one in self.all}

    def heirs(self, known: Mapping[UUID, KnownEvidence]) -> dict[UUID, UUID]:
        """The people whom events leave, each with what the first of these events says now."""
        found: dict[UUID, UUID] = {}
        for one in sorted(self.all, key=lambda one: one.event_id):
            source = self.vanishing.get(one.source) or known.get(one.source)
            if source is not None and source.person_id is not None:
                found.setdefault(source.person_id, one.target)
        return found

    def begin(self, known: Mapping[UUID, KnownEvidence], memory: Memory) -> None:
        """Before the neighborhood is read: what will have no event left is not found by its keys any more."""
        sources = {one.source for one in self.all} & known.keys()
        if not sources:
            return
        staying = self._staying(sources)
        self.vanishing = {key: known[key] for key in sources - staying}
        if self.vanishing:
            keys = {key for one in self.vanishing.values() for key in memory.keys(one)}
            store.drop_keys(self._connection, self.vanishing, keys)

    def leave(self, near: Neighborhood) -> None:
        """The neighborhood is held: take out what vanishes; hand on what was said of it and the ids it began."""
        if not self.vanishing:
            return
        known = near.known
        self.vanishing = {key: known.pop(key, one) for key, one in self.vanishing.items()}
        for one in sorted(self.vanishing.values(), key=lambda one: one.birth_id):
            heir = self._heir(one, known) if one.person_id == one.birth_id else None
            if heir is not None and heir not in self._births:
                self._births[heir] = one.birth_id
                known[heir] = msgspec.structs.replace(known[heir], birth_id=one.birth_id)
        targets = self._only_targets()
        told = {key for said in decisions.read_decisions(self._connection, targets.values()) for key in said.pair}
        heirs = {key: target for key, target in targets.items() if target not in told}
        store.hand_on_decisions(self._connection, self.vanishing, heirs)
        near.alone -= set(heirs.values())

    def complete(self) -> bool:
        """The people are held as well: file the events anew. False if somebody else was faster."""
        if not self.all:
            return True
        if self._staying(self.vanishing) or not store.move_events(self._connection, self.all):
            return False
        if not self.vanishing:
            return True
        owners = {key: one.person_id for key, one in self.vanishing.items()}
        return store.remove_evidence(self._connection, owners, self._births)

    def _staying(self, sources: Collection[UUID]) -> set[UUID]:
        leaving = {one.event_id for one in self.all}
        events = evidence_rows.events_of_evidence(self._connection, sources)
        return {key for key, event_ids in events.items() if not leaving.issuperset(event_ids)}

    def _heir(self, gone: KnownEvidence, known: Mapping[UUID, KnownEvidence]) -> UUID | None:
        left = [one for one in known.values() if one.person_id == gone.person_id]
        if left:
            return min(left, key=lambda one: one.birth_id).evidence_id
        targets = [known[one.target] for one in self.all if one.source == gone.evidence_id and one.target in known]
        return min((one.evidence_id for one in targets if one.person_id is None), default=None)

    def _only_targets(self) -> dict[UUID, UUID]:
        """What vanishes and what its events say now, where that is one to one: elsewhere words could contradict."""
        ways = {(one.source, one.target) for one in self.all if one.source in self.vanishing}
        sources, targets = [source for source, _ in ways], [target for _, target in ways]
        return {source: target for source, target in ways if sources.count(source) == 1 and targets.count(target) == 1}
