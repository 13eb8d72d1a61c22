"""Quarantine: what a human must look at. One open row per event, and one per person at a destination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import cipher
from pipeline.records import Parked, Stage, new_id
from pipeline.store import arrays


class Quarantined(msgspec.Struct, frozen=True):
    """One row: of an event, or of a person at a destination. Holds no value of a lead."""

    quarantine_id: UUID
    event_id: UUID | None
    destination: str | None
    person_id: UUID | None
    brand: str
    source: str | None
    stage: str
    code: str
    field: str | None
    message: str
    created_at: datetime
    resolution: str
    resolved_at: datetime | None
    why: str | None
    has_patch: bool


_PARK = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(quarantine_ids)s::uuid[], %(ids)s::uuid[], %(stages)s::text[], %(codes)s::text[],
        %(fields)s::text[], %(messages)s::text[]) AS given (quarantine_id, event_id, stage, code, field, message)
), parked AS (
    UPDATE events e SET state = 'quarantined', stage = given.stage, lease_until = NULL, settled_at = now()
    FROM given
    WHERE e.event_id = given.event_id AND e.event_id = ANY(%(ids)s::uuid[]) AND {fence}
    RETURNING e.event_id, e.brand, e.source
)
INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, field, message)
SELECT given.quarantine_id, event_id, parked.brand, parked.source, given.stage, given.code, given.field, given.message
FROM parked JOIN given USING (event_id)
ON CONFLICT (event_id) WHERE resolution = 'open'
DO UPDATE SET stage = excluded.stage, code = excluded.code, field = excluded.field, message = excluded.message,
    created_at = now()
RETURNING event_id
"""
_PARK_CLAIMED = _PARK.format(fence="e.state = 'in_flight' AND e.claim = %(claim)s")
_PARK_PENDING = _PARK.format(fence="e.state = 'pending'")
_PARK_FETCHING = _PARK.format(fence="e.state = 'fetching'")


def park_events(connection: Connection, claim_id: UUID, parked: Sequence[Parked]) -> set[UUID]:
    """Quarantine events that are still in flight under this claim; gives their ids. One statement."""
    return _park(connection, _PARK_CLAIMED, parked, claim_id)


def park_now(connection: Connection, parked: Sequence[Parked]) -> set[UUID]:
    """Quarantine events that were just stored and cannot begin their way (a ragged row); gives their ids."""
    return _park(connection, _PARK_PENDING, parked, None)


def park_fetching(connection: Connection, parked: Sequence[Parked]) -> set[UUID]:
    """Quarantine events whose records cannot be read from their source; gives their ids."""
    return _park(connection, _PARK_FETCHING, parked, None)


def list_quarantine(
    connection: Connection,
    *,
    reason: str | None = None,
    source: str | None = None,
    destination: str | None = None,
    stage: str | None = None,
    field: str | None = None,
    resolution: str | None = "open",
    limit: int = 100,
    before: UUID | None = None,
) -> list[Quarantined]:
    """Rows, newest first. `reason` is a code; `resolution` None means any; `before` continues after the last row."""
    conditions, values = _filters(reason=reason, source=source, destination=destination, stage=stage, field=field)
    if resolution is not None:
        conditions.append("resolution = %(resolution)s")
    if before is not None:
        conditions.append(
            "(created_at, quarantine_id) < (SELECT created_at, quarantine_id FROM quarantine"
            " WHERE quarantine_id = %(before)s)"
        )
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM quarantine {_where(conditions)} ORDER BY created_at DESC, quarantine_id DESC"  # noqa: S608 - put together from constants
        " LIMIT %(limit)s",
        {**values, "resolution": resolution, "before": before, "limit": limit},
    )
    return [Quarantined(*row) for row in rows]


