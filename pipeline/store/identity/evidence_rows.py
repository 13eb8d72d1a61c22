"""Evidence of who is who, and the people derived from it.

Evidence is added first, in a transaction of its own; people are resolved in the next. So of two workers that bring
evidence of one person at the same time at least the later one sees both, whichever way they run, and what they make of
it depends on the evidence alone. `pipeline.identity.neighborhoods` tells who locks what while people are resolved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence, seal_evidence
from pipeline.records import is_record_id
from pipeline.store import arrays

_ROUNDS = 3  # of asking again when people changed while we waited for them


class StoredEvidence(msgspec.Struct, frozen=True):
    """A stored piece of evidence. `person_id` None: new, not resolved yet. `birth_id`: the person it would be alone.
    `notices`: how often others that share a key were resolved while it was new.
    """

    evidence_id: UUID
    brand: str
    birth_id: UUID
    person_id: UUID | None
    component: UUID
    notices: int
    sealed: bytes

    @property
    def packed(self) -> bytes:
        return open_evidence(self.sealed, self.evidence_id)

    def __repr__(self) -> str:
        return f"<StoredEvidence {self.evidence_id}>"


class NewEvidence(msgspec.Struct, frozen=True):
    """A piece of evidence about to be stored, with the keys it is filed under and the events that brought it.
    `generation`: of the index key that made them. `coming`: by generation the keys that will take their place."""

    evidence_id: UUID
    brand: str
    birth_id: UUID
    packed: bytes
    keys: Sequence[int]
    event_ids: Sequence[UUID]
    generation: int = 0
    coming: Mapping[int, Sequence[int]] = {}

    def __repr__(self) -> str:
        return f"<NewEvidence {self.evidence_id}>"


_ADD = """
INSERT INTO evidence (evidence_id, brand, birth_id, component, sealed)
SELECT new.evidence_id, brand, birth_id, new.evidence_id, decode(sealed, 'base64')
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[]) AS new (evidence_id, brand, birth_id, sealed)
ON CONFLICT (evidence_id) DO NOTHING RETURNING evidence_id
"""
_ADD_KEYS = (
    "INSERT INTO evidence_keys (key, evidence_id, generation)"
    " SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::smallint[])"
)
# An event that is mapped anew before it was settled may say something else than it said at first. DO UPDATE of nothing:
# it waits for others that file the same event, and gives the row as they left it.
_ADD_EVENTS = """
WITH new (event_id, evidence_id) AS MATERIALIZED (SELECT * FROM unnest(%s::uuid[], %s::uuid[])),
filed AS (
    INSERT INTO evidence_events (event_id, evidence_id) SELECT * FROM new
    ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id RETURNING event_id, evidence_id
)
SELECT filed.event_id FROM filed JOIN new USING (event_id) WHERE filed.evidence_id <> new.evidence_id
"""


def add_evidence(connection: Connection, new: Sequence[NewEvidence]) -> list[UUID]:
    """Store evidence, its keys, and which events brought it. Known evidence stays as it is. Three statements.

    Gives the events that other evidence was filed under before; they stay there (`pipeline.identity.corrected_events`).
    """
    ordered = sorted(new, key=lambda evidence: evidence.evidence_id)
    if not ordered:
        return []
    added = connection.exec_driver_sql(
        _ADD,
        (
            arrays.uuids(evidence.evidence_id for evidence in ordered),
            arrays.texts(evidence.brand for evidence in ordered),
            arrays.uuids(evidence.birth_id for evidence in ordered),
            arrays.sealed(seal_evidence(evidence.packed, evidence.evidence_id) for evidence in ordered),
        ),
    )
    unknown = {row[0] for row in added}
    file_keys(connection, [evidence for evidence in ordered if evidence.evidence_id in unknown])
    events = sorted((event_id, evidence.evidence_id) for evidence in ordered for event_id in evidence.event_ids)
    filed = connection.exec_driver_sql(
        _ADD_EVENTS, (arrays.uuids(event for event, _ in events), arrays.uuids(owner for _, owner in events))
    )
    return list(filed.scalars())


def file_keys(connection: Connection, new: Sequence[NewEvidence]) -> None:
    """Let evidence that was just stored be found by its keys. One statement."""
    rows = sorted(
        (key, evidence.evidence_id, generation)
        for evidence in new
        for generation, keys in ((evidence.generation, evidence.keys), *evidence.coming.items())
        for key in set(keys)
    )
    if rows:
        connection.exec_driver_sql(
            _ADD_KEYS,
            (
                arrays.numbers(key for key, _, _ in rows),
                arrays.uuids(owner for _, owner, _ in rows),
                arrays.filled(arrays.numbers, [generation or None for _, _, generation in rows]),
            ),
        )


_COLUMNS = "evidence_id, brand, birth_id, person_id, component, notices, sealed"


def read_evidence(connection: Connection, evidence_ids: Collection[UUID]) -> dict[UUID, StoredEvidence]:
    """These pieces of evidence. One statement."""
    return _read(connection, "evidence_id", evidence_ids)


# Evidence that hangs together with no other is its own component, and not in the index of components.
_COMPONENTS = f"""
SELECT {_COLUMNS} FROM evidence
WHERE component = ANY(%s::uuid[]) AND component <> evidence_id AND person_id IS NOT NULL
UNION ALL
SELECT {_COLUMNS} FROM evidence
WHERE evidence_id = ANY(%s::uuid[]) AND component = evidence_id AND person_id IS NOT NULL
"""  # noqa: S608 - put together from constants


def read_components(connection: Connection, components: Collection[UUID]) -> dict[UUID, StoredEvidence]:
    """All evidence of these components. One statement."""
    if not components:
        return {}
    ids = arrays.uuids(sorted(components))
    return _stored(connection.exec_driver_sql(_COMPONENTS, (ids, ids)))


def read_owners(connection: Connection, evidence_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The people of these pieces of evidence; without new ones. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT evidence_id, person_id FROM evidence WHERE evidence_id = ANY(%s::uuid[]) AND person_id IS NOT NULL",
        (arrays.uuids(sorted(evidence_ids)),),
    )
    return dict(map(tuple, rows))


def read_evidence_of_people(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, StoredEvidence]:
    """All evidence of these people. One statement."""
    return _read(connection, "person_id", person_ids)


def _read(connection: Connection, column: str, ids: Collection[UUID]) -> dict[UUID, StoredEvidence]:
    if not ids:
        return {}
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM evidence WHERE {column} = ANY(%s::uuid[])",  # noqa: S608 - put together from constants
        (arrays.uuids(sorted(ids)),),
    )
    return _stored(rows)


def _stored(rows: Iterable[Any]) -> dict[UUID, StoredEvidence]:
    return {row[0]: StoredEvidence(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6])) for row in rows}


_ASSIGN = """
UPDATE evidence e SET person_id = found.person_id, component = found.component
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS found (evidence_id, person_id, component)
WHERE e.evidence_id = found.evidence_id AND e.evidence_id = ANY(%s::uuid[])
"""


def assign(connection: Connection, rows: Sequence[tuple[UUID, UUID, UUID]]) -> None:
    """Say whose evidence is whose: (evidence, person, component). One statement."""
    if rows:
        ordered = sorted(rows)
        ids = arrays.uuids(row[0] for row in ordered)
        connection.exec_driver_sql(
            _ASSIGN, (ids, arrays.uuids(row[1] for row in ordered), arrays.uuids(row[2] for row in ordered), ids)
        )


# Rows of `evidence` are locked as well: whoever waited then sees what was decided meanwhile, and asks again.
_HOLD = """
SELECT x.event_id, e.person_id FROM evidence_events x
JOIN evidence e USING (evidence_id)
JOIN people p ON p.person_id = e.person_id
WHERE x.event_id = ANY(%s::uuid[]) ORDER BY p.person_id FOR UPDATE OF p FOR SHARE OF e
"""


def hold_owners(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The person of each event as its evidence says now, held until the transaction ends; events without evidence are
    left out. One statement, or one more each time that others gave them to other people meanwhile.
    """
    owners: dict[UUID, UUID] = {}
    wanted = set(event_ids)
    for _ in range(_ROUNDS):
        if not wanted:
            break
        rows = connection.exec_driver_sql(_HOLD, (arrays.uuids(sorted(wanted)),))
        owners.update((event_id, person_id) for event_id, person_id in rows)
        wanted -= owners.keys()
    return owners


