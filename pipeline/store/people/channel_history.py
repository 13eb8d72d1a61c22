"""Stored touches and the channels that follow from them: what a change of the rules has to rewrite, by person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


class StoredTouch(NamedTuple):
    """What a touch's channel is made of, and what was made of it. `event_channel` None: its event has not settled."""

    event_id: UUID
    position: int
    source: str
    medium: str | None
    campaign: str | None
    channel: str
    rules_version: str | None
    event_channel: str | None


class AttributedPerson(NamedTuple):
    """A person's first and last touch as (event_id, position), with their channels; None before the first touch."""

    person_id: UUID
    brand: str
    original: tuple[UUID | None, int]
    original_channel: str | None
    latest: tuple[UUID | None, int]
    latest_channel: str | None


def count_people(connection: Connection) -> int:
    """How many people there are."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM people WHERE merged_into IS NULL").scalar_one())


def next_people(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """The ids that follow `after`, ascending. One statement."""
    return list(
        connection.exec_driver_sql(
            "SELECT person_id FROM people WHERE person_id > %s AND merged_into IS NULL ORDER BY person_id LIMIT %s",
            (after, limit),
        ).scalars()
    )


_PEOPLE = """
SELECT person_id, brand, original_event, original_position, original_channel, latest_event, latest_position,
    latest_channel
FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id
"""


def read_attributed(connection: Connection, person_ids: Sequence[UUID], *, lock: bool) -> list[AttributedPerson]:
    """People by id. `lock` holds their rows until the transaction ends, in the order all others take them."""
    rows = connection.exec_driver_sql(_PEOPLE + " FOR UPDATE" * lock, (arrays.uuids(person_ids),))
    return [AttributedPerson(person_id, brand, (a, b), c, (d, e), f) for person_id, brand, a, b, c, d, e, f in rows]


# Before migration 0003 a touch's medium stood among its details.
_TOUCHES = """
SELECT t.event_id, t.position, t.source, coalesce(t.medium, t.details ->> 'medium'), t.campaign, t.channel,
    t.rules_version, event.channel
FROM touches t
LEFT JOIN LATERAL (
    SELECT e.channel FROM events e WHERE e.event_id = t.event_id AND e.state = 'settled' LIMIT 1
) AS event ON t.position = 0
WHERE t.person_id = ANY(%s::uuid[])
"""


def read_touches(connection: Connection, person_ids: Sequence[UUID]) -> list[StoredTouch]:
    """All touches of these people. One statement."""
    return [StoredTouch(*row) for row in connection.exec_driver_sql(_TOUCHES, (arrays.uuids(person_ids),))]


_WRITE_TOUCHES = """
UPDATE touches t SET channel = made.channel, rules_version = %s, medium = coalesce(t.medium, t.details ->> 'medium')
FROM unnest(%s::uuid[], %s::smallint[], %s::text[]) AS made (event_id, position, channel)
WHERE t.event_id = made.event_id AND t.position = made.position
"""
_WRITE_EVENTS = """
UPDATE events e SET channel = made.channel FROM unnest(%s::uuid[], %s::text[]) AS made (event_id, channel)
WHERE e.event_id = made.event_id AND e.event_id = ANY(%s::uuid[]) AND e.state = 'settled'
"""
_WRITE_PEOPLE = """
UPDATE people p SET original_channel = made.original, latest_channel = made.latest, version = p.version + 1,
    updated_at = now()
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS made (person_id, original, latest)
WHERE p.person_id = made.person_id
"""


def write_touch_channels(
    connection: Connection, channels: Sequence[tuple[UUID, int, str]], *, rules_version: str
) -> None:
    """(event_id, position, channel). One statement."""
    if channels:
        connection.exec_driver_sql(
            _WRITE_TOUCHES,
            (
                rules_version,
                arrays.uuids(event_id for event_id, _, _ in channels),
                arrays.numbers(position for _, position, _ in channels),
                arrays.texts(channel for _, _, channel in channels),
            ),
        )


def write_event_channels(connection: Connection, channels: Sequence[tuple[UUID, str]]) -> None:
    """(event_id, channel) of events that have settled; others get theirs when they do. One statement."""
    if channels:
        ids = arrays.uuids(event_id for event_id, _ in channels)
        connection.exec_driver_sql(_WRITE_EVENTS, (ids, arrays.texts(channel for _, channel in channels), ids))


def write_person_channels(connection: Connection, channels: Sequence[tuple[UUID, str | None, str | None]]) -> None:
    """(person_id, original, latest) of people whose rows are locked. Each gets a new version. One statement."""
    if channels:
        connection.exec_driver_sql(
            _WRITE_PEOPLE,
            (
                arrays.uuids(person_id for person_id, _, _ in channels),
                arrays.texts(original for _, original, _ in channels),
                arrays.texts(latest for _, _, latest in channels),
            ),
        )
