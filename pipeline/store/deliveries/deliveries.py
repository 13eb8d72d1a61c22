"""Deliveries: which version of a person each CRM should have, and which it has. Sending closes the difference.

due -> in_flight -> sent            sent_version = wanted_version
                 -> due             a newer version was wanted meanwhile, or a failure that may pass
                 -> quarantined     a human must look; a newer version makes it due again
    -> held                         of an object that the mapping names no more; due again when it does
                 -> no_consent      its person has not agreed to what the destination needs; due by a newer version
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTION_NAMES
from pipeline.crypto.encryption import open_profile
from pipeline.lanes import HOT
from pipeline.records import Due, Stage, new_id
from pipeline.store import arrays
from pipeline.store.deliveries.outcomes import record_outcomes
from pipeline.store.deliveries.restricted import SENDABLE

__all__ = [
    "PersonToSend",
    "claim_deliveries",
    "due_counts",
    "forget_once",
    "linger_left",
    "read_people_to_send",
    "record_outcomes",
    "release_deliveries",
    "send_again_what_was_overtaken",
    "sweep_deliveries",
    "want_deliveries",
]

# A row whose wanted version does not grow is left alone, unless it waits and the hot lane now asks for it.
_WANT = """
INSERT INTO deliveries AS known (destination, person_id, brand, lane, wanted_version, state)
SELECT asked.destination, p.person_id, p.brand, asked.lane, p.version, 'due'
FROM unnest(%s::text[], %s::uuid[], %s::text[]) WITH ORDINALITY AS asked (destination, person_id, lane, place)
JOIN people p ON p.person_id = asked.person_id
WHERE p.merged_into IS NULL OR EXISTS (
    SELECT FROM deliveries d WHERE d.person_id = p.person_id AND d.destination = asked.destination
)
ORDER BY asked.place
ON CONFLICT (person_id, destination) DO UPDATE SET
    wanted_version = greatest(known.wanted_version, excluded.wanted_version),
    lane = CASE WHEN known.state IN ('due', 'in_flight') AND known.lane = 'hot' THEN 'hot' ELSE excluded.lane END,
    state = CASE WHEN known.state = 'in_flight' THEN 'in_flight' ELSE 'due' END,
    attempts = CASE WHEN known.state IN ('due', 'in_flight') THEN known.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN known.state IN ('due', 'in_flight') THEN known.next_attempt_at ELSE now() END,
    wanted_at = CASE WHEN known.state = 'due' THEN known.wanted_at ELSE now() END
WHERE excluded.wanted_version > known.wanted_version
    OR (known.state IN ('due', 'in_flight') AND known.lane = 'bulk' AND excluded.lane = 'hot')
RETURNING destination, lane, state
"""


def want_deliveries(connection: Connection, wanted: Sequence[tuple[str, UUID, str]]) -> dict[tuple[str, str], int]:
    """Want the present version of people at destinations: (destination, person_id, lane). One statement.

    Gives how many are due now because of this call, by (destination, lane). A person already wanted in that version
    stays as it is; one in quarantine becomes due again when its version has grown. People who are one with another
    are wanted only where their own record was wanted before: it is marked, none is made for that.
    """
    lanes: dict[tuple[UUID, str], str] = {}
    for destination, person_id, lane in wanted:
        if lane == HOT or (person_id, destination) not in lanes:
            lanes[person_id, destination] = lane
    if not lanes:
        return {}
    ordered = sorted(lanes)
    rows = connection.exec_driver_sql(
        _WANT,
        (
            arrays.texts(destination for _, destination in ordered),
            arrays.uuids(person_id for person_id, _ in ordered),
            arrays.texts(lanes[key] for key in ordered),
        ),
    )
    made_due: dict[tuple[str, str], int] = {}
    for destination, lane, state in rows:
        if state == "due":
            made_due[destination, lane] = made_due.get((destination, lane), 0) + 1
    return made_due


_CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT person_id, wanted_at, content_id FROM deliveries
    WHERE destination = %(destination)s AND lane = %(lane)s AND state = 'due' AND next_attempt_at <= now()
        AND {SENDABLE}
        AND (NOT %(untried)s OR (external_id IS NULL AND sent_version = 0 AND attempts = 0 AND wanted = 'present'))
    ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET state = 'in_flight', claim = %(claim)s,
    lease_until = now() + make_interval(secs => %(lease)s),
    wanted_version = greatest(d.wanted_version, person.version), content_id = NULL
FROM (SELECT person_id, version, content_id FROM due LEFT JOIN people USING (person_id)) AS person
WHERE d.person_id = ANY(ARRAY(SELECT person_id FROM due)) AND d.destination = %(destination)s
    AND person.person_id = d.person_id
    AND (%(linger)s <= 0 OR (SELECT count(*) >= %(limit)s OR min(wanted_at) <= now() - make_interval(secs => %(linger)s)
                             FROM due))
RETURNING d.person_id, d.wanted_version, d.attempts, d.external_id, d.once_digest,
    d.sent_version, d.sent_as, person.content_id, d.mapping_version, d.wanted,
    d.links_id
"""  # noqa: S608 - put together from constants

