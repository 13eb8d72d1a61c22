"""Deliveries of consents: one for each person, purpose and channel, under the destination's name and the object's.

A withdrawal goes out before anything else: in the hot lane, ahead of all that is due there, and what else is wanted of
its person waits for it. Whether an answer is one is told by the statements alone here, so that it costs no key: whoever
withdraws, or refuses what they, or somebody they are one with, ever granted. What holds is read when it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.deliveries.restricted import SENDABLE
from pipeline.store.people.withdrawn_points import OF_ADDRESSES

# Of people who are one by now the answers are those of the one who stays; what was told of the others is told anew. Who
# holds nobody (a backfill) may have read before somebody who did, and waited for them: what is older changes nothing.
_NOTE = f"""
WITH owners AS MATERIALIZED (
    SELECT DISTINCT coalesce(merged_into, person_id) AS owner_id FROM people WHERE person_id = ANY(%(people)s::uuid[])
), members AS MATERIALIZED (
    SELECT person_id, person_id AS owner_id, brand, version, version AS owner_version
    FROM people WHERE person_id IN (SELECT owner_id FROM owners)
    UNION ALL
    SELECT p.person_id, p.merged_into, p.brand, p.version, owner.version
    FROM owners JOIN people p ON p.merged_into = owners.owner_id JOIN people owner ON owner.person_id = owners.owner_id
), said AS (
    SELECT person_id, purpose, channel, granted, act FROM consents WHERE person_id IN (SELECT owner_id FROM owners)
    UNION ALL
    {OF_ADDRESSES} WHERE e.person_id IN (SELECT owner_id FROM owners)
), answers AS MATERIALIZED (
    SELECT person_id AS owner_id, purpose, channel, bool_or(granted) AND bool_or(NOT granted) AS is_refused_again,
        coalesce(bool_or(act IN ('withdrawal', 'objection')), false) AS is_explicit
    FROM said GROUP BY person_id, purpose, channel
), asked AS (
    SELECT m.*, a.purpose, a.channel FROM members m JOIN answers a USING (owner_id) WHERE m.person_id = m.owner_id
    UNION
    SELECT m.*, k.purpose, k.channel FROM members m JOIN person_consents k USING (person_id)
)
INSERT INTO person_consents AS known
    (person_id, owner_id, brand, purpose, channel, person_version, owner_version, is_withdrawn)
SELECT asked.person_id, asked.owner_id, asked.brand, asked.purpose, asked.channel, asked.version, asked.owner_version,
    coalesce(answers.is_refused_again, false) OR coalesce(answers.is_explicit, false)
        OR coalesce(every.is_explicit, false)
FROM asked LEFT JOIN answers USING (owner_id, purpose, channel)
LEFT JOIN answers every ON (every.owner_id, every.purpose, every.channel) = (asked.owner_id, asked.purpose, 'any')
ORDER BY asked.person_id, asked.purpose, asked.channel
ON CONFLICT (person_id, purpose, channel) DO UPDATE SET owner_id = excluded.owner_id, version = known.version + 1,
    person_version = excluded.person_version, owner_version = excluded.owner_version,
    is_withdrawn = excluded.is_withdrawn
WHERE (known.owner_id, known.person_version, known.owner_version, known.is_withdrawn)
    IS DISTINCT FROM (excluded.owner_id, excluded.person_version, excluded.owner_version, excluded.is_withdrawn)
    AND excluded.person_version >= known.person_version
    AND (excluded.owner_version >= known.owner_version OR excluded.owner_id <> known.owner_id)
"""  # noqa: S608 - put together from constants
# Who is one with another gets no record for that, and one that waits for its person's record is not tried before.
_WANT = """
INSERT INTO deliveries AS known (destination, person_id, brand, lane, wanted_version, state, parent_id,
    next_attempt_at, last_error, last_error_at)
SELECT asked.target, c.consent_id, c.brand,
    CASE WHEN c.is_withdrawn AND (asked.hastens OR d.person_id IS NOT NULL) THEN 'hot' ELSE asked.lane END,
    c.version, 'due', c.person_id,
    now() + make_interval(secs => CASE WHEN waits THEN 10 ELSE 0 END),
    CASE WHEN waits THEN 'waits: for its person' END, CASE WHEN waits THEN now() END
