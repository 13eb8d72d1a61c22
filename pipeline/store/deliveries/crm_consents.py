"""What people took back in a CRM: how far each of its objects was read, and what each record said then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

_OVERLAP = "10 minutes"  # a change may be committed later than the moment it is said to be of


class Reading(NamedTuple):
    """A reading of an object that is under way. `since`: from which change on; None: from the first. `cursor`: of its
    next page; None: the first one. `failures` in a row before it. `began_at` tells this reading from others."""

    since: datetime | None
    cursor: str | None
    failures: int
    began_at: datetime


# What was read by other settings begins anew: a field that was not looked at may have been set long ago.
_BEGIN = f"""
INSERT INTO crm_consent_reads AS known (destination, object, settings_digest, began_at, next_run_at)
VALUES (%(destination)s, %(object)s, %(digest)s, now(), now() + make_interval(secs => %(hold)s))
ON CONFLICT (destination, object) DO UPDATE SET
    settings_digest = excluded.settings_digest,
    watermark = CASE WHEN known.settings_digest = excluded.settings_digest THEN known.watermark END,
    cursor = CASE WHEN known.settings_digest = excluded.settings_digest THEN known.cursor END,
    latest = CASE WHEN known.settings_digest = excluded.settings_digest AND known.cursor IS NOT NULL
        THEN known.latest END,
    began_at = CASE WHEN known.settings_digest = excluded.settings_digest AND known.cursor IS NOT NULL
        THEN known.began_at ELSE now() END,
    next_run_at = excluded.next_run_at
WHERE known.next_run_at <= now() OR known.settings_digest <> excluded.settings_digest
RETURNING watermark - interval '{_OVERLAP}', cursor, failures, began_at
"""  # noqa: S608 - put together from constants


def begin_reading(
    connection: Connection, destination: str, object_name: str, *, settings_digest: str, hold_seconds: float
) -> Reading | None:
    """Begin to read an object, or go on where a reading was stopped; None: it is not due, or somebody is at it, who has
    `hold_seconds` for each page. One statement."""
    row = connection.exec_driver_sql(
        _BEGIN,
        {"destination": destination, "object": object_name, "digest": settings_digest, "hold": hold_seconds},
    ).first()
    return None if row is None else Reading(*row)


def note_page(
    connection: Connection,
    destination: str,
    object_name: str,
    *,
    begun: Reading,
    cursor: str | None,
    latest: datetime | None,
    hold_seconds: float,
) -> bool:
    """A page was read, that at the cursor of `begun`: the next one begins at `cursor`. Call it in the transaction that
    keeps what it said. False: somebody read it meanwhile, or reads anew, as this process stood still for longer than
    its hold; then nothing of the page is to be kept. One statement."""
    return (
        connection.exec_driver_sql(
            "UPDATE crm_consent_reads SET cursor = %(cursor)s, latest = greatest(latest, %(latest)s), read_at = now(),"
            " next_run_at = now() + make_interval(secs => %(hold)s), last_error = NULL, failures = 0"
            " WHERE (destination, object, began_at) = (%(destination)s, %(object)s, %(began_at)s)"
            " AND cursor IS NOT DISTINCT FROM %(former)s",
            {
                "cursor": cursor,
                "latest": latest,
                "hold": hold_seconds,
                "destination": destination,
                "object": object_name,
                "began_at": begun.began_at,
                "former": begun.cursor,
            },
        ).rowcount
        == 1
    )


def end_reading(
    connection: Connection, destination: str, object_name: str, *, begun: Reading, next_run_in_seconds: float
) -> None:
    """The last page was read. What was changed while it was read is read again: by the CRM's clock where that is
    behind ours. One statement."""
    connection.exec_driver_sql(
        "UPDATE crm_consent_reads SET watermark = coalesce(greatest(watermark, least(latest, began_at)), watermark),"
        " cursor = NULL, latest = NULL, next_run_at = now() + make_interval(secs => %s)"
        " WHERE (destination, object, began_at) = (%s, %s, %s) AND cursor IS NULL",
        (next_run_in_seconds, destination, object_name, begun.began_at),
    )


def pause_reading(connection: Connection, destination: str, object_name: str, *, begun: Reading) -> None:
    """There are further pages, for whoever comes next. One statement."""
    connection.exec_driver_sql(
        "UPDATE crm_consent_reads SET next_run_at = now() WHERE (destination, object, began_at) = (%s, %s, %s)",
        (destination, object_name, begun.began_at),
    )


def put_off(
    connection: Connection,
    destination: str,
    object_name: str,
    *,
    error: str,
    failures: int,
    next_run_in_seconds: float,
) -> None:
    """Nothing more is read for now; the cursor stays. `error` holds no value of anybody. One statement."""
    connection.exec_driver_sql(
        "UPDATE crm_consent_reads SET last_error = %s, failures = %s, next_run_at = now() + make_interval(secs => %s)"
        " WHERE (destination, object) = (%s, %s)",
        (arrays.clean(error), failures, next_run_in_seconds, destination, object_name),
    )


class ReadState(msgspec.Struct, frozen=True):
    """How the reading of an object goes. `silent_seconds`: since its last page, or since it was to be read first."""

    destination: str
    object: str
    is_due: bool
    silent_seconds: float
    last_error: str | None


def read_states(connection: Connection) -> dict[tuple[str, str], ReadState]:
    """By destination and object. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT destination, object, next_run_at <= now(),"
        " extract(epoch FROM now() - coalesce(read_at, created_at))::float8, last_error FROM crm_consent_reads"
    )
    return {(row[0], row[1]): ReadState(*row) for row in rows}


