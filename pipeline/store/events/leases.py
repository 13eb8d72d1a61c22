"""Leases on events: given back, swept up after a lost worker; and what waits or is under way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.lanes import LANES
from pipeline.records import Stage
from pipeline.store import arrays

_OF_CLAIM = "WHERE state = 'in_flight' AND claim = %(claim)s AND lane IN ('hot', 'bulk')"


def release_claim(connection: Connection, claim_id: UUID, *, lost: bool) -> int:
    """Give a claim's events back to be claimed again; gives how many. `lost` counts a loss: they come back halved."""
    return connection.exec_driver_sql(
        f"""
        UPDATE events SET state = 'pending', lease_until = NULL, losses = losses + %(lost)s::int,
            lone_losses = lone_losses + (batch_size = 1)::int * %(lost)s::int,
            claim = CASE WHEN losses + %(lost)s::int > 0 THEN claim END {_OF_CLAIM}
        """,  # noqa: S608 - put together from constants
        {"claim": claim_id, "lost": int(lost)},
    ).rowcount


def release_unread(connection: Connection, claim_id: UUID, read: Iterable[UUID]) -> int:
    """Give back a claim's events but those `read`, as if they had never been claimed; gives how many."""
    return connection.exec_driver_sql(
        f"""
        UPDATE events SET state = 'pending', lease_until = NULL, claim = CASE WHEN losses > 0 THEN claim END {_OF_CLAIM}
            AND event_id <> ALL(%(read)s::uuid[])
        """,  # noqa: S608 - put together from constants
        {"claim": claim_id, "read": arrays.uuids(read)},
    ).rowcount


def release_stale(connection: Connection, claim_id: UUID, event_ids: Iterable[UUID]) -> int:
    """Give back those of a claim's events whose records got revisions since they were claimed; gives how many.

    They begin again, knowing of them.
    """
    return connection.exec_driver_sql(
        f"""
        UPDATE events SET state = 'pending', lease_until = NULL, claim = CASE WHEN losses > 0 THEN claim END {_OF_CLAIM}
            AND event_id = ANY(%(ids)s::uuid[]) AND record_id IS NOT NULL AND superseded_by IS NULL
        """,  # noqa: S608 - put together from constants
        {"claim": claim_id, "ids": arrays.uuids(event_ids)},
    ).rowcount


def sweep_leases(connection: Connection, *, limit: int = 5000) -> dict[str, int]:
    """Take back events whose lease ran out and count a loss each; gives how many per lane. One statement if none."""
    expired = list(
        connection.exec_driver_sql(
            """
            SELECT event_id, lane FROM events
            WHERE state = 'in_flight' AND lane IN ('hot', 'bulk') AND lease_until < now()
            LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            """,
            {"limit": limit},
        )
    )
    counts: dict[str, int] = {}
    if expired:
        connection.exec_driver_sql(
            """
            UPDATE events SET state = 'pending', lease_until = NULL, losses = least(losses + 1, 32767),
                lone_losses = least(lone_losses + (batch_size = 1)::int, 32767)
            WHERE event_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": arrays.uuids(event_id for event_id, _ in expired)},
        )
        for _, lane in expired:
            counts[lane] = counts.get(lane, 0) + 1
    return counts


_QUARANTINE_LOST = """
WITH poisonous AS (
    UPDATE events SET state = 'quarantined', stage = %(stage)s, lease_until = NULL, settled_at = now()
    WHERE state = 'pending' AND losses > 0 AND lone_losses >= %(after)s
    RETURNING event_id, brand, source, losses, lone_losses
)
INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, message)
SELECT gen_random_uuid(), event_id, brand, source, %(stage)s, 'worker_lost',
    format('its worker was lost %%s times, %%s of them with this event alone in the batch; look into the worker''s '
           'log, then replay', losses, lone_losses)
FROM poisonous
ON CONFLICT DO NOTHING
"""


def quarantine_lost(connection: Connection, *, after: int) -> int:
    """Park events that lost their worker `after` times or more while they stood alone; gives how many.

    Losses in company do not count: workers are killed for other reasons too, and halving leaves some event alone.
    """
    return connection.exec_driver_sql(_QUARANTINE_LOST, {"after": after, "stage": Stage.UNKNOWN}).rowcount


# From one claim to the next greater one: as many index probes as there are batches, not as there are events.
_IN_FLIGHT_BATCHES = """
WITH RECURSIVE held (claim) AS (
    (SELECT claim FROM events WHERE state = 'in_flight' AND lane = %(lane)s ORDER BY claim LIMIT 1)
    UNION ALL
    SELECT (SELECT claim FROM events WHERE state = 'in_flight' AND lane = %(lane)s AND claim > held.claim
            ORDER BY claim LIMIT 1)
    FROM held WHERE held.claim IS NOT NULL
)
SELECT count(claim) FROM held
"""


def count_in_flight_batches(connection: Connection, lane: str) -> int:
    """How many claims of a lane are under way."""
    return int(connection.exec_driver_sql(_IN_FLIGHT_BATCHES, {"lane": lane}).scalar_one())


_PENDING = """
SELECT lane,
    (SELECT count(*) FROM events e WHERE e.state = 'pending' AND e.losses = 0 AND e.lane = lanes.lane)
    + (SELECT count(*) FROM events e WHERE e.state = 'pending' AND e.losses > 0 AND e.lane = lanes.lane),
    least(
        (SELECT received_at FROM events e WHERE e.state = 'pending' AND e.losses = 0 AND e.lane = lanes.lane
         AND NOT unproven ORDER BY event_id LIMIT 1),
        (SELECT received_at FROM events e WHERE e.state = 'pending' AND e.losses = 0 AND e.lane = lanes.lane
         AND unproven ORDER BY event_id LIMIT 1),
        (SELECT min(received_at) FROM events e WHERE e.state = 'pending' AND e.losses > 0 AND e.lane = lanes.lane)
    )
FROM unnest(%(lanes)s::text[]) AS lanes (lane)
"""


def oldest_pending(connection: Connection) -> dict[str, tuple[int, datetime]]:
    """How many events wait and since when the oldest does, per lane in which any wait."""
    rows = connection.exec_driver_sql(_PENDING, {"lanes": arrays.texts(LANES)})
    return {lane: (count, oldest) for lane, count, oldest in rows if count}
