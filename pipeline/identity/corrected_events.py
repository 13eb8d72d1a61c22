"""Events that say something else than they said at first: fixed by hand, or mapped again, before they were settled.

Such an event leaves its evidence for other evidence. Where it was the last event of it, that evidence is removed, and
people are those of the evidence that is left:

- its keys are removed, so shared addresses are counted without it, and what hung together with it is clustered again;
- the id of the person that it began goes to the oldest evidence left of that person, or else to the evidence that the
  event brings now, if that is new; a person that has none left forwards to the person of the event;
- an event that a revision took the place of is filed under the revision's evidence and says nothing there: its touches
  go along;
- what humans decided about it holds for what the event brings now, unless they decided something about that already:
  the later decision is not overruled by one about something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.reassignment import Corrections
from pipeline.identity.neighborhoods import Neighborhood
from pipeline.store.identity import corrected_events as store
from pipeline.store.identity import decisions, evidence_rows
from pipeline.store.identity.corrected_events import CorrectedEvent
from pipeline.store.identity.evidence_rows import StoredEvidence


class CorrectedEvents:
    """The corrected events of one attempt to resolve. Does nothing, in no statement, where there are none.

    Its steps, in order: `remove_keys`, then the neighborhood is read, `remove_evidence_from`, then people are locked,
    `file_anew`.
    """

    def __init__(self, connection: Connection, corrected: Mapping[UUID, UUID], silenced: Collection[UUID] = ()) -> None:
        """`corrected`: events, each with the id of the evidence it brings now; `silenced`: those that say nothing any
        more, also where the evidence is the same (`FiledLeads`)."""
        self._connection = connection
        filed = decisions.evidence_of_events(connection, corrected)
        self.all = [
            CorrectedEvent(event_id, filed[event_id], target)
            for event_id, target in corrected.items()
            if event_id in filed and (filed[event_id] != target or event_id in silenced)
        ]
        self.vanishing: dict[UUID, StoredEvidence] = {}
        self._births: dict[UUID, UUID] = {}

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def evidence_ids(self) -> set[UUID]:
        """The evidence that the events leave, and that which they bring now."""
        return {evidence_id for event in self.all for evidence_id in (event.source, event.target)}

    def corrections(self, known: Mapping[UUID, StoredEvidence]) -> Corrections:
        """What the plan of who becomes whom must know of these events."""
        left: dict[UUID, UUID] = {}
        for event in sorted(self.all, key=lambda event: event.event_id):
            source = self.vanishing.get(event.source) or known.get(event.source)
            if source is not None and source.person_id is not None:
                left.setdefault(source.person_id, event.target)
        return Corrections({event.event_id: event.target for event in self.all}, left)

    def remove_keys(self, known: Mapping[UUID, StoredEvidence], cache: EvidenceCache) -> None:
        """Before the neighborhood is read: evidence that will have no event left is not found by its keys any more."""
        sources = {event.source for event in self.all} & known.keys()
        if not sources:
            return
        staying = self._staying(sources)
        self.vanishing = {evidence_id: known[evidence_id] for evidence_id in sources - staying}
        if self.vanishing:
            keys = {key for stored in self.vanishing.values() for key in cache.all_numbers(stored)}
            store.drop_keys(self._connection, self.vanishing, keys)

    def remove_evidence_from(self, near: Neighborhood) -> None:
        """The neighborhood is locked: take out what vanishes; hand on the decisions about it and its birth ids."""
        if not self.vanishing:
            return
        known = near.known
        self.vanishing = {evidence_id: known.pop(evidence_id, stored) for evidence_id, stored in self.vanishing.items()}
        for stored in sorted(self.vanishing.values(), key=lambda stored: stored.birth_id):
            heir = self._heir(stored, known) if stored.person_id == stored.birth_id else None
            if heir is not None and heir not in self._births:
                self._births[heir] = stored.birth_id
                known[heir] = msgspec.structs.replace(known[heir], birth_id=stored.birth_id)
        targets = self._only_targets()
        decided = {key for link in decisions.read_links(self._connection, targets.values()) for key in link.pair}
        heirs = {source: target for source, target in targets.items() if target not in decided}
        store.hand_on_links(self._connection, self.vanishing, heirs)
        near.alone -= set(heirs.values())

    def file_anew(self) -> bool:
        """The people are locked as well: file the events under what they say now. False: another worker was faster."""
        if not self.all:
            return True
        if self._staying(self.vanishing) or not store.move_events(self._connection, self.all):
            return False
        if not self.vanishing:
            return True
        owners = {evidence_id: stored.person_id for evidence_id, stored in self.vanishing.items()}
        return store.remove_evidence(self._connection, owners, self._births)

    def _staying(self, sources: Collection[UUID]) -> set[UUID]:
        """Of this evidence what has events besides the corrected ones."""
        leaving = {event.event_id for event in self.all}
        events = evidence_rows.events_of_evidence(self._connection, sources, with_records=True)
        return {evidence_id for evidence_id, event_ids in events.items() if not leaving.issuperset(event_ids)}

    def _heir(self, gone: StoredEvidence, known: Mapping[UUID, StoredEvidence]) -> UUID | None:
        """The evidence that is to have the birth id of what is gone; None: there is none, and the id forwards."""
        left = [stored for stored in known.values() if stored.person_id == gone.person_id]
        if left:
            return min(left, key=lambda stored: stored.birth_id).evidence_id
        targets = [
            known[event.target] for event in self.all if event.source == gone.evidence_id and event.target in known
        ]
        return min((stored.evidence_id for stored in targets if stored.person_id is None), default=None)

    def _only_targets(self) -> dict[UUID, UUID]:
        """What vanishes and what its events bring now, where that is one to one: else decisions could contradict."""
        ways = {(event.source, event.target) for event in self.all if event.source in self.vanishing}
        sources, targets = [source for source, _ in ways], [target for _, target in ways]
        return {source: target for source, target in ways if sources.count(source) == 1 and targets.count(target) == 1}
