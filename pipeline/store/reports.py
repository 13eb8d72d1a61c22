"""What people ask of the store: exports in constant memory, everything about one id, and what is going on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTION_NAMES
from pipeline.crypto.encryption import open_profile
from pipeline.store.events import leases
from pipeline.store.events.quarantine import count_quarantine

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
    "reason",
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
    connection: Connection, *, source: str | None = None, brand: str | None = None
) -> Iterator[dict[str, Any]]:
    """Every accepted event in the order of its id, without its body: the columns of `leads export` that are stored."""
    conditions = [text for value, text in ((source, "source = %(source)s"), (brand, "brand = %(brand)s")) if value]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    yield from _stream(
        connection,
        f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events {where} ORDER BY event_id",  # noqa: S608 - put together from constants
        {"source": source, "brand": brand},
    )


def has_events_of(connection: Connection, brand: str) -> bool:
    """Whether any event was ever accepted for this brand. Reads all events if none was."""
    found = connection.exec_driver_sql("SELECT EXISTS (SELECT FROM events WHERE brand = %s)", (brand,))
    return bool(found.scalar_one())


def stream_people(connection: Connection, *, brand: str | None = None) -> Iterator[dict[str, Any]]:
    """Every person by id: `person_id`, `brand`, `version`, `values` (the golden fields) and the attribution columns.

    People who are one with another are left out: that one has all they had.
    """
    where = "WHERE merged_into IS NULL" + " AND brand = %(brand)s" * bool(brand)
    columns = ", ".join(("person_id", "brand", "version", "profile", *ATTRIBUTION_NAMES))
    for row in _stream(connection, f"SELECT {columns} FROM people {where} ORDER BY person_id", {"brand": brand}):  # noqa: S608 - put together from constants
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


def stream_deliveries(connection: Connection, *, destination: str | None = None) -> Iterator[dict[str, Any]]:
    """Every delivery in the order of its person's id: the columns of `deliveries export`.

    `merged_into`: the person is one with that other, and its CRM record is marked, or left as it was.
    """
    where = "WHERE destination = %(destination)s" if destination else ""
    yield from _stream(
        connection,
        f"SELECT d.{', d.'.join(_DELIVERY_COLUMNS)}, p.merged_into FROM deliveries d"  # noqa: S608 - put together from constants
        f" LEFT JOIN people p USING (person_id) {where} ORDER BY d.person_id, d.destination",
        {"destination": destination},
    )


def explain_event(connection: Connection, event_id: UUID) -> dict[str, Any] | None:
    """All that is known of an event, except its body (events.read_events); None if there is none.

    `event` (every column), `keys` (brand, source, digest in hexadecimal, repeats, last_seen_at), `quarantine` and
    `touches`, `consents` of the event, and under `person` what `explain_person` gives, or None.
    """
    found = _rows(connection, "SELECT * FROM events WHERE event_id = %s", event_id)
    if not found:
        return None
    event = found[0]
    person_id = event["person_id"] or _person_of(connection, event_id)
    return {
        "event": event,
        "keys": _rows(
            connection,
            "SELECT brand, source, encode(digest, 'hex') AS digest, repeats, last_seen_at FROM event_keys"
            " WHERE event_id = %s",
            event_id,
        ),
        "quarantine": _quarantine(connection, "event_id = %s", event_id),
        "touches": _rows(connection, "SELECT * FROM touches WHERE event_id = %s ORDER BY position", event_id),
        "consents": _rows(connection, "SELECT * FROM consents WHERE event_id = %s", event_id),
        "person": explain_person(connection, person_id) if person_id else None,
    }


def explain_person(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """All that is known of a person; None if there is none.

    `person` (every column but the profile), `profile` (its opened Profile, with the origin of each field), `events`
    (by id), `history` (of who it is: its lines of `identity_log`), `touches`, `consents`, `deliveries`, `delivery_log`
    (one row per CRM answer) and `quarantine` of its deliveries.
    """
    found = _rows(connection, "SELECT * FROM people WHERE person_id = %s", person_id)
    if not found:
        return None
    person = found[0]
    profile = open_profile(person.pop("profile"), person_id)
    return {
        "person": person,
        "profile": profile,
        "events": _rows(
            connection,
            f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events"  # noqa: S608 - put together from constants
            " WHERE event_id = ANY(ARRAY(SELECT event_id FROM touches WHERE person_id = %s)) ORDER BY event_id",
            person_id,
        ),
        "history": _rows(connection, _HISTORY, person_id, person_id),
        "touches": _rows(
            connection, "SELECT * FROM touches WHERE person_id = %s ORDER BY occurred_at, event_id, position", person_id
        ),
        "consents": _rows(connection, "SELECT * FROM consents WHERE person_id = %s ORDER BY at, event_id", person_id),
        "deliveries": _rows(
            connection, "SELECT * FROM deliveries WHERE person_id = %s ORDER BY destination", person_id
        ),
        "delivery_log": _rows(connection, "SELECT * FROM delivery_log WHERE person_id = %s ORDER BY id", person_id),
        "quarantine": _quarantine(connection, "person_id = %s", person_id),
    }


def evidence_of_event(connection: Connection, event_id: UUID) -> UUID | None:
    """The id of the evidence that an event left; None if it did not get so far."""
    found: UUID | None = connection.exec_driver_sql(
        "SELECT evidence_id FROM evidence_events WHERE event_id = %s", (event_id,)
    ).scalar()
    return found


def find_kind(connection: Connection, any_id: UUID) -> str | None:
    """Whether an id is that of an "event", a "person" or a "quarantine" row; None if of none."""
    for kind, table in (("event", "events"), ("person", "people"), ("quarantine", "quarantine")):
        column = f"{kind}_id"
        if connection.exec_driver_sql(f"SELECT 1 FROM {table} WHERE {column} = %s", (any_id,)).first():  # noqa: S608 - put together from constants
            return kind
    return None


def status_counts(connection: Connection) -> dict[str, Any]:
    """What is going on, from partial indexes only, so that it may be asked every second.

    `pending` {lane: {count, oldest}}, `in_flight` {lane: events}, `deliveries` {destination: {lane: {due, waiting,
    in_flight, oldest}}} (`waiting`: due later), `quarantine` [{source, code, count}], `last_errors`
    {destination: {error, at}} and `cursors` [{brand, source, stream, last_run_at, next_run_at, last_error}].
    """
    pending = {
        lane: {"count": count, "oldest": oldest} for lane, (count, oldest) in leases.oldest_pending(connection).items()
    }
    in_flight = dict(
        tuple(row)
        for row in connection.exec_driver_sql(
            "SELECT lane, count(*) FROM events WHERE state = 'in_flight' AND lane IN ('hot', 'bulk') GROUP BY lane"
        )
    )
    return {
        "pending": pending,
        "in_flight": in_flight,
        "deliveries": _delivery_counts(connection),
        "quarantine": [
            {"source": source, "code": code, "count": count}
            for (source, code), count in sorted(count_quarantine(connection).items(), key=lambda item: -item[1])
        ],
        "last_errors": {
            row["destination"]: {"error": row["last_error"], "at": row["last_error_at"]}
            for row in _rows(connection, _LAST_ERRORS)
        },
        "cursors": _rows(
            connection,
            "SELECT brand, source, stream, last_run_at, next_run_at, last_error FROM cursors"
            " ORDER BY brand, source, stream",
        ),
    }


_HISTORY = """
SELECT id, at, action, person_id, other_id, event_id, decided_by, details FROM identity_log
WHERE person_id = %s OR other_id = %s ORDER BY id
"""
_LAST_ERRORS = """
SELECT DISTINCT ON (destination) destination, last_error, last_error_at FROM deliveries
WHERE last_error IS NOT NULL ORDER BY destination, last_error_at DESC
"""
_DELIVERIES = """
SELECT destination, lane, count(*) FILTER (WHERE next_attempt_at <= now()) AS due,
    count(*) FILTER (WHERE next_attempt_at > now()) AS waiting, 0 AS in_flight, min(wanted_at) AS oldest
