"""Addresses and numbers that are withdrawn, whoever has them: by keyed digests, of each question the latest time.

A withdrawal is stored, and committed, before evidence with its address is looked for; evidence before it is looked for
what is withdrawn. So of two that meet at the same time at least the later one sees the other (docs/decisions/0048).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


class WithdrawnPoint(NamedTuple):
    """What nobody may be sent by an address or number; `key` as in evidence_keys, `event_id` said it at `at`."""

    key: int
    brand: str
    purpose: str
    channel: str
    act: str
    at: datetime
    event_id: UUID

    def __repr__(self) -> str:
        return f"<WithdrawnPoint of event {self.event_id}>"


# The same whatever comes first, and however often: the latest time stays. What is news is to be told once more.
_LATEST = f"""({", ".join(WithdrawnPoint._fields)})
SELECT DISTINCT ON (key, purpose, channel, act) *
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[])
    AS new ({", ".join(WithdrawnPoint._fields)})
ORDER BY key, purpose, channel, act, at DESC, event_id DESC
ON CONFLICT (key, purpose, channel, act) DO UPDATE SET at = excluded.at, event_id = excluded.event_id"""  # noqa: S608 - put together from constants
_NOTE = f"""
INSERT INTO withdrawn_points AS known {_LATEST}, created_at = now(), linked_at = NULL
WHERE (excluded.at, excluded.event_id) > (known.at, known.event_id)
"""
_QUEUE = f"""
INSERT INTO withdrawals_to_ledger AS known {_LATEST}
WHERE (excluded.at, excluded.event_id) > (known.at, known.event_id)
"""


def note_withdrawn(connection: Connection, points: Collection[WithdrawnPoint]) -> None:
    """Note what is withdrawn. Commit before `link_withdrawn`. One statement, none of nothing."""
    if points:
        connection.exec_driver_sql(_NOTE, _columns(points))


def queue_for_ledger(connection: Connection, points: Collection[WithdrawnPoint]) -> None:
    """Let the ledger hear of these. One statement, none of nothing."""
    if points:
        connection.exec_driver_sql(_QUEUE, _columns(points))


def _columns(points: Collection[WithdrawnPoint]) -> tuple[str, ...]:
    ordered = sorted(points)
    return (
        arrays.numbers(point.key for point in ordered),
        arrays.texts(point.brand for point in ordered),
        arrays.texts(point.purpose for point in ordered),
        arrays.texts(point.channel for point in ordered),
        arrays.texts(point.act for point in ordered),
        arrays.moments(point.at for point in ordered),
        arrays.uuids(point.event_id for point in ordered),
    )


# Once the oldest has waited: a line of the ledger holds what came within, and not each a line of its own.
_TAKE = f"""
DELETE FROM withdrawals_to_ledger WHERE (key, purpose, channel, act) IN (
    SELECT key, purpose, channel, act FROM withdrawals_to_ledger
    WHERE EXISTS (SELECT FROM withdrawals_to_ledger WHERE queued_at < now() - make_interval(secs => %s))
    ORDER BY key, purpose, channel, act LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING {", ".join(WithdrawnPoint._fields)}
"""  # noqa: S608 - put together from constants


def take_for_ledger(connection: Connection, *, seconds: float, limit: int) -> list[WithdrawnPoint]:
    """What the ledger is to hear of, once any of it has waited for `seconds`; gone from the queue with the commit. One
    statement, over a table that is empty else."""
    return sorted(WithdrawnPoint(*row) for row in connection.exec_driver_sql(_TAKE, (seconds, limit)))


# Evidence that comes is linked to what was withdrawn before; what is withdrawn anew to all evidence there is.
_LINK = """
WITH held AS MATERIALIZED (
    SELECT key FROM withdrawn_points WHERE key = ANY(%(fresh)s::bigint[]) AND linked_at IS NULL
    ORDER BY key, purpose, channel, act FOR UPDATE
), fresh AS MATERIALIZED (
    SELECT DISTINCT key FROM held
), found AS MATERIALIZED (
    SELECT k.evidence_id, k.key FROM fresh JOIN evidence_keys k USING (key)
), linked AS (
    INSERT INTO withdrawn_evidence (evidence_id, key)
    SELECT evidence_id, key FROM found
    UNION
    SELECT came.evidence_id, came.key FROM unnest(%(pieces)s::uuid[], %(keys)s::bigint[]) AS came (evidence_id, key)
    WHERE EXISTS (SELECT FROM withdrawn_points w WHERE w.key = came.key)
    ORDER BY 1, 2 ON CONFLICT DO NOTHING
), noted AS (
    UPDATE withdrawn_points SET linked_at = now() WHERE key = ANY(ARRAY(SELECT key FROM fresh)) AND linked_at IS NULL
)
SELECT DISTINCT e.person_id, e.brand FROM found JOIN evidence e USING (evidence_id) WHERE e.person_id IS NOT NULL
"""


def link_withdrawn(
    connection: Connection, fresh: Collection[int], came: Collection[tuple[UUID, int]] = ()
) -> set[tuple[UUID, str]]:
    """Link evidence that came, (evidence, key), to what is withdrawn, and withdrawals under the `fresh` keys that are
    not linked yet to all evidence; gives whom the latter concern, (person, brand). One statement, none of nothing."""
    if not (fresh or came):
        return set()
    ordered = sorted(came)
    values = {
        "fresh": arrays.numbers(sorted(fresh)),
        "pieces": arrays.uuids(evidence_id for evidence_id, _ in ordered),
        "keys": arrays.numbers(key for _, key in ordered),
    }
    return set(map(tuple, connection.exec_driver_sql(_LINK, values)))


def next_unlinked(connection: Connection, *, seconds: float, limit: int) -> set[int]:
    """Keys of withdrawals that nobody linked, as a worker was killed in between. One statement, over a partial index
    that is empty else."""
    rows = connection.exec_driver_sql(
        "SELECT key FROM withdrawn_points WHERE linked_at IS NULL AND created_at < now() - make_interval(secs => %s)"
        " ORDER BY created_at LIMIT %s",
        (seconds, limit),
    )
    return set(rows.scalars())


_RENEW = """
UPDATE people SET version = version + 1, updated_at = now() WHERE person_id = ANY(ARRAY(
    SELECT person_id FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id FOR UPDATE
))
"""


def renew_people(connection: Connection, person_ids: Collection[UUID]) -> None:
    """A new version of these people: what holds of them is another. One statement, none without people."""
    if person_ids:
        connection.exec_driver_sql(_RENEW, (arrays.uuids(sorted(person_ids)),))


# What is withdrawn of the addresses of people, as statements of theirs: each once, however much evidence has it.
OF_PEOPLE = """
SELECT DISTINCT ON (e.person_id, w.key, w.purpose, w.channel, w.act)
    e.person_id, w.purpose, w.channel, w.act, w.at, w.event_id, w.created_at, w.key, w.brand, e.evidence_id, e.sealed
FROM evidence e JOIN withdrawn_evidence l USING (evidence_id) JOIN withdrawn_points w ON w.key = l.key
WHERE e.person_id = ANY({people})
"""
# The same as questions with an answer alone; whose, a condition on `e.person_id` says.
OF_ADDRESSES = """
SELECT e.person_id, w.purpose, w.channel, false AS granted, w.act
FROM evidence e JOIN withdrawn_evidence l USING (evidence_id) JOIN withdrawn_points w ON w.key = l.key
"""
