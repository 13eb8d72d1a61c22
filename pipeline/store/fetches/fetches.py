"""Records that are to be read: claimed with a lease, ended by whoever still holds the claim.

A row is there as long as its record is to be read. Its end, what was read and the state of its event are written in one
transaction, so a worker may be killed anywhere: the record is read once more, and nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import seal_fetched
from pipeline.records import Envelope, NewEvent, Parked, new_id
from pipeline.store import arrays
from pipeline.store.events.quarantine import park_fetching

_WANT = """
INSERT INTO fetches (event_id, brand, source)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) ON CONFLICT (event_id) DO NOTHING
"""
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT event_id FROM fetches WHERE source = %(source)s AND brand = %(brand)s AND due_at <= now()
    ORDER BY due_at, event_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE fetches SET claim = %(claim)s, due_at = now() + make_interval(secs => %(seconds)s)
FROM due WHERE fetches.event_id = due.event_id
RETURNING fetches.event_id, attempts
"""
_STORE = """
WITH ended AS (
    DELETE FROM fetches WHERE event_id = %(id)s AND claim = %(claim)s RETURNING event_id
), kept AS (
    UPDATE event_bodies SET fetched = %(fetched)s WHERE event_id = %(id)s AND EXISTS (SELECT FROM ended)
), ready AS (
    UPDATE events SET state = 'pending', stage = NULL
    WHERE event_id = %(id)s AND state = 'fetching' AND EXISTS (SELECT FROM ended) RETURNING lane
)
SELECT (SELECT count(*) FROM ended), (SELECT lane FROM ready)
"""
_FREE = """
WITH ended AS (
    DELETE FROM fetches WHERE event_id = ANY(%(ids)s::uuid[]) AND claim = %(claim)s RETURNING event_id
)
UPDATE events SET state = 'pending', stage = NULL
WHERE event_id = ANY(%(ids)s::uuid[]) AND event_id IN (SELECT event_id FROM ended) AND state = 'fetching'
"""


def want_fetches(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Have the records of these new events read. One statement, none without events."""
    if events:
        connection.exec_driver_sql(
            _WANT,
            (
                arrays.uuids(event.event_id for event in events),
                arrays.texts(event.brand for event in events),
                arrays.texts(event.source for event in events),
            ),
        )


def claim_fetches(
    connection: Connection, source: str, brand: str, *, limit: int, lease_seconds: float
) -> tuple[UUID, dict[UUID, int]]:
    """Lease up to `limit` due records of a source, those that wait longest first: (claim, {event: failed attempts}).

    One statement."""
    claim = new_id()
    rows = connection.exec_driver_sql(
        _CLAIM, {"source": source, "brand": brand, "limit": limit, "claim": claim, "seconds": lease_seconds}
    )
    return claim, dict(map(tuple, rows))


def count_claims(connection: Connection, source: str, brand: str) -> int:
    """How many workers read records of a source now. One statement."""
    return int(
        connection.exec_driver_sql(
            "SELECT count(DISTINCT claim) FROM fetches"
            " WHERE source = %s AND brand = %s AND claim IS NOT NULL AND due_at > now()",
            (source, brand),
        ).scalar_one()
    )


def store_fetched(connection: Connection, claim: UUID, event_id: UUID, fetched: Envelope) -> tuple[bool, str | None]:
    """Keep what was read, and let its event be mapped: (whether the claim still held, the lane that it is due in).

    No lane where the event had ended before: it was read again. One statement."""
    held, lane = connection.exec_driver_sql(
        _STORE, {"id": event_id, "claim": claim, "fetched": seal_fetched(fetched, event_id)}
    ).one()
    return bool(held), lane


def free_fetches(connection: Connection, claim: UUID, event_ids: Iterable[UUID]) -> int:
    """Let events be mapped as they came: their source does not send ids any more. One statement."""
    return connection.exec_driver_sql(_FREE, {"ids": arrays.uuids(event_ids), "claim": claim}).rowcount


def park_fetch(connection: Connection, claim: UUID, parked: Parked) -> bool:
    """Quarantine the event of a record that cannot be read; False if the claim was lost. An event that had ended stays
    as it is. Two statements."""
    held = connection.exec_driver_sql(
        "DELETE FROM fetches WHERE event_id = %s AND claim = %s", (parked.event_id, claim)
    ).rowcount
    if held:
        park_fetching(connection, [parked])
    return bool(held)


def put_off(
    connection: Connection, claim: UUID, event_id: UUID, *, seconds: float, error: str, is_attempt: bool
) -> None:
    """Try a record again later. `is_attempt`: it counts as one that failed. One statement."""
    connection.exec_driver_sql(
        """
        UPDATE fetches SET claim = NULL, due_at = now() + make_interval(secs => %s), last_error = %s,
            attempts = attempts + %s
        WHERE event_id = %s AND claim = %s
        """,
        (seconds, arrays.clean(error), int(is_attempt), event_id, claim),
    )


def release_fetches(connection: Connection, claim: UUID) -> int:
    """Give back what was claimed and not read: it is due. One statement."""
    return connection.exec_driver_sql(
        "UPDATE fetches SET claim = NULL, due_at = now() WHERE claim = %s", (claim,)
    ).rowcount


_AGAIN = """
INSERT INTO fetches (event_id, brand, source)
SELECT event_id, brand, source FROM events
WHERE event_id = ANY(%(ids)s::uuid[]) AND source = %(source)s AND brand = %(brand)s
    AND state IN ('settled', 'suppressed', 'fetching')
ON CONFLICT (event_id) DO UPDATE SET due_at = now()
RETURNING event_id
"""


def want_again(connection: Connection, source: str, brand: str, event_ids: Sequence[UUID]) -> list[UUID]:
    """Have the records of these events read once more; gives those that are of this source and have ended, or wait.
    What is quarantined is replayed instead. One statement."""
    rows = connection.exec_driver_sql(_AGAIN, {"ids": arrays.uuids(event_ids), "source": source, "brand": brand})
    return list(rows.scalars())


# From one source and brand to the next: as many index probes as there are sources, not as there are records.
_DUE = """
WITH RECURSIVE waiting (source, brand) AS (
    (SELECT source, brand FROM fetches ORDER BY source, brand LIMIT 1)
    UNION ALL
    SELECT following.source, following.brand FROM waiting, LATERAL (
        SELECT f.source, f.brand FROM fetches f WHERE (f.source, f.brand) > (waiting.source, waiting.brand)
        ORDER BY f.source, f.brand LIMIT 1
    ) AS following
)
SELECT source, brand FROM waiting
WHERE EXISTS (
        SELECT FROM fetches f WHERE f.source = waiting.source AND f.brand = waiting.brand AND f.due_at <= now()
    ) AND NOT EXISTS (
        SELECT FROM fetch_pauses p WHERE p.source = waiting.source AND p.brand = waiting.brand AND p.until > now()
    )
"""


def due_sources(connection: Connection) -> list[tuple[str, str]]:
    """(source, brand) of all that have a record to read now, and are not paused. One statement."""
    return [(source, brand) for source, brand in connection.exec_driver_sql(_DUE)]
