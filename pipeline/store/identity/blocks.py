"""Who shares a key with whom: what is read of the blocks, locked meanwhile, and counted.

`pipeline.identity.neighborhoods` says who locks what while people are resolved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


class Mate(NamedTuple):
    """Evidence that has `key` in common with other evidence. `is_new`: it has no person yet."""

    key: int
    evidence_id: UUID
    component: UUID
    is_new: bool


# LATERAL with LIMIT leaves the planner no other way than one index probe per key, whatever the statistics say. Most
# keys have one piece of evidence: nothing is sent of them. A key left over from evidence that is gone is nobody's.
_BLOCKS = """
SELECT asked.key, e.evidence_id, e.component, e.person_id IS NULL
FROM unnest(%s::bigint[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT CASE WHEN count(*) <= %s THEN array_agg(first.evidence_id) ELSE ARRAY[NULL::uuid] END AS members
    FROM (SELECT k.evidence_id FROM evidence_keys k WHERE k.key = asked.key LIMIT %s) AS first
    HAVING count(*) > 1
) AS block
CROSS JOIN LATERAL unnest(block.members) AS member (evidence_id)
LEFT JOIN LATERAL (SELECT * FROM evidence WHERE evidence.evidence_id = member.evidence_id LIMIT 1) AS e ON true
WHERE member.evidence_id IS NULL OR e.evidence_id IS NOT NULL
"""


def read_blocks(connection: Connection, keys: Collection[int], *, most: int) -> tuple[list[Mate], set[int]]:
    """The evidence that shares these keys, where two pieces or more do; and the crowded keys: those that more than
    `most` pieces share, who are not read. One statement, of bounded cost.
    """
    mates: list[Mate] = []
    crowded: set[int] = set()
    if keys:
        rows = connection.exec_driver_sql(_BLOCKS, (arrays.numbers(sorted(keys)), most, most + 1))
        for key, evidence_id, component, is_new in rows:
            if evidence_id is None:
                crowded.add(key)
            else:
                mates.append(Mate(key, evidence_id, component, is_new))
    return mates, crowded


def read_members(connection: Connection, keys: Collection[int]) -> list[Mate]:
    """All evidence that shares these keys, however much: for the one time that a key gets crowded. One statement."""
    if not keys:
        return []
    rows = connection.exec_driver_sql(
        "SELECT k.key, e.evidence_id, e.component, e.person_id IS NULL FROM evidence_keys k"
        " JOIN evidence e USING (evidence_id) WHERE k.key = ANY(%s::bigint[])",
        (arrays.numbers(sorted(keys)),),
    )
    return [Mate(*row) for row in rows]


def lock_components(connection: Connection, components: Collection[UUID], *, is_patient: bool) -> bool:
    """Hold these components until the transaction or its savepoint ends. One statement.

    `is_patient` waits for them, always in one order; otherwise False if others hold one. A transaction waits once,
    before it holds anything else: nobody waits in a circle.
    """
    if not components:
        return True
    numbers = sorted({int.from_bytes(component.bytes[:8], "big", signed=True) for component in components})
    held = connection.exec_driver_sql(
        "SELECT lock_components(%s::bigint[], %s)", (arrays.numbers(numbers), is_patient)
    ).scalar()
    return bool(held)


_HOLD_NEW = """
SELECT evidence_id, notices FROM evidence WHERE evidence_id = ANY(%s::uuid[]) AND person_id IS NULL
ORDER BY evidence_id FOR UPDATE"""


def hold_new(connection: Connection, evidence_ids: Collection[UUID], *, is_patient: bool) -> dict[UUID, int]:
    """Hold the rows of these pieces, and give their notices: of those that still have no person. One statement.

    Rows that others hold are waited for in the order of their ids, or left out if not `is_patient`.
    """
    rows = connection.exec_driver_sql(
        _HOLD_NEW if is_patient else f"{_HOLD_NEW} SKIP LOCKED", (arrays.uuids(sorted(evidence_ids)),)
    )
    return dict(map(tuple, rows))


def give_notice(connection: Connection, evidence_ids: Collection[UUID]) -> None:
    """Tell the workers of new evidence that others with its keys got people. Its rows must be held. One statement."""
    if evidence_ids:
        connection.exec_driver_sql(
            "UPDATE evidence SET notices = notices + 1 WHERE evidence_id = ANY(%s::uuid[])",
            (arrays.uuids(sorted(evidence_ids)),),
        )


def read_shared_keys(connection: Connection, keys: Collection[int]) -> dict[int, int]:
    """Of these keys those that several names use, with how many; CROWDED of crowded ones. One statement."""
    if not keys:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT key, names FROM shared_keys WHERE key = ANY(%s::bigint[])", (arrays.numbers(sorted(keys)),)
    )
    return dict(map(tuple, rows))


_SHARE = """
INSERT INTO shared_keys (key, names) SELECT * FROM unnest(%s::bigint[], %s::smallint[])
ON CONFLICT (key) DO UPDATE SET names = excluded.names
"""


def note_shared_keys(connection: Connection, names: Mapping[int, int]) -> None:
    """Remember how many names use these keys, counted while all who use them were locked. One statement."""
    if names:
        ordered = sorted(names)
        connection.exec_driver_sql(_SHARE, (arrays.numbers(ordered), arrays.numbers(names[key] for key in ordered)))
