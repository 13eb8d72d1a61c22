"""The outbox: messages and their way, which is none of a delivery's.

due -> in_flight -> delivered
                 -> due          a failure that may pass, or a lost sender
                 -> failed       no attempt is left
                 -> dropped      who it is about is not there any more, or did not consent
    -> held                      its endpoint is off; due again once it is on

The id is the `webhook-id` at every attempt and every replay. No message holds anything of a person but ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import new_id
from pipeline.records.webhooks import WebhookMessage, WebhookOutcome
from pipeline.store import arrays

_CLAIMED = ", ".join(f"m.{name}" for name in WebhookMessage.__struct_fields__)
# Only what nothing earlier about the same subject is in front of. The endpoint is held, so what was claimed is counted.
_CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT message_id FROM webhook_messages m
    WHERE m.endpoint = %(endpoint)s AND m.state = 'due' AND m.next_attempt_at <= now() AND NOT EXISTS (
        SELECT FROM webhook_messages earlier
        WHERE earlier.endpoint = m.endpoint AND earlier.subject_id = m.subject_id AND earlier.seq < m.seq
            AND earlier.state IN ('due', 'in_flight', 'held'))
    ORDER BY m.next_attempt_at, m.seq
    LIMIT greatest(0, %(most)s - (
        SELECT count(*) FROM webhook_messages WHERE endpoint = %(endpoint)s AND state = 'in_flight'))
    FOR UPDATE SKIP LOCKED
)
UPDATE webhook_messages m SET state = 'in_flight', claim = %(claim)s,
    lease_until = now() + make_interval(secs => %(lease)s)
FROM due WHERE m.message_id = due.message_id
RETURNING {_CLAIMED}
"""  # noqa: S608 - put together from constants


def claim_messages(
    connection: Connection, endpoint: str, *, most: int, lease_seconds: float
) -> tuple[UUID, list[WebhookMessage]]:
    """Lease messages whose time has come so that at most `most` of the endpoint are in flight. One statement.

    The endpoint must be held (`endpoints.hold_endpoint`), in an earlier statement.
    """
    claim = new_id()
    rows = connection.exec_driver_sql(
        _CLAIM, {"endpoint": endpoint, "most": most, "claim": claim, "lease": lease_seconds}
    )
    return claim, [WebhookMessage(*row) for row in rows]


_RECORD = """
UPDATE webhook_messages m SET state = result.state, last_code = result.code, lease_until = NULL,
    attempts = m.attempts + result.is_attempt::int,
    next_attempt_at = now() + make_interval(secs => result.delay),
    ended_at = CASE WHEN result.state IN ('delivered', 'failed', 'dropped') THEN now() END
FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(codes)s::text[], %(delays)s::float8[], %(attempts)s::bool[])
    AS result (message_id, state, code, delay, is_attempt)
WHERE m.message_id = result.message_id AND m.claim = %(claim)s AND m.state = 'in_flight'
"""


def record_outcomes(connection: Connection, claim: UUID, outcomes: Sequence[WebhookOutcome]) -> int:
    """What came of claimed messages; gives how many the claim still held: others are another sender's. One
    statement."""
    return connection.exec_driver_sql(
        _RECORD,
        {
            "claim": claim,
            "ids": arrays.uuids(outcome.message_id for outcome in outcomes),
            "states": arrays.texts(outcome.state for outcome in outcomes),
            "codes": arrays.texts(outcome.code for outcome in outcomes),
            "delays": arrays.numbers(outcome.delay_seconds for outcome in outcomes),
            "attempts": arrays.booleans(outcome.is_attempt for outcome in outcomes),
        },
    ).rowcount


_SWEEP = """
WITH lost AS (
    UPDATE webhook_messages SET state = 'due', attempts = attempts + 1, lease_until = NULL, next_attempt_at = now(),
        last_code = 'sender_lost'
    WHERE message_id IN (SELECT message_id FROM webhook_messages WHERE state = 'in_flight' AND lease_until < now()
        LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING 1
), endpoint AS MATERIALIZED (
    SELECT name, is_declared AND is_enabled AND off_since IS NULL AS is_on FROM webhook_endpoints
), held AS (
    UPDATE webhook_messages SET state = 'held' WHERE message_id IN (SELECT message_id FROM webhook_messages
        WHERE state = 'due' AND endpoint = ANY(ARRAY(SELECT name FROM endpoint WHERE NOT is_on))
        LIMIT 10000 FOR UPDATE SKIP LOCKED)
), released AS (
    UPDATE webhook_messages SET state = 'due' WHERE message_id IN (SELECT message_id FROM webhook_messages
        WHERE state = 'held' AND endpoint = ANY(ARRAY(SELECT name FROM endpoint WHERE is_on))
        LIMIT 10000 FOR UPDATE SKIP LOCKED)
)
SELECT count(*) FROM lost
"""