FROM (
    SELECT DISTINCT a.target, a.lane, a.hastens, a.is_linked, c.consent_id
    FROM unnest(%(people)s::uuid[], %(targets)s::text[], %(lanes)s::text[], %(hastens)s::bool[], %(linked)s::bool[])
        AS a (person_id, target, lane, hastens, is_linked)
    JOIN people p ON p.person_id = a.person_id
    JOIN person_consents c ON c.owner_id = coalesce(p.merged_into, p.person_id)
) AS asked
JOIN person_consents c USING (consent_id)
LEFT JOIN deliveries d ON d.person_id = c.consent_id AND d.destination = asked.target
LEFT JOIN deliveries o ON o.person_id = c.owner_id AND o.destination = split_part(asked.target, '/', 1)
CROSS JOIN LATERAL (SELECT asked.is_linked AND o.external_id IS NULL AS waits) AS link
WHERE (d.person_id IS NOT NULL OR c.owner_id = c.person_id)
    AND (d.person_id IS NULL OR c.version > d.wanted_version)
ORDER BY asked.target, c.consent_id
ON CONFLICT (person_id, destination) DO UPDATE SET
    wanted_version = greatest(known.wanted_version, excluded.wanted_version),
    lane = CASE WHEN known.state IN ('due', 'in_flight') AND known.lane = 'hot' THEN 'hot' ELSE excluded.lane END,
    state = CASE WHEN known.state = 'in_flight' THEN 'in_flight' ELSE 'due' END,
    attempts = CASE WHEN known.state IN ('due', 'in_flight') THEN known.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN known.state IN ('due', 'in_flight') AND excluded.lane = 'bulk'
        THEN known.next_attempt_at ELSE excluded.next_attempt_at END,
    wanted_at = CASE WHEN known.state = 'due' THEN known.wanted_at ELSE now() END
WHERE excluded.wanted_version > known.wanted_version
RETURNING destination, lane
"""


class WantedConsents(NamedTuple):
    """The consents of a person at a target, `crm/consents`. `is_linked`: each is to lead to the person's record, so it
    waits for that. `hastens`: withdrawals go into the hot lane, whatever `lane` is, though nothing was ever told."""

    target: str
    person_id: UUID
    lane: str
    is_linked: bool
    hastens: bool = True


def want_consents(connection: Connection, wanted: Sequence[WantedConsents]) -> dict[tuple[str, str], int]:
    """Want what holds of these people's consents where it is not wanted yet, or may be another than was wanted. Gives
    how many became due by (target, lane). Two statements, none without people."""
    made_due: dict[tuple[str, str], int] = {}
    if wanted:
        note_consents(connection, {asked.person_id for asked in wanted})
        for target, lane in connection.exec_driver_sql(_WANT, _columns(wanted)):
            made_due[target, lane] = made_due.get((target, lane), 0) + 1
    return made_due


def note_consents(connection: Connection, person_ids: Collection[UUID]) -> None:
    """Note of these people, and of those who are one with them, what they were asked. One statement."""
    connection.exec_driver_sql(_NOTE, {"people": arrays.uuids(sorted(person_ids))})


def _columns(wanted: Sequence[WantedConsents]) -> dict[str, str]:
    ordered = sorted(set(wanted))
    return {
        "targets": arrays.texts(asked.target for asked in ordered),
        "people": arrays.uuids(asked.person_id for asked in ordered),
        "lanes": arrays.texts(asked.lane for asked in ordered),
        "hastens": arrays.booleans(asked.hastens for asked in ordered),
        "linked": arrays.booleans(asked.is_linked for asked in ordered),
    }


_COUNT_LACKING = f"""
SELECT count(*) FROM (
    SELECT DISTINCT asked.target, c.person_id, c.purpose, c.channel
    FROM unnest(%(people)s::uuid[], %(targets)s::text[]) AS asked (person_id, target)
    JOIN LATERAL (
        SELECT person_id, purpose, channel FROM consents WHERE person_id = asked.person_id
        UNION SELECT person_id, purpose, channel FROM ({OF_ADDRESSES} WHERE e.person_id = asked.person_id) AS theirs
    ) AS c ON true
    WHERE NOT EXISTS (
        SELECT FROM person_consents k JOIN deliveries d ON d.person_id = k.consent_id AND d.destination = asked.target
        WHERE (k.person_id, k.purpose, k.channel) = (c.person_id, c.purpose, c.channel)
    )
) AS lacking
"""  # noqa: S608 - put together from constants


def count_consents_lacking(connection: Connection, wanted: Sequence[WantedConsents]) -> int:
    """How many `want_consents` would make due of those that are not wanted yet. One statement."""
    if not wanted:
        return 0
    columns = _columns(wanted)
    values = {"people": columns["people"], "targets": columns["targets"]}
    return int(connection.exec_driver_sql(_COUNT_LACKING, values).scalar_one())


_AHEAD = f"""
SELECT EXISTS (
    SELECT FROM deliveries WHERE destination = %s AND lane = 'hot' AND state = 'due' AND next_attempt_at <= now()
        AND {SENDABLE}
)
"""  # noqa: S608 - put together from constants


def is_any_ahead(connection: Connection, target: str) -> bool:
    """Whether consents are due at a target in the hot lane, where withdrawals are. One statement, over an index."""
    return bool(connection.exec_driver_sql(_AHEAD, (target,)).scalar_one())


# What was taken back counts before its wish is stored too: an answer is there a step before what it is to become.
_HOLDING = f"""
SELECT c.owner_id, bool_and(c.is_withdrawn) FROM person_consents c
JOIN deliveries d ON d.person_id = c.consent_id AND d.destination = %(target)s
WHERE c.owner_id = ANY(%(people)s::uuid[]) AND d.wanted = 'present' AND CASE WHEN c.is_withdrawn
    THEN d.state IN ('due', 'in_flight') AND d.wanted_version > d.sent_version
    ELSE (SELECT coalesce(bool_or(s.granted) FILTER (WHERE s.channel = c.channel)
                AND bool_or(NOT s.granted) FILTER (WHERE s.channel = c.channel), false)
            OR coalesce(bool_or(s.act IN ('withdrawal', 'objection')), false) FROM (
            SELECT person_id, purpose, channel, granted, act FROM consents WHERE person_id = c.owner_id
            UNION ALL {OF_ADDRESSES} WHERE e.person_id = c.owner_id) AS s
        WHERE s.purpose = c.purpose AND s.channel IN (c.channel, 'any')) END
