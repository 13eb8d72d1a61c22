"""What people ask of the store: exports in constant memory, everything about one id, and what is going on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTION_NAMES
from pipeline.crypto.encryption import open_profile
from pipeline.store.events.reasons import TOLD_REASON, told_reason

_FETCHED_ROWS = 500  # at once from the server's cursor

_EVENT_COLUMNS = (
    "event_id",
    "external_id",
    "source",
    "brand",
    "state",
    "person_id",
    "received_at",
    "occurred_at",
    "lane",
    "channel",
    TOLD_REASON,
    "mapping_version",
)
_DELIVERY_COLUMNS = (
    "destination",
    "person_id",
    "state",
    "wanted_version",
    "sent_version",
    "external_id",
    "attempts",
    "last_error",
)


def stream_events(
    connection: Connection,
    *,
    source: str | None = None,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Every accepted event in the order of its id, without its body: the columns of `leads export` that are stored.

    `since` and `until` (excluded) are about when it was received.
    """
    where, values = _where(source=source, brand=brand, **_period("received_at", since, until))
    yield from _stream(
        connection,
        f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events {where} ORDER BY event_id",  # noqa: S608 - put together from constants
        values,
    )


def _period(column: str, since: datetime | None, until: datetime | None) -> dict[str, datetime | None]:
    return {f"{column} >=": since, f"{column} <": until}


def _where(**wanted: Any) -> tuple[str, dict[str, Any]]:
    """WHERE of the conditions that have a value, `column` or `column operator`, and the values."""
    given = [(name, value) for name, value in wanted.items() if value is not None]
    conditions = [f"{name if ' ' in name else name + ' ='} %(value{place})s" for place, (name, _) in enumerate(given)]
    values = {f"value{place}": value for place, (_, value) in enumerate(given)}
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def newest_events(
    connection: Connection, *, limit: int, source: str | None = None, brand: str | None = None
) -> list[dict[str, Any]]:
    """The columns of `stream_events`, of the newest events. One statement."""
    where, values = _where(source=source, brand=brand)
    rows = connection.exec_driver_sql(
        f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events {where} ORDER BY event_id DESC LIMIT %(limit)s",  # noqa: S608 - put together from constants
        {**values, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def has_events_of(connection: Connection, brand: str) -> bool:
    """Whether any event was ever accepted for this brand. Reads all events if none was."""
    answer = connection.exec_driver_sql("SELECT EXISTS (SELECT FROM events WHERE brand = %s)", (brand,))
    return bool(answer.scalar_one())


def has_events_of_source(connection: Connection, source: str) -> bool:
    """Whether any event was ever accepted of this source. Looks at its idempotency keys, all of them if none was."""
    answer = connection.exec_driver_sql("SELECT EXISTS (SELECT FROM event_keys WHERE source = %s)", (source,))
    return bool(answer.scalar_one())


def has_deliveries_to(connection: Connection, destination: str) -> bool:
    """Whether anybody was ever to go to this destination. Reads all deliveries if nobody was."""
    answer = connection.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM deliveries WHERE split_part(destination, '/', 1) = %s)", (destination,)
    )
    return bool(answer.scalar_one())


