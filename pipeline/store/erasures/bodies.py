"""Bodies of several records: one person's part taken out, the others' left where they are.

A body is written again with null in the place of what is to go, sealed for the same row, so the places of the others
stay as they are. One that holds nobody else any more goes as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec
import orjson
from sqlalchemy import Connection

from connectors.kit.paths import parse_path, take_step
from connectors.kit.sources.records import UnreadableBody, read_document
from pipeline.crypto.encryption import open_envelope, open_request, seal_request
from pipeline.records import Envelope
from pipeline.store import arrays

_JSON = "application/json"
_PLACES = """
SELECT b.event_id, b.request_id, b.sealed FROM event_bodies b
WHERE b.event_id = ANY(%s::uuid[]) AND b.request_id IS NOT NULL
"""
# A body and its records are stored at once and their ids carry the time, so the others have ids of about that time.
_OTHERS = """
SELECT DISTINCT request_id FROM event_bodies
WHERE event_id BETWEEN %s AND %s AND request_id = ANY(%s::uuid[]) AND event_id <> ALL(%s::uuid[])
"""
_NEAR_MILLISECONDS = 600_000


def take_out_of_requests(connection: Connection, event_ids: Collection[UUID]) -> int:
    """Take the records of these events out of the larger bodies that they are parts of; gives how many bodies changed
    or went. Call it while the events have their bodies. One statement, two where there are any, two more for each."""
    ids = arrays.uuids(sorted(event_ids))
    places: dict[UUID, list[str]] = {}
    for event_id, request_id, sealed in connection.exec_driver_sql(_PLACES, (ids,)):
        places.setdefault(request_id, []).append(str(open_envelope(sealed, event_id).origin.get("place", "")))
    if not places:
        return 0
    first, last = _around(places)
    others = connection.exec_driver_sql(_OTHERS, (first, last, arrays.uuids(sorted(places)), ids))
    shared = set(others.scalars())
    alone = arrays.uuids(sorted(places.keys() - shared))
    connection.exec_driver_sql("DELETE FROM request_bodies WHERE request_id = ANY(%s::uuid[])", (alone,))
    _rewrite(connection, {request_id: places[request_id] for request_id in sorted(shared)})
    return len(places)


def _around(request_ids: Collection[UUID]) -> tuple[UUID, UUID]:
    moments = [request_id.int >> 80 for request_id in request_ids]
    first, last = max(0, min(moments) - _NEAR_MILLISECONDS), max(moments) + _NEAR_MILLISECONDS
    return UUID(int=first << 80), UUID(int=(last + 1 << 80) - 1)


def _rewrite(connection: Connection, places: Mapping[UUID, Collection[str]]) -> None:
    for request_id, of_body in places.items():
        sealed = connection.exec_driver_sql(
            "SELECT sealed FROM request_bodies WHERE request_id = %s FOR UPDATE", (request_id,)
        ).scalar()
        if sealed is None:
            continue
        less = without_places(open_request(bytes(sealed), request_id), of_body)
        connection.exec_driver_sql(
            "UPDATE request_bodies SET sealed = %s WHERE request_id = %s", (seal_request(less, request_id), request_id)
        )


def without_places(envelope: Envelope, places: Collection[str]) -> Envelope:
    """The body with null at these places. It is JSON from then on, whatever it came as; one that cannot be read any
    more, which was read when it came, becomes an empty list: nobody's part can be told from another's."""
    try:
        document: Any = read_document(
            envelope.body, envelope.content_type, json_fields=envelope.origin.get("json_fields", ())
        )
    except UnreadableBody:
        document = []
    for place in places:
        document = _without(document, place)
    return msgspec.structs.replace(envelope, content_type=_JSON, body=orjson.dumps(document, default=str))


def _without(document: Any, place: str) -> Any:
    if not place:
        return []
    *way, last = parse_path(place)
    holder = document
    for step in way:
        holder = take_step(holder, step)
    if isinstance(holder, dict) and last in holder:
        holder[last] = None
    if isinstance(holder, list) and isinstance(last, int) and -len(holder) <= last < len(holder):
        holder[last] = None
    return document
