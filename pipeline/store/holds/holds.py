"""Legal holds and restrictions: placed, released, never deleted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records.base import Fact
from pipeline.store import arrays
from pipeline.store.holds.tables import HOLD, RESTRICTION

_VIEWS = {HOLD: "people_held", RESTRICTION: "people_restricted"}
_COLUMNS = "hold_id, kind, person_id, brand, reason, placed_at, placed_by, released_at, released_by, release_reason"


class Hold(Fact, frozen=True):
    """A legal hold, or a restriction. `released_at` None: it is in force."""

    hold_id: UUID
    kind: str
    person_id: UUID
    brand: str
    reason: str
    placed_at: datetime
    placed_by: str
    released_at: datetime | None = None
    released_by: str | None = None
    release_reason: str | None = None


def place_hold(connection: Connection, hold: Hold) -> bool:
    """Put a hold into force; False if one of its id is there already. One statement."""
    return (
        connection.exec_driver_sql(
            "INSERT INTO legal_holds (hold_id, kind, person_id, brand, reason, placed_at, placed_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                hold.hold_id,
                hold.kind,
                hold.person_id,
                hold.brand,
                arrays.clean(hold.reason),
                hold.placed_at,
                arrays.clean(hold.placed_by),
            ),
        ).rowcount
        == 1
    )


def release_hold(connection: Connection, hold_id: UUID, *, reason: str, by: str, at: datetime) -> bool:
    """End a hold that is in force; False if it is not. One statement."""
    return (
        connection.exec_driver_sql(
            "UPDATE legal_holds SET released_at = %s, released_by = %s, release_reason = %s"
            " WHERE hold_id = %s AND released_at IS NULL",
            (at, arrays.clean(by), arrays.clean(reason), hold_id),
        ).rowcount
        == 1
    )


def read_hold(connection: Connection, hold_id: UUID) -> Hold | None:
    row = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM legal_holds WHERE hold_id = %s", (hold_id,)).one_or_none()  # noqa: S608 - put together from constants
    return None if row is None else Hold(*row)


def read_holds(
    connection: Connection,
    kind: str,
    *,
    person_ids: Iterable[UUID] | None = None,
    brand: str | None = None,
    with_released: bool = False,
) -> list[Hold]:
    """Holds of a kind, oldest first: those in force, or all. `person_ids`: only those on these, `brand`: only those of
    it. One statement."""
    ids = None if person_ids is None else arrays.uuids(sorted(person_ids))
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM legal_holds WHERE kind = %(kind)s AND (%(all)s OR released_at IS NULL)"  # noqa: S608 - put together from constants
        " AND (%(ids)s::uuid[] IS NULL OR person_id = ANY(%(ids)s::uuid[]))"
        " AND (%(brand)s::text IS NULL OR brand = %(brand)s) ORDER BY placed_at, hold_id",
        {"kind": kind, "all": with_released, "ids": ids, "brand": brand},
    )
    return [Hold(*row) for row in rows]


def people_under(connection: Connection, kind: str, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these people whom a hold of this kind is about, by themselves or by whom they are one with. One
    statement."""
    ids = sorted(set(person_ids))
    if not ids:
        return set()
    return set(
        connection.exec_driver_sql(
            f"SELECT person_id FROM {_VIEWS[kind]} WHERE person_id = ANY(%s::uuid[])",  # noqa: S608 - a constant's name
            (arrays.uuids(ids),),
        ).scalars()
    )


def brand_of(connection: Connection, person_id: UUID) -> str | None:
    """Of a person that there is, or None. Held against their erasure until the transaction ends: one that is under way
    is waited for."""
    found = connection.exec_driver_sql(
        "SELECT brand FROM people WHERE person_id = %s FOR KEY SHARE", (person_id,)
    ).scalar()
    return None if found is None else str(found)


def ids_of(connection: Connection, person_id: UUID) -> list[UUID]:
    """The ids of all who are one with a person, their own among them. One statement."""
    rows = connection.exec_driver_sql(
        "WITH owner (id) AS ("
        " SELECT coalesce((SELECT coalesce(merged_into, person_id) FROM people WHERE person_id = %(id)s), %(id)s::uuid)"
        ") SELECT id FROM owner UNION SELECT p.person_id FROM people p JOIN owner ON p.merged_into = owner.id",
        {"id": person_id},
    )
    return sorted(rows.scalars())
