"""Deliveries of other objects than a person's record: of companies, and of touches that become tasks or activities.

They stand under the destination's name and the object's, `crm/Account`. A touch is told to a CRM when its person is
there, and a person when their company was tried: who comes too early waits, and is woken by the answer to the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

WAITS = "waits"  # begins the last error of a delivery that waits for another one
_AGAIN = """
    wanted_version = known.wanted_version + 1,
    lane = CASE WHEN known.state IN ('due', 'in_flight') AND known.lane = 'hot' THEN 'hot' ELSE excluded.lane END,
    state = CASE WHEN known.state = 'in_flight' THEN 'in_flight' ELSE 'due' END,
    attempts = CASE WHEN known.state IN ('due', 'in_flight') THEN known.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN known.state IN ('due', 'in_flight') THEN known.next_attempt_at ELSE now() END,
    wanted_at = CASE WHEN known.state = 'due' THEN known.wanted_at ELSE now() END
"""
_WANT_COMPANIES = f"""
INSERT INTO deliveries AS known (destination, person_id, brand, lane, wanted_version, state)
SELECT %(target)s, company_id, brand, %(lane)s, 1, 'due' FROM companies
WHERE company_id = ANY(%(companies)s::uuid[]) ORDER BY company_id
ON CONFLICT (person_id, destination) DO UPDATE SET wanted = 'present', {_AGAIN}
"""  # noqa: S608 - put together from constants


def want_companies(connection: Connection, target: str, company_ids: Collection[UUID], lane: str) -> None:
    """Want a new version of companies at `target`, as `crm/Account`. One statement."""
    if company_ids:
        values = {"target": target, "lane": lane, "companies": arrays.uuids(sorted(company_ids))}
        connection.exec_driver_sql(_WANT_COMPANIES, values)


# A touch that moved to another person is told once more, with the new link. Those that a source remembered from before
# are facts of its event, not contacts of their own.
_WANT_TOUCHES = f"""
INSERT INTO deliveries AS known
    (destination, person_id, brand, lane, wanted_version, state, parent_id, next_attempt_at, last_error, last_error_at)
SELECT asked.target, t.event_id, t.brand, asked.lane, 1, 'due', t.person_id,
    now() + make_interval(secs => CASE WHEN p.external_id IS NULL THEN 10 ELSE 0 END),
    CASE WHEN p.external_id IS NULL THEN '{WAITS}: for its person' END,
    CASE WHEN p.external_id IS NULL THEN now() END
FROM unnest(%(people)s::uuid[], %(targets)s::text[], %(lanes)s::text[]) AS asked (person_id, target, lane)
JOIN touches t ON t.person_id = asked.person_id AND t.position = 0
LEFT JOIN deliveries d ON d.person_id = t.event_id AND d.destination = asked.target
LEFT JOIN deliveries p ON p.person_id = t.person_id AND p.destination = split_part(asked.target, '/', 1)
WHERE d.person_id IS NULL OR d.parent_id IS DISTINCT FROM t.person_id
ORDER BY asked.target, t.event_id
ON CONFLICT (person_id, destination) DO UPDATE SET parent_id = excluded.parent_id, wanted = 'present', {_AGAIN}
WHERE known.parent_id IS DISTINCT FROM excluded.parent_id
RETURNING destination, lane
"""  # noqa: S608 - put together from constants


def want_touches(connection: Connection, wanted: Sequence[tuple[str, UUID, str]]) -> dict[tuple[str, str], int]:
    """Want the touches of people that are not wanted yet, or were another's: (target, person_id, lane), the target as
    `crm/Task`. Gives how many became due by (target, lane). One statement."""
    made_due: dict[tuple[str, str], int] = {}
    if wanted:
        ordered = sorted(set(wanted))
        values = {
            "targets": arrays.texts(target for target, _, _ in ordered),
            "people": arrays.uuids(person_id for _, person_id, _ in ordered),
            "lanes": arrays.texts(lane for _, _, lane in ordered),
        }
        for target, lane in connection.exec_driver_sql(_WANT_TOUCHES, values):
            made_due[target, lane] = made_due.get((target, lane), 0) + 1
    return made_due


_COUNT_TOUCHES = """
SELECT count(*) FROM unnest(%(people)s::uuid[], %(targets)s::text[]) AS asked (person_id, target)
JOIN touches t ON t.person_id = asked.person_id AND t.position = 0
WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.person_id = t.event_id AND d.destination = asked.target)
"""


def count_touches_lacking(connection: Connection, wanted: Sequence[tuple[str, UUID, str]]) -> int:
    """How many `want_touches` would make due of those that are not wanted yet. One statement."""
    if not wanted:
        return 0
    values = {
        "targets": arrays.texts(target for target, _, _ in wanted),
        "people": arrays.uuids(person_id for _, person_id, _ in wanted),
    }
    return int(connection.exec_driver_sql(_COUNT_TOUCHES, values).scalar_one())


class Linked(msgspec.Struct, frozen=True):
    """What a record is to be linked to, as the CRM has it. `is_untried`: the CRM was not asked to make it yet.
    `is_unmade`: nor will it be, as nobody was left to tell anything of it."""

    crm_id: str | None
    is_untried: bool
    is_unmade: bool = False


_LINKED = """
SELECT asked.subject_id, d.external_id, d.state IN ('due', 'in_flight') AND d.attempts = 0,
    d.state = 'sent' AND d.external_id IS NULL AND d.content_id IS NULL