def sweep_messages(connection: Connection) -> int:
    """Take back messages whose sender was lost, counting an attempt, and hold or release those of endpoints that were
    switched; gives how many were lost. One statement, none that costs anything where there is no endpoint."""
    if connection.exec_driver_sql("SELECT FROM webhook_endpoints LIMIT 1").first() is None:
        return 0
    return int(connection.exec_driver_sql(_SWEEP).scalar_one())


def release_held(connection: Connection, endpoint: str) -> int:
    """Make an endpoint's held messages due; gives how many. Those that somebody is at just now are left to the sweep:
    who holds them may want the endpoint, which is locked here. One statement."""
    return connection.exec_driver_sql(
        """
        UPDATE webhook_messages SET state = 'due' WHERE message_id = ANY(ARRAY(
            SELECT message_id FROM webhook_messages WHERE endpoint = %s AND state = 'held' FOR UPDATE SKIP LOCKED
        ))
        """,
        (endpoint,),
    ).rowcount


_REPLAY = """
FROM webhook_messages
WHERE endpoint = %(endpoint)s AND created_at >= %(since)s AND created_at < %(until)s
    AND state IN ('delivered', 'failed', 'dropped')
"""
_SEND_AGAIN = f"""
WITH again AS MATERIALIZED (SELECT message_id {_REPLAY} ORDER BY message_id FOR UPDATE)
UPDATE webhook_messages m SET state = 'due', attempts = 0, next_attempt_at = now(), ended_at = NULL, claim = NULL
FROM again WHERE m.message_id = again.message_id
"""  # noqa: S608 - put together from constants


def count_again(connection: Connection, endpoint: str, *, since: datetime, until: datetime) -> dict[str, int]:
    """How many ended messages of a time a replay would send again, by state. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT state, count(*) {_REPLAY} GROUP BY state ORDER BY state",
        {"endpoint": endpoint, "since": since, "until": until},
    )
    return dict(map(tuple, rows))


def send_again(connection: Connection, endpoint: str, *, since: datetime, until: datetime) -> int:
    """Make ended messages of a time (`until` excluded) due again, under the ids they had; gives how many. One
    statement."""
    return connection.exec_driver_sql(_SEND_AGAIN, {"endpoint": endpoint, "since": since, "until": until}).rowcount


_LISTED = (
    *("message_id", "event", "brand", "state", "attempts", "last_code", "created_at", "next_attempt_at", "ended_at"),
    *("person_id", "event_id", "destination"),
)


def newest_messages(
    connection: Connection, endpoint: str, *, states: Collection[str] = (), limit: int = 50
) -> list[dict[str, Any]]:
    """Messages of an endpoint, newest first: ids and states. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT {', '.join(_LISTED)} FROM webhook_messages WHERE endpoint = %(endpoint)s"  # noqa: S608 - put together from constants
        " AND (%(all)s OR state = ANY(%(states)s::text[])) ORDER BY created_at DESC, seq DESC LIMIT %(limit)s",
        {"endpoint": endpoint, "all": not states, "states": arrays.texts(states), "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


class Backlog(msgspec.Struct, frozen=True):
    """What of an endpoint waits. `oldest_seconds`: age of the oldest message that is due or under way."""

    due: int = 0
    in_flight: int = 0
    held: int = 0
    failed: int = 0
    oldest_seconds: float = 0.0


_BACKLOGS = """
SELECT e.name, count(*) FILTER (WHERE m.state = 'due'), count(*) FILTER (WHERE m.state = 'in_flight'),
    count(*) FILTER (WHERE m.state = 'held'), count(*) FILTER (WHERE m.state = 'failed'),
    coalesce(extract(epoch FROM now() - min(m.created_at) FILTER (WHERE m.state IN ('due', 'in_flight'))), 0)::float8
FROM webhook_endpoints e LEFT JOIN webhook_messages m ON m.endpoint = e.name
    AND m.state IN ('due', 'in_flight', 'held', 'failed')
GROUP BY e.name
"""


def read_backlogs(connection: Connection) -> dict[str, Backlog]:
    """By endpoint. One statement."""
    return {name: Backlog(*row) for name, *row in connection.exec_driver_sql(_BACKLOGS)}


def purge_messages(connection: Connection, keep_days: dict[str, int], *, else_days: int) -> int:
    """Forget ended messages older than their endpoint's days, and those that an endpoint which is off never got, but
    for people who are held or restricted; gives how many. One statement."""
    return connection.exec_driver_sql(
        """
        DELETE FROM webhook_messages m USING (
            SELECT message_id FROM webhook_messages LEFT JOIN unnest(%(names)s::text[], %(days)s::int[])
                AS kept (name, days) ON kept.name = endpoint
            WHERE created_at < now() - make_interval(days => coalesce(kept.days, %(else)s))
                AND (state IN ('delivered', 'failed', 'dropped', 'held')
                    OR NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.name = endpoint))
                AND (person_id IS NULL OR person_id NOT IN (SELECT k.person_id FROM people_kept k))
            LIMIT 100000
        ) AS old WHERE m.message_id = old.message_id
        """,
        {
            "names": arrays.texts(keep_days),
            "days": arrays.numbers(keep_days.values()),
            "else": else_days,
        },
    ).rowcount
