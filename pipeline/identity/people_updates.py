"""Carries out what was found of people's evidence: rows, ids and golden records become what the clusters say.

Nothing is decided here: who becomes whom is planned in `pipeline/identity/matching/reassignment.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.matching.reassignment import Corrections, Reassignment, RenewedPerson, plan_reassignment
from pipeline.identity.neighborhood_clustering import Clustering
from pipeline.records import Lead, Person, Profile
from pipeline.stages.survivorship.survivorship import merge_profile, merge_profiles, taken_back
from pipeline.store.identity import evidence_rows, people_moves
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.people import people

Recompute = Callable[[Connection, Sequence[UUID]], Iterable[Lead]]  # events through map and normalize once more


class Resolved(msgspec.Struct, frozen=True):
    """`owners`: the person of each piece of evidence asked about. `changed`: further people whose CRM records must
    follow (merged, taken apart), by brand. `joined`: who forwards to whom since now; `parted`: who stands for itself
    since now."""

    owners: dict[UUID, UUID]
    changed: dict[UUID, str] = {}
    joined: dict[UUID, UUID] = {}
    parted: frozenset[UUID] = frozenset()

    def __repr__(self) -> str:
        return f"<Resolved: {len(self.owners)} pieces of evidence, {len(self.changed)} people changed>"


class PeopleUpdate:
    """Rows of people made what the clusters say: `lock_people`, then `plan`, then `carry_out`."""

    def __init__(
        self,
        connection: Connection,
        known: Mapping[UUID, StoredEvidence],
        clustering: Clustering,
        leads: Mapping[UUID, Sequence[Lead]],
        *,
        corrections: Corrections,
        silenced: Collection[UUID] = (),
        recompute: Recompute,
        decided_by: str,
    ) -> None:
        """`known`: all evidence asked about or clustered, without what no event is left of. `leads`: by evidence.
        `silenced`: events that say nothing any more."""
        self._connection, self._known, self._leads, self._corrections = connection, known, leads, corrections
        self._silenced, self._recompute, self._decided_by = silenced, recompute, decided_by
        self._targets = clustering.owners
        settled = {
            evidence_id: stored.person_id for evidence_id, stored in known.items() if stored.person_id is not None
        }
        self._owners: dict[UUID, UUID] = {**settled, **clustering.owners}
        self._assigned = [
            (evidence_id, target, component)
            for evidence_id, target in clustering.owners.items()
            for component in [clustering.components[evidence_id]]
            if (known[evidence_id].person_id, known[evidence_id].component) != (target, component)
        ]
        self._rows: dict[UUID, Person] = {}
        self._leadless: set[UUID] = set()  # people of whom only records of a CRM are left, or ever were

    def lock_people(self) -> bool:
        """Lock the rows of all people in question. False if those of leads whose evidence is not locked have others
        now.

        Everybody locks people after components and before rows of evidence.
        """
        involved = {self._owners[evidence_id] for evidence_id in self._leads} | self._corrections.left.keys()
        for evidence_id, target, _ in self._assigned:
            former_owner = self._known[evidence_id].person_id
            if former_owner is not None:
                involved |= {former_owner, target}
        self._rows = people.read_people(self._connection, involved, lock=True)
        unlocked = {key: self._owners[key] for key in self._leads if key not in self._targets}
        return not unlocked or evidence_rows.read_owners(self._connection, unlocked) == unlocked

    def plan(self) -> Reassignment:
        """Who becomes whom. The people must be locked."""
        return plan_reassignment(self._known, self._targets, existing=self._rows, corrections=self._corrections)

    def carry_out(self, plan: Reassignment) -> Resolved:
        """Write who has which evidence, and what follows from it; put the new leads into golden records."""
        evidence_rows.assign(self._connection, self._assigned)
        followed = self._reassign(plan) if plan.affected else {}
        renewed = {person.person_id for person in plan.renewed}
        add_leads(
            self._connection,
            {key: leads for key, leads in self._leads.items() if self._owners[key] not in renewed},
            self._owners,
            self._rows,
        )
        brands = {person.person_id: person.brand for person in plan.renewed}
        forwarded = {
            person_id: brands[target] for person_id, target in {**followed, **plan.joined}.items() if target is not None
        }
        changed = {key: brand for key, brand in plan.changed.items() if key not in self._leadless}
        return Resolved(self._owners, changed | forwarded, plan.joined, plan.parted)

    def _reassign(self, plan: Reassignment) -> dict[UUID, UUID | None]:
        """Gives the people who forward to another since now, or stand for themselves (None) again."""
        connection = self._connection
        read_again = {evidence_id for person in plan.renewed for evidence_id in person.read_again}
        events, activities = evidence_rows.events_carried(connection, plan.moves.keys() | read_again)
        moved = {
            event_id: target
            for key, target in plan.moves.items()
            for event_id in (*events.get(key, ()), *activities.get(key, ()))
        }
        people_moves.move_facts(connection, plan.events | moved)
        self._leadless = {person.person_id for person in plan.renewed if not self._has_leads(person, events)}
        unborn = self._leadless - self._rows.keys()
        people.write_people(
            connection, [self._renew(person, events) for person in plan.renewed if person.person_id not in unborn]
        )
        forwards: dict[UUID, UUID | None] = {**plan.forwards, **dict.fromkeys(plan.revived)}
        followed = people_moves.forward_people(connection, forwards)
        people_moves.rebuild_touches(connection, plan.affected)
        people_moves.drop_unsent_deliveries(connection, plan.gone)
        people_moves.log_changes(connection, self._log_lines(plan, unborn))
        return followed

    def _has_leads(self, renewed: RenewedPerson, events: Mapping[UUID, Sequence[UUID]]) -> bool:
        kept = {*renewed.absorbed, *([renewed.person_id] if renewed.keeps_record else ())}
        return (
            any(self._rows[person_id].profile.fields for person_id in kept)
            or any(events.get(key) for key in renewed.read_again)
            or any(self._leads.get(key) for key in renewed.evidence)
        )

    def _renew(self, renewed: RenewedPerson, events: Mapping[UUID, Sequence[UUID]]) -> Person:
        """The golden record: of the people taken up whole, of events read again, and of new leads."""
        before = self._rows.get(renewed.person_id)
        profile = before.profile if before is not None and renewed.keeps_record else Profile()
        for absorbed in renewed.absorbed:
            profile = merge_profiles(profile, self._rows[absorbed].profile)
        read_again = {event_id for key in renewed.read_again for event_id in events.get(key, ())}
        for lead in self._recompute(self._connection, sorted(read_again.difference(self._silenced))):
            profile, _ = merge_profile(profile, lead)
        for evidence_id in renewed.evidence:
            for lead in self._leads.get(evidence_id, ()):
                profile, _ = merge_profile(profile, lead)
        version = before.version + 1 if before else 1
        if before:
            profile.emptied = taken_back(before.profile, profile, version)
        return Person(renewed.person_id, renewed.brand, version, profile, is_new=before is None)

    def _log_lines(self, plan: Reassignment, unborn: Collection[UUID]) -> list[people_moves.Change]:
        """Without whom only a CRM knows (`unborn`, or without a row): nobody was told of those."""
        known = self._rows.keys() | {person.person_id for person in plan.renewed if person.person_id not in unborn}
        return [
            people_moves.Change(
                merged.brand,
                "merged",
                merged.person_id,
                merged.merged_id,
                self._decided_by,
                {"evidence": list(map(str, merged.evidence)), "new": list(map(str, merged.new))},
            )
            for merged in plan.merged
            if known >= {merged.person_id, merged.merged_id}
        ] + [
            people_moves.Change(split.brand, "split", split.person_id, split.parted_id, self._decided_by)
            for split in plan.split
            if known >= {split.person_id, split.parted_id}
        ]


def add_leads(
    connection: Connection,
    leads: Mapping[UUID, Sequence[Lead]],
    owners: Mapping[UUID, UUID],
    rows: Mapping[UUID, Person],
) -> None:
    """Put the leads' values into their people's golden records, those in `rows` or new ones. At most two statements."""
    written: dict[UUID, Person] = {}
    ordered = sorted(
        ((lead, owners[evidence_id]) for evidence_id, group in leads.items() for lead in group),
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