GROUP BY c.owner_id
"""  # noqa: S608 - put together from constants


def read_whose_withdrawals_wait(connection: Connection, target: str, person_ids: Collection[UUID]) -> dict[UUID, bool]:
    """Of these people those with a withdrawal that the CRM was not told of yet, and whether each is wanted by now. One
    statement."""
    if not person_ids:
        return {}
    values = {"target": target, "people": arrays.uuids(sorted(person_ids))}
    return {person_id: bool(is_wanted) for person_id, is_wanted in connection.exec_driver_sql(_HOLDING, values)}


_RELEASE = """
UPDATE deliveries SET next_attempt_at = now()
WHERE destination = %(destination)s AND state = 'due' AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM person_consents c
    JOIN deliveries d ON d.person_id = c.owner_id AND d.destination = %(destination)s
    WHERE c.consent_id = ANY(%(consents)s::uuid[]) AND d.state = 'due' AND d.last_error LIKE 'waits%%'
    ORDER BY d.person_id FOR UPDATE OF d
))
"""


def wake_people_of_consents(connection: Connection, destination: str, consent_ids: Collection[UUID]) -> None:
    """These consents got an answer: whoever waited for it is due now. Before anything is locked of the consents: who
    wants people wants their consents after them. One statement."""
    if consent_ids:
        values = {"destination": destination, "consents": arrays.uuids(sorted(consent_ids))}
        connection.exec_driver_sql(_RELEASE, values)


_RELEASE_TOUCHES = """
UPDATE deliveries SET next_attempt_at = now()
WHERE destination = %(target)s AND state = 'due' AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM touches t JOIN deliveries d ON d.person_id = t.event_id AND d.destination = %(target)s
    WHERE t.person_id IN (SELECT owner_id FROM person_consents WHERE consent_id = ANY(%(consents)s::uuid[]))
        AND t.position = 0 AND d.state = 'due' AND d.last_error LIKE 'waits%%'
    ORDER BY d.person_id FOR UPDATE OF d
))
"""


def wake_touches_of_consents(connection: Connection, target: str, consent_ids: Collection[UUID]) -> None:
    """As `wake_people_of_consents`, of touches at `crm/Task`. After it. One statement."""
    if consent_ids:
        values = {"target": target, "consents": arrays.uuids(sorted(consent_ids))}
        connection.exec_driver_sql(_RELEASE_TOUCHES, values)


# Who is under way with a link of before is wanted once more; a later answer must be wanted after that too.
_RELINK = """
UPDATE person_consents SET version = version + 1 WHERE consent_id = ANY(ARRAY(
    SELECT consent_id FROM person_consents WHERE owner_id = ANY(%s::uuid[])
    ORDER BY person_id, purpose, channel FOR UPDATE
))
"""
_WAKE = """
UPDATE deliveries SET state = CASE WHEN state = 'in_flight' THEN 'in_flight' ELSE 'due' END,
    next_attempt_at = CASE WHEN state = 'in_flight' THEN next_attempt_at ELSE now() END,
    wanted_at = CASE WHEN state = 'sent' THEN now() ELSE wanted_at END,
    wanted_version = greatest(wanted_version, woken.version)
