"""What an update left to the program: evidence of leads that were settled when none was kept yet.

Their events are found by their touches: every lead that had a person has one. `pipeline.store.identity.filed_keys` has
what an update of the keys leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import seal_evidence
from pipeline.errors import TransientError
from pipeline.store import arrays
from pipeline.store.identity.evidence_rows import NewEvidence, file_keys

Unfiled = tuple[UUID, UUID]  # a person, and an event of it without evidence


class FormerEvidence(msgspec.Struct, frozen=True):
    """Evidence of a lead that has its person already. All of a person's is one component, until looked at."""

    evidence: NewEvidence
    person_id: UUID
    component: UUID

    def __repr__(self) -> str:
        return f"<FormerEvidence {self.evidence.evidence_id}>"


def is_finished(connection: Connection, keys_version: int) -> bool:
    """Whether all evidence is filed, by keys of this version, and everybody found. One statement."""
    return not connection.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM unfinished_upgrades)"
        " OR EXISTS (SELECT FROM filed_versions WHERE name = 'keys' AND version <> %s)",
        (keys_version,),
    ).scalar()


class Awaited(NamedTuple):
    """What leads that come are to be looked at for: activities that wait for somebody, addresses that are withdrawn."""

    activities: bool = False
    withdrawals: bool = False


def require_finished(connection: Connection, keys_version: int) -> Awaited:
    """That `is_finished` until the transaction ends; call it before anything is held. Raises TransientError while
    people from before an update, or some of them, would not be found.

    Gives whether anything waits for whoever is brought. One statement.
    """
    is_held, *awaited = connection.exec_driver_sql(
        "SELECT hold_filed_keys(%s), EXISTS (SELECT FROM activity_keys), EXISTS (SELECT FROM withdrawn_points)",
        (keys_version,),
    ).one()
    if not is_held:
        raise TransientError("evidence is not filed as this version needs it: `afluente migrate` files it")
    return Awaited(*map(bool, awaited))


def finish(connection: Connection) -> None:
    """Say that all evidence is filed, and everybody found. One statement."""
    connection.exec_driver_sql("DELETE FROM unfinished_upgrades")


def hold_filing(connection: Connection) -> None:
    """One at a time files what is missing, until the transaction ends. One statement."""
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(415022, 2)")


# A page of touches first, filed or not: so each statement reads a page by index, however many are filed already.
_NEXT = """
WITH page AS MATERIALIZED (
    SELECT person_id, event_id FROM touches
    WHERE position = 0 AND person_id >= %(person)s AND (person_id, event_id) > (%(person)s, %(event)s)
    ORDER BY person_id, event_id LIMIT %(limit)s
)
SELECT person_id, event_id, NOT EXISTS (SELECT FROM evidence_events x WHERE x.event_id = page.event_id) FROM page
ORDER BY person_id, event_id
"""


def count_unfiled(connection: Connection) -> int:
    """How many events have a person and no evidence. One statement, over all touches."""
    statement = (
        "SELECT count(*) FROM touches t"
        " WHERE position = 0 AND NOT EXISTS (SELECT FROM evidence_events x WHERE x.event_id = t.event_id)"
    )
    return int(connection.exec_driver_sql(statement).scalar_one())


def next_unfiled(connection: Connection, after: Unfiled, limit: int) -> tuple[list[Unfiled], Unfiled | None]:
    """Of the next `limit` events, person by person, the oldest first, those without evidence; and the last of all.

    None: there are no more. One statement.
    """
    rows = connection.exec_driver_sql(_NEXT, {"person": after[0], "event": after[1], "limit": limit}).all()
    unfiled = [(person_id, event_id) for person_id, event_id, is_unfiled in rows if is_unfiled]
    return unfiled, (rows[-1][0], rows[-1][1]) if rows else None


def hold_standing(connection: Connection, person_ids: Collection[UUID]) -> set[UUID]:
    """Hold those of these people who stand for themselves, until the transaction ends. One statement."""
    return set(
        connection.exec_driver_sql(
            "SELECT person_id FROM people WHERE person_id = ANY(%s::uuid[]) AND merged_into IS NULL"
            " ORDER BY person_id FOR UPDATE",
            (arrays.uuids(sorted(person_ids)),),
        ).scalars()
    )


def read_first_evidence(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The evidence that these people began with, where it is filed. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT birth_id, evidence_id FROM evidence WHERE birth_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(person_ids)),),
    )
    return dict(map(tuple, rows))


_HOME = """
SELECT e.evidence_id, e.person_id FROM people p
JOIN evidence e ON e.birth_id = p.person_id OR e.person_id = coalesce(p.merged_into, p.person_id)
WHERE p.person_id = %s AND e.person_id IS NOT NULL ORDER BY e.birth_id <> p.person_id, e.birth_id LIMIT 1
"""


def find_home(connection: Connection, person_id: UUID) -> tuple[UUID, UUID] | None:
    """The evidence a person began with, or else the oldest it has; and whose that is now. One statement."""
    row = connection.exec_driver_sql(_HOME, (person_id,)).first()
    return (row[0], row[1]) if row else None


_ADD = """
INSERT INTO evidence (evidence_id, brand, birth_id, person_id, component, sealed)
SELECT evidence_id, brand, birth_id, person_id, component, decode(sealed, 'base64')
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[])
    AS new (evidence_id, brand, birth_id, person_id, component, sealed)
"""


def add_former_evidence(connection: Connection, former: Sequence[FormerEvidence]) -> None:
    """Store evidence that has its person already, with its keys. Two statements. Raises StoreError if it is known."""
    if not former:
        return
    ordered = sorted(former, key=lambda row: row.evidence.evidence_id)
    new = [row.evidence for row in ordered]
    connection.exec_driver_sql(
        _ADD,
        (
            arrays.uuids(evidence.evidence_id for evidence in new),
            arrays.texts(evidence.brand for evidence in new),
            arrays.uuids(evidence.birth_id for evidence in new),
            arrays.uuids(row.person_id for row in ordered),
            arrays.uuids(row.component for row in ordered),
            arrays.sealed(seal_evidence(evidence.packed, evidence.evidence_id) for evidence in new),
        ),
    )
    file_keys(connection, new)


def file_events(connection: Connection, filed: Sequence[tuple[UUID, UUID]]) -> None:
    """Say which evidence these events brought: (event, evidence). One statement."""
    if filed:
        ordered = sorted(filed)
        connection.exec_driver_sql(
            "INSERT INTO evidence_events (event_id, evidence_id) SELECT * FROM unnest(%s::uuid[], %s::uuid[])"
            " ON CONFLICT (event_id) DO NOTHING",
            (arrays.uuids(event for event, _ in ordered), arrays.uuids(evidence for _, evidence in ordered)),
        )


_FORGET = """
DELETE FROM people p WHERE p.merged_into IS NULL
    AND NOT EXISTS (SELECT FROM touches t WHERE t.person_id = p.person_id)
    AND NOT EXISTS (SELECT FROM evidence e WHERE e.person_id = p.person_id)
    AND NOT EXISTS (SELECT FROM evidence e WHERE e.birth_id = p.person_id)
    AND NOT EXISTS (SELECT FROM deliveries d WHERE d.person_id = p.person_id)
"""


def forget_unborn(connection: Connection) -> int:
    """Forget people of leads that were under way when the version before stopped: their leads make them anew. One
    statement."""
    return connection.exec_driver_sql(_FORGET).rowcount
