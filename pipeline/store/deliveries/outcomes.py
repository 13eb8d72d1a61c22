"""What a CRM said of each record, brought into `deliveries`, its trace and the quarantine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Due, Outcome, Stage, new_id
from pipeline.store import arrays

# Rows are locked in the order in which want_deliveries takes them: so the two cannot deadlock.
_RECORD = """
UPDATE deliveries d SET
    state = CASE
        WHEN d.wanted_version > result.version OR (result.state = 'sent' AND result.once = '') THEN 'due'
        WHEN result.state = 'sent' THEN 'sent'
        WHEN result.state = 'rejected' OR d.attempts + 1 >= %(most)s THEN 'quarantined'
        ELSE 'due' END,
    sent_version = CASE WHEN result.state = 'sent' THEN greatest(d.sent_version, result.version)
                        ELSE d.sent_version END,
    external_id = coalesce(result.external_id, d.external_id),
    attempts = CASE WHEN result.state = 'retry' THEN d.attempts + 1
                    WHEN result.state = 'sent' OR d.wanted_version > result.version THEN 0
                    ELSE d.attempts + 1 END,
    next_attempt_at = CASE WHEN result.state = 'retry' THEN now() + make_interval(secs => result.delay) ELSE now() END,
    lease_until = NULL,
    last_error = CASE WHEN result.state = 'sent' THEN NULL ELSE result.error END,
    last_error_at = CASE WHEN result.state = 'sent' THEN NULL ELSE now() END,
    loaded_at = CASE WHEN result.state = 'sent' THEN now() ELSE d.loaded_at END,
    once_digest = CASE WHEN result.state = 'sent' AND result.once IS NOT NULL THEN nullif(result.once, '')
                       ELSE d.once_digest END,
    mapping_version = CASE WHEN result.state = 'sent' THEN %(mapping)s ELSE d.mapping_version END,
    content_id = CASE WHEN result.state = 'sent' THEN result.content_id ELSE d.content_id END,
    links_id = CASE WHEN result.state = 'sent' THEN result.links_id ELSE d.links_id END,
    sent_as = CASE WHEN result.state = 'sent' THEN coalesce(%(sent_as)s, d.sent_as) ELSE d.sent_as END
FROM unnest(%(people)s::uuid[], %(states)s::text[], %(versions)s::int[], %(external_ids)s::text[], %(delays)s::float8[],
    %(errors)s::text[], %(onces)s::bytea[], %(contents)s::uuid[], %(links)s::uuid[])
    AS result (person_id, state, version, external_id, delay, error, once, content_id, links_id)
JOIN (
    SELECT person_id FROM deliveries
    WHERE person_id = ANY(%(people)s::uuid[]) AND destination = %(destination)s AND claim = %(claim)s
        AND state = 'in_flight'
    ORDER BY person_id FOR UPDATE
) AS held USING (person_id)
WHERE d.person_id = result.person_id AND d.destination = %(destination)s AND d.claim = %(claim)s
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
    AS result (person_id, version, state, code, message)
"""
_PARK = """
INSERT INTO quarantine (quarantine_id, destination, person_id, brand, stage, code, field, message)
SELECT quarantine_id, %(destination)s, person_id, brand, %(stage)s, code, field, message
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
    mapping_version: str | None = None,
    sent_as: str | None = None,
) -> dict[UUID, str]:
    """Record what came of claimed deliveries; gives the new state of each that this claim still held.

    sent: done, or due again if a newer version was wanted meanwhile or the CRM lacks the fields written once. retry:
    due after `backoff(attempts so far + 1)` seconds, or after `retry_after` if that is longer; quarantined at
    `max_attempts`. rejected: quarantined, or due again if a newer version was wanted meanwhile: it may be the remedy. A
    stale claim changes no delivery; the calls it made are traced all the same. Deliveries without an outcome stay
    claimed. `mapping_version` and `sent_as` are kept with what was sent. Two or three statements.
    """
    due_of = {due.person_id: due for due in dues}
    ordered = sorted(
        (outcome for outcome in outcomes if outcome.person_id in due_of), key=lambda outcome: outcome.person_id
    )
    if not ordered:
        return {}
    columns = {
        "people": arrays.uuids(outcome.person_id for outcome in ordered),
        "versions": arrays.numbers(due_of[outcome.person_id].version for outcome in ordered),
        "states": arrays.texts(outcome.state for outcome in ordered),
    }
    rows = connection.exec_driver_sql(
        _RECORD,
        {
            "destination": destination,
            "claim": claim,
            "most": max_attempts,
            **columns,
            "external_ids": arrays.texts(outcome.external_id for outcome in ordered),
            "delays": arrays.numbers(_delay(outcome, due_of[outcome.person_id], backoff) for outcome in ordered),
            "errors": arrays.texts(_error(outcome) for outcome in ordered),
            "onces": arrays.blobs(outcome.once_digest for outcome in ordered),
            "contents": arrays.uuids(outcome.content_id for outcome in ordered),
            "links": arrays.uuids(outcome.links_id for outcome in ordered),
            "mapping": mapping_version,
            "sent_as": sent_as,
        },
    ).all()
    _log_calls(connection, destination, call_id, ordered, columns)
    parked = {person_id: brand for person_id, brand, state in rows if state == "quarantined"}
    if parked:
        _park(connection, destination, [outcome for outcome in ordered if outcome.person_id in parked], parked)
    return {person_id: state for person_id, _, state in rows}


def _log_calls(
    connection: Connection, destination: str, call_id: UUID, outcomes: Sequence[Outcome], columns: dict[str, str]
) -> None:
    connection.exec_driver_sql(
        _LOG,
        {
            **columns,
            "destination": destination,
            "call": call_id,
            "sent": arrays.uuids(outcome.person_id for outcome in outcomes if outcome.state == "sent"),
            "codes": arrays.texts(outcome.code for outcome in outcomes),
            "messages": arrays.texts(outcome.message for outcome in outcomes),
        },
    )


def _park(connection: Connection, destination: str, outcomes: Sequence[Outcome], brands: dict[UUID, str]) -> None:
    connection.exec_driver_sql(
        _PARK,
        {
            "stage": Stage.DELIVER,
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
    what = " ".join(part for part in (outcome.code or outcome.state, outcome.field) if part)
    return ": ".join(part for part in (what, outcome.message) if part)
