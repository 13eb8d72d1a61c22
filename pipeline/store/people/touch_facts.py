"""Facts of people's first touch and their last, beside those that stand in a person's own row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTED_ENDS, TOUCH_DETAILS, TOUCH_FACTS
from pipeline.stages.destination_mapping.names import TouchName
from pipeline.store import arrays

_COLUMNS = frozenset(TOUCH_FACTS) - frozenset(TOUCH_DETAILS)
_MAPPINGS_KEPT = 64  # what several mappings name, and a run that asks for all of them at once


def read_touch_facts(
    connection: Connection, person_ids: Collection[UUID], names: Sequence[TouchName]
) -> dict[UUID, dict[str, Any]]:
    """By person and name; what a touch does not say is left out. One statement, none without names or people.

    Which touch is the first and which the last stands in the person's row, whoever wrote it: attribution, a merge or a
    correction.
    """
    if not (names and person_ids):
        return {}
    statement, facts = _statement(tuple(names))
    rows = connection.exec_driver_sql(statement, (*facts, arrays.uuids(person_ids)))
    return {
        person_id: {touch.name: value for touch, value in zip(names, values, strict=True) if value is not None}
        for person_id, *values in rows
    }


@lru_cache(maxsize=_MAPPINGS_KEPT)
def _statement(names: tuple[TouchName, ...]) -> tuple[str, tuple[str, ...]]:
    """The statement, and the values that go into it before the people. Only the touches that are named are read."""
    read = [end for end in ATTRIBUTED_ENDS if any(touch.end == end for touch in names)]
    joins = " ".join(
        f"LEFT JOIN touches {end} ON {end}.event_id = p.{end}_event AND {end}.position = p.{end}_position"
        for end in read
    )
    facts: list[str] = []
    columns = ["p.person_id"]
    for touch in names:
        if touch.fact == "medium":  # before migration 0003 it stood among the details
            columns.append(f"coalesce({touch.end}.medium, {touch.end}.details ->> 'medium')")
        elif touch.fact in _COLUMNS:
            columns.append(f"{touch.end}.{touch.fact}")
        else:  # of a click that retention masked nothing is known but that there was one
            column = "details" if touch.fact in TOUCH_DETAILS else "click_ids"
            columns.append(f"nullif({touch.end}.{column} ->> %s, '')")
            facts.append(touch.fact)
    statement = f"SELECT {', '.join(columns)} FROM people p {joins} WHERE p.person_id = ANY(%s::uuid[])"  # noqa: S608 - put together from constants
    return statement, tuple(facts)


_TOUCH_COLUMNS = ("source", "channel", "campaign", "occurred_at", *(name for name in TOUCH_FACTS if name in _COLUMNS))
_TOUCHES = f"""
SELECT event_id, person_id, brand, details, click_ids, {", ".join(_TOUCH_COLUMNS)} FROM touches
WHERE event_id = ANY(%s::uuid[]) AND position = 0
"""  # noqa: S608 - put together from constants


def touches_of_person(connection: Connection, person_id: UUID) -> list[UUID]:
    """The events whose own touches are this person's, oldest first. One statement."""
    return list(
        connection.exec_driver_sql(
            "SELECT event_id FROM touches WHERE person_id = %s AND position = 0 ORDER BY occurred_at, event_id",
            (person_id,),
        ).scalars()
    )


class TouchToSend(NamedTuple):
    """A touch as a CRM may be told of it: `facts` by name, those that it has."""

    person_id: UUID
    brand: str
    facts: dict[str, Any]


def read_touches(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, TouchToSend]:
    """The events' own touches as they are now; those that do not exist (any more) are left out. One statement."""
    if not event_ids:
        return {}
    return {
        event_id: TouchToSend(
            person_id,
            brand,
            {
                **details,
                **{name: value for name, value in click_ids.items() if value},
                **{name: value for name, value in zip(_TOUCH_COLUMNS, values, strict=True) if value is not None},
            },
        )
        for event_id, person_id, brand, details, click_ids, *values in connection.exec_driver_sql(
            _TOUCHES, (arrays.uuids(event_ids),)
        )
    }