def events_of_evidence(
    connection: Connection, evidence_ids: Collection[UUID], *, with_records: bool = False
) -> dict[UUID, list[UUID]]:
    """The events that brought each piece of evidence, by id; `with_records`: and the records of CRMs. One statement."""
    events: dict[UUID, list[UUID]] = {}
    if evidence_ids:
        for evidence_id, event_id in connection.exec_driver_sql(
            "SELECT evidence_id, event_id FROM evidence_events WHERE evidence_id = ANY(%s::uuid[]) ORDER BY event_id",
            (arrays.uuids(sorted(evidence_ids)),),
        ):
            if with_records or not is_record_id(event_id):
                events.setdefault(evidence_id, []).append(event_id)
    return events


def events_carried(
    connection: Connection, evidence_ids: Collection[UUID]
) -> tuple[dict[UUID, list[UUID]], dict[UUID, list[UUID]]]:
    """The events that brought each piece of evidence, as `events_of_evidence`; and those whose activities hang on it.
    One statement."""
    events: dict[UUID, list[UUID]] = {}
    activities: dict[UUID, list[UUID]] = {}
    if evidence_ids:
        ids = arrays.uuids(sorted(evidence_ids))
        for evidence_id, event_id, is_activity in connection.exec_driver_sql(
            "SELECT evidence_id, event_id, false FROM evidence_events WHERE evidence_id = ANY(%s::uuid[]) UNION ALL"
            " SELECT evidence_id, event_id, true FROM activities WHERE evidence_id = ANY(%s::uuid[]) ORDER BY 2",
            (ids, ids),
        ):
            if not is_record_id(event_id):
                (activities if is_activity else events).setdefault(evidence_id, []).append(event_id)
    return events, activities


def read_link_pairs(
    connection: Connection, evidence_ids: Collection[UUID]
) -> tuple[set[tuple[UUID, UUID]], set[tuple[UUID, UUID]]]:
    """Humans' decisions on this evidence: the pairs of must-links and those of cannot-links. One statement."""
    must: set[tuple[UUID, UUID]] = set()
    cannot: set[tuple[UUID, UUID]] = set()
    if evidence_ids:
        ids = arrays.uuids(sorted(evidence_ids))
        for one, other, is_same in connection.exec_driver_sql(
            "SELECT one, other, same FROM identity_decisions WHERE one = ANY(%s::uuid[])"
            " UNION SELECT one, other, same FROM identity_decisions WHERE other = ANY(%s::uuid[])",
            (ids, ids),
        ):
            (must if is_same else cannot).add((one, other))
    return must, cannot
