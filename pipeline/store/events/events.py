"""Events: stored once, claimed with a lease, settled by whoever still holds the claim.

Everything works on whole batches. Each statement names its events as one constant array of ids, even where it joins
them: so the planner leaves out every monthly partition that cannot hold them, and looks the rest up by index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_envelope, open_fetched
from pipeline.records import Claim, Lead, NewEvent, OpenedRequest, RawEvent, Receipt, Suppressed, new_id
from pipeline.store import arrays
from pipeline.store.events import revisions
from pipeline.store.events.leases import (
    count_in_flight_batches,
    oldest_pending,
    quarantine_lost,
    release_claim,
    sweep_leases,
)
from pipeline.store.events.reasons import stored_reason
from pipeline.store.events.request_bodies import NO_LIMIT, insert_requests, read_requests
from pipeline.store.events.revisions import IdempotencyKey, KeyGroup
from pipeline.store.fetches.fetches import want_fetches

__all__ = [
    "claim_events",
    "count_in_flight_batches",
    "insert_events",
    "oldest_pending",
    "quarantine_lost",
    "read_claimed",
    "read_events",
    "release_claim",
    "settle_events",
    "suppress_events",
    "sweep_leases",
]

_STORE_KEYS = """
INSERT INTO event_keys AS known (brand, source, digest, event_id, repeats, content)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::uuid[], %s::int[], %s::bytea[])
ON CONFLICT (digest, source, brand)
DO UPDATE SET repeats = known.repeats + CASE WHEN excluded.content IS NULL OR excluded.content = known.content
    THEN excluded.repeats + 1 ELSE 0 END, last_seen_at = now()
