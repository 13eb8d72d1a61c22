"""Events that have settled, page by page, for whoever maps them anew; and what they then say of themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays


class SettledEvent(NamedTuple):
    """What an event that settled noted of itself."""

    event_id: UUID
    mapping_version: str | None
    channel: str | None
    occurred_at: datetime | None
    person_id: UUID | None = None


class Chosen(NamedTuple):
    """Which settled events: of a source, and of one brand, or received since a moment, if given. `until`: ids up to
    this one, so that what settles meanwhile by the mapping of now is left alone."""

    source: str
    brand: str | None
    since: datetime | None
    until: UUID

    @property
    def values(self) -> dict[str, Any]:
        return self._asdict()


# What a revision took the place of says nothing any more.
_CHOSEN = """
FROM events WHERE source = %(source)s AND state = 'settled' AND superseded_by IS NULL AND event_id <= %(until)s
    AND (%(brand)s::text IS NULL OR brand = %(brand)s)
    AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
"""


def count_settled(connection: Connection, chosen: Chosen) -> int:
    """How many there are. One statement; it may read all events."""
    return int(connection.exec_driver_sql(f"SELECT count(*) {_CHOSEN}", chosen.values).scalar_one())


def next_settled(connection: Connection, chosen: Chosen, after: UUID, limit: int) -> list[SettledEvent]:
    """Those that follow `after`, in the order of their ids. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT event_id, mapping_version, channel, occurred_at, person_id {_CHOSEN} AND event_id > %(after)s"
        " ORDER BY event_id LIMIT %(limit)s",
        {**chosen.values, "after": after, "limit": limit},
    )
    return [SettledEvent(*row) for row in rows]


def read_settled(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, SettledEvent]:
    """Settled ones among these events. One statement, none without ids."""
    if not event_ids:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT event_id, mapping_version, channel, occurred_at, person_id FROM events"
        " WHERE event_id = ANY(%s::uuid[]) AND state = 'settled'",
        (arrays.uuids(sorted(event_ids)),),
    )
    return {row[0]: SettledEvent(*row) for row in rows}


_NOTE = """
UPDATE events e SET channel = made.channel, mapping_version = made.mapping_version, occurred_at = made.occurred_at
FROM unnest(%(ids)s::uuid[], %(channels)s::text[], %(versions)s::text[], %(moments)s::timestamptz[])
    AS made (event_id, channel, mapping_version, occurred_at)
WHERE e.event_id = made.event_id AND e.event_id = ANY(%(ids)s::uuid[]) AND e.state = 'settled'
"""


def note_mapped_anew(connection: Connection, made: Mapping[UUID, SettledEvent]) -> None:
    """Let settled events say what they are mapped to now. Their people must be held. One statement, none of nothing."""
    if made:
        ordered = [made[event_id] for event_id in sorted(made)]
        connection.exec_driver_sql(
            _NOTE,
            {
                "ids": arrays.uuids(event.event_id for event in ordered),
                "channels": arrays.texts(event.channel for event in ordered),
                "versions": arrays.texts(event.mapping_version for event in ordered),
                "moments": arrays.moments(event.occurred_at for event in ordered),
            },
        )
