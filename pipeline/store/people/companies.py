"""Companies that people are of. A company is what it is known by: a domain, else a name within the brand. What is told
of it is what its people say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_profile
from pipeline.records import new_id
from pipeline.store import arrays

PEOPLE_READ = 50  # of a company: those who said something of it most lately


class CompanyOf(NamedTuple):
    """Which company a person is of, and what tells the person's words about it from others."""

    brand: str
    key_id: UUID
    values_id: UUID


# Most people are of the company that they were of before, and say the same of it: nothing is written for them.
_KNOWN = """
SELECT asked.person_id, c.company_id FROM unnest(%(people)s::uuid[], %(brands)s::text[], %(keys)s::uuid[],
    %(values)s::uuid[]) AS asked (person_id, brand, key_id, values_id)
JOIN companies c USING (brand, key_id)
JOIN person_companies known ON known.person_id = asked.person_id AND known.company_id = c.company_id
    AND known.values_id = asked.values_id
"""
_MAKE = """
INSERT INTO companies (company_id, brand, key_id)
SELECT * FROM unnest(%(ids)s::uuid[], %(brands)s::text[], %(keys)s::uuid[]) ON CONFLICT (brand, key_id) DO NOTHING
"""
_LINK = """
INSERT INTO person_companies AS known (person_id, company_id, values_id)
SELECT asked.person_id, c.company_id, asked.values_id
FROM unnest(%(people)s::uuid[], %(brands)s::text[], %(keys)s::uuid[], %(values)s::uuid[])
    AS asked (person_id, brand, key_id, values_id)
JOIN companies c USING (brand, key_id)
ORDER BY asked.person_id
ON CONFLICT (person_id) DO UPDATE SET company_id = excluded.company_id, values_id = excluded.values_id,
    changed_at = now()
RETURNING person_id, company_id
"""


class LinkedPeople(NamedTuple):
    """Person -> company, and the companies of which somebody says something else than before."""

    companies: dict[UUID, UUID]
    changed: set[UUID]


def link_people(connection: Connection, people: Mapping[UUID, CompanyOf]) -> LinkedPeople:
    """Note of which company these people are; those that are not known yet are made. One statement, three where
    somebody is new or says something else."""
    if not people:
        return LinkedPeople({}, set())
    known = dict(map(tuple, connection.exec_driver_sql(_KNOWN, _columns(people))))
    news = {person_id: people[person_id] for person_id in sorted(people) if person_id not in known}
    if not news:
        return LinkedPeople(known, set())
    keys = sorted({(company.brand, company.key_id) for company in news.values()})
    connection.exec_driver_sql(
        _MAKE,
        {
            "ids": arrays.uuids(new_id() for _ in keys),
            "brands": arrays.texts(brand for brand, _ in keys),
            "keys": arrays.uuids(key_id for _, key_id in keys),
        },
    )
    linked = dict(map(tuple, connection.exec_driver_sql(_LINK, _columns(news))))
    return LinkedPeople({**known, **linked}, set(linked.values()))


def _columns(people: Mapping[UUID, CompanyOf]) -> dict[str, str]:
    return {
        "people": arrays.uuids(people),
        "brands": arrays.texts(company.brand for company in people.values()),
        "keys": arrays.uuids(company.key_id for company in people.values()),
        "values": arrays.uuids(company.values_id for company in people.values()),
    }


_LEAVE = "DELETE FROM person_companies WHERE person_id = ANY(%s::uuid[])"


def leave_companies(connection: Connection, person_ids: Collection[UUID]) -> None:
    """Note that these people are of no company (any more). One statement."""
    if person_ids:
        connection.exec_driver_sql(_LEAVE, (arrays.uuids(sorted(person_ids)),))


_COMPANIES_OF = "SELECT person_id, company_id FROM person_companies WHERE person_id = ANY(%s::uuid[])"


def companies_of(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Person -> company, of those who are of one. One statement."""
    if not person_ids:
        return {}
    return dict(map(tuple, connection.exec_driver_sql(_COMPANIES_OF, (arrays.uuids(person_ids),))))


_READ = """
SELECT k.company_id, k.brand, k.key_id, member.person_id, member.profile FROM companies k
CROSS JOIN LATERAL (
    SELECT c.person_id, c.changed_at, p.profile FROM person_companies c
    JOIN people p ON p.person_id = c.person_id AND p.merged_into IS NULL
    WHERE c.company_id = k.company_id
    ORDER BY c.changed_at DESC, c.person_id DESC LIMIT %(most)s
) AS member
WHERE k.company_id = ANY(%(companies)s::uuid[])
ORDER BY k.company_id, member.changed_at DESC, member.person_id DESC
"""


class Member(NamedTuple):
    """Somebody who was of this company when they were last sent, with their golden values of now."""

    company_id: UUID
    brand: str
    key_id: UUID
    values: dict[str, Any]


def read_members(connection: Connection, company_ids: Collection[UUID]) -> Iterator[Member]:
    """Who spoke of it last first, at most `PEOPLE_READ` of a company. One statement."""
    if company_ids:
        values = {"companies": arrays.uuids(company_ids), "most": PEOPLE_READ}
        for company_id, brand, key_id, person_id, sealed in connection.exec_driver_sql(_READ, values):
            yield Member(company_id, brand, key_id, open_profile(sealed, person_id).values())
