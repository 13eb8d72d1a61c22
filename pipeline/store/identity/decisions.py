"""Humans' decisions on who is who, stored as links: two pieces of evidence are one person's (must-link), or two
people's (cannot-link). In force until taken back.

`evidence_rows.read_link_pairs` gives the bare pairs to whoever clusters; here is who decided, when and why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

EvidencePair = tuple[UUID, UUID]  # ids of evidence, the smaller first
# A number pair of its own: components are locked by single numbers, which PostgreSQL keeps apart from pairs.
_HOLD = "SELECT pg_advisory_xact_lock(415022, 1)"


class Link(msgspec.Struct, frozen=True):
    """One pair of a human's decision: `same` for a must-link, else a cannot-link. Links with one `decision_id` were
    decided together."""

    one: UUID
    other: UUID
    same: bool
    decision_id: UUID
    decided_by: str
    why: str | None
    decided_at: datetime

    @property
    def pair(self) -> EvidencePair:
        return self.one, self.other


class PersonEvidence(msgspec.Struct, frozen=True):
    """A piece of a person's evidence, unopened. `birth_id`: the person it would be alone."""

    evidence_id: UUID
    birth_id: UUID
    person_id: UUID
    created_at: datetime


class Standing(msgspec.Struct, frozen=True):
    """What an id of a person means now: `person_id` is the id asked for, or that of whom it was merged into."""

    person_id: UUID
    brand: str


class Joining(msgspec.Struct, frozen=True):
    """How a person was merged into another: `evidence` was its own, `new` was nobody's before. `by`: `rules` or who
    decided."""

    merged_id: UUID
    into: UUID
    at: datetime
    by: str
    evidence: frozenset[UUID]
    new: frozenset[UUID]


def ordered(one: UUID, other: UUID) -> EvidencePair:
    """As pairs are stored: the smaller first."""
    return (one, other) if one < other else (other, one)


def hold_decisions(connection: Connection) -> None:
    """One human's decision at a time, until the transaction ends. Workers do not wait for this. One statement."""
    connection.exec_driver_sql(_HOLD)


def read_links(connection: Connection, evidence_ids: Collection[UUID]) -> list[Link]:
    """All links of this evidence, oldest first. One statement."""
    if not evidence_ids:
        return []
    ids = arrays.uuids(sorted(evidence_ids))
    columns = "one, other, same, decision_id, decided_by, why, decided_at"
    rows = connection.exec_driver_sql(
        f"SELECT {columns} FROM identity_decisions WHERE one = ANY(%s::uuid[])"  # noqa: S608 - put together from constants
        f" UNION SELECT {columns} FROM identity_decisions WHERE other = ANY(%s::uuid[])"
        " ORDER BY decided_at, decision_id, one, other",
        (ids, ids),
    )
    return [Link(*row) for row in rows]


def add_links(
    connection: Connection,
    decision_id: UUID,
    pairs: Iterable[EvidencePair],
    *,
    same: bool,
    brand: str,
    decided_by: str,
    why: str | None,
) -> int:
    """Store one decision about these pairs; gives how many had none before. One statement."""
    rows = sorted({ordered(*pair) for pair in pairs})
    return connection.exec_driver_sql(
        "INSERT INTO identity_decisions (one, other, same, decision_id, brand, decided_by, why)"
        " SELECT one, other, %s, %s, %s, %s, %s FROM unnest(%s::uuid[], %s::uuid[]) AS pairs (one, other)"
        " ON CONFLICT (one, other) DO NOTHING",
        (
            same,
            decision_id,
            brand,
            arrays.clean(decided_by),
            None if why is None else arrays.clean(why),
            arrays.uuids(one for one, _ in rows),
            arrays.uuids(other for _, other in rows),
        ),
    ).rowcount


def take_back(connection: Connection, pairs: Collection[EvidencePair]) -> None:
    """Remove the links of these pairs; the identity log keeps that they were. One statement."""
    if pairs:
        rows = sorted(pairs)
        connection.exec_driver_sql(
            "DELETE FROM identity_decisions d USING unnest(%s::uuid[], %s::uuid[]) AS pairs (one, other)"
            " WHERE d.one = pairs.one AND d.other = pairs.other",
            (arrays.uuids(one for one, _ in rows), arrays.uuids(other for _, other in rows)),
        )