FROM deliveries WHERE state = 'due' GROUP BY destination, lane
UNION ALL
SELECT destination, lane, 0, 0, count(*), NULL FROM deliveries WHERE state = 'in_flight' GROUP BY destination, lane
"""


def _delivery_counts(connection: Connection) -> dict[str, dict[str, dict[str, Any]]]:
    counts: dict[str, dict[str, dict[str, Any]]] = {}
    for row in _rows(connection, _DELIVERIES):
        of_lane = counts.setdefault(row["destination"], {}).setdefault(
            row["lane"], {"due": 0, "waiting": 0, "in_flight": 0, "oldest": None}
        )
        for name in ("due", "waiting", "in_flight"):
            of_lane[name] += row[name]
        of_lane["oldest"] = of_lane["oldest"] or row["oldest"]
    return counts


def _person_of(connection: Connection, event_id: UUID) -> UUID | None:
    """The person of an event that has not settled yet, but has come far enough to have left a touch."""
    found: UUID | None = connection.exec_driver_sql(
        "SELECT person_id FROM touches WHERE event_id = %s LIMIT 1", (event_id,)
    ).scalar()
    return found


def _quarantine(connection: Connection, condition: str, value: UUID) -> list[dict[str, Any]]:
    return _rows(
        connection,
        "SELECT quarantine_id, event_id, destination, person_id, stage, code, field, message, created_at, resolution,"  # noqa: S608 - put together from constants
        f" resolved_at, why, patch IS NOT NULL AS has_patch FROM quarantine WHERE {condition} ORDER BY created_at",
        value,
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
