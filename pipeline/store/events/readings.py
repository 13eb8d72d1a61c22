"""Which readings of its records a source has had: what its mapping ignored at the time decides what is a repeat.

Records without an id are known by their content, so their keys are of the reading that they came under.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

AS_THEY_CAME = b""  # the reading of before there were any: everything counts, as it is written


class FormerKey(NamedTuple):
    """A key that a record of now may have had under an earlier reading. `place`: of the record in what was asked."""

    place: int
    brand: str
    source: str
    digest: bytes
    event_id: UUID


def use_reading(connection: Connection, brand: str, source: str, reading: bytes, declared: str) -> dict[bytes, str]:
    """Note that a source is read so from now on; gives all other readings that it has had: digest -> as declared.

    Two statements, once in a while per process.
    """
    connection.exec_driver_sql(
        "INSERT INTO content_readings (brand, source, reading, declared) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (brand, source, reading, arrays.clean(declared)),
    )
    rows = connection.exec_driver_sql(
        "SELECT reading, declared FROM content_readings WHERE brand = %s AND source = %s AND reading <> %s",
        (brand, source, reading),
    )
    return {bytes(digest): text for digest, text in rows}


_FIND = """
SELECT asked.place - 1, k.brand, k.source, k.digest, k.event_id
FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY AS asked (brand, source, digest, place)
JOIN event_keys k ON k.digest = asked.digest AND k.source = asked.source AND k.brand = asked.brand
"""


def find_keys(connection: Connection, asked: Sequence[tuple[str, str, bytes]]) -> list[FormerKey]:
    """Which of these keys (brand, source, digest) are stored. One statement, none without keys."""
    if not asked:
        return []
    rows = connection.exec_driver_sql(
        _FIND,
        (
            arrays.texts(brand for brand, _, _ in asked),
            arrays.texts(source for _, source, _ in asked),
            arrays.blobs(digest for _, _, digest in asked),
        ),
    )
    return [FormerKey(place, brand, source, bytes(digest), event_id) for place, brand, source, digest, event_id in rows]


def rename_keys(connection: Connection, renamed: Collection[tuple[FormerKey, bytes, bytes | None]]) -> None:
    """Give keys of earlier readings the digest, and the content, of the reading of now. A new digest that is stored
    already is left as it is: the record is known by it. Two statements.
    """
    if not renamed:
        return
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('content_readings'))")
    named = {(key.digest, key.source, key.brand): (key, digest, content) for key, digest, content in renamed}
    by_new_name = {(key.brand, key.source, digest): (key, digest, content) for key, digest, content in named.values()}
    rows = list(by_new_name.values())
    connection.exec_driver_sql(
        "UPDATE event_keys k SET digest = named.now, content = named.content"
        " FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::bytea[])"
        " AS named (brand, source, before, now, content)"
        " WHERE k.digest = named.before AND k.source = named.source AND k.brand = named.brand AND NOT EXISTS ("
        " SELECT FROM event_keys n WHERE n.digest = named.now AND n.source = named.source AND n.brand = named.brand)",
        (
            arrays.texts(key.brand for key, _, _ in rows),
            arrays.texts(key.source for key, _, _ in rows),
            arrays.blobs(key.digest for key, _, _ in rows),
            arrays.blobs(digest for _, digest, _ in rows),
            arrays.blobs(content for _, _, content in rows),
        ),
    )