def find_standing(connection: Connection, person_id: UUID) -> Standing | None:
    """Who this id stands for now; None: it was never a person's. One statement.

    A person goes where the evidence that it began with goes. Somebody whom only a CRM knows has evidence and no row.
    """
    row = connection.exec_driver_sql(
        "SELECT coalesce(e.person_id, p.merged_into, p.person_id), coalesce(p.brand, e.brand)"
        " FROM (SELECT * FROM people WHERE person_id = %s) p"
        " FULL JOIN (SELECT * FROM evidence WHERE birth_id = %s) e ON e.birth_id = p.person_id",
        (person_id, person_id),
    ).first()
    return Standing(*row) if row and row[0] else None


def read_person_evidence(connection: Connection, person_ids: Collection[UUID]) -> list[PersonEvidence]:
    """All evidence of these people, what each began with before the rest. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT evidence_id, birth_id, person_id, created_at FROM evidence WHERE person_id = ANY(%s::uuid[])"
        " ORDER BY birth_id",
        (arrays.uuids(sorted(person_ids)),),
    )
    return [PersonEvidence(*row) for row in rows]


def evidence_of_events(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The piece of evidence that each event brought; events without one are left out. One statement."""
    if not event_ids:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT event_id, evidence_id FROM evidence_events WHERE event_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(event_ids)),),
    )
    return dict(map(tuple, rows))


_JOINING = """
SELECT other_id, person_id, at, decided_by, details FROM identity_log
WHERE action = 'merged' AND other_id = ANY(%s::uuid[]) AND (%s::uuid IS NULL OR person_id = %s)
ORDER BY at DESC, id DESC LIMIT 1
"""


def last_joining(connection: Connection, among: Collection[UUID], *, into: UUID | None = None) -> Joining | None:
    """How the last of the people `among` was merged, into this one or into whomever. One statement."""
    row = connection.exec_driver_sql(_JOINING, (arrays.uuids(sorted(among)), into, into)).first()
    if row is None:
        return None
    merged_id, target, at, by, details = row
    evidence, new = (frozenset(map(UUID, details.get(name, ()))) for name in ("evidence", "new"))
    return Joining(merged_id, target, at, by, evidence, new)


def joined_by(connection: Connection, links: Iterable[Link], among: Collection[UUID]) -> list[UUID]:
    """Which of the people `among` were merged by these links, each made in the merge's transaction. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT other_id FROM identity_log WHERE action = ANY('{joined,accepted}')"
        " AND other_id = ANY(%s::uuid[]) AND at = ANY(%s::timestamptz[]) ORDER BY other_id",
        (arrays.uuids(sorted(among)), sorted({link.decided_at for link in links})),
    )
    return list(rows.scalars())


def read_reasons(
    connection: Connection, person_ids: Collection[UUID], moments: Collection[datetime]
) -> dict[datetime, str]:
    """The reasons of humans' decisions about these people at these moments: a decision and what followed from it are of
    one moment. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT at, details ->> 'why' FROM identity_log WHERE person_id = ANY(%s::uuid[])"
        " AND at = ANY(%s::timestamptz[]) AND action = ANY('{joined,parted,accepted,rejected}') AND details ? 'why'",
        (arrays.uuids(sorted(person_ids)), sorted(moments)),
    )
    return dict(map(tuple, rows))


def count_evidence(connection: Connection, brand: str | None) -> int:
    """How many pieces of evidence there are, of a brand or of all. One statement, over the whole table."""
    statement = "SELECT count(*) FROM evidence WHERE person_id IS NOT NULL"
    if brand is None:
        return int(connection.exec_driver_sql(statement).scalar_one())
    return int(connection.exec_driver_sql(f"{statement} AND brand = %s", (brand,)).scalar_one())


def next_evidence(connection: Connection, after: UUID, limit: int, brand: str | None) -> list[tuple[UUID, UUID, UUID]]:
    """The next settled pieces by id: (evidence, person it began, person it is of). One statement."""
    rows = connection.exec_driver_sql(
        "SELECT evidence_id, birth_id, person_id FROM evidence"
        " WHERE evidence_id > %s AND person_id IS NOT NULL AND (%s::text IS NULL OR brand = %s)"
        " ORDER BY evidence_id LIMIT %s",
        (after, brand, brand, limit),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def evidence_about(connection: Connection, person_ids: Collection[UUID]) -> set[UUID]:
    """All settled evidence that hangs together with that of these people, one person or not. One statement."""
    if not person_ids:
        return set()
    return set(
        connection.exec_driver_sql(
            "SELECT evidence_id FROM evidence WHERE person_id IS NOT NULL"
            " AND component = ANY(ARRAY(SELECT component FROM evidence WHERE person_id = ANY(%s::uuid[])))",
            (arrays.uuids(sorted(person_ids)),),
        ).scalars()
    )
