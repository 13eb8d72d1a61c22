"""Bodies of several records: one person's part taken out, the others' left where they are.

A body is written again with null in the place of what is to go, sealed for the same row, so the places of the others
stay as they are. One that holds nobody else any more goes as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson
from sqlalchemy import Connection

from connectors.kit.errors import RecordError
from connectors.kit.paths import leaves, parse_path, take_step
from connectors.kit.sources.parts import RecordsAt, take_apart
from connectors.kit.sources.records import UnreadableBody, read_document
from pipeline.crypto.encryption import open_envelope, open_request, seal_request
from pipeline.records import Envelope
from pipeline.store import arrays

IsTheirs = Callable[[str], bool]  # whether a text has an address of whoever is taken out
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


def take_out_of_requests(connection: Connection, event_ids: Collection[UUID], is_theirs: IsTheirs | None = None) -> int:
    """Take the records of these events out of the larger bodies that they are parts of, and what is `is_theirs` of what
    stands beside the records; gives how many bodies changed or went. Call it while the events have their bodies. One
    statement, two where there are any, two more for each."""
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
    _rewrite(connection, {request_id: places[request_id] for request_id in sorted(shared)}, is_theirs)
    return len(places)


def _around(request_ids: Collection[UUID]) -> tuple[UUID, UUID]:
    moments = [request_id.int >> 80 for request_id in request_ids]
    first, last = max(0, min(moments) - _NEAR_MILLISECONDS), max(moments) + _NEAR_MILLISECONDS
    return UUID(int=first << 80), UUID(int=(last + 1 << 80) - 1)


def _rewrite(connection: Connection, places: Mapping[UUID, Collection[str]], is_theirs: IsTheirs | None = None) -> None:
    for request_id, of_body in places.items():
        sealed = connection.exec_driver_sql(
            "SELECT sealed FROM request_bodies WHERE request_id = %s FOR UPDATE", (request_id,)
        ).scalar()
        if sealed is None:
            continue
        less = without_places(open_request(bytes(sealed), request_id), of_body, is_theirs)
        connection.exec_driver_sql(
            "UPDATE request_bodies SET sealed = %s WHERE request_id = %s", (seal_request(less, request_id), request_id)
        )


def without_places(envelope: Envelope, places: Collection[str], is_theirs: IsTheirs | None = None) -> Envelope:
    """The body with null at these places, and in place of what `is_theirs` outside of all records. It is JSON from then
    on, whatever it came as; one that cannot be read any more, which was read when it came, becomes an empty list:
    nobody's part can be told from another's."""
    try:
        document: Any = read_document(
            envelope.body, envelope.content_type, json_fields=envelope.origin.get("json_fields", ())
        )
    except UnreadableBody:
        document = []
    for place in places:
        document = _with(document, place, None)
    if is_theirs is not None:
        document = _without_theirs(document, envelope.origin.get("records_at"), is_theirs)
    body = orjson.dumps(document, default=lambda other: other.value if isinstance(other, _Record) else str(other))
    return msgspec.structs.replace(envelope, content_type=_JSON, body=body)


def _with(document: Any, place: str, value: Any) -> Any:
    """The document with this in place of what stood there; an empty list where that was all of it."""
    if not place:
        return []
    *way, last = parse_path(place)
    holder = document
    for step in way:
        holder = take_step(holder, step)
    if isinstance(holder, dict) and last in holder:
        holder[last] = value
    if isinstance(holder, list) and isinstance(last, int) and -len(holder) <= last < len(holder):
        holder[last] = value
    return document


class _Record(NamedTuple):
    """A record of somebody else, which stays as it is."""

    value: Any


def _without_theirs(document: Any, records_at: RecordsAt, is_theirs: IsTheirs) -> Any:
    """Beside the records may stand whom they are from: `contacts` of a message, a head with an address."""
    try:
        parts = take_apart(document, records_at)
    except RecordError:
        return document
    for part in parts:
        if part.place and part.value is not None:
            document = _with(document, part.place, _Record(part.value))
    return _cleaned(document, is_theirs)


def _cleaned(node: Any, is_theirs: IsTheirs) -> Any:
    """An entry of a list that names them goes as a whole, as long as no record is in it; else their address alone."""
    if isinstance(node, _Record) or node is None or isinstance(node, bool):
        return node
    if isinstance(node, dict):
        return {name: _cleaned(value, is_theirs) for name, value in node.items()}
    if isinstance(node, list):
        return [None if _names_them(entry, is_theirs) else _cleaned(entry, is_theirs) for entry in node]
    return None if is_theirs(str(node)) else node


def _names_them(entry: Any, is_theirs: IsTheirs) -> bool:
    values = list(leaves(entry)) if isinstance(entry, dict) else []
    if any(isinstance(value, _Record) for value in values):
        return False
    return any(is_theirs(str(value)) for value in values if value is not None and not isinstance(value, bool))
