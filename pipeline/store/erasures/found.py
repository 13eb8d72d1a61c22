"""All that hangs on people who ask for their data: the ids they ever had, evidence, events, companies, CRM records."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import is_record_id
from pipeline.store import arrays
from pipeline.store.identity.evidence_rows import StoredEvidence, read_evidence_of_people


class FoundPeople(msgspec.Struct, frozen=True):
    """`people`: by id the brand, with all ids that forward to these. `companies`: those that nobody else is of.
    `activities`: events that say something of them and are no leads. `records`: of CRMs, by the ids that evidence has
    for them."""

    people: dict[UUID, str] = {}
    evidence: dict[UUID, StoredEvidence] = {}
    events: frozenset[UUID] = frozenset()
    activities: frozenset[UUID] = frozenset()
    records: frozenset[UUID] = frozenset()
    companies: frozenset[UUID] = frozenset()

    @property
    def ids(self) -> dict[str, Collection[UUID]]:
        """By the word that the inventory has for them."""
        return {
            "person": self.people,
            "evidence": self.evidence,
            "event": self.events | self.activities,
            "company": self.companies,
        }

    def __repr__(self) -> str:
        return f"<FoundPeople: {len(self.people)} people, {len(self.events)} events>"


# An id that was merged away forwards to the one that stands, in one step (people_moves.forward_people).
_CLOSURE = """
WITH standing AS (
    SELECT DISTINCT coalesce(merged_into, person_id) AS person_id FROM people WHERE person_id = ANY(%s::uuid[])
)
SELECT p.person_id, p.brand FROM people p JOIN standing s ON p.person_id = s.person_id OR p.merged_into = s.person_id
ORDER BY p.person_id
"""
_EVENTS = """
SELECT event_id FROM touches WHERE person_id = ANY(%(people)s::uuid[])
UNION SELECT event_id FROM consents WHERE person_id = ANY(%(people)s::uuid[])
UNION SELECT event_id FROM evidence_events WHERE evidence_id = ANY(%(evidence)s::uuid[])
"""
_ACTIVITIES = "SELECT event_id FROM activities WHERE evidence_id = ANY(%s::uuid[])"
_COMPANIES = """
SELECT DISTINCT c.company_id FROM person_companies c WHERE c.person_id = ANY(%(people)s::uuid[]) AND NOT EXISTS (
    SELECT FROM person_companies other
    WHERE other.company_id = c.company_id AND other.person_id <> ALL(%(people)s::uuid[]))
"""


def find_all_of(connection: Connection, person_ids: Collection[UUID]) -> FoundPeople:
    """All that hangs on these people. Five statements, none without ids."""
    if not person_ids:
        return FoundPeople()
    rows = connection.exec_driver_sql(_CLOSURE, (arrays.uuids(sorted(person_ids)),))
    people: dict[UUID, str] = dict(map(tuple, rows))
    evidence = read_evidence_of_people(connection, people)
    ids = {"people": arrays.uuids(sorted(people)), "evidence": arrays.uuids(sorted(evidence))}
    met = set(connection.exec_driver_sql(_EVENTS, ids).scalars())
    activities = connection.exec_driver_sql(_ACTIVITIES, (ids["evidence"],)).scalars()
    companies = connection.exec_driver_sql(_COMPANIES, ids).scalars()
    return FoundPeople(
        people,
        evidence,
        frozenset(event_id for event_id in met if not is_record_id(event_id)),
        frozenset(activities),
        frozenset(event_id for event_id in met if is_record_id(event_id)),
        frozenset(companies),
    )


def components_of(connection: Connection, person_ids: Collection[UUID]) -> set[UUID]:
    """What the evidence of these people, and of whom they forward to, hangs together with. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT e.component FROM people p"
        " JOIN evidence e ON e.person_id = coalesce(p.merged_into, p.person_id) WHERE p.person_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(person_ids)),),
    )
    return set(rows.scalars())


def people_of_evidence(connection: Connection, evidence_ids: Collection[UUID]) -> set[UUID]:
    """Whose this evidence is by now; of what is not resolved yet nobody. One statement, none without ids."""
    if not evidence_ids:
        return set()
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT person_id FROM evidence WHERE evidence_id = ANY(%s::uuid[]) AND person_id IS NOT NULL",
        (arrays.uuids(sorted(evidence_ids)),),
    )
    return set(rows.scalars())


def standing_people(connection: Connection, person_ids: Collection[UUID]) -> set[UUID]:
    """Of these ids those that were not merged into another. One statement."""
    return set(
        connection.exec_driver_sql(
            "SELECT person_id FROM people WHERE person_id = ANY(%s::uuid[]) AND merged_into IS NULL",
            (arrays.uuids(sorted(person_ids)),),
        ).scalars()
    )
