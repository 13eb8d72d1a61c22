"""In which minutes sources were heard, in which we were there to hear them, and what was judged of their silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

SourceKey = tuple[str, str]  # brand, source
RECEIVER = "receiver"  # the part whose heartbeat says that posted leads are taken


class HeardMinute(NamedTuple):
    """A minute in which leads of a source came in by a lane, and when the last of them did."""

    brand: str
    source: str
    lane: str
    minute: datetime
    last_at: datetime


class HourRow(NamedTuple):
    """Bit n of `heard` and `watched` is minute n of the hour."""

    brand: str
    source: str
    hour: datetime
    heard: int
    watched: int


class SourceRhythm(msgspec.Struct, frozen=True):
    """How long a source is silent, and whether that is unusual by its own rhythm.

    `usual_seconds` between two leads, `is_of_this_hour` at this hour or else over all; None while too little is known.
    """

    brand: str
    source: str
    watched_since: datetime
    judged_at: datetime
    last_heard_at: datetime | None = None
    unusual_since: datetime | None = None
    usual_seconds: float | None = None
    is_of_this_hour: bool = False


# Ids begin with the time they were made at, so those of the last minutes are found by the primary key. What a source
# gave only because it was asked is no word of its own.
_HEARD = """
SELECT brand, source, lane, date_trunc('minute', received_at), max(received_at) FROM events
WHERE event_id >= %(first)s AND received_at >= %(since)s AND received_at <= %(until)s
    AND NOT EXISTS (SELECT FROM recovered_events v WHERE v.event_id = events.event_id AND v.event_id >= %(first)s)
GROUP BY 1, 2, 3, 4
"""
_OLDEST_ID = timedelta(minutes=5)  # an id is made before its event is stored, within moments


def heard_minutes(connection: Connection, since: datetime, until: datetime) -> list[HeardMinute]:
    """What came in by itself between two moments. One statement, over the events of that time alone."""
    milliseconds = int((since - _OLDEST_ID).timestamp() * 1000)
    rows = connection.exec_driver_sql(_HEARD, {"first": UUID(int=milliseconds << 80), "since": since, "until": until})
    return [HeardMinute(*row) for row in rows]


_ADD_HOURS = """
INSERT INTO source_hours AS known (brand, source, hour, heard, watched)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[])
ON CONFLICT (brand, source, hour)
DO UPDATE SET heard = known.heard | excluded.heard, watched = known.watched | excluded.watched
WHERE (known.heard | excluded.heard, known.watched | excluded.watched) <> (known.heard, known.watched)
"""


def add_hours(connection: Connection, hours: Sequence[HourRow]) -> None:
    """Add minutes to what is known. The same again changes nothing. One statement, none without hours."""
    if hours:
        ordered = sorted(hours)
        connection.exec_driver_sql(
            _ADD_HOURS,
            (
                arrays.texts(hour.brand for hour in ordered),
                arrays.texts(hour.source for hour in ordered),
                arrays.moments(hour.hour for hour in ordered),
                arrays.numbers(hour.heard for hour in ordered),
                arrays.numbers(hour.watched for hour in ordered),
            ),
        )


_READ_HOURS = """
SELECT h.brand, h.source, h.hour, h.heard, h.watched
FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS asked (brand, source, since)
JOIN source_hours h ON h.brand = asked.brand AND h.source = asked.source AND h.hour >= asked.since
ORDER BY h.hour
"""


def read_hours(connection: Connection, since: Mapping[SourceKey, datetime]) -> dict[SourceKey, list[HourRow]]:
    """The hours of each of these sources from a moment on, in the order of time. One statement, none without."""
    found: dict[SourceKey, list[HourRow]] = {key: [] for key in since}
    if since:
        rows = connection.exec_driver_sql(
            _READ_HOURS,
            (
                arrays.texts(brand for brand, _ in since),
                arrays.texts(source for _, source in since),
                arrays.moments(since.values()),
            ),
        )
        for row in map(HourRow._make, rows):
            found[row.brand, row.source].append(row)
    return found


def read_rhythms(connection: Connection) -> dict[SourceKey, SourceRhythm]:
    """What was judged of every source last. One statement."""
    columns = ", ".join(SourceRhythm.__struct_fields__)
    rows = connection.exec_driver_sql(
        f"SELECT {columns} FROM source_rhythms ORDER BY source, brand"  # noqa: S608 - put together from constants
    )
    return {(rhythm.brand, rhythm.source): rhythm for rhythm in (SourceRhythm(*row) for row in rows)}


_WRITE = """
INSERT INTO source_rhythms AS known
    (brand, source, watched_since, judged_at, last_heard_at, unusual_since, usual_seconds, is_of_this_hour)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
    %s::timestamptz[], %s::float8[], %s::bool[])
ON CONFLICT (brand, source) DO UPDATE SET watched_since = excluded.watched_since, judged_at = excluded.judged_at,
    last_heard_at = greatest(known.last_heard_at, excluded.last_heard_at), unusual_since = excluded.unusual_since,
    usual_seconds = excluded.usual_seconds, is_of_this_hour = excluded.is_of_this_hour
"""


def write_rhythms(connection: Connection, rhythms: Sequence[SourceRhythm]) -> None:
    """Note what is judged now. One statement, none without rhythms."""
    if rhythms:
        ordered = sorted(rhythms, key=lambda rhythm: (rhythm.brand, rhythm.source))
        connection.exec_driver_sql(
            _WRITE,
            (
                arrays.texts(rhythm.brand for rhythm in ordered),
                arrays.texts(rhythm.source for rhythm in ordered),
                arrays.moments(rhythm.watched_since for rhythm in ordered),
                arrays.moments(rhythm.judged_at for rhythm in ordered),
                arrays.moments(rhythm.last_heard_at for rhythm in ordered),
                arrays.moments(rhythm.unusual_since for rhythm in ordered),
                arrays.numbers(rhythm.usual_seconds for rhythm in ordered),
                arrays.booleans(rhythm.is_of_this_hour for rhythm in ordered),
            ),
        )


def forget_hours(connection: Connection, *, days: int) -> None:
    """Delete what is so much older than a source's last lead that nothing is learned of it any more. One statement."""
    connection.exec_driver_sql(
        "DELETE FROM source_hours h USING source_rhythms r WHERE (h.brand, h.source) = (r.brand, r.source)"
        " AND h.hour < coalesce(r.last_heard_at, now()) - make_interval(days => %s)",
        (days,),
    )


def beat(connection: Connection, part: str) -> None:
    """Say that a part of the installation is there. One statement."""
    connection.exec_driver_sql(
        "INSERT INTO heartbeats (part) VALUES (%s) ON CONFLICT (part) DO UPDATE SET seen_at = now()", (part,)
    )


def seen_at(connection: Connection, part: str) -> datetime | None:
    """When a part was there last; None: never. One statement."""
    return connection.exec_driver_sql("SELECT seen_at FROM heartbeats WHERE part = %s", (part,)).scalar()