def show_quarantine(connection: Connection, quarantine_id: UUID) -> Quarantined | None:
    """One row, or None. An event's id finds its newest row."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM quarantine WHERE quarantine_id = %(id)s OR event_id = %(id)s"  # noqa: S608 - put together from constants
        " ORDER BY created_at DESC, quarantine_id DESC LIMIT 1",
        {"id": quarantine_id},
    ).first()
    return Quarantined(*row) if row else None


def count_quarantine(connection: Connection, **wanted: str | None) -> dict[tuple[str | None, str | None, str], int]:
    """Open rows by (source, destination, code): a lead has a source, a delivery a destination. `wanted` filters by
    reason, source, destination, stage and field. One statement."""
    conditions, values = _filters(**wanted)
    conditions.append("resolution = 'open'")
    rows = connection.exec_driver_sql(
        f"SELECT source, destination, code, count(*) FROM quarantine {_where(conditions)}"  # noqa: S608 - put together from constants
        " GROUP BY source, destination, code",
        values,
    )
    return {(source, destination, code): count for source, destination, code, count in rows}


def count_replayable(connection: Connection, **wanted: str | None) -> int:
    """Open rows that `replay_events` would take with these filters, but for what intake could not read. One
    statement."""
    conditions, values = _filters(**wanted)
    conditions += ["resolution = 'open'", f"stage <> '{Stage.INTAKE}'"]
    count = connection.exec_driver_sql(f"SELECT count(*) FROM quarantine {_where(conditions)}", values)  # noqa: S608 - put together from constants
    return int(count.scalar_one())


def count_stages(connection: Connection) -> dict[str, int]:
    """Open rows by the stage that stopped them. One statement."""
    rows = connection.exec_driver_sql("SELECT stage, count(*) FROM quarantine WHERE resolution = 'open' GROUP BY stage")
    return dict(map(tuple, rows))


def open_codes(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Why these events wait, of those that do. One statement, none without ids."""
    if not event_ids:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT event_id, code FROM quarantine WHERE event_id = ANY(%s::uuid[]) AND resolution = 'open'",
        (arrays.uuids(event_ids),),
    )
    return dict(map(tuple, rows))


_REPLAY_EVENTS = """
WITH chosen AS (
    UPDATE quarantine SET resolution = 'replayed', resolved_at = now() {where} AND event_id IS NOT NULL
    RETURNING event_id, stage = 'fetch' AND patch IS NULL AS to_fetch
), released AS (
    UPDATE events e SET state = CASE WHEN to_fetch THEN 'fetching' ELSE 'pending' END, stage = NULL, attempts = 0,
        losses = 0, lone_losses = 0, batch_size = 0, claim = NULL, settled_at = NULL
    FROM chosen WHERE e.event_id = chosen.event_id AND e.state = 'quarantined'
    RETURNING e.event_id, e.brand, e.source, e.state
), wanted AS (
    INSERT INTO fetches (event_id, brand, source)
    SELECT event_id, brand, source FROM released WHERE state = 'fetching' ON CONFLICT (event_id) DO NOTHING
)
SELECT count(*) FROM released
"""
_REPLAY_DELIVERIES = """
WITH chosen AS (
    UPDATE quarantine SET resolution = 'replayed', resolved_at = now() {where} AND destination IS NOT NULL
    RETURNING person_id, destination
), released AS (
    UPDATE deliveries d SET state = 'due', attempts = 0, next_attempt_at = now(), wanted_at = now()
    FROM chosen WHERE d.person_id = chosen.person_id AND d.destination = chosen.destination AND d.state = 'quarantined'
    RETURNING 1
)
SELECT count(*) FROM released
"""


def replay_events(
    connection: Connection,
    *,
    quarantine_ids: Iterable[UUID] | None = None,
    misread: bool = True,
    **wanted: str | None,
) -> int:
    """Send open quarantined things on their way again; gives how many. Without filters: all of them. Two statements.

    Events run through the present mapping from their stored body, records that could not be read from their source are
    read again, unless a human said what is in them; deliveries are due now. `misread` False leaves out
    what intake could not read as it was meant (`count_misread`). `wanted`: filters by reason, source, destination,
    stage and field.
    """
    conditions, values = _filters(**wanted)
    conditions.append("resolution = 'open'")
    if not misread:
        conditions.append(f"stage <> '{Stage.INTAKE}'")
    if quarantine_ids is not None:
        conditions.append("quarantine_id = ANY(%(ids)s::uuid[])")
        values["ids"] = arrays.uuids(quarantine_ids)
    replayed = 0
    for statement in (_REPLAY_EVENTS, _REPLAY_DELIVERIES):
        replayed += connection.exec_driver_sql(statement.format(where=_where(conditions)), values).scalar_one()
    return replayed


