"""Who lacks a delivery to a destination, and who was told by an older mapping: what a backfill looks through and wants.

A lead that settles wants a delivery at each destination of then. One that was named, or enabled again, later has none
for those who came before: `destinations_in_force` tells since when there must be one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.engine import transaction

# Of workers with the same settings only the first changes a row; of others the last one to begin is right.
_NOTE = """
WITH meant AS (SELECT * FROM unnest(%(brands)s::text[], %(destinations)s::text[]) AS meant (brand, destination)),
gone AS (
    DELETE FROM destinations_in_force f WHERE f.brand = %(brand)s AND NOT EXISTS (
        SELECT FROM meant WHERE meant.brand = f.brand AND meant.destination = f.destination
    )
)
INSERT INTO destinations_in_force (destination, brand) SELECT destination, brand FROM meant ORDER BY destination
ON CONFLICT DO NOTHING
"""


def note_in_force(connection: Connection, brand: str, destinations: Iterable[str]) -> None:
    """From now on whoever settles of this brand is wanted at these destinations, and at no others. One statement."""
    names = sorted(destinations)
    connection.exec_driver_sql(
        _NOTE,
        {"brand": brand, "brands": arrays.texts(brand for _ in names), "destinations": arrays.texts(names)},
    )


@cache
def ensure_in_force(brand: str, destinations: tuple[str, ...]) -> None:
    """Note it once in a process, whose settings do not change, in a transaction of its own."""
    with transaction() as connection:
        note_in_force(connection, brand, destinations)


# Settled leads whose person lacks a delivery that it is meant for; `is_fault`: it was in force when the lead settled.
_LACKING = """
SELECT meant.destination, e.settled_at >= f.since IS TRUE AS is_fault, count(*)
FROM events e JOIN unnest(%(brands)s::text[], %(destinations)s::text[]) AS meant (brand, destination)
    ON meant.brand = e.brand
LEFT JOIN destinations_in_force f ON f.brand = meant.brand AND f.destination = meant.destination
WHERE e.state = 'settled' AND NOT EXISTS (
    SELECT FROM deliveries d WHERE d.person_id = e.person_id AND d.destination = meant.destination
)
GROUP BY meant.destination, is_fault
"""


class Lacking(msgspec.Struct, frozen=True):
    """Settled leads whose person has no delivery, by destination. `missing`: they settled when it was in force, so one
    got lost. `not_wanted_yet`: they settled before, and a backfill wants them."""

    missing: dict[str, int] = {}
    not_wanted_yet: dict[str, int] = {}


def count_lacking(connection: Connection, meant: Collection[tuple[str, str]]) -> Lacking:
    """`meant`: (brand, destination). One statement over all settled leads, none if nobody is meant for anything."""
    lacking = Lacking({}, {})
    if meant:
        values = {
            "brands": arrays.texts(brand for brand, _ in meant),
            "destinations": arrays.texts(destination for _, destination in meant),
        }
        for destination, is_fault, count in connection.exec_driver_sql(_LACKING, values):
            (lacking.missing if is_fault else lacking.not_wanted_yet)[destination] = count
    return lacking


# Ids carry their time, so the first person tells whether anybody can have come before; looking at all is rare.
_BEFORE = """
SELECT meant.destination FROM unnest(%(brands)s::text[], %(destinations)s::text[]) AS meant (brand, destination)
LEFT JOIN destinations_in_force f ON f.brand = meant.brand AND f.destination = meant.destination
WHERE f.since IS NULL OR f.since > (SELECT created_at FROM people ORDER BY person_id LIMIT 1)
GROUP BY meant.destination
"""
_PEOPLE_LACKING = """
SELECT count(*) FROM (
    SELECT FROM people p JOIN unnest(%(brands)s::text[], %(destinations)s::text[]) AS meant (brand, destination)
        ON meant.brand = p.brand AND meant.destination = %(destination)s
    WHERE p.merged_into IS NULL AND p.touches > 0 AND NOT EXISTS (
        SELECT FROM deliveries d WHERE d.person_id = p.person_id AND d.destination = meant.destination
    )
    LIMIT %(most)s
) AS lacking
"""


def count_people_lacking(connection: Connection, meant: Collection[tuple[str, str]], *, most: int) -> dict[str, int]:
    """People without a delivery that they are meant for, up to `most`, by destination; without those at which there can
    be none. `meant`: (brand, destination). A statement, and one for each destination that was named later."""
    if not meant:
        return {}
    values = {
        "brands": arrays.texts(brand for brand, _ in meant),
        "destinations": arrays.texts(destination for _, destination in meant),
        "most": most,
    }
    found = {}
    for destination in connection.exec_driver_sql(_BEFORE, values).scalars().all():
        count = connection.exec_driver_sql(_PEOPLE_LACKING, {**values, "destination": destination}).scalar_one()
        if count:
            found[destination] = int(count)
    return found


class Candidate(msgspec.Struct, frozen=True):
    """A person as a destination has it. `lacks`: it has settled leads and no delivery there. The others are of what was
    last sent; None: nothing, or not known."""

    person_id: UUID
    lacks: bool
    state: str | None
    mapping_version: str | None
    content_id: UUID | None


# By evidence: the touch of a record with revisions is that of its first event, which need not be the one that settled.
_PAGE = """
SELECT p.person_id, d.person_id IS NULL AND EXISTS (
        SELECT FROM evidence v JOIN evidence_events x USING (evidence_id) JOIN events e ON e.event_id = x.event_id
        WHERE v.person_id = p.person_id AND e.state = 'settled'
    ), d.state, d.mapping_version, d.content_id