RETURNING brand, source, digest, event_id, xmax = 0, content, revisions
"""
_STORE_EVENTS = """
WITH new (event_id, brand, source, lane, external_id, occurred_at, unproven, sealed, request_id, revised_at, contact,
    record_id, adds, revises, to_fetch) AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bool[],
        %s::text[], %s::uuid[], %s::timestamptz[], %s::bytea[], %s::uuid[], %s::bool[], %s::uuid[], %s::bool[])
), stored AS (
    INSERT INTO events (event_id, brand, source, lane, external_id, occurred_at, unproven, revised_at, contact,
        record_id, adds, revises, state)
    SELECT event_id, brand, source, lane, external_id, occurred_at, unproven, revised_at, contact, record_id, adds,
        revises, CASE WHEN to_fetch THEN 'fetching' ELSE 'pending' END
    FROM new
)
INSERT INTO event_bodies (event_id, sealed, request_id)
SELECT event_id, decode(sealed, 'base64'), request_id FROM new
"""
_DIGEST = itemgetter(2)  # keys are random: in the order of the index, locks are taken in one order by everybody


def insert_events(
    connection: Connection, new: Sequence[NewEvent], *, reread: revisions.Reread | None = None
) -> list[Receipt]:
    """Store events with their bodies; one receipt each, in the order given.

    An idempotency key seen before (in the table or earlier in `new`) with the same content stores nothing, counts a
    repeat and answers with the id of the event that said it. Other content under a key is a revision: an event of its
    own. Two statements, three where a new event is a record of a larger body, one more where one is an id whose record
    is to be read, and four to six more where there are revisions; keys are taken in one order, so concurrent calls
    cannot deadlock. `reread` tells what stored events say by the mapping of now (`revisions.Reread`): without it,
    contents of an earlier mapping are taken for other ones.
    """
    groups: dict[IdempotencyKey, KeyGroup] = {}
    for event in new:
        groups.setdefault(_key_of(event), KeyGroup(event.event_id)).add(event)
    if not groups:
        return []
    doubtful: dict[IdempotencyKey, KeyGroup] = {}
    fresh: list[NewEvent] = []
    for brand, source, digest, event_id, is_new, content, count in _store_keys(connection, groups):
        key = (brand, source, bytes(digest))
        group = groups[key]
        group.meet(event_id, None if content is None else bytes(content), count, is_new=is_new)
        if is_new:
            fresh.append(group.first)
        if group.is_doubtful:
            doubtful[key] = group
    if doubtful:
        fresh += revisions.tell_apart(connection, doubtful, reread)
    placed = {event.event_id: event for event in fresh}
    if fresh:
        _store_events(connection, sorted(fresh, key=lambda event: event.event_id), doubtful)
        revisions.mark_records(connection, [group.record_id for group in doubtful.values() if group.revisions])
    receipts = []
    for event in new:
        stored_as, revises = groups[_key_of(event)].place_of(event)
        is_first = placed.pop(event.event_id, None) is event
        receipts.append(Receipt(stored_as, not is_first, revises if is_first else None))
    return receipts


def _key_of(event: NewEvent) -> IdempotencyKey:
    return event.brand, event.source, event.digest


def _store_keys(connection: Connection, groups: Mapping[IdempotencyKey, KeyGroup]) -> Iterable[Any]:
    """Rows (brand, source, digest, event id, whether the key is new, content, number of revisions)."""
    keys = sorted(groups, key=_DIGEST)
    return connection.exec_driver_sql(
        _STORE_KEYS,
        (
            arrays.texts(brand for brand, _, _ in keys),
            arrays.texts(source for _, source, _ in keys),
            arrays.blobs(digest for _, _, digest in keys),
            arrays.uuids(groups[key].first.event_id for key in keys),
            arrays.numbers(groups[key].repeats_of_first for key in keys),
            arrays.blobs(groups[key].first.content for key in keys),
        ),
    )


def _store_events(
    connection: Connection, fresh: Sequence[NewEvent], revised: Mapping[IdempotencyKey, KeyGroup]
) -> None:
    groups = [revised.get(_key_of(event)) for event in fresh] if revised else [None] * len(fresh)
    connection.exec_driver_sql(
        _STORE_EVENTS,
        (
            arrays.uuids(event.event_id for event in fresh),
            arrays.texts(event.brand for event in fresh),
            arrays.texts(event.source for event in fresh),
            arrays.texts(event.lane for event in fresh),
            arrays.texts(event.external_id for event in fresh),
            arrays.filled(arrays.moments, [event.occurred_at for event in fresh]),
            arrays.booleans(event.unproven for event in fresh),
            arrays.sealed(event.sealed for event in fresh),
            arrays.filled(
                arrays.uuids, [None if event.request is None else event.request.request_id for event in fresh]
            ),
            arrays.filled(arrays.moments, [event.revised_at for event in fresh]),
            arrays.filled(arrays.blobs, [event.contact for event in fresh]),
            arrays.filled(arrays.uuids, [group.record_id if group and group.revisions else None for group in groups]),
            arrays.booleans(event.adds for event in fresh),
            arrays.filled(
                arrays.uuids,
                [group.place_of(event)[1] if group else None for event, group in zip(fresh, groups, strict=True)],
            ),
            arrays.booleans(event.to_fetch for event in fresh),
        ),
    )
    insert_requests(connection, fresh)
    want_fetches(connection, [event for event in fresh if event.to_fetch])


# Lost events first, of one former claim and half of it: so a batch that kills its worker is bisected. Of fresh ones
# those that nobody proved have a share, and what the proven ones leave: so a flood of them holds up nobody else.
_CHOOSE = """
WITH former AS MATERIALIZED (
    SELECT claim, batch_size FROM events WHERE state = 'pending' AND losses > 0 AND lane = %(lane)s
    ORDER BY claim, event_id LIMIT 1 FOR UPDATE SKIP LOCKED
), lost AS MATERIALIZED (
    SELECT event_id FROM events
    WHERE state = 'pending' AND losses > 0 AND lane = %(lane)s AND claim = (SELECT claim FROM former)
    ORDER BY event_id LIMIT (SELECT greatest(1, least(%(limit)s, (batch_size + 1) / 2)) FROM former)
    FOR UPDATE SKIP LOCKED
), shared AS MATERIALIZED (
    SELECT event_id FROM events
    WHERE state = 'pending' AND losses = 0 AND lane = %(lane)s AND unproven AND NOT EXISTS (SELECT FROM lost)
    ORDER BY event_id LIMIT greatest(1, %(limit)s / 4) FOR UPDATE SKIP LOCKED
), proven AS MATERIALIZED (
    SELECT event_id FROM events
    WHERE state = 'pending' AND losses = 0 AND lane = %(lane)s AND NOT unproven AND NOT EXISTS (SELECT FROM lost)
    ORDER BY event_id LIMIT (SELECT %(limit)s - count(*) FROM shared) FOR UPDATE SKIP LOCKED
), unproven AS MATERIALIZED (
    SELECT event_id FROM events
    WHERE state = 'pending' AND losses = 0 AND lane = %(lane)s AND unproven AND NOT EXISTS (SELECT FROM lost)
        AND event_id > (SELECT event_id FROM shared ORDER BY event_id DESC LIMIT 1)
    ORDER BY event_id LIMIT (SELECT %(limit)s - count(*) FROM (TABLE shared UNION ALL TABLE proven) AS taken)
    FOR UPDATE SKIP LOCKED
)
TABLE lost UNION ALL TABLE shared UNION ALL TABLE proven UNION ALL TABLE unproven
"""
_CLAIM = """
UPDATE events SET state = 'in_flight', claim = %(claim)s, lease_until = now() + make_interval(secs => %(seconds)s),
    attempts = least(attempts + 1, 32767), batch_size = %(size)s