def count_misread(connection: Connection, **wanted: str | None) -> dict[str, int]:
    """Open rows that intake itself quarantined, by code: their cells may stand in the wrong columns."""
    conditions, values = _filters(**wanted)
    conditions += ["resolution = 'open'", f"stage = '{Stage.INTAKE}'"]
    rows = connection.exec_driver_sql(
        f"SELECT code, count(*) FROM quarantine {_where(conditions)} GROUP BY code ORDER BY code",  # noqa: S608 - put together from constants
        values,
    )
    return dict(map(tuple, rows))


def discard(connection: Connection, quarantine_id: UUID, why: str) -> bool:
    """Close an open row for good; False if there is none. The event stays counted as quarantined."""
    return _resolve(connection, quarantine_id, "discarded", why)


def set_patch(connection: Connection, quarantine_id: UUID, fields: Mapping[str, Any]) -> bool:
    """Keep values a human gave for an open row's event, sealed; they override the mapping's at each later replay.

    Values set earlier for the same row stay unless named again. False if there is no such open row of an event.
    """
    row = connection.exec_driver_sql(
        "SELECT patch FROM quarantine WHERE quarantine_id = %s AND resolution = 'open' AND event_id IS NOT NULL"
        " FOR UPDATE",
        (quarantine_id,),
    ).first()
    if row is None:
        return False
    merged = {**(_open_patch(row[0], quarantine_id) if row[0] is not None else {}), **fields}
    sealed = cipher().seal(msgspec.json.encode(merged), context=_context(quarantine_id))
    connection.exec_driver_sql("UPDATE quarantine SET patch = %s WHERE quarantine_id = %s", (sealed, quarantine_id))
    return True


def read_patches(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Values humans gave for events, whichever row they were given at; later ones win. One statement."""
    patches: dict[UUID, dict[str, Any]] = {}
    if not event_ids:
        return patches
    rows = connection.exec_driver_sql(
        "SELECT event_id, quarantine_id, patch FROM quarantine WHERE event_id = ANY(%s::uuid[]) AND patch IS NOT NULL"
        " ORDER BY created_at, quarantine_id",
        (arrays.uuids(event_ids),),
    )
    for event_id, quarantine_id, sealed in rows:
        patches.setdefault(event_id, {}).update(_open_patch(sealed, quarantine_id))
    return patches


_FILTERED = {"reason": "code"}  # columns that are asked for by another name
_COLUMNS = ", ".join(name if name != "has_patch" else "patch IS NOT NULL" for name in Quarantined.__struct_fields__)


def _park(connection: Connection, statement: str, parked: Sequence[Parked], claim_id: UUID | None) -> set[UUID]:
    if not parked:
        return set()
    by_event = {lead.event_id: lead for lead in parked}
    ids = sorted(by_event)
    rows = [by_event[event_id] for event_id in ids]
    return set(
        connection.exec_driver_sql(
            statement,
            {
                "claim": claim_id,
                "quarantine_ids": arrays.uuids(new_id() for _ in rows),
                "ids": arrays.uuids(ids),
                "stages": arrays.texts(row.stage for row in rows),
                "codes": arrays.texts(row.code for row in rows),
                "fields": arrays.texts(row.field for row in rows),
                "messages": arrays.texts(row.message for row in rows),
            },
        ).scalars()
    )


def _resolve(connection: Connection, quarantine_id: UUID, resolution: str, why: str) -> bool:
    return bool(
        connection.exec_driver_sql(
            "UPDATE quarantine SET resolution = %s, resolved_at = now(), why = %s"
            " WHERE quarantine_id = %s AND resolution = 'open'",
            (resolution, arrays.clean(why), quarantine_id),
        ).rowcount
    )


def _filters(**wanted: str | None) -> tuple[list[str], dict[str, Any]]:
    """Conditions and values of those filters that are given: reason, source, destination, stage, field."""
    conditions = [f"{_FILTERED.get(name, name)} = %({name})s" for name, value in wanted.items() if value]
    if wanted.get("destination"):  # of an account all its objects
        conditions.remove("destination = %(destination)s")
        conditions.append("%(destination)s IN (destination, split_part(destination, '/', 1))")
    return conditions, dict(wanted)


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _open_patch(sealed: bytes, quarantine_id: UUID) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(cipher().open(sealed, context=_context(quarantine_id)))
    return fields


def _context(quarantine_id: UUID) -> bytes:
    return b"quarantine:" + quarantine_id.bytes