# Of consents: what somebody took back before what others grant.
_CLAIM_WITHDRAWALS_FIRST = _CLAIM.replace(
    "ORDER BY next_attempt_at",
    "ORDER BY (SELECT c.is_withdrawn FROM person_consents c WHERE c.consent_id = deliveries.person_id) DESC NULLS LAST,"
    " next_attempt_at",
)


def claim_deliveries(
    connection: Connection,
    destination: str,
    lane: str,
    *,
    limit: int,
    lease_seconds: float,
    linger_seconds: float = 0,
    is_untried: bool = False,
    withdrawals_first: bool = False,
) -> tuple[UUID, list[Due]]:
    """Lease up to `limit` deliveries whose time has come, longest due first. `is_untried`: only of those whom the CRM
    has no record of and was not asked to make one. `withdrawals_first`: of consents, those that were taken back.

    What the CRM has counts as unknown from here on: a call may reach it and its answer be lost. Where it was known, the
    commit waits for the disk, whatever the transaction was begun as (a second statement): were the claim forgotten by a
    crash, a value that was sent and then taken back would count as never sent.

    With `linger_seconds`: none while they fill no batch and the oldest was wanted less than that ago. `Due.version` is
    the person's version now: what is read in this transaction is at least that new.
    """
    claim = new_id()
    rows = connection.exec_driver_sql(
        _CLAIM_WITHDRAWALS_FIRST if withdrawals_first else _CLAIM,
        {
            "destination": destination,
            "lane": lane,
            "limit": limit,
            "claim": claim,
            "lease": lease_seconds,
            "linger": linger_seconds,
            "untried": is_untried,
        },
    )
    dues = [
        Due(destination, person, version, attempts, known, None if once is None else bytes(once), *rest)
        for person, version, attempts, known, once, *rest in rows
    ]
    if any(due.content_id is not None for due in dues):
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO on")
    return claim, dues


class PersonToSend(msgspec.Struct, frozen=True):
    """What a CRM gets of a person: `values` by canonical name, `attribution` by the names of `people export`.

    `merged_into`: the person it turned out to be. `emptied`: names that have no value any more, and since
    which version. A company, a touch or a consent has values alone.
    """

    values: dict[str, Any]
    attribution: dict[str, Any]
    merged_into: UUID | None = None
    emptied: dict[str, int] = {}
    brand: str = ""
    is_suppressed: bool = False  # nobody is to be known by an address that it has

    def __repr__(self) -> str:
        return "<PersonToSend>"


_COLUMNS = ", ".join(("person_id", "profile", "merged_into", "brand", *ATTRIBUTION_NAMES))
_PEOPLE = f"SELECT {_COLUMNS}, EXISTS (SELECT FROM suppressions) FROM people WHERE person_id = ANY(%s::uuid[])"  # noqa: S608 - put together from constants


def read_people_to_send(connection: Connection, person_ids: Sequence[UUID]) -> dict[UUID, PersonToSend]:
    """People as a CRM should see them now; those that do not exist (any more) are left out. `is_suppressed` of all of
    them where anybody's address is suppressed: whose is to be looked at. One statement."""
    if not person_ids:
        return {}
    people = {}
    for person_id, sealed, merged_into, brand, *attribution, is_asked in connection.exec_driver_sql(
        _PEOPLE, (arrays.uuids(person_ids),)
    ):
        profile = open_profile(sealed, person_id)
        attributed = dict(zip(ATTRIBUTION_NAMES, attribution, strict=True))
        people[person_id] = PersonToSend(profile.values(), attributed, merged_into, profile.emptied, brand, is_asked)
    return people


def forget_once(connection: Connection, destination: str, claim: UUID, person_ids: Sequence[UUID]) -> None:
    """What the CRM has in the fields written once is not known any more, until it confirms it. One statement."""
    connection.exec_driver_sql(
        """
        UPDATE deliveries SET once_digest = NULL
        WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
            SELECT person_id FROM deliveries
            WHERE destination = %(destination)s AND person_id = ANY(%(people)s::uuid[]) AND claim = %(claim)s
            ORDER BY person_id FOR UPDATE
        )) AND claim = %(claim)s
        """,
        {"destination": destination, "claim": claim, "people": arrays.uuids(person_ids)},
    )


def release_deliveries(
    connection: Connection,
    destination: str,
    claim: UUID,
    *,
    delay_seconds: float,
    error: str | None,
    count_attempt: bool,
) -> int:
    """Make what a claim still holds due again, after `delay_seconds`; gives how many. One statement.

    `error` (a code or reason, without values) is kept as the last error, if given.
    """
    return connection.exec_driver_sql(
        """
        UPDATE deliveries SET state = 'due', lease_until = NULL, attempts = attempts + %(attempt)s,
            next_attempt_at = now() + make_interval(secs => %(delay)s),
            last_error = coalesce(%(error)s, last_error),
            last_error_at = CASE WHEN %(error)s IS NULL THEN last_error_at ELSE now() END
        WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
            SELECT person_id FROM deliveries
            WHERE destination = %(destination)s AND claim = %(claim)s AND state = 'in_flight'
            ORDER BY person_id FOR UPDATE
        )) AND claim = %(claim)s AND state = 'in_flight'
        """,
        {
            "destination": destination,
            "claim": claim,
            "attempt": int(count_attempt),
            "delay": delay_seconds,
            "error": None if error is None else arrays.clean(error),
        },
    ).rowcount


