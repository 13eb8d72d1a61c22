"""What waits or ended without anybody knowing whose it is: events without evidence, activities that hang on nobody.

Of a body of several records each event has its own part alone: what stands in the others is others'.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Connection

from connectors.kit.errors import RecordError
from connectors.kit.sources.parts import take_apart
from connectors.kit.sources.records import UnreadableBody, read_document
from pipeline.crypto.encryption import open_envelope, open_fetched
from pipeline.records import OpenedRequest
from pipeline.store import arrays
from pipeline.store.events.quarantine import read_patches
from pipeline.store.events.request_bodies import read_requests


class UnfiledEvent(NamedTuple):
    """An event that waits or ended without evidence of who it is of, with all that there is of it as bytes: its record,
    what was read from its source, what a human set for it, and the id that its source gave, which may be an address."""

    event_id: UUID
    source: str
    received_at: datetime
    contents: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"<UnfiledEvent {self.event_id}>"


_COLUMNS = "e.event_id, e.source, e.received_at, e.external_id, b.sealed, b.request_id, b.fetched"
_TABLES = "events e LEFT JOIN event_bodies b ON b.event_id = e.event_id"
_IS_UNFILED = """e.brand = %(brand)s AND e.state IN ('quarantined', 'suppressed', 'fetching')
    AND (b.event_id IS NOT NULL OR e.external_id IS NOT NULL)
    AND NOT EXISTS (SELECT FROM evidence_events x WHERE x.event_id = e.event_id)"""
_NEXT = f"""
SELECT {_COLUMNS} FROM {_TABLES}
WHERE e.event_id > %(after)s AND {_IS_UNFILED} ORDER BY e.event_id LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
_QUARANTINED = f"""
SELECT {_COLUMNS} FROM {_TABLES}
WHERE {_IS_UNFILED} AND e.event_id = ANY(ARRAY(
    SELECT event_id FROM quarantine WHERE event_id > %(after)s AND event_id <= %(last)s AND created_at >= %(since)s))
ORDER BY e.event_id LIMIT %(limit)s
"""  # noqa: S608 - put together from constants


_LEFT = f"""
SELECT EXISTS (
    SELECT FROM {_TABLES} WHERE e.event_id > %(events)s AND e.event_id <= %(until)s AND {_IS_UNFILED}
) OR EXISTS (
    SELECT FROM activities WHERE event_id > %(activities)s AND event_id <= %(until)s AND brand = %(brand)s
        AND evidence_id IS NULL AND sealed_evidence IS NOT NULL
)
"""  # noqa: S608 - put together from constants


def next_unfiled(connection: Connection, brand: str, after: UUID, limit: int) -> list[UnfiledEvent]:
    """The next events of a brand that wait or ended without evidence, bodies opened, by id. Three statements."""
    return _opened(connection, _NEXT, {"after": after, "brand": brand, "limit": limit})


def next_quarantined(
    connection: Connection, brand: str, after: UUID, limit: int, *, last: UUID, since: datetime
) -> list[UnfiledEvent]:
    """As `next_unfiled`, of those up to `last` that were set aside since a moment, however long ago they came."""
    values = {"after": after, "brand": brand, "limit": limit, "last": last, "since": since}
    return _opened(connection, _QUARANTINED, values)


def is_any_left(connection: Connection, brand: str, *, events_after: UUID, activities_after: UUID, until: UUID) -> bool:
    """Whether there is any event that `next_unfiled` would give, or activity that `next_unattached` would, up to an id.
    One statement."""
    values = {"brand": brand, "events": events_after, "activities": activities_after, "until": until}
    return bool(connection.exec_driver_sql(_LEFT, values).scalar())


def _opened(connection: Connection, statement: str, values: dict[str, Any]) -> list[UnfiledEvent]:
    rows = connection.exec_driver_sql(statement, values).all()
    requests = read_requests(connection, (row[5] for row in rows))
    patches = read_patches(connection, [row[0] for row in rows])
    found = []
    for event_id, source, received_at, external_id, sealed, request_id, fetched in rows:
        contents = [text.encode() for text in (external_id,) if text is not None]
        if sealed is not None:
            envelope = open_envelope(bytes(sealed), event_id)
            contents.append(envelope.body)
            request = requests.get(request_id) if request_id is not None else None
            if request is not None:
                contents.append(_own_part(request, str(envelope.origin.get("place", ""))))
        if fetched is not None:
            contents.append(open_fetched(bytes(fetched), event_id).body)
        if event_id in patches:
            contents.append(orjson.dumps(patches[event_id], default=str))
        found.append(UnfiledEvent(event_id, source, received_at, tuple(contents)))
    return found


def _own_part(request: OpenedRequest, place: str) -> bytes:
    """The record at this place; nothing where it was taken out. Of a body that nobody can take apart any more, all of
    it: no part of it is of use to anybody then."""
    whole = request.envelope
    if request.parts is None:
        try:
            document = read_document(whole.body, whole.content_type, json_fields=whole.origin.get("json_fields", ()))
            parts = take_apart(document, whole.origin.get("records_at"))
        except UnreadableBody:
            return whole.body
        except RecordError:
            parts = []  # the list of records is gone: the last of them was taken out
        request.parts = {part.place: part for part in parts}
    part = request.parts.get(place)
    return b"" if part is None or part.value is None else orjson.dumps(part.value, default=str)


class UnattachedActivity(NamedTuple):
    """What is told of somebody whom nobody has found: it waits, with keys or without, or ended."""

    event_id: UUID
    brand: str
    sealed_evidence: bytes

    def __repr__(self) -> str:
        return f"<UnattachedActivity of event {self.event_id}>"


_ACTIVITIES = """
SELECT event_id, brand, sealed_evidence FROM activities
WHERE brand = %s AND event_id > %s AND evidence_id IS NULL AND sealed_evidence IS NOT NULL ORDER BY event_id LIMIT %s
"""


def next_unattached(connection: Connection, brand: str, after: UUID, limit: int) -> list[UnattachedActivity]:
    """The next activities of a brand that hang on nobody, whatever their state is, by id. One statement."""
    rows = connection.exec_driver_sql(_ACTIVITIES, (brand, after, limit))
    return [UnattachedActivity(event_id, of_brand, bytes(sealed)) for event_id, of_brand, sealed in rows]


def activities_with_keys(connection: Connection, keys: Collection[int]) -> list[UnattachedActivity]:
    """Those that wait for somebody with one of these keys. One statement, none without keys."""
    if not keys:
        return []
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT a.event_id, a.brand, a.sealed_evidence FROM activity_keys k JOIN activities a USING (event_id)"
        " WHERE k.key = ANY(%s::bigint[]) AND a.sealed_evidence IS NOT NULL",
        (arrays.numbers(sorted(keys)),),
    )
    return [UnattachedActivity(event_id, brand, bytes(sealed)) for event_id, brand, sealed in rows]
