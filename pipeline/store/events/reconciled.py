"""What sources say they have posted beside what came, by day; and which events were found that way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays


class DayCount(msgspec.Struct):
    """Of one day: records that the source lists; those that it had posted here by itself; those that were found here by
    asking it alone."""

    expected: int = 0
    received: int = 0
    recovered: int = 0


class ReconciledDay(msgspec.Struct, frozen=True):
    """A DayCount as it is kept. `read_to`: records from then on were not asked for. `is_whole`: the day was over."""

    brand: str
    source: str
    day: date
    expected: int
    received: int
    recovered: int
    read_to: datetime
    checked_at: datetime
    is_whole: bool


_FIND = """
SELECT k.digest, v.event_id IS NOT NULL
FROM unnest(%s::bytea[]) AS asked (digest)
JOIN event_keys k ON k.digest = asked.digest AND k.source = %s AND k.brand = %s
LEFT JOIN recovered_events v ON v.event_id = k.event_id
"""
_FIND_FIRST = """
SELECT k.digest, k.event_id
FROM unnest(%s::bytea[]) AS asked (digest)
JOIN event_keys k ON k.digest = asked.digest AND k.source = %s AND k.brand = %s
"""
_FIND_CONTACTS = """
SELECT coalesce(e.record_id, e.event_id), e.contact, v.event_id IS NOT NULL
FROM events e LEFT JOIN recovered_events v ON v.event_id = e.event_id
WHERE e.event_id = ANY(%(ids)s::uuid[]) OR e.record_id = ANY(%(ids)s::uuid[])
"""
_KEEP = """
INSERT INTO reconciled_days AS kept (brand, source, day, expected, received, recovered, read_to)
SELECT %s, %s, counted.*, %s FROM unnest(%s::date[], %s::int[], %s::int[], %s::int[]) AS counted
ON CONFLICT (brand, source, day) DO UPDATE SET expected = excluded.expected, received = excluded.received,
    recovered = excluded.recovered, read_to = excluded.read_to, checked_at = now()
"""
_IS_WHOLE = "read_to AT TIME ZONE 'UTC' >= day + interval '1 day'"
_COLUMNS = f"brand, source, day, expected, received, recovered, read_to, checked_at, {_IS_WHOLE}"
_POSTED = """
WITH posted AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[], %s::bytea[])
        AS posted (event_id, brand, source, digest, content)
), noted AS (
    UPDATE recovered_events v SET posted_at = now() FROM posted WHERE v.event_id = posted.event_id
)
UPDATE event_keys k SET content = posted.content FROM posted
WHERE k.digest = posted.digest AND k.source = posted.source AND k.brand = posted.brand
"""


def find_known(connection: Connection, brand: str, source: str, digests: Sequence[bytes]) -> dict[bytes, bool]:
    """Which of these idempotency keys there are, and whether a reconcile brought them. One statement."""
    rows = connection.exec_driver_sql(_FIND, (arrays.blobs(digests), source, brand))
    return {bytes(digest): is_recovered for digest, is_recovered in rows}


def find_known_contacts(
    connection: Connection, brand: str, source: str, asked: Sequence[tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], bool]:
    """Which contacts of which records there are (idempotency key and contact), and whether a reconcile brought them. Of
    a record whose events are deleted nobody knows: all of it counts as known. Two statements."""
    rows = connection.exec_driver_sql(_FIND_FIRST, (arrays.blobs(digest for digest, _ in asked), source, brand))
    first = {bytes(digest): event_id for digest, event_id in rows}
    if not first:
        return {}
    contacts: dict[UUID, dict[bytes | None, bool]] = {}
    for record_id, contact, is_recovered in connection.exec_driver_sql(
        _FIND_CONTACTS, {"ids": arrays.uuids(sorted(first.values()))}
    ):
        contacts.setdefault(record_id, {})[None if contact is None else bytes(contact)] = is_recovered
    found: dict[tuple[bytes, bytes], bool] = {}
    for digest, contact in asked:
        if digest in first:
            known = contacts.get(first[digest])
            if known is None or contact in known:
                found[digest, contact] = known is not None and known[contact]
    return found


def note_recovered(connection: Connection, events: Mapping[UUID, datetime | None], *, is_adopted: bool = False) -> None:
    """Events that a reconcile brought, with the time of their last change where their source says one. `is_adopted`:
    what comes under their keys later is no other wording of them."""
    if events:
        connection.exec_driver_sql(
            "INSERT INTO recovered_events (event_id, revised_at, posted_at)"
            " SELECT event_id, revised_at, CASE WHEN %s THEN now() END"
            " FROM unnest(%s::uuid[], %s::timestamptz[]) AS found (event_id, revised_at)",
            (is_adopted, arrays.uuids(events), arrays.moments(events.values())),
        )


def note_posted(connection: Connection, posted: Sequence[tuple[UUID, tuple[str, str, bytes], bytes]]) -> None:
    """Recovered events whose own post came after all: (event, key, what the post says), which counts from now on."""
    if posted:
        connection.exec_driver_sql(
            _POSTED,
            (
                arrays.uuids(event_id for event_id, _, _ in posted),
                arrays.texts(key[0] for _, key, _ in posted),
                arrays.texts(key[1] for _, key, _ in posted),
                arrays.blobs(key[2] for _, key, _ in posted),
                arrays.blobs(content for _, _, content in posted),
            ),
        )


def keep_days(
    connection: Connection, brand: str, source: str, days: Mapping[date, DayCount], *, read_to: datetime
) -> None:
    """Put these days in the place of what was known of them. One statement."""
    if days:
        counts = list(days.values())
        connection.exec_driver_sql(
            _KEEP,
            (
                brand,
                source,
                read_to,
                "{" + ",".join(day.isoformat() for day in days) + "}",
                arrays.numbers(count.expected for count in counts),
                arrays.numbers(count.received for count in counts),
                arrays.numbers(count.recovered for count in counts),
            ),
        )


def read_days(connection: Connection, *, since: date, source: str | None = None) -> list[ReconciledDay]:
    """By source, brand and day, the newest day last. One statement."""
    rows: Iterable[Sequence[object]] = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM reconciled_days WHERE day >= %(since)s"  # noqa: S608 - put together from constants
        " AND (%(source)s::text IS NULL OR source = %(source)s) ORDER BY source, brand, day",
        {"since": since, "source": source},
    )
    return [ReconciledDay(*row) for row in rows]  # type: ignore[arg-type]


def read_last_whole_days(connection: Connection) -> list[ReconciledDay]:
    """Of each source and brand the last day that was over when it was read, however long ago. One statement."""
    rows: Iterable[Sequence[object]] = connection.exec_driver_sql(
        f"SELECT DISTINCT ON (brand, source) {_COLUMNS} FROM reconciled_days"  # noqa: S608 - put together from constants
        f" WHERE {_IS_WHOLE} ORDER BY brand, source, day DESC"
    )
    return [ReconciledDay(*row) for row in rows]  # type: ignore[arg-type]


def forget_days(connection: Connection, *, before: date) -> None:
    """Forget what was counted, and which events were recovered, before a day."""
    connection.exec_driver_sql("DELETE FROM reconciled_days WHERE day < %s", (before,))
    connection.exec_driver_sql("DELETE FROM recovered_events WHERE recovered_at < %s", (before,))
