"""Bodies of several records: stored once, read once for all events of a call that point into them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_request
from pipeline.records import NewEvent, OpenedRequest
from pipeline.store import arrays

_STORE = """
INSERT INTO request_bodies (request_id, sealed)
SELECT request_id, decode(sealed, 'base64') FROM unnest(%s::uuid[], %s::text[]) AS new (request_id, sealed)
"""
# Sizes are known without reading the bodies themselves: those beyond the limit never leave the server.
_READ = """
SELECT request_id, CASE WHEN before < %(bytes)s THEN sealed END
FROM (SELECT request_id, sealed, sum(octet_length(sealed)) OVER (ORDER BY request_id ROWS UNBOUNDED PRECEDING)
          - octet_length(sealed) AS before
      FROM request_bodies WHERE request_id = ANY(%(ids)s::uuid[])) AS measured
"""
NO_LIMIT = 1 << 62


def insert_requests(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Store the bodies that these new events are records of, each once. One statement, none if there are none."""
    requests = {event.request.request_id: event.request for event in new if event.request is not None}
    if requests:
        ids = sorted(requests)
        connection.exec_driver_sql(
            _STORE, (arrays.uuids(ids), arrays.sealed(requests[request_id].sealed for request_id in ids))
        )


def read_requests(
    connection: Connection, request_ids: Iterable[UUID | None], *, max_bytes: int = NO_LIMIT
) -> dict[UUID, OpenedRequest | None]:
    """Bodies by id, opened: as many as `max_bytes` of them, one at least; None for the others. Gone ones are missing.

    One statement, none without ids.
    """
    ids = sorted({request_id for request_id in request_ids if request_id is not None})
    if not ids:
        return {}
    rows = connection.exec_driver_sql(_READ, {"ids": arrays.uuids(ids), "bytes": max_bytes})
    return {
        request_id: None if sealed is None else OpenedRequest(open_request(sealed, request_id))
        for request_id, sealed in rows
    }