_OVERTAKEN = """
UPDATE deliveries SET state = 'due', claim = gen_random_uuid(), lease_until = NULL,
    wanted_at = CASE WHEN state = 'due' THEN wanted_at ELSE now() END,
    next_attempt_at = CASE WHEN state = 'due' THEN next_attempt_at ELSE now() END, once_digest = NULL, content_id = NULL
WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
    SELECT person_id FROM deliveries
    WHERE destination = %(destination)s AND person_id = ANY(%(people)s::uuid[])
        AND state IN ('due', 'sent', 'in_flight') AND claim IS DISTINCT FROM %(claim)s
    ORDER BY person_id FOR UPDATE
)) AND state IN ('due', 'sent', 'in_flight') AND claim IS DISTINCT FROM %(claim)s
"""


def send_again_what_was_overtaken(
    connection: Connection, destination: str, claim: UUID, person_ids: Sequence[UUID]
) -> int:
    """Make due again what a sender wrote after its lease had run out and another had taken over; gives how many.

    Its call may have put an older version over the newer one that the other sent, or is sending. One statement.
    """
    return connection.exec_driver_sql(
        _OVERTAKEN, {"destination": destination, "claim": claim, "people": arrays.uuids(person_ids)}
    ).rowcount


_SWEEP = """
WITH expired AS MATERIALIZED (
    SELECT person_id, destination FROM deliveries d WHERE state = 'in_flight' AND lease_until < now()
        AND NOT EXISTS (SELECT FROM delivery_jobs j WHERE j.claim = d.claim)
    LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
), swept AS (
    UPDATE deliveries d SET lease_until = NULL, attempts = attempts + 1, next_attempt_at = now(),
        state = CASE WHEN attempts + 1 >= %(most)s THEN 'quarantined' ELSE 'due' END,
        last_error = 'sender_lost: the lease ran out before the CRM''s answer was recorded', last_error_at = now()
    FROM expired WHERE d.person_id = expired.person_id AND d.destination = expired.destination
    RETURNING d.person_id, d.destination, d.brand, d.state, d.attempts
), parked AS (
    INSERT INTO quarantine (quarantine_id, destination, person_id, brand, stage, code, message)
    SELECT gen_random_uuid(), destination, person_id, brand, %(stage)s, 'sender_lost',
        format('the sender was lost %%s times before it recorded an answer; look into its log, then replay', attempts)
    FROM swept WHERE state = 'quarantined'
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM swept
"""


def sweep_deliveries(connection: Connection, *, max_attempts: int, limit: int = 5000) -> int:
    """Take back deliveries whose lease ran out, counting an attempt; gives how many. One statement. Those of a job are
    left to it, however long nobody asks what became of it.

    At `max_attempts` they go to quarantine: a record that kills its sender must not do so for ever.
    """
    return int(
        connection.exec_driver_sql(_SWEEP, {"limit": limit, "most": max_attempts, "stage": Stage.DELIVER}).scalar_one()
    )


_DUE_COUNTS = f"""
SELECT destination, lane, count(*), min(wanted_at) FROM deliveries
WHERE state = 'due' AND next_attempt_at <= now() AND {SENDABLE} GROUP BY destination, lane
"""  # noqa: S608 - put together from constants


def due_counts(connection: Connection) -> dict[str, dict[str, tuple[int, datetime]]]:
    """What could be sent now: {destination: {lane: (how many, wanted since when at the longest)}}."""
    counts: dict[str, dict[str, tuple[int, datetime]]] = {}
    rows = connection.exec_driver_sql(_DUE_COUNTS)
    for destination, lane, count, oldest in rows:
        counts.setdefault(destination, {})[lane] = (count, oldest)
    return counts


_LINGER_LEFT = f"""
SELECT %(linger)s - extract(epoch FROM now() - min(wanted_at)) FROM deliveries
WHERE destination = %(destination)s AND lane = %(lane)s AND state = 'due' AND next_attempt_at <= now() AND {SENDABLE}
"""  # noqa: S608 - put together from constants


def linger_left(connection: Connection, destination: str, lane: str, *, linger_seconds: float) -> float:
    """Seconds until `claim_deliveries` with this linger gives a batch that is not full; 0.0 if nothing is due."""
    seconds = connection.exec_driver_sql(
        _LINGER_LEFT,
        {"destination": destination, "lane": lane, "linger": linger_seconds},
    ).scalar()
    return 0.0 if seconds is None else max(0.001, float(seconds))  # 0 would read as "nothing is due"