def stream_people(
    connection: Connection,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Every person by id: `person_id`, `brand`, `version`, `values` (the golden fields) and the attribution columns.

    People who are one with another are left out: that one has all they had. `since` and `until` (excluded) are about
    the latest touch.
    """
    where, values = _where(brand=brand, **_period("latest_at", since, until))
    where = f"{where} AND merged_into IS NULL" if where else "WHERE merged_into IS NULL"
    columns = ", ".join(("person_id", "brand", "version", "profile", *ATTRIBUTION_NAMES))
    for row in _stream(connection, f"SELECT {columns} FROM people {where} ORDER BY person_id", values):  # noqa: S608 - put together from constants
        profile = open_profile(row.pop("profile"), row["person_id"])
        yield {**row, "values": profile.values()}


def stream_forwards(connection: Connection, *, brand: str | None = None) -> Iterator[dict[str, Any]]:
    """The ids that lead on to another person, by id: `person_id`, `brand` and `merged_into`."""
    where = "WHERE merged_into IS NOT NULL" + " AND brand = %(brand)s" * bool(brand)
    yield from _stream(
        connection,
        f"SELECT person_id, brand, merged_into FROM people {where} ORDER BY person_id",  # noqa: S608 - put together from constants
        {"brand": brand},
    )


def stream_deliveries(
    connection: Connection,
    *,
    destination: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Every delivery in the order of its person's id: the columns of `deliveries export`, and `next_attempt_at`.

    `since` and `until` (excluded) are about when it was last wanted.

    `merged_into`: the person is one with that other, and its CRM record is marked, or left as it was.
    """
    where, values = _where(**{"split_part(destination, '/', 1) =": destination}, **_period("wanted_at", since, until))
    yield from _stream(
        connection,
        f"SELECT d.{', d.'.join(_DELIVERY_COLUMNS)}, p.merged_into, d.next_attempt_at FROM deliveries d"  # noqa: S608 - put together from constants
        f" LEFT JOIN people p USING (person_id) {where} ORDER BY d.person_id, d.destination",
        values,
    )


def explain_event(connection: Connection, event_id: UUID) -> dict[str, Any] | None:
    """All that is known of an event, except its body (events.read_events); None if there is none.

    `event` (every column), `keys` (brand, source, digest in hexadecimal, repeats, last_seen_at, revisions),
    `revisions` (the events of its record, where it has several), `quarantine` and `touches`, `consents` of the event,
    and under `person` what `explain_person` gives, or None.
    """
    events = _rows(connection, "SELECT * FROM events WHERE event_id = %s", event_id)
    if not events:
        return None
    event = events[0] | {"reason": told_reason(events[0]["state"], events[0]["reason"])}
    person_id = event["person_id"] or _person_of(connection, event_id)
    return {
        "event": event,
        "keys": _rows(
            connection,
            "SELECT brand, source, encode(digest, 'hex') AS digest, repeats, last_seen_at, revisions FROM event_keys"
            " WHERE event_id = %s",
            event_id,
        ),
        "revisions": _rows(
            connection,
            "SELECT event_id, received_at, state, revises, superseded_by, adds FROM events WHERE record_id ="
            " (SELECT record_id FROM events WHERE event_id = %s) ORDER BY received_at, event_id LIMIT 50",
            event_id,
        ),
        "quarantine": _quarantine(connection, "event_id = %s", event_id),
        "touches": _rows(connection, "SELECT * FROM touches WHERE event_id = %s ORDER BY position", event_id),
        "consents": _rows(connection, "SELECT * FROM consents WHERE event_id = %s", event_id),
        "person": explain_person(connection, person_id) if person_id else None,
    }


# Of a person: their own record, that of their company, those of their touches and consents.
_OBJECTS = (
    "person_id = ANY(ARRAY(SELECT %s::uuid UNION SELECT company_id FROM person_companies WHERE person_id = %s"
    " UNION SELECT event_id FROM touches WHERE person_id = %s AND position = 0"
    " UNION SELECT consent_id FROM person_consents WHERE person_id = %s))"
)
_OBJECTS_TAKE = 4  # times its id


def explain_person(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """All that is known of a person; None if there is none.

    `person` (every column but the profile), `profile` (its opened Profile, with the origin of each field), `events`
    (by id), `history` (of who it is: its lines of `identity_log`), `touches`, `consents`, `deliveries`, `delivery_log`
    (one row per CRM answer) and `quarantine` of its deliveries: those of its own records, its company's, its
    touches' and its consents', whose id is `subject_id`.
    """
    people = _rows(connection, "SELECT * FROM people WHERE person_id = %s", person_id)
    if not people:
        return None
    person = people[0]
    profile = open_profile(person.pop("profile"), person_id)
    return {
        "person": person,
        "profile": profile,
        "events": _rows(
            connection,
            f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events"  # noqa: S608 - put together from constants
            " WHERE event_id = ANY(ARRAY(SELECT event_id FROM touches WHERE person_id = %s UNION SELECT x.event_id"
            " FROM evidence e JOIN evidence_events x USING (evidence_id) WHERE e.person_id = %s)) ORDER BY event_id",
            person_id,
            person_id,
        ),
        "history": _rows(connection, _HISTORY, person_id, person_id),
        "touches": _rows(
            connection, "SELECT * FROM touches WHERE person_id = %s ORDER BY occurred_at, event_id, position", person_id
        ),
        "consents": _rows(connection, "SELECT * FROM consents WHERE person_id = %s ORDER BY at, event_id", person_id),
        "deliveries": _rows(
            connection,
            f"SELECT *, person_id AS subject_id FROM deliveries WHERE {_OBJECTS} ORDER BY destination, person_id",  # noqa: S608 - put together from constants
            *[person_id] * _OBJECTS_TAKE,
        ),
        "delivery_log": _rows(
            connection,
            f"SELECT *, person_id AS subject_id FROM delivery_log WHERE {_OBJECTS} ORDER BY id",  # noqa: S608 - put together from constants
            *[person_id] * _OBJECTS_TAKE,
        ),
        "quarantine": _quarantine(connection, _OBJECTS, *[person_id] * _OBJECTS_TAKE),
    }


class EventStatus(msgspec.Struct, frozen=True):
    """Where an event is: its columns, its open quarantine row or None, the deliveries of its person."""

    event: dict[str, Any]
    quarantine: dict[str, Any] | None
    deliveries: list[dict[str, Any]]


def read_status(connection: Connection, event_id: UUID) -> EventStatus | None:
    """Where an event is, in ids and states only; None if there is no such event. At most three statements."""
    events = _rows(
        connection,
        f"SELECT event_id, external_id, brand, source, lane, state, {TOLD_REASON}, received_at, occurred_at,"  # noqa: S608 - as above
        " settled_at, person_id, channel FROM events WHERE event_id = %s",
        event_id,
    )
    if not events:
        return None
    waiting = _rows(
        connection,
        "SELECT quarantine_id, stage, code, field, message FROM quarantine WHERE event_id = %s AND resolution = 'open'",
        event_id,
    )
    person_id = events[0]["person_id"]
    deliveries = person_id and _rows(
        connection,
        "SELECT destination, state, wanted_version, sent_version, external_id, attempts, last_error, loaded_at"
        " FROM deliveries WHERE person_id = %s ORDER BY destination",
        person_id,
    )
    return EventStatus(events[0], waiting[0] if waiting else None, deliveries or [])


def evidence_of_event(connection: Connection, event_id: UUID) -> UUID | None:
    """The id of the evidence that an event left; None if it did not get so far."""
    evidence_id: UUID | None = connection.exec_driver_sql(
        "SELECT evidence_id FROM evidence_events WHERE event_id = %s", (event_id,)
    ).scalar()
    return evidence_id


def find_kind(connection: Connection, any_id: UUID) -> str | None:
    """Whether an id is that of an "event", a "person" or a "quarantine" row; None if of none."""
    for kind, table in (("event", "events"), ("person", "people"), ("quarantine", "quarantine")):
        column = f"{kind}_id"
        if connection.exec_driver_sql(f"SELECT 1 FROM {table} WHERE {column} = %s", (any_id,)).first():  # noqa: S608 - put together from constants
            return kind
    return None


_HISTORY = """
SELECT id, at, action, person_id, other_id, event_id, decided_by, details FROM identity_log
WHERE person_id = %s OR other_id = %s ORDER BY id
"""


def _person_of(connection: Connection, event_id: UUID) -> UUID | None:
    """The person of an event that has not settled yet, but has come far enough for its evidence to have one."""
    person_id: UUID | None = connection.exec_driver_sql(
        "SELECT v.person_id FROM evidence_events x JOIN evidence v USING (evidence_id) WHERE x.event_id = %s",
        (event_id,),
    ).scalar()
    return person_id


def _quarantine(connection: Connection, condition: str, *values: UUID) -> list[dict[str, Any]]:
    return _rows(
        connection,
        "SELECT quarantine_id, event_id, destination, person_id, stage, code, field, message, created_at, resolution,"  # noqa: S608 - put together from constants
        f" resolved_at, why, patch IS NOT NULL AS has_patch FROM quarantine WHERE {condition} ORDER BY created_at",
        *values,
    )


def _rows(connection: Connection, statement: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.exec_driver_sql(statement, values).mappings()]


def _stream(connection: Connection, statement: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # The options are of this statement, not of the connection: others on it go on as usual.
    result = connection.exec_driver_sql(
        statement, values, execution_options={"stream_results": True, "max_row_buffer": _FETCHED_ROWS}
    )
    with result:
        for row in result.mappings():
            yield dict(row)
