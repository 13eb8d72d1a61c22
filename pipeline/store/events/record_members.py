"""The events of one record, where it has several: the first, and its revisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import SUPERSEDED
from pipeline.store import arrays

_LOCK_CLASS = 415_022  # any constant: "one at a time decides about a record"


class Member(msgspec.Struct, frozen=True):
    """An event of a record. `number`: in the order of arrival, from 0. `evidence_id` None: nothing of it is filed yet,
    so it says nothing of anybody."""

    record_id: UUID
    event_id: UUID
    number: int
    state: str
    received_at: datetime
    revised_at: datetime | None
    superseded_by: UUID | None
    evidence_id: UUID | None


def hold_records(connection: Connection, record_ids: Collection[UUID]) -> None:
    """Nobody else decides about these records until the transaction ends. One statement; before any other lock."""
    numbers = sorted(record_id.int & 0x7FFFFFFF for record_id in record_ids)
    connection.exec_driver_sql(
        "SELECT pg_advisory_xact_lock(%s, number) FROM unnest(%s::int[]) AS held (number)",
        (_LOCK_CLASS, arrays.numbers(numbers)),
    )


_MEMBERS = """
SELECT e.record_id, e.event_id, coalesce(r.number, 0), e.state, e.received_at, e.revised_at, e.superseded_by,
    x.evidence_id
FROM events e LEFT JOIN event_revisions r ON r.event_id = e.event_id
LEFT JOIN evidence_events x ON x.event_id = e.event_id
WHERE e.record_id = ANY(%s::uuid[]) AND NOT e.adds
ORDER BY e.record_id, coalesce(r.number, 0)
"""


def read_members(connection: Connection, record_ids: Collection[UUID]) -> list[Member]:
    """All events of these records whose revisions replace each other, in the order of arrival. One statement."""
    return [Member(*row) for row in connection.exec_driver_sql(_MEMBERS, (arrays.uuids(sorted(record_ids)),))]


def superseded_among(connection: Connection, event_ids: Collection[UUID]) -> set[UUID]:
    """Which of these events a revision took the place of. One statement, none without ids."""
    if not event_ids:
        return set()
    return set(
        connection.exec_driver_sql(
            "SELECT event_id FROM events WHERE event_id = ANY(%s::uuid[]) AND superseded_by IS NOT NULL",
            (arrays.uuids(sorted(event_ids)),),
        ).scalars()
    )


_FILE = """
INSERT INTO evidence_events (event_id, evidence_id) SELECT * FROM unnest(%s::uuid[], %s::uuid[])
ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id RETURNING event_id, evidence_id
"""
# Whoever holds the claim of one that is ended here finds it taken away: every end is fenced by it.
_SUPERSEDE = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::uuid[], %(by)s::uuid[], %(ends)s::bool[], %(evidence)s::uuid[])
        AS given (event_id, winner, ends, evidence_id)
), closed AS (
    UPDATE quarantine SET resolution = 'discarded', resolved_at = now(), why = 'a revision of the record took its place'
    WHERE event_id = ANY(%(ids)s::uuid[]) AND resolution = 'open'
)
UPDATE events e SET superseded_by = coalesce(e.superseded_by, given.winner),
    person_id = coalesce((SELECT v.person_id FROM evidence v WHERE v.evidence_id = given.evidence_id), e.person_id),
    state = CASE WHEN given.ends AND e.state <> 'settled' THEN 'suppressed' ELSE e.state END,
    reason = CASE WHEN given.ends AND e.state <> 'settled' THEN '{SUPERSEDED}' ELSE e.reason END,
    stage = CASE WHEN given.ends THEN NULL ELSE e.stage END,
    lease_until = CASE WHEN given.ends THEN NULL ELSE e.lease_until END,
    settled_at = CASE WHEN given.ends THEN coalesce(e.settled_at, now()) ELSE e.settled_at END
FROM given WHERE e.event_id = given.event_id AND e.event_id = ANY(%(ids)s::uuid[])
"""  # noqa: S608 - put together from constants


def supersede(
    connection: Connection, by: Mapping[UUID, UUID], evidence: Mapping[UUID, UUID], ending: Collection[UUID]
) -> bool:
    """File events under the evidence of the revision that takes their place (`evidence`), and say so (`by`).

    Those in `ending` end here unless they are settled, their open quarantine with them; the others are ended by who
    holds their claim. False if one was filed elsewhere meanwhile. Two statements.
    """
    ordered = sorted(by)
    ids = arrays.uuids(ordered)
    filed = connection.exec_driver_sql(_FILE, (ids, arrays.uuids(evidence[event_id] for event_id in ordered)))
    if any(evidence[event_id] != evidence_id for event_id, evidence_id in filed):
        return False
    connection.exec_driver_sql(
        _SUPERSEDE,
        {
            "ids": ids,
            "by": arrays.uuids(by[event_id] for event_id in ordered),
            "ends": arrays.booleans(event_id in ending for event_id in ordered),
            "evidence": arrays.uuids(evidence[event_id] for event_id in ordered),
        },
    )
    return True


class Contact(msgspec.Struct, frozen=True):
    """An event of a record at one person, for its touch. `contact`: which contact of the record it is, if told.
    `happened_at`: when the source says that it did, else when it came."""

    record_id: UUID
    person_id: UUID
    event_id: UUID
    contact: bytes | None
    has_touch: bool
    superseded_by: UUID | None
    is_settled: bool
    happened_at: datetime


_CONTACTS = """
SELECT e.record_id, v.person_id, e.event_id, e.contact,
    EXISTS (SELECT FROM touches t WHERE t.event_id = e.event_id), e.superseded_by, e.state = 'settled',
    coalesce(e.occurred_at, e.received_at)
FROM evidence v JOIN evidence_events x USING (evidence_id) JOIN events e ON e.event_id = x.event_id
LEFT JOIN event_revisions r ON r.event_id = e.event_id
WHERE v.person_id = ANY(%s::uuid[]) AND e.record_id = ANY(%s::uuid[])
ORDER BY e.record_id, v.person_id, coalesce(r.number, 0)
"""


def read_contacts(connection: Connection, person_ids: Collection[UUID], record_ids: Collection[UUID]) -> list[Contact]:
    """The events of these records that are of these people, in the order of arrival. One statement."""
    rows = connection.exec_driver_sql(_CONTACTS, (arrays.uuids(sorted(person_ids)), arrays.uuids(sorted(record_ids))))
    return [_contact(*row) for row in rows]


def _contact(record_id: UUID, person_id: UUID, event_id: UUID, contact: Any, *rest: Any) -> Contact:
    # The driver gives a view of bytes, which equals none.
    return Contact(record_id, person_id, event_id, None if contact is None else bytes(contact), *rest)


def drop_touches(connection: Connection, event_ids: Sequence[UUID], person_ids: Collection[UUID]) -> None:
    """Take these events' touches away, as another of their record has it; the people have a new version. Two
    statements; `people_moves.rebuild_touches` comes after."""
    connection.exec_driver_sql(
        "DELETE FROM touches WHERE event_id = ANY(%s::uuid[])", (arrays.uuids(sorted(event_ids)),)
    )
    connection.exec_driver_sql(
        "UPDATE people SET version = version + 1, updated_at = now() WHERE person_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(person_ids)),),
    )