FROM unnest(%(subjects)s::uuid[], %(others)s::uuid[]) AS asked (subject_id, other_id)
JOIN deliveries d ON d.person_id = asked.other_id AND d.destination = %(target)s AND d.wanted = 'present'
"""


def read_linked(connection: Connection, target: str, others: Mapping[UUID, UUID]) -> dict[UUID, Linked]:
    """Of each id the delivery at `target` of what it is linked to, by `others`; left out if that has none. One
    statement."""
    if not others:
        return {}
    values = {"target": target, "subjects": arrays.uuids(others), "others": arrays.uuids(others.values())}
    return {
        subject_id: Linked(crm_id, bool(is_untried), bool(is_unmade))
        for subject_id, crm_id, is_untried, is_unmade in connection.exec_driver_sql(_LINKED, values)
    }


_HASTEN = """
UPDATE deliveries SET lane = 'hot' WHERE destination = %(target)s AND lane = 'bulk' AND person_id = ANY(ARRAY(
    SELECT person_id FROM deliveries
    WHERE destination = %(target)s AND person_id = ANY(%(subjects)s::uuid[]) AND lane = 'bulk' AND state = 'due'
    ORDER BY person_id FOR UPDATE
))
"""


def hasten(connection: Connection, target: str, subject_ids: Collection[UUID]) -> None:
    """What somebody of the hot lane waits for is of the hot lane too. One statement."""
    if subject_ids:
        values = {"target": target, "subjects": arrays.uuids(sorted(subject_ids))}
        connection.exec_driver_sql(_HASTEN, values)


_POSTPONE = """
UPDATE deliveries SET state = 'due', lease_until = NULL, last_error = %(error)s, last_error_at = now(),
    next_attempt_at = now() + make_interval(
        secs => least(3600, greatest(10, extract(epoch FROM now() - wanted_at) / 2)))
WHERE destination = %(target)s AND claim = %(claim)s AND state = 'in_flight' AND person_id = ANY(%(subjects)s::uuid[])
"""


def postpone(connection: Connection, target: str, claim: UUID, subject_ids: Collection[UUID], reason: str) -> None:
    """Give back what a claim holds of these: they wait for another delivery, whose answer wakes them. Should that be
    missed, they look again after ten seconds, and ever more seldom. In the claim's own transaction. One statement."""
    if subject_ids:
        values = {"target": target, "claim": claim, "subjects": arrays.uuids(sorted(subject_ids))}
        connection.exec_driver_sql(_POSTPONE, {**values, "error": f"{WAITS}: {reason}"})


_ABSENT = """
UPDATE deliveries SET wanted = 'absent', wanted_version = wanted_version + 1, lane = 'hot', attempts = 0,
    state = CASE WHEN state = 'in_flight' THEN 'in_flight' ELSE 'due' END, next_attempt_at = now(),
    wanted_at = CASE WHEN state = 'due' THEN wanted_at ELSE now() END
WHERE wanted = 'present' AND (person_id, destination) IN (
    SELECT person_id, destination FROM deliveries
    WHERE person_id = ANY(%(subjects)s::uuid[]) OR parent_id = ANY(%(subjects)s::uuid[])
    ORDER BY strpos(destination, '/') > 0, parent_id IS NULL, person_id, destination FOR UPDATE
)
RETURNING destination, lane
"""  # people, then what hangs on them, then companies: the order in which all take them


def want_absent(connection: Connection, subject_ids: Collection[UUID]) -> dict[tuple[str, str], int]:
    """Want all records of these people, companies or touches gone, at every destination, before anything else; with
    people those of their touches and consents. Gives how many by (destination, lane). One statement."""
    made_due: dict[tuple[str, str], int] = {}
    if subject_ids:
        rows = connection.exec_driver_sql(_ABSENT, {"subjects": arrays.uuids(sorted(subject_ids))})
        for destination, lane in rows:
            made_due[destination, lane] = made_due.get((destination, lane), 0) + 1
    return made_due
