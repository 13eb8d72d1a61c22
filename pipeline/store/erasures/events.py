"""Events of somebody who is nobody's any more: they stay, as the balance counts them, and say nothing.

Whoever holds the claim of one finds it taken away: every end is fenced by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_envelope, open_fetched
from pipeline.store import arrays
from pipeline.store.erasures.bodies import take_out_of_requests
from pipeline.store.events.request_bodies import read_requests

_FORGET = """
WITH dropped AS (
    DELETE FROM event_bodies WHERE event_id = ANY(%(ids)s::uuid[])
), unwanted AS (
    DELETE FROM fetches WHERE event_id = ANY(%(ids)s::uuid[])
)
UPDATE events SET state = 'suppressed', reason = 'erased', stage = NULL, claim = NULL, lease_until = NULL,
    settled_at = coalesce(settled_at, now()), external_id = NULL, person_id = NULL, channel = NULL, contact = NULL
WHERE event_id = ANY(%(ids)s::uuid[])
"""
# Keys are digests of what a source calls a record, which may be an address: anybody could test guesses against them.
_FORGET_KEYS = """
WITH of_first AS (
    UPDATE event_keys SET digest = sha256(gen_random_uuid()::text::bytea), content = NULL
    WHERE event_id = ANY(%(ids)s::uuid[]) OR event_id = ANY(ARRAY(
        SELECT record_id FROM event_revisions WHERE event_id = ANY(%(ids)s::uuid[])))
)
UPDATE event_revisions SET digest = sha256(gen_random_uuid()::text::bytea),
    content = sha256(gen_random_uuid()::text::bytea)
WHERE event_id = ANY(%(ids)s::uuid[])
"""


def forget_events(connection: Connection, event_ids: Collection[UUID], *, with_keys: bool = True) -> int:
    """Make these events suppressed ones of nobody, without bodies; gives how many there are. `with_keys`: the same
    record is a new one when it comes again. Three statements, more where they are parts of larger bodies."""
    if not event_ids:
        return 0
    ids = {"ids": arrays.uuids(sorted(event_ids))}
    take_out_of_requests(connection, event_ids)
    if with_keys:
        connection.exec_driver_sql(_FORGET_KEYS, ids)
    return connection.exec_driver_sql(_FORGET, ids).rowcount


class UnfiledEvent(NamedTuple):
    """An event that ended without evidence of who it is of, with all that came of it as bytes."""

    event_id: UUID
    source: str
    contents: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"<UnfiledEvent {self.event_id}>"


_UNFILED = """
SELECT e.event_id, e.source, b.sealed, b.request_id, b.fetched FROM events e
JOIN event_bodies b ON b.event_id = e.event_id
WHERE e.event_id > %(after)s AND e.brand = %(brand)s AND e.state IN ('quarantined', 'suppressed', 'fetching')
    AND NOT EXISTS (SELECT FROM evidence_events x WHERE x.event_id = e.event_id)
ORDER BY e.event_id LIMIT %(limit)s
"""


def next_unfiled(connection: Connection, brand: str, after: UUID, limit: int) -> list[UnfiledEvent]:
    """The next events of a brand that wait or ended without evidence, bodies opened, by id: their own, and the larger
    ones that they are parts of. Two statements."""
    rows = connection.exec_driver_sql(_UNFILED, {"after": after, "brand": brand, "limit": limit}).all()
    requests = read_requests(connection, (row[3] for row in rows))
    found = []
    for event_id, source, sealed, request_id, fetched in rows:
        contents = [open_envelope(bytes(sealed), event_id).body]
        if fetched is not None:
            contents.append(open_fetched(bytes(fetched), event_id).body)
        request = requests.get(request_id) if request_id is not None else None
        if request is not None:
            contents.append(request.envelope.body)
        found.append(UnfiledEvent(event_id, source, tuple(contents)))
    return found


def brands_of_events(connection: Connection) -> Iterator[str]:
    """All brands that anything ever came in for. One statement."""
    yield from connection.exec_driver_sql("SELECT DISTINCT brand FROM event_keys").scalars()