class Said(NamedTuple):
    """What a field of a record says of a question."""

    crm_id: str
    field: str
    purpose: str
    channel: str


class Noted(NamedTuple):
    """What is kept of it. `state` None: it says nothing any more."""

    said: Said
    state: str | None
    changed_at: datetime
    person_id: UUID | None = None
    event_id: UUID | None = None


def read_noted(connection: Connection, destination: str, object_name: str, crm_ids: Collection[str]) -> dict[Said, str]:
    """What these records said when they were read last. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT crm_id, field, purpose, channel, state FROM crm_consents"
        " WHERE destination = %s AND object = %s AND crm_id = ANY(%s::text[])",
        (destination, object_name, arrays.texts(sorted(set(crm_ids)))),
    )
    return {Said(*row[:4]): row[4] for row in rows}


_NOTE = """
INSERT INTO crm_consents AS known
    (destination, object, crm_id, field, purpose, channel, state, changed_at, person_id, event_id)
SELECT %(destination)s, %(object)s, noted.*
FROM unnest(%(crm_ids)s::text[], %(fields)s::text[], %(purposes)s::text[], %(channels)s::text[], %(states)s::text[],
    %(moments)s::timestamptz[], %(people)s::uuid[], %(events)s::uuid[])
    AS noted (crm_id, field, purpose, channel, state, changed_at, person_id, event_id)
ON CONFLICT (destination, object, crm_id, field, purpose, channel) DO UPDATE SET
    state = excluded.state, changed_at = excluded.changed_at, person_id = excluded.person_id,
    event_id = excluded.event_id
"""
_FORGET = """
DELETE FROM crm_consents known USING unnest(%(crm_ids)s::text[], %(fields)s::text[], %(purposes)s::text[],
    %(channels)s::text[]) AS gone (crm_id, field, purpose, channel)
WHERE (known.destination, known.object) = (%(destination)s, %(object)s)
    AND (known.crm_id, known.field, known.purpose, known.channel)
        = (gone.crm_id, gone.field, gone.purpose, gone.channel)
"""


def note_said(connection: Connection, destination: str, object_name: str, noted: Sequence[Noted]) -> None:
    """Keep what these fields say by now. One statement for those that say something, one for those that do not."""
    named = {"destination": destination, "object": object_name}
    kept = [note for note in noted if note.state is not None]
    if kept:
        more = {
            "states": arrays.texts(note.state for note in kept),
            "moments": arrays.moments(note.changed_at for note in kept),
            "people": arrays.uuids(note.person_id for note in kept),
            "events": arrays.uuids(note.event_id for note in kept),
        }
        connection.exec_driver_sql(_NOTE, {**named, **_columns(kept), **more})
    gone = [note for note in noted if note.state is None]
    if gone:
        connection.exec_driver_sql(_FORGET, {**named, **_columns(gone)})


def _columns(noted: Sequence[Noted]) -> Mapping[str, str]:
    return {
        "crm_ids": arrays.texts(note.said.crm_id for note in noted),
        "fields": arrays.texts(note.said.field for note in noted),
        "purposes": arrays.texts(note.said.purpose for note in noted),
        "channels": arrays.texts(note.said.channel for note in noted),
    }


class Overwritten(NamedTuple):
    """A field of a CRM's record that we wrote, and what it says now; None: nothing."""

    crm_id: str
    field: str
    state: str | None


_OVERWRITE = """
DELETE FROM crm_consents known
USING unnest(%(crm_ids)s::text[], %(fields)s::text[], %(states)s::text[]) AS written (crm_id, field, state)
WHERE known.destination = %(destination)s AND (known.crm_id, known.field) = (written.crm_id, written.field)
    AND known.state IS DISTINCT FROM written.state
"""


def forget_overwritten(connection: Connection, destination: str, written: Sequence[Overwritten]) -> None:
    """Forget what these fields said before, where they say otherwise by now: should they say that again, somebody set
    them again since. One statement, none without any."""
    if written:
        connection.exec_driver_sql(
            _OVERWRITE,
            {
                "destination": destination,
                "crm_ids": arrays.texts(field.crm_id for field in written),
                "fields": arrays.texts(field.field for field in written),
                "states": arrays.texts(field.state for field in written),
            },
        )


class Owner(NamedTuple):
    """Who somebody is by now, and of which brand."""

    person_id: UUID
    brand: str


class Owners(NamedTuple):
    """Of ids in a CRM's records: whose they are, and which are those of people who were erased."""

    known: dict[UUID, Owner]
    erased: set[UUID]


# An erasure that waits for its approval, or was refused, erased nobody.
_OWNERS = """
SELECT person_id, coalesce(merged_into, person_id), brand FROM people WHERE person_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT consent_id, owner_id, brand FROM person_consents WHERE consent_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT s.subject_id, NULL, s.brand FROM privacy_subjects s JOIN privacy_requests q USING (request_id)
WHERE s.subject_id = ANY(%(ids)s::uuid[]) AND s.kind = 'person' AND q.kind = 'erase'
    AND q.state NOT IN ('awaiting_approval', 'refused')
"""


def read_owners(connection: Connection, ids: Collection[UUID]) -> Owners:
    """Of those that are people of ours, merged or not, or their consents, or that were people of ours. One statement,
    none without ids."""
    if not ids:
        return Owners({}, set())
    rows = connection.exec_driver_sql(_OWNERS, {"ids": arrays.uuids(sorted(ids))}).all()
    known = {person_id: Owner(owner_id, brand) for person_id, owner_id, brand in rows if owner_id is not None}
    return Owners(known, {row[0] for row in rows} - set(known))
