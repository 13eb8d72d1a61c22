"""Withdrawals that go over to another key of the index, as somebody is known who has the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


class FormerPoint(NamedTuple):
    """An address that is withdrawn by the key `key_id`, None for the first, with sealed evidence that has it; without
    any nobody is known who has it."""

    key: int
    key_id: str | None
    brand: str | None
    evidence_id: UUID | None
    sealed: bytes | None

    def __repr__(self) -> str:
        return f"<FormerPoint of evidence {self.evidence_id}>"


_NEXT = """
SELECT w.key, w.key_id, theirs.* FROM (
    SELECT DISTINCT key, key_id FROM withdrawn_points
    WHERE key > %s AND key_id IS DISTINCT FROM %s AND linked_at IS NOT NULL ORDER BY key LIMIT %s
) AS w LEFT JOIN LATERAL (
    SELECT e.brand, e.evidence_id, e.sealed FROM withdrawn_evidence l JOIN evidence e USING (evidence_id)
    WHERE l.key = w.key ORDER BY l.evidence_id LIMIT 1
) AS theirs ON true ORDER BY w.key
"""


def next_former(connection: Connection, after: int, current: str | None, *, limit: int) -> list[FormerPoint]:
    """The next ones by number that are of another key than the current one. One statement."""
    rows = connection.exec_driver_sql(_NEXT, (after, current, limit))
    return [
        FormerPoint(key, key_id, brand, evidence_id, None if sealed is None else bytes(sealed))
        for key, key_id, brand, evidence_id, sealed in rows  # the driver gives views
    ]


# The latest time stays, as where it is noted. Not linked yet stays so, for whoever noted it looks for everybody.
_MOVE = """
WITH moved (former, key) AS MATERIALIZED (
    SELECT * FROM unnest(%(former)s::bigint[], %(keys)s::bigint[])
), links AS (
    DELETE FROM withdrawn_evidence l USING moved WHERE l.key = moved.former RETURNING l.evidence_id, moved.key
), linked AS (
    INSERT INTO withdrawn_evidence (evidence_id, key) SELECT evidence_id, key FROM links ORDER BY 1, 2
    ON CONFLICT DO NOTHING
), points AS (
    DELETE FROM withdrawn_points w USING moved WHERE w.key = moved.former RETURNING w.*, moved.key AS new
)
INSERT INTO withdrawn_points AS known
    (key, brand, purpose, channel, act, at, event_id, created_at, linked_at, key_id)
SELECT DISTINCT ON (new, purpose, channel, act)
    new, brand, purpose, channel, act, at, event_id, created_at, linked_at, %(key_id)s
FROM points ORDER BY new, purpose, channel, act, at DESC, event_id DESC
ON CONFLICT (key, purpose, channel, act) DO UPDATE SET at = excluded.at, event_id = excluded.event_id
WHERE (excluded.at, excluded.event_id) > (known.at, known.event_id)
"""


def move(connection: Connection, moved: Mapping[int, int], key_id: str | None) -> None:
    """Let what is withdrawn by these numbers be withdrawn by others, of the key `key_id`, with all its links. Nobody
    links meanwhile: the keys are held alone. One statement, none of nothing."""
    if moved:
        ordered = sorted(moved)
        connection.exec_driver_sql(
            _MOVE,
            {
                "former": arrays.numbers(ordered),
                "keys": arrays.numbers(moved[former] for former in ordered),
                "key_id": key_id,
            },
        )