WHERE event_id = ANY(%(ids)s::uuid[])
"""


def claim_events(connection: Connection, lane: str, *, limit: int, lease_seconds: float) -> Claim | None:
    """Lease up to `limit` due events of a lane, oldest first; None if there are none. Two statements.

    Events whose worker was lost come first, alone and halved: half of their former batch, or the one more that is left.
    """
    ids = list(connection.exec_driver_sql(_CHOOSE, {"lane": lane, "limit": limit}).scalars())
    if not ids:
        return None
    claim = Claim(new_id(), lane, ids)
    connection.exec_driver_sql(
        _CLAIM, {"claim": claim.claim_id, "seconds": lease_seconds, "size": len(ids), "ids": arrays.uuids(ids)}
    )
    return claim


_RAW = """
SELECT e.event_id, e.brand, e.source, e.lane, e.received_at, e.occurred_at, b.sealed, EXISTS (
    SELECT 1 FROM quarantine q WHERE q.event_id = e.event_id AND q.code = 'released') AS is_released, e.record_id,
    e.adds, b.request_id, b.fetched
FROM events e JOIN event_bodies b ON b.event_id = e.event_id AND b.event_id = ANY(%(ids)s::uuid[])
WHERE e.event_id = ANY(%(ids)s::uuid[])
"""
_HELD = " AND e.claim = %(claim)s AND e.state = 'in_flight'"


# Sizes are known without reading the bodies themselves: those beyond the limit never leave the server.
_BOUNDED = f"""
SELECT event_id, brand, source, lane, received_at, occurred_at, sealed, is_released, record_id, adds, request_id,
    fetched
