"""People and their match keys. Whoever decides who is who holds the locks of the keys in question.

The way of a deduplication, in one transaction: lock_keys, find_people, read_people(lock=True), decide, write_people,
add_match_keys. Locks are always taken in this order and sorted within: no two workers can wait for each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.privacy.encryption import open_profile, seal_profile
from pipeline.records import MatchKey, Person
from pipeline.store import arrays
from pipeline.store.touches import add_consents, add_touches, apply_touches

__all__ = [
    "BrandKey",
    "add_consents",
    "add_match_keys",
    "add_touches",
    "apply_touches",
    "find_people",
    "lock_keys",
    "read_people",
    "write_people",
]

BrandKey = tuple[str, MatchKey]


def lock_keys(connection: Connection, brand_keys: Iterable[BrandKey]) -> None:
    """Hold these keys until the transaction ends: nobody else decides about them meanwhile. One statement.

    The server's lock table is bounded; migration 0001 and docs/decisions/0006-store.md say how that is kept in mind.
    """
    numbers = sorted({_lock_number(brand, key) for brand, key in brand_keys})
    if numbers:
        connection.exec_driver_sql("SELECT lock_match_keys(%s::bigint[])", (arrays.numbers(numbers),))


# LATERAL with LIMIT leaves the planner no other way than one index probe per key, whatever the statistics say.
_FIND = """
SELECT asked.place, owner.person_id
FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY AS asked (brand, kind, digest, place)
CROSS JOIN LATERAL (
    SELECT person_id FROM match_keys k
    WHERE k.brand = asked.brand AND k.kind = asked.kind AND k.digest = asked.digest LIMIT 1
) AS owner
"""


def find_people(connection: Connection, brand_keys: Iterable[BrandKey]) -> dict[BrandKey, UUID]:
    """Who owns which key; unknown keys are left out. One statement."""
    asked = list(dict.fromkeys(brand_keys))
    if not asked:
        return {}
    rows = connection.exec_driver_sql(
        _FIND,
        (
            arrays.texts(brand for brand, _ in asked),
            arrays.texts(key.kind for _, key in asked),
            arrays.blobs(key.digest for _, key in asked),
        ),
    )
    return {asked[place - 1]: person_id for place, person_id in rows}


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


_ADD_KEYS = """
INSERT INTO match_keys (brand, kind, digest, person_id, first_event)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::uuid[], %s::uuid[])
ON CONFLICT DO NOTHING
"""


def add_match_keys(connection: Connection, rows: Iterable[tuple[str, MatchKey, UUID, UUID]]) -> None:
    """Note who owns which key, from which event: (brand, key, person_id, event_id). A known key keeps its owner."""
    ordered = sorted(rows, key=lambda row: (row[0], row[1]))
    if not ordered:
        return
    connection.exec_driver_sql(
        _ADD_KEYS,
        (
            arrays.texts(brand for brand, _, _, _ in ordered),
            arrays.texts(key.kind for _, key, _, _ in ordered),
            arrays.blobs(key.digest for _, key, _, _ in ordered),
            arrays.uuids(person_id for _, _, person_id, _ in ordered),
            arrays.uuids(event_id for _, _, _, event_id in ordered),
        ),
    )


def _lock_number(brand: str, key: MatchKey) -> int:
    """64 signed bits for a key. Two keys that share them by chance wait for each other a moment, no more."""
    return int.from_bytes(key.digest[:8], "big", signed=True) ^ _brand_bits(brand)


@cache
def _brand_bits(brand: str) -> int:
    return int.from_bytes(hashlib.sha256(brand.encode()).digest()[:7], "big")
