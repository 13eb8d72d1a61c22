"""Events of somebody who is nobody's any more: they stay, as the balance counts them, and say nothing.

Whoever holds the claim of one finds it taken away: every end is fenced by it.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.erasures.bodies import IsTheirs, take_out_of_requests

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


def forget_events(
    connection: Connection,
    event_ids: Collection[UUID],
    *,
    with_keys: bool = True,
    is_theirs: IsTheirs | None = None,
) -> int:
    """Make these events suppressed ones of nobody, without bodies; gives how many there are. `with_keys`: the same
    record is a new one when it comes again. `is_theirs`: of what stands beside them in larger bodies. Three statements,
    more where they are parts of larger bodies."""
    if not event_ids:
        return 0
    ids = {"ids": arrays.uuids(sorted(event_ids))}
    take_out_of_requests(connection, event_ids, is_theirs)
    if with_keys:
        connection.exec_driver_sql(_FORGET_KEYS, ids)
    return connection.exec_driver_sql(_FORGET, ids).rowcount


def brands_of_people(connection: Connection) -> set[str]:
    """All brands that anybody is known in, or anything is set aside of, those too that the settings do not name any
    more. One statement over all people."""
    rows = connection.exec_driver_sql("SELECT DISTINCT brand FROM people UNION SELECT DISTINCT brand FROM quarantine")
    return set(rows.scalars())


def brands_of_events(connection: Connection, event_ids: Collection[UUID]) -> list[str]:
    """The brands that these events are of. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT brand FROM events WHERE event_id = ANY(%s::uuid[]) ORDER BY brand",
        (arrays.uuids(sorted(event_ids)),),
    )
    return list(rows.scalars())