FROM (SELECT raw.*, sum(octet_length(sealed) + coalesce(octet_length(fetched), 0))
          OVER (ORDER BY event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM ({_RAW + _HELD}) AS raw) AS measured
WHERE coalesce(before, 0) < %(bytes)s ORDER BY event_id
"""  # noqa: S608 - put together from constants


def read_claimed(connection: Connection, claim: Claim, *, max_bytes: int = 16_777_216) -> list[RawEvent]:
    """The events that this claim still holds, bodies opened, by id: as many as `max_bytes` of bodies, one at least.

    One statement, two where some are records of larger bodies. Raises ConfigurationError if a key is missing.
    """
    rows = connection.exec_driver_sql(
        _BOUNDED, {"claim": claim.claim_id, "ids": arrays.uuids(claim.event_ids), "bytes": max_bytes}
    )
    return _raw_events(connection, list(rows), max_bytes)


def read_events(
    connection: Connection, event_ids: Sequence[UUID], *, with_requests: bool = True, with_superseded: bool = True
) -> list[RawEvent]:
    """Events in whatever state, bodies opened, by id; those that do not exist are left out. Statements as above.

    `with_requests` False: who wants no bodies is spared the larger ones that some are records of. `with_superseded`
    False leaves out those that a revision took the place of.
    """
    if not event_ids:
        return []
    statement = _RAW + (" ORDER BY" if with_superseded else " AND e.superseded_by IS NULL ORDER BY") + " e.event_id"
    rows = connection.exec_driver_sql(statement, {"ids": arrays.uuids(event_ids)})
    if not with_requests:
        return [_raw_event(row, None) for row in rows]
    return _raw_events(connection, list(rows))


_SETTLE = """
UPDATE events e SET state = 'settled', stage = NULL, lease_until = NULL, settled_at = now(),
    person_id = done.person_id, channel = done.channel, mapping_version = done.mapping_version,
    occurred_at = done.occurred_at
FROM unnest(%(ids)s::uuid[], %(people)s::uuid[], %(channels)s::text[], %(versions)s::text[], %(moments)s::timestamptz[],
    %(records)s::uuid[]) AS done (event_id, person_id, channel, mapping_version, occurred_at, record_id)
WHERE e.event_id = done.event_id AND e.event_id = ANY(%(ids)s::uuid[])
    AND e.claim = %(claim)s AND e.state = 'in_flight'
    AND e.record_id IS NOT DISTINCT FROM done.record_id AND e.superseded_by IS NULL
RETURNING e.event_id
"""
_SUPPRESS = """
UPDATE events e SET state = 'suppressed', stage = NULL, lease_until = NULL, settled_at = now(), reason = done.reason
FROM unnest(%(ids)s::uuid[], %(reasons)s::text[]) AS done (event_id, reason)
WHERE e.event_id = done.event_id AND e.event_id = ANY(%(ids)s::uuid[])
    AND e.claim = %(claim)s AND e.state = 'in_flight'
RETURNING e.event_id
"""


def settle_events(connection: Connection, claim_id: UUID, leads: Sequence[Lead]) -> set[UUID]:
    """End the events of `leads`; gives those really settled: still in flight under this claim, and of a record that has
    no revision which the lead knows nothing of. One statement."""
    if not leads:
        return set()
    return set(
        connection.exec_driver_sql(
            _SETTLE,
            {
                "claim": claim_id,
                "people": arrays.uuids(lead.person_id for lead in leads),
                "channels": arrays.texts(lead.channel for lead in leads),
                "versions": arrays.texts(lead.mapping_version for lead in leads),
                "moments": arrays.moments(lead.occurred_at for lead in leads),
                "records": arrays.uuids(lead.record_id for lead in leads),
                "ids": arrays.uuids(lead.event_id for lead in leads),
            },
        ).scalars()
    )


def suppress_events(connection: Connection, claim_id: UUID, suppressed: Sequence[Suppressed]) -> set[UUID]:
    """End events that must not go on, with their reason; fenced as `settle_events`. One statement."""
    if not suppressed:
        return set()
    return set(
        connection.exec_driver_sql(
            _SUPPRESS,
            {
                "claim": claim_id,
                "reasons": arrays.texts(stored_reason(event.reason) for event in suppressed),
                "ids": arrays.uuids(event.event_id for event in suppressed),
            },
        ).scalars()
    )


def _raw_events(connection: Connection, rows: Sequence[Sequence[Any]], max_bytes: int = NO_LIMIT) -> list[RawEvent]:
    """Events of which `_RAW` gives the columns, without those whose larger body is beyond `max_bytes`."""
    requests = read_requests(connection, (row[-2] for row in rows), max_bytes=max_bytes)
    beyond = {request_id for request_id, request in requests.items() if request is None}
    return [_raw_event(row, requests.get(row[-2])) for row in rows if row[-2] not in beyond]


def _raw_event(row: Sequence[Any], request: OpenedRequest | None) -> RawEvent:
    event_id, brand, source, lane, received_at, occurred_at, sealed, is_released, record_id, adds, _, fetched = row
    return RawEvent(
        event_id,
        brand,
        source,
        lane,
        received_at,
        occurred_at,
        open_envelope(sealed, event_id),
        is_released,
        request,
        record_id,
        adds,
        None if fetched is None else open_fetched(fetched, event_id),
    )
