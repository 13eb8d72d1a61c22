"""Jobs at CRMs: which deliveries are in flight with one, who asks next what became of it, and until when.

A row is there from before the CRM may write until all outcomes are recorded, in one transaction with them: whoever is
killed in between, the next one goes on with the same job.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.deliveries.restricted import SENDABLE


class JobRecord(msgspec.Struct, frozen=True, array_like=True):
    """What was sent of one delivery: no values, digests of them. `is_partial`: without the fields written once."""

    person_id: UUID
    version: int
    attempts: int = 0
    once_digest: bytes | None = None
    is_partial: bool = False
    content_id: UUID | None = None
    links_id: UUID | None = None
    truncated: tuple[str, ...] = ()


class DeliveryJob(msgspec.Struct, frozen=True):
    """`job_id`: the CRM's own."""

    claim: UUID
    job_id: str
    mapping_version: str | None
    sent_as: str | None
    records: list[JobRecord]


class JobsNow(msgspec.Struct, frozen=True):
    """Of one target: whether a job's turn has come, how many are not over, and how many deliveries, up to a number,
    `claim_deliveries(is_untried=True)` would give."""

    is_turn: bool
    jobs: int
    untried: int


_NOW = f"""
SELECT count(*) FILTER (WHERE next_poll_at <= now()) > 0, count(*), (
    SELECT count(*) FROM (
        SELECT FROM deliveries
        WHERE destination = %(destination)s AND lane = %(lane)s AND state = 'due' AND next_attempt_at <= now()
            AND external_id IS NULL AND sent_version = 0 AND attempts = 0 AND wanted = 'present'
            AND {SENDABLE}
        LIMIT %(most)s
    ) AS waiting
)
FROM delivery_jobs WHERE destination = %(destination)s
"""  # noqa: S608 - put together from constants


def look_at_jobs(connection: Connection, destination: str, lane: str, *, most: int) -> JobsNow:
    """`most`: deliveries that are counted. One statement."""
    values = {"destination": destination, "lane": lane, "most": most}
    return JobsNow(*connection.exec_driver_sql(_NOW, values).one())


def add_job(connection: Connection, destination: str, lane: str, job: DeliveryJob, *, busy_seconds: float) -> None:
    """Keep a job; for `busy_seconds` it is with whoever made it. One statement."""
    connection.exec_driver_sql(
        """
        INSERT INTO delivery_jobs (claim, destination, lane, job_id, next_poll_at, mapping_version, sent_as, records)
        VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s), %s, %s, %s)
        """,
        (
            job.claim,
            destination,
            lane,
            arrays.clean(job.job_id),
            busy_seconds,
            job.mapping_version,
            job.sent_as,
            msgspec.msgpack.encode(job.records),
        ),
    )


def take_job(connection: Connection, destination: str, *, busy_seconds: float) -> DeliveryJob | None:
    """A job whose turn it is, for `busy_seconds`; None: there is none. One statement."""
    row = connection.exec_driver_sql(
        """
        UPDATE delivery_jobs SET next_poll_at = now() + make_interval(secs => %(busy)s)
        WHERE claim = (
            SELECT claim FROM delivery_jobs WHERE destination = %(destination)s AND next_poll_at <= now()
            ORDER BY next_poll_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING claim, job_id, mapping_version, sent_as, records
        """,
        {"destination": destination, "busy": busy_seconds},
    ).one_or_none()
    if row is None:
        return None
    claim, job_id, mapping_version, sent_as, records = row
    packed = msgspec.msgpack.decode(bytes(records), type=list[JobRecord])
    return DeliveryJob(claim, job_id, mapping_version, sent_as, packed)


def leave_job(
    connection: Connection, destination: str, claim: UUID, *, poll_seconds: float, lease_seconds: float
) -> None:
    """It goes on: asked again in `poll_seconds`, and its deliveries are leased for longer. Two statements."""
    connection.exec_driver_sql(
        "UPDATE delivery_jobs SET next_poll_at = now() + make_interval(secs => %s) WHERE claim = %s",
        (poll_seconds, claim),
    )
    connection.exec_driver_sql(
        """
        UPDATE deliveries SET lease_until = now() + make_interval(secs => %(lease)s)
        WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
            SELECT person_id FROM deliveries
            WHERE destination = %(destination)s AND claim = %(claim)s AND state = 'in_flight'
            ORDER BY person_id FOR UPDATE
        )) AND claim = %(claim)s AND state = 'in_flight'
        """,
        {"destination": destination, "claim": claim, "lease": lease_seconds},
    )


def end_job(connection: Connection, claim: UUID) -> bool:
    """Forget a job whose outcomes are recorded; False: somebody else did. One statement."""
    return connection.exec_driver_sql("DELETE FROM delivery_jobs WHERE claim = %s", (claim,)).rowcount == 1


def jobs_to_ask(connection: Connection) -> Sequence[tuple[str, str]]:
    """Destination and lane of jobs whose turn it is. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT destination, lane FROM delivery_jobs WHERE next_poll_at <= now()"
    )
    return [(destination, lane) for destination, lane in rows]
