"""Deliveries of people who have not agreed to what a destination needs: they wait, not due, until an answer makes a new
version of their person due, or the destination needs it no more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

NO_CONSENT = "no_consent"  # their state
_MOST = 10_000  # rows of one turn of the sweep

_GATE = """
UPDATE deliveries d SET state = CASE WHEN version.grown THEN 'due' ELSE 'no_consent' END, lease_until = NULL,
    last_error = asked.error, last_error_at = now(), next_attempt_at = now(), attempts = 0
FROM unnest(%(subjects)s::uuid[], %(errors)s::text[], %(versions)s::int[]) AS asked (subject_id, error, version)
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM deliveries n WHERE n.person_id = asked.subject_id AND n.destination = %(target)s
        AND n.wanted_version > asked.version) AS grown) AS version
WHERE d.destination = %(target)s AND d.claim = %(claim)s AND d.state = 'in_flight'
    AND d.person_id = asked.subject_id AND d.person_id = ANY(%(subjects)s::uuid[])
"""


def gate(
    connection: Connection, target: str, claim: UUID, missing: Mapping[UUID, str], versions: Mapping[UUID, int]
) -> None:
    """Let what a claim holds of these wait for consent: `missing` says to which question, PURPOSE.CHANNEL. Whoever was
    wanted anew since the claim, whose `versions` these are, is looked at once more. One statement, none without any."""
    if missing:
        ordered = sorted(missing)
        values = {
            "target": target,
            "claim": claim,
            "subjects": arrays.uuids(ordered),
            "errors": arrays.texts(error_of(missing[subject_id]) for subject_id in ordered),
            "versions": arrays.numbers(versions[subject_id] for subject_id in ordered),
        }
        connection.exec_driver_sql(_GATE, values)


def error_of(question: str) -> str:
    """What is said of a delivery that waits for this."""
    return f"waits: for consent to {question}"


# From one gate to the next: as many index probes as there are gates, not as there are rows.
_GATES = """
WITH RECURSIVE gates (destination, error) AS (
    (SELECT destination, last_error FROM deliveries WHERE state = 'no_consent'
     ORDER BY destination, last_error LIMIT 1)
    UNION ALL
    SELECT next.destination, next.last_error FROM gates CROSS JOIN LATERAL (
        SELECT destination, last_error FROM deliveries
        WHERE state = 'no_consent' AND (destination, last_error) > (gates.destination, gates.error)
        ORDER BY destination, last_error LIMIT 1
    ) AS next
)
SELECT destination, error FROM gates
"""
_LIFT = """
UPDATE deliveries SET state = 'due', next_attempt_at = now(), wanted_at = now()
WHERE (person_id, destination) IN (
    SELECT d.person_id, d.destination FROM deliveries d
    JOIN unnest(%(targets)s::text[], %(errors)s::text[]) AS asked (target, error)
        ON d.destination = asked.target AND d.last_error = asked.error
    WHERE d.state = 'no_consent' LIMIT %(most)s FOR UPDATE OF d SKIP LOCKED
)
"""


def read_gates(connection: Connection) -> list[tuple[str, str]]:
    """(target, what is said of it) of all that waits for consent. One statement, over a partial index."""
    return [(target, error) for target, error in connection.exec_driver_sql(_GATES)]


def lift(connection: Connection, gates: Collection[tuple[str, str]]) -> int:
    """Make due what waits at these gates; gives how many. One statement, none without gates."""
    if not gates:
        return 0
    ordered = sorted(gates)
    values = {
        "targets": arrays.texts(target for target, _ in ordered),
        "errors": arrays.texts(error for _, error in ordered),
        "most": _MOST,
    }
    return connection.exec_driver_sql(_LIFT, values).rowcount


def count_gated(connection: Connection) -> dict[str, int]:
    """By target. One statement, over a partial index."""
    rows = connection.exec_driver_sql(
        "SELECT destination, count(*) FROM deliveries WHERE state = 'no_consent' GROUP BY 1"
    )
    return dict(map(tuple, rows))


def read_brands(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, str]:
    """The brand of each of these people. One statement, none without ids."""
    if not person_ids:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT person_id, brand FROM people WHERE person_id = ANY(%s::uuid[])", (arrays.uuids(sorted(person_ids)),)
    )
    return dict(map(tuple, rows))
