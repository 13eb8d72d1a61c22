"""Records of erased people in CRMs: wanted gone, waited for, and what became of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

# A record that the CRM had before us, or has besides, goes too, under its own id: the person's delivery is about one.
_WANT_RECORDS = """
WITH theirs AS (
    SELECT r.record_id, coalesce(owner.person_id, r.person_id) AS person_id, r.destination, r.brand, r.crm_id, r.state
    FROM crm_records r LEFT JOIN unnest(%(records)s::uuid[], %(owners)s::uuid[]) AS owner (record_id, person_id)
        USING (record_id)
    WHERE r.record_id = ANY(%(records)s::uuid[]) OR r.person_id = ANY(%(people)s::uuid[])
), wanted AS (
    INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, state, wanted, external_id, parent_id)
    SELECT t.destination, t.record_id, t.brand, 'hot', 1, 'due', 'absent', t.crm_id, t.person_id
    FROM theirs t
    WHERE t.state <> 'gone' AND NOT EXISTS (SELECT FROM deliveries d
        WHERE d.person_id = t.person_id AND d.destination = t.destination AND d.external_id = t.crm_id)
    ORDER BY t.record_id, t.destination
    ON CONFLICT (person_id, destination) DO NOTHING
)
DELETE FROM crm_records WHERE record_id = ANY(ARRAY(SELECT record_id FROM theirs))
"""


def want_records_absent(connection: Connection, person_ids: Collection[UUID], owners: Mapping[UUID, UUID]) -> int:
    """Want the records of these people that CRMs listed gone, and forget that they were listed; gives how many there
    were. `owners`: by record, of those that evidence tells to be theirs, with the person. One statement."""
    records = sorted(owners)
    return connection.exec_driver_sql(
        _WANT_RECORDS,
        {
            "people": arrays.uuids(sorted(person_ids)),
            "records": arrays.uuids(records),
            "owners": arrays.uuids(owners[record] for record in records),
        },
    ).rowcount


def forget_former_words(connection: Connection, subject_ids: Collection[UUID]) -> None:
    """What CRMs answered before, and what stands in quarantine of it: their words may quote somebody. Three
    statements."""
    ids = {"ids": arrays.uuids(sorted(subject_ids))}
    connection.exec_driver_sql(
        "UPDATE deliveries SET last_error = NULL, last_error_at = NULL, once_digest = NULL, content_id = NULL,"
        " links_id = NULL WHERE person_id = ANY(%(ids)s::uuid[]) OR parent_id = ANY(%(ids)s::uuid[])",
        ids,
    )
    subjects = """person_id = ANY(%(ids)s::uuid[]) OR person_id = ANY(ARRAY(
        SELECT person_id FROM deliveries WHERE parent_id = ANY(%(ids)s::uuid[])))"""
    connection.exec_driver_sql(f"DELETE FROM delivery_log WHERE {subjects}", ids)  # noqa: S608 - put together from constants
    connection.exec_driver_sql(f"DELETE FROM quarantine WHERE {subjects}", ids)  # noqa: S608 - put together from constants


class WantedAbsence(NamedTuple):
    """A record that is to go, with the last that was said of it. `state`: of its delivery."""

    destination: str
    subject_id: UUID
    state: str
    crm_id: str | None
    code: str | None
    at: datetime | None
    attempts: int


_ABSENCES = """
SELECT d.destination, d.person_id, CASE WHEN d.state = 'sent' AND d.sent_version < d.wanted_version THEN 'due'
    ELSE d.state END, d.external_id, said.code, said.at, d.attempts
FROM deliveries d LEFT JOIN LATERAL (
    SELECT l.code, l.at FROM delivery_log l WHERE l.person_id = d.person_id AND l.destination = d.destination
    ORDER BY l.id DESC LIMIT 1) AS said ON true
