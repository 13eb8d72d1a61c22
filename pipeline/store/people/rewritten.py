"""Touches and consents of leads that are mapped anew: what stands is read, and made what the leads say now.

Their people must be held. Nothing here decides what is to change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Touch
from pipeline.store import arrays
from pipeline.store.people import consents
from pipeline.store.people.consents import INSERT_CONSENTS, ConsentRow
from pipeline.store.people.touches import COLUMNS, INSERT_TOUCHES, columns_of

# Before migration 0003 a touch's medium stood among its details.
_READ = f"""
SELECT {", ".join("coalesce(medium, details ->> 'medium')" if name == "medium" else name for name in COLUMNS[:-1])},
    CASE WHEN medium IS NULL THEN details - 'medium' ELSE details END
FROM touches WHERE event_id = ANY(%s::uuid[]) ORDER BY event_id, position
"""  # noqa: S608 - put together from constants


def read_touches_of(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, list[Touch]]:
    """The touches of each of these events that has any, by position. One statement, none without ids."""
    found: dict[UUID, list[Touch]] = {}
    if event_ids:
        for row in connection.exec_driver_sql(_READ, (arrays.uuids(sorted(event_ids)),)):
            found.setdefault(row[0], []).append(Touch(**dict(zip(COLUMNS, row, strict=True))))
    return found


_WRITE = f"""{INSERT_TOUCHES}
ON CONFLICT (event_id, position) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])}
"""
_DROP = """
DELETE FROM touches t USING unnest(%s::uuid[], %s::int[]) AS kept (event_id, count)
WHERE t.event_id = kept.event_id AND t.position >= kept.count
"""


def rewrite_touches(connection: Connection, made: Mapping[UUID, Sequence[Touch]]) -> None:
    """Let these events have these touches, and no others; what marks a touch as asking to be routed again stays. Two
    statements, none without events."""
    if not made:
        return
    ordered = [touch for event_id in sorted(made) for touch in sorted(made[event_id], key=lambda touch: touch.position)]
    connection.exec_driver_sql(_WRITE, columns_of(ordered))
    events = sorted(made)
    connection.exec_driver_sql(
        _DROP, (arrays.uuids(events), arrays.numbers(len(made[event_id]) for event_id in events))
    )


def read_consents_of(connection: Connection, event_ids: Collection[UUID]) -> set[ConsentRow]:
    """What these events said of consent. One statement, none without ids."""
    if not event_ids:
        return set()
    rows = connection.exec_driver_sql(
        f"SELECT {', '.join(ConsentRow._fields)} FROM consents WHERE event_id = ANY(%s::uuid[])",  # noqa: S608 - put together from constants
        (arrays.uuids(sorted(event_ids)),),
    )
    return {ConsentRow(*row) for row in rows}


_WRITE_CONSENTS = f"""{INSERT_CONSENTS}
ON CONFLICT (event_id, purpose, channel) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in ConsentRow._fields[3:])}
"""
_DROP_CONSENTS = """
DELETE FROM consents c USING unnest(%s::uuid[], %s::text[], %s::text[]) AS gone (event_id, purpose, channel)
WHERE (c.event_id, c.purpose, c.channel) = (gone.event_id, gone.purpose, gone.channel)
"""


def rewrite_consents(connection: Connection, said: Collection[ConsentRow], gone: Collection[ConsentRow]) -> None:
    """Write answers, in the place of what their events said of the same, and remove those that are `gone`. A statement
    for each of the two, none where there are none."""
    if gone:
        dropped = sorted(row[:3] for row in gone)
        connection.exec_driver_sql(
            _DROP_CONSENTS,
            (
                arrays.uuids(row[0] for row in dropped),
                arrays.texts(row[1] for row in dropped),
                arrays.texts(row[2] for row in dropped),
            ),
        )
    if said:
        rows = sorted(said, key=lambda row: row[:3])
        connection.exec_driver_sql(_WRITE_CONSENTS, consents.columns_of(rows))
