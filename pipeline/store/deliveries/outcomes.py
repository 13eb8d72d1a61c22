"""What a CRM said of each record, brought into `deliveries`, its trace and the quarantine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Due, Outcome, new_id
from pipeline.store import arrays

# Rows are locked in the order in which want_deliveries takes them: so the two cannot deadlock.
_RECORD = """
UPDATE deliveries d SET
    state = CASE
        WHEN d.wanted_version > answer.version OR (answer.state = 'sent' AND answer.once = '') THEN 'due'
        WHEN answer.state = 'sent' THEN 'sent'
        WHEN answer.state = 'rejected' OR d.attempts + 1 >= %(most)s THEN 'quarantined'
        ELSE 'due' END,
    sent_version = CASE WHEN answer.state = 'sent' THEN greatest(d.sent_version, answer.version)
                        ELSE d.sent_version END,
    external_id = coalesce(answer.external_id, d.external_id),
    attempts = CASE WHEN answer.state = 'retry' THEN d.attempts + 1
                    WHEN answer.state = 'sent' OR d.wanted_version > answer.version THEN 0
                    ELSE d.attempts + 1 END,
    next_attempt_at = CASE WHEN answer.state = 'retry' THEN now() + make_interval(secs => answer.delay) ELSE now() END,
    lease_until = NULL,
    last_error = CASE WHEN answer.state = 'sent' THEN NULL ELSE answer.error END,
    last_error_at = CASE WHEN answer.state = 'sent' THEN NULL ELSE now() END,
    loaded_at = CASE WHEN answer.state = 'sent' THEN now() ELSE d.loaded_at END,
    once_digest = CASE WHEN answer.state = 'sent' AND answer.once IS NOT NULL THEN nullif(answer.once, '')
                       ELSE d.once_digest END
FROM unnest(%(people)s::uuid[], %(states)s::text[], %(versions)s::int[], %(external_ids)s::text[], %(delays)s::float8[],
    %(errors)s::text[], %(onces)s::bytea[]) AS answer (person_id, state, version, external_id, delay, error, once)
JOIN (
    SELECT person_id FROM deliveries
    WHERE person_id = ANY(%(people)s::uuid[]) AND destination = %(destination)s AND claim = %(claim)s
        AND state = 'in_flight'
    ORDER BY person_id FOR UPDATE
) AS held USING (person_id)
WHERE d.person_id = answer.person_id AND d.destination = %(destination)s AND d.claim = %(claim)s
    AND d.state = 'in_flight'
RETURNING d.person_id, d.brand, d.state
"""
# Whatever still stood in quarantine for a record that is now sent is done with.
_LOG = """
WITH closed AS (
    UPDATE quarantine SET resolution = 'fixed', resolved_at = now(), why = 'sent since'
    WHERE resolution = 'open' AND destination = %(destination)s AND person_id = ANY(%(sent)s::uuid[])
)
INSERT INTO delivery_log (destination, person_id, version, outcome, code, message, call_id)
SELECT %(destination)s, person_id, version, state, code, message, %(call)s
FROM unnest(%(people)s::uuid[], %(versions)s::int[], %(states)s::text[], %(codes)s::text[], %(messages)s::text[])
    AS answer (person_id, version, state, code, message)
"""
_PARK = """
INSERT INTO quarantine (quarantine_id, destination, person_id, brand, stage, code, field, message)
SELECT quarantine_id, %(destination)s, person_id, brand, 'deliver', code, field, message
FROM unnest(%(ids)s::uuid[], %(people)s::uuid[], %(brands)s::text[], %(codes)s::text[], %(fields)s::text[],
    %(messages)s::text[]) AS parked (quarantine_id, person_id, brand, code, field, message)
ON CONFLICT (person_id, destination) WHERE resolution = 'open' AND destination IS NOT NULL
DO UPDATE SET code = excluded.code, field = excluded.field, message = excluded.message, created_at = now()
"""


def record_outcomes(
    connection: Connection,
    destination: str,
    claim: UUID,
    dues: Sequence[Due],
    outcomes: Sequence[Outcome],
    *,
    call_id: UUID,
    backoff: Callable[[int], float],
    max_attempts: int,
) -> dict[UUID, str]:
    """Record what came of claimed deliveries; gives the new state of each that this claim still held.

    sent: done, or due again if a newer version was wanted meanwhile or the CRM lacks the fields written once. retry:
    due after `backoff(attempts so far + 1)` seconds, or after `retry_after` if that is longer; quarantined at
    `max_attempts`. rejected: quarantined, or due again if a newer version was wanted meanwhile: it may be the remedy. A
    stale claim changes no delivery; the calls it made are traced all the same. Deliveries without an outcome stay
    claimed. Two or three statements.
    """
    due_of = {due.person_id: due for due in dues}
    known_outcomes = sorted(
        (outcome for outcome in outcomes if outcome.person_id in due_of), key=lambda outcome: outcome.person_id
    )
    if not known_outcomes:
        return {}
    common = {
        "destination": destination,
        "people": arrays.uuids(outcome.person_id for outcome in known_outcomes),
        "versions": arrays.numbers(due_of[outcome.person_id].version for outcome in known_outcomes),
        "states": arrays.texts(outcome.state for outcome in known_outcomes),
    }
    rows = connection.exec_driver_sql(
        _RECORD,
        {
            **common,
            "claim": claim,
            "most": max_attempts,
            "external_ids": arrays.texts(outcome.external_id for outcome in known_outcomes),
            "delays": arrays.numbers(_delay(outcome, due_of[outcome.person_id], backoff) for outcome in known_outcomes),
            "errors": arrays.texts(_error(outcome) for outcome in known_outcomes),
            "onces": arrays.blobs(outcome.once_digest for outcome in known_outcomes),
        },
    ).all()
    _log_calls(connection, known_outcomes, {**common, "call": call_id})
    parked = {person_id: brand for person_id, brand, state in rows if state == "quarantined"}
    if parked:
        _park(connection, destination, [outcome for outcome in known_outcomes if outcome.person_id in parked], parked)
    return {person_id: state for person_id, _, state in rows}


def _log_calls(connection: Connection, outcomes: Sequence[Outcome], common: dict[str, object]) -> None:
    connection.exec_driver_sql(
        _LOG,
        {
            **common,
            "sent": arrays.uuids(outcome.person_id for outcome in outcomes if outcome.state == "sent"),
            "codes": arrays.texts(outcome.code for outcome in outcomes),
            "messages": arrays.texts(outcome.message for outcome in outcomes),
        },
    )


def _park(connection: Connection, destination: str, outcomes: Sequence[Outcome], brands: dict[UUID, str]) -> None:
    connection.exec_driver_sql(
        _PARK,
        {
            "destination": destination,
            "ids": arrays.uuids(new_id() for _ in outcomes),
            "people": arrays.uuids(outcome.person_id for outcome in outcomes),
            "brands": arrays.texts(brands[outcome.person_id] for outcome in outcomes),
            "codes": arrays.texts(outcome.code or "rejected" for outcome in outcomes),
            "fields": arrays.texts(outcome.field for outcome in outcomes),
            "messages": arrays.texts(outcome.message or "" for outcome in outcomes),
        },
    )


def _delay(outcome: Outcome, due: Due, backoff: Callable[[int], float]) -> float:
    if outcome.state != "retry":
        return 0.0
    return max(backoff(due.attempts + 1), outcome.retry_after or 0.0)


def _error(outcome: Outcome) -> str | None:
    if outcome.state == "sent":
        return None
    return ": ".join(part for part in (outcome.code or outcome.state, outcome.message) if part)