WHERE d.person_id = ANY(%(ids)s::uuid[]) OR d.parent_id = ANY(%(ids)s::uuid[])
ORDER BY d.destination, d.person_id
"""


def read_absences(connection: Connection, subject_ids: Collection[UUID]) -> list[WantedAbsence]:
    """Of these people and companies every record that is to go and is not collected yet. One statement."""
    if not subject_ids:
        return []
    rows = connection.exec_driver_sql(_ABSENCES, {"ids": arrays.uuids(sorted(subject_ids))})
    return [WantedAbsence(*row) for row in rows]


_COLLECT = """
WITH over (person_id, destination) AS MATERIALIZED (SELECT * FROM unnest(%(subjects)s::uuid[], %(names)s::text[])),
ended AS (
    DELETE FROM deliveries d USING over o WHERE d.person_id = o.person_id AND d.destination = o.destination
    RETURNING d.destination, d.external_id
), unlisted AS (
    DELETE FROM crm_records r USING ended e
    WHERE r.crm_id = e.external_id AND r.destination = split_part(e.destination, '/', 1)
), closed AS (
    DELETE FROM quarantine q USING over o WHERE q.person_id = o.person_id AND q.destination = o.destination
), untold AS (
    DELETE FROM webhook_messages w USING over o WHERE w.person_id = o.person_id
)
DELETE FROM delivery_log l USING over o WHERE l.person_id = o.person_id AND l.destination = o.destination
"""


def collect_absences(connection: Connection, ended: Collection[WantedAbsence]) -> None:
    """Forget records that are gone, or are for a human, and all that was said of them. One statement."""
    if ended:
        connection.exec_driver_sql(
            _COLLECT,
            {
                "subjects": arrays.uuids(absence.subject_id for absence in ended),
                "names": arrays.texts(absence.destination for absence in ended),
            },
        )


_TELL_AGAIN = """
UPDATE deliveries SET wanted_version = wanted_version + 1,
    state = CASE WHEN state = 'in_flight' THEN 'in_flight' ELSE 'due' END, attempts = 0, next_attempt_at = now()
WHERE wanted = 'present' AND state <> 'held' AND (person_id, destination) IN (
    SELECT d.person_id, d.destination FROM deliveries d
    WHERE d.person_id = ANY(ARRAY(
        SELECT DISTINCT company_id FROM person_companies WHERE person_id = ANY(%(people)s::uuid[])))
    ORDER BY d.person_id, d.destination FOR UPDATE)
"""


def tell_companies_again(connection: Connection, person_ids: Collection[UUID]) -> int:
    """Want the companies of these people told anew, as others will speak for them; gives how many records. Call it
    while the people are of them, after those that nobody else is of are wanted gone. One statement."""
    return connection.exec_driver_sql(_TELL_AGAIN, {"people": arrays.uuids(sorted(person_ids))}).rowcount


def try_again(connection: Connection, subject_ids: Collection[UUID]) -> int:
    """Have records that a CRM did not let go of tried once more; gives how many. One statement, none without ids."""
    if not subject_ids:
        return 0
    return connection.exec_driver_sql(
        "UPDATE deliveries SET state = 'due', attempts = 0, next_attempt_at = now() WHERE wanted = 'absent'"
        " AND state IN ('quarantined', 'due')"
        " AND (person_id = ANY(%(ids)s::uuid[]) OR parent_id = ANY(%(ids)s::uuid[]))",
        {"ids": arrays.uuids(sorted(subject_ids))},
    ).rowcount


_TOLD = """
WITH about AS (
    SELECT endpoint, state, attempts FROM webhook_messages
    WHERE person_id = ANY(%(people)s::uuid[]) OR other_id = ANY(%(people)s::uuid[])
        OR event_id = ANY(%(events)s::uuid[])
    ORDER BY message_id FOR UPDATE
)
SELECT DISTINCT endpoint FROM about WHERE state IN ('delivered', 'in_flight') OR attempts > 0 ORDER BY endpoint
"""


def endpoints_told(connection: Connection, person_ids: Collection[UUID], event_ids: Collection[UUID]) -> list[str]:
    """Names of the endpoints that a message about these went to, or may have gone to: a call is under way, or its
    answer was lost. No other is sent about them until the transaction ends. One statement over the outbox."""
    ids = {"people": arrays.uuids(sorted(person_ids)), "events": arrays.uuids(sorted(event_ids))}
    return list(connection.exec_driver_sql(_TOLD, ids).scalars())