FROM people p LEFT JOIN deliveries d ON d.person_id = p.person_id AND d.destination = %(destination)s
WHERE p.person_id > %(after)s AND p.merged_into IS NULL AND p.brand = ANY(%(brands)s::text[])
    AND (%(since)s::timestamptz IS NULL OR p.latest_at >= %(since)s)
ORDER BY p.person_id LIMIT %(limit)s
"""


def next_candidates(
    connection: Connection,
    destination: str,
    brands: Sequence[str],
    *,
    after: UUID,
    limit: int,
    since: datetime | None = None,
) -> list[Candidate]:
    """The next people of these brands by id, with what the destination has of them. `since`: whose latest touch is not
    older. One statement."""
    rows = connection.exec_driver_sql(
        _PAGE,
        {
            "destination": destination,
            "after": after,
            "brands": arrays.texts(brands),
            "since": since,
            "limit": limit,
        },
    )
    return [Candidate(*row) for row in rows]


_AGAIN = """
UPDATE deliveries SET state = 'due', lane = 'bulk', attempts = 0, next_attempt_at = now(), wanted_at = now(),
    once_digest = CASE WHEN %(whole)s THEN NULL ELSE once_digest END, content_id = NULL
WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
    SELECT person_id FROM deliveries
    WHERE destination = %(destination)s AND person_id = ANY(%(people)s::uuid[]) AND state = 'sent'
    ORDER BY person_id FOR UPDATE
)) AND state = 'sent'
"""


def want_again(connection: Connection, destination: str, person_ids: Sequence[UUID], *, whole: bool = False) -> int:
    """Make deliveries due again that were sent; gives how many. `whole`: with the fields written once too. One
    statement."""
    if not person_ids:
        return 0
    values = {"destination": destination, "people": arrays.uuids(person_ids), "whole": whole}
    return connection.exec_driver_sql(_AGAIN, values).rowcount


_WAITING = """
SELECT destination FROM deliveries
WHERE split_part(destination, '/', 1) = %s AND state = 'due' AND next_attempt_at > now()
GROUP BY destination ORDER BY destination
"""
_NOW = """
UPDATE deliveries SET next_attempt_at = now()
WHERE destination = %(target)s AND state = 'due' AND person_id = ANY(ARRAY(
    SELECT person_id FROM deliveries WHERE destination = %(target)s AND state = 'due' AND next_attempt_at > now()
    ORDER BY person_id FOR UPDATE
))
"""


def waiting_targets(connection: Connection, destination: str) -> list[str]:
    """Of a destination and its objects those at which something waits for its next try. One statement."""
    return list(connection.exec_driver_sql(_WAITING, (destination,)).scalars())


def try_now(connection: Connection, target: str) -> int:
    """Let what waits for its next try at a target be tried now; gives how many. One statement, in a transaction of its
    own: who claims people wants their companies after them, so nobody may hold companies and wait for people."""
    return connection.exec_driver_sql(_NOW, {"target": target}).rowcount


_CONFIRM = """
UPDATE deliveries d SET mapping_version = %(mapping)s
WHERE destination = %(destination)s AND state = 'sent' AND mapping_version = ANY(%(former)s::text[])
    AND person_id = ANY(ARRAY(
        SELECT person_id FROM deliveries
        WHERE destination = %(destination)s AND person_id = ANY(%(people)s::uuid[]) AND state = 'sent'
        ORDER BY person_id FOR UPDATE
    ))
"""


def confirm_mapping(connection: Connection, destination: str, mapping_version: str, former: Mapping[UUID, str]) -> None:
    """Note that this mapping makes the same of these people as the `former` one they were sent by. One statement."""
    if former:
        connection.exec_driver_sql(
            _CONFIRM,
            {
                "destination": destination,
                "mapping": mapping_version,
                "people": arrays.uuids(former),
                "former": arrays.texts(sorted(set(former.values()))),
            },
        )


def forget_key(connection: Connection, destination: str) -> None:
    """What the destination knows its records by is as it is now, whatever they were made under. One statement."""
    connection.exec_driver_sql(
        "UPDATE deliveries SET sent_as = NULL WHERE destination = %s AND sent_as IS NOT NULL", (destination,)
    )


def count_waiting(connection: Connection) -> int:
    """Deliveries that are due or being made. One statement, over partial indexes."""
    return int(
        connection.exec_driver_sql("SELECT count(*) FROM deliveries WHERE state IN ('due', 'in_flight')").scalar_one()
    )


class DestinationCounts(msgspec.Struct, frozen=True):
    """Deliveries of a destination by state, and when one was last made."""

    states: dict[str, int]
    loaded_at: datetime | None


def count_by_destination(connection: Connection) -> dict[str, DestinationCounts]:
    """Of every destination that has deliveries. One statement over all of them."""
    found: dict[str, DestinationCounts] = {}
    rows = connection.exec_driver_sql(
        "SELECT destination, state, count(*), max(loaded_at) FROM deliveries GROUP BY destination, state"
    )
    for destination, state, count, loaded_at in rows:
        known = found.get(destination)
        moments = [moment for moment in (known and known.loaded_at, loaded_at) if moment]
        states = {**(known.states if known else {}), state: count}
        found[destination] = DestinationCounts(states, max(moments, default=None))
    return found
