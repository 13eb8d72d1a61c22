"""People: golden records, read and written whole. Whose evidence makes them is in `identity`.

Rows are locked in the order of their ids, after the components of the evidence in question (docs/decisions/0016).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_profile, seal_profile
from pipeline.errors import TransientError
from pipeline.records import Person
from pipeline.store import arrays

_READ = "SELECT person_id, brand, version, profile FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id"


def read_people(connection: Connection, person_ids: Iterable[UUID], *, lock: bool) -> dict[UUID, Person]:
    """People with their profiles opened. `lock` holds their rows until the transaction ends. One statement."""
    asked = set(person_ids)
    if not asked:
        return {}
    rows = connection.exec_driver_sql(_READ + " FOR UPDATE" * lock, (arrays.uuids(asked),))
    return {
        person_id: Person(person_id, brand, version, open_profile(profile, person_id))
        for person_id, brand, version, profile in rows
    }


def hold_people(connection: Connection, person_ids: Iterable[UUID]) -> None:
    """Hold these people's rows until the transaction ends. One statement, none without ids."""
    asked = set(person_ids)
    if asked:
        connection.exec_driver_sql(
            "SELECT FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id FOR UPDATE", (arrays.uuids(asked),)
        )


_INSERT = """
INSERT INTO people (person_id, brand, version, profile)
SELECT person_id, brand, version, decode(profile, 'base64')
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[]) AS new (person_id, brand, version, profile)
"""
_UPDATE = """
UPDATE people p SET version = changed.version, profile = decode(changed.profile, 'base64'), updated_at = now()
FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS changed (person_id, version, profile)
WHERE p.person_id = changed.person_id AND p.person_id = ANY(%s::uuid[]) AND p.version <= changed.version
"""


def write_people(connection: Connection, people: Sequence[Person]) -> None:
    """Insert the new ones, update the others: at most two statements. Their versions are the caller's decision.

    Raises TransientError if one was changed by somebody else meanwhile: it was read without its lock.
    """
    new = sorted((person for person in people if person.is_new), key=lambda person: person.person_id)
    changed = sorted((person for person in people if not person.is_new), key=lambda person: person.person_id)
    if new:
        connection.exec_driver_sql(
            _INSERT,
            (
                arrays.uuids(person.person_id for person in new),
                arrays.texts(person.brand for person in new),
                arrays.numbers(person.version for person in new),
                arrays.sealed(seal_profile(person.profile, person.person_id) for person in new),
            ),
        )
    if changed:
        written = connection.exec_driver_sql(
            _UPDATE,
            (
                arrays.uuids(person.person_id for person in changed),
                arrays.numbers(person.version for person in changed),
                arrays.sealed(seal_profile(person.profile, person.person_id) for person in changed),
                arrays.uuids(person.person_id for person in changed),
            ),
        ).rowcount
        if written != len(changed):
            raise TransientError(f"{len(changed) - written} people changed while they were being merged")


def count_people(connection: Connection, brand: str | None) -> int:
    """How many people there are, of one brand or all; ids that forward to somebody are none. One statement."""
    counted = connection.exec_driver_sql(
        "SELECT count(*) FROM people WHERE merged_into IS NULL AND (%s::text IS NULL OR brand = %s)", (brand, brand)
    ).scalar()
    return int(counted or 0)


def next_people(connection: Connection, after: UUID, limit: int, brand: str | None) -> list[UUID]:
    """The next ids of people in their order. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT person_id FROM people WHERE person_id > %s AND merged_into IS NULL AND (%s::text IS NULL OR brand = %s)"
        " ORDER BY person_id LIMIT %s",
        (after, brand, brand, limit),
    )
    return list(rows.scalars())