FROM (
    SELECT d.person_id AS consent_id, c.version FROM person_consents c
    JOIN deliveries d ON d.person_id = c.consent_id AND d.destination = %(target)s
    WHERE c.owner_id = ANY(%(people)s::uuid[]) AND d.wanted = 'present'
        AND (d.state = 'due' AND d.last_error LIKE 'waits%%'
             OR d.state IN ('sent', 'in_flight') AND c.owner_id = ANY(%(again)s::uuid[]))
    ORDER BY d.person_id FOR UPDATE OF d
) AS woken
WHERE destination = %(target)s AND person_id = woken.consent_id AND state IN ('due', 'sent', 'in_flight')
"""


def wake_consents(
    connection: Connection, target: str, person_ids: Collection[UUID], again: Collection[UUID] = ()
) -> None:
    """These people are at the CRM now: their consents that waited are due, and of those whose record was made `again`
    the ones that lead to the former one, or are just being sent with it. One statement, two with `again`."""
    if again:
        connection.exec_driver_sql(_RELINK, (arrays.uuids(sorted(again)),))
    if person_ids:
        values = {"people": arrays.uuids(sorted(person_ids)), "again": arrays.uuids(sorted(again))}
        connection.exec_driver_sql(_WAKE, {**values, "target": target})


class ConsentRecord(NamedTuple):
    """A consent that is told to CRMs: who was asked what, and who they are by now."""

    consent_id: UUID
    person_id: UUID
    owner_id: UUID
    purpose: str
    channel: str


_READ = """
SELECT c.consent_id, c.person_id, coalesce(p.merged_into, p.person_id), c.purpose, c.channel
FROM person_consents c JOIN people p USING (person_id)
"""


def read_consent_records(connection: Connection, consent_ids: Iterable[UUID]) -> list[ConsentRecord]:
    """Those of these that there are, of people that there are. One statement."""
    ids = arrays.uuids(consent_ids)
    rows = connection.exec_driver_sql(f"{_READ} WHERE c.consent_id = ANY(%s::uuid[])", (ids,))
    return [ConsentRecord(*row) for row in rows]


# What nobody was told of yet has no id of its own.
_OF_PERSON = f"""
SELECT coalesce(c.consent_id, md5(p.person_id::text || asked.purpose || ' ' || asked.channel)::uuid), p.person_id,
    coalesce(p.merged_into, p.person_id), asked.purpose, asked.channel
FROM (
    SELECT purpose, channel FROM consents WHERE person_id = %(person)s
    UNION SELECT purpose, channel FROM person_consents WHERE person_id = %(person)s
    UNION SELECT purpose, channel FROM ({OF_ADDRESSES} WHERE e.person_id = %(person)s) AS theirs
) AS asked
JOIN people p ON p.person_id = %(person)s
LEFT JOIN person_consents c ON (c.person_id, c.purpose, c.channel) = (p.person_id, asked.purpose, asked.channel)
ORDER BY asked.purpose, asked.channel
"""  # noqa: S608 - put together from constants


def read_consent_records_of(connection: Connection, person_id: UUID) -> list[ConsentRecord]:
    """What a person was asked, as it is or would be told. One statement."""
    return [ConsentRecord(*row) for row in connection.exec_driver_sql(_OF_PERSON, {"person": person_id})]


class SentConsent(NamedTuple):
    """A consent that a CRM was told of, by which mapping, and what that made of it then; None: not known."""

    record: ConsentRecord
    mapping_version: str | None
    content_id: UUID | None


_SENT = """
SELECT c.consent_id, c.person_id, c.owner_id, c.purpose, c.channel, d.mapping_version, d.content_id
FROM person_consents c JOIN deliveries d ON d.person_id = c.consent_id AND d.destination = %(target)s
WHERE c.person_id = ANY(%(people)s::uuid[]) AND d.state = 'sent' AND d.wanted = 'present'
"""


def read_sent_consents(connection: Connection, target: str, person_ids: Collection[UUID]) -> list[SentConsent]:
    """What a CRM has of these people's consents. One statement."""
    values = {"target": target, "people": arrays.uuids(sorted(person_ids))}
    rows = connection.exec_driver_sql(_SENT, values)
    return [SentConsent(ConsentRecord(*row[:5]), *row[5:]) for row in rows]
