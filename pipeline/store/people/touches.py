"""Touches: facts, kept as they came. Original and latest source of a person follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTED_FACTS, UTM_FIELDS
from pipeline.records import Touch
from pipeline.store import arrays

TEXT_COLUMNS = (
    *("source", "medium", "channel", "rules_version", "campaign"),
    *UTM_FIELDS,
    *("referrer_host", "landing_path"),
)
COLUMNS = ("event_id", "position", "person_id", "brand", "occurred_at", *TEXT_COLUMNS, "click_ids", "details")
# Its values are `columns_of` touches.
INSERT_TOUCHES = f"""
INSERT INTO touches ({", ".join(COLUMNS)})
SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::uuid[], %s::text[], %s::timestamptz[],
    {", ".join("%s::text[]" for _ in TEXT_COLUMNS)}, %s::jsonb[], %s::jsonb[])
"""  # noqa: S608 - put together from constants
_ADD_TOUCHES = INSERT_TOUCHES + "ON CONFLICT DO NOTHING RETURNING event_id"


def columns_of(touches: Sequence[Touch]) -> tuple[str, ...]:
    """Touches as the arrays that `INSERT_TOUCHES` takes."""
    return (
        arrays.uuids(touch.event_id for touch in touches),
        arrays.numbers(touch.position for touch in touches),
        arrays.uuids(touch.person_id for touch in touches),
        arrays.texts(touch.brand for touch in touches),
        arrays.moments(touch.occurred_at for touch in touches),
        *(arrays.texts(getattr(touch, column) for touch in touches) for column in TEXT_COLUMNS),
        arrays.documents(touch.click_ids for touch in touches),
        arrays.documents(touch.details for touch in touches),
    )


def add_touches(connection: Connection, touches: Sequence[Touch]) -> set[UUID]:
    """Store touches; gives the ids of events with a new one. One statement.

    One touch per event and position: what was stored first stays.
    """
    if not touches:
        return set()
    ordered = sorted(touches, key=lambda touch: (touch.event_id, touch.position))
    return set(connection.exec_driver_sql(_ADD_TOUCHES, columns_of(ordered)).scalars())


_LOCK = "SELECT 1 FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id FOR UPDATE"
_IS_EARLIER, _IS_LATER = (
    f"(p.{kept}_event IS NULL OR ({seen}_at, {seen}_event, {seen}_position) {than}"
    f" (p.{kept}_at, p.{kept}_event, p.{kept}_position))"
    for kept, seen, than in (("original", "first", "<"), ("latest", "last", ">"))
)
_REPLACED = ", ".join(
    f"{kept}_{what} = CASE WHEN {test} THEN {seen}_{what} ELSE p.{kept}_{what} END"
    for kept, seen, test in (("original", "first", _IS_EARLIER), ("latest", "last", _IS_LATER))
    for what in (*ATTRIBUTED_FACTS, "event", "position")
)
# Each form of a person remembers the same first visit: those count once.
_COUNT = """SELECT count(*) FILTER (WHERE t.position = 0)
    + count(DISTINCT (t.occurred_at, t.source, t.medium, t.campaign)) FILTER (WHERE t.position > 0)
    FROM touches t WHERE t.person_id = p.person_id"""
_APPLY = f"""
UPDATE people p SET {_REPLACED}, updated_at = now(),
    touches = ({_COUNT}),
    version = p.version + ({_IS_EARLIER} OR {_IS_LATER})::int
FROM unnest(%(people)s::uuid[], %(first_at)s::timestamptz[], %(first_event)s::uuid[], %(first_position)s::smallint[],
    %(first_source)s::text[], %(first_channel)s::text[], %(first_campaign)s::text[], %(last_at)s::timestamptz[],
    %(last_event)s::uuid[], %(last_position)s::smallint[], %(last_source)s::text[], %(last_channel)s::text[],
    %(last_campaign)s::text[])
    AS seen (person_id, first_at, first_event, first_position, first_source, first_channel, first_campaign,
        last_at, last_event, last_position, last_source, last_channel, last_campaign)
WHERE p.person_id = seen.person_id AND p.person_id = ANY(%(people)s::uuid[])
"""  # noqa: S608 - put together from constants


def apply_touches(connection: Connection, touches: Iterable[Touch]) -> None:
    """Bring original_*, latest_* and the count of touches up to date for the people touched. Two statements.

    By (occurred_at, event_id, position), so the order of arrival does not matter; doing it twice changes nothing. A
    person's version grows by one if the original or the latest touch became another.
    """
    first: dict[UUID, Touch] = {}
    last: dict[UUID, Touch] = {}
    for touch in touches:
        person_id = touch.person_id
        if person_id not in first or _moment(touch) < _moment(first[person_id]):
            first[person_id] = touch
        if person_id not in last or _moment(touch) > _moment(last[person_id]):
            last[person_id] = touch
    if not first:
        return
    people = arrays.uuids(sorted(first))
    values = {"people": people}
    for end, touch_of in (("first", first), ("last", last)):
        ordered = [touch_of[person_id] for person_id in sorted(first)]
        values[f"{end}_at"] = arrays.moments(touch.occurred_at for touch in ordered)
        values[f"{end}_event"] = arrays.uuids(touch.event_id for touch in ordered)
        values[f"{end}_position"] = arrays.numbers(touch.position for touch in ordered)
        values[f"{end}_source"] = arrays.texts(touch.source for touch in ordered)
        values[f"{end}_channel"] = arrays.texts(touch.channel for touch in ordered)
        values[f"{end}_campaign"] = arrays.texts(touch.campaign for touch in ordered)
    # Locked by a statement of its own: the next one then sees, and counts, what others committed while we waited.
    connection.exec_driver_sql(_LOCK, (people,))
    connection.exec_driver_sql(_APPLY, values)


def _moment(touch: Touch) -> tuple[datetime, UUID, int]:
    return (touch.occurred_at, touch.event_id, touch.position)
