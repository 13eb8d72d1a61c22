"""Whom a breach concerns: people by the source that brought them, by the key that their data is sealed with, or by who
looked at them. All counts are of one transaction, over a list that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_profile
from pipeline.store import schema

_PEOPLE_AT_ONCE = 500
_START, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_LIST = "CREATE TEMPORARY TABLE exposed (event_id uuid, person_id uuid) ON COMMIT DROP"
_BY_SOURCE = """
INSERT INTO exposed SELECT event_id, person_id FROM events
WHERE source = %(source)s AND event_id >= %(first)s AND event_id < %(last)s
"""
_BY_KEY = """
INSERT INTO exposed
SELECT e.event_id, e.person_id FROM event_bodies b JOIN events e USING (event_id)
    LEFT JOIN request_bodies r ON r.request_id = b.request_id
WHERE e.event_id >= %(first)s AND e.event_id < %(last)s AND %(key)s IN (
    substring(b.sealed FROM 1 FOR 4), substring(b.fetched FROM 1 FOR 4), substring(r.sealed FROM 1 FOR 4))
UNION
SELECT NULL::uuid, person_id FROM people
WHERE merged_into IS NULL AND updated_at >= %(since)s AND created_at < %(until)s
    AND substring(profile FROM 1 FOR 4) = %(key)s
"""
# Who looked at somebody, or changed something of theirs, as the audit log says.
_BY_READER = """
INSERT INTO exposed SELECT NULL, p.person_id FROM audit_log a JOIN people p ON p.person_id::text = a.object_id
WHERE a.actor_id = %(reader)s AND a.at >= %(since)s AND a.at < %(until)s
"""
_OWNERS = "SELECT DISTINCT coalesce(p.merged_into, p.person_id) FROM exposed x JOIN people p USING (person_id)"


_OF_OWNERS = f"person_id IN ({_OWNERS})"
_OF_EVENTS = "event_id IN (SELECT event_id FROM exposed WHERE event_id IS NOT NULL)"
_PEOPLE = f"SELECT brand, count(*) FROM people WHERE {_OF_OWNERS} GROUP BY 1"  # noqa: S608 - put together from constants
_KEPT = f"""
SELECT 'requests as they came', count(*) FROM event_bodies WHERE {_OF_EVENTS}
UNION ALL SELECT 'visits', count(*) FROM touches WHERE {_OF_OWNERS}
UNION ALL SELECT 'consents', count(*) FROM consents WHERE {_OF_OWNERS}
UNION ALL SELECT 'records in ' || split_part(destination, '/', 1), count(*) FROM deliveries
WHERE {_OF_OWNERS} AND external_id IS NOT NULL GROUP BY 1
"""  # noqa: S608 - put together from constants
_KEYS = f"""
SELECT encode(substring(sealed FROM 1 FOR 4), 'hex'), count(*) FROM (
    SELECT profile AS sealed FROM people WHERE {_OF_OWNERS}
    UNION ALL SELECT sealed FROM event_bodies WHERE {_OF_EVENTS}
) AS found GROUP BY 1
"""  # noqa: S608 - put together from constants
_PROFILES = f"""
SELECT person_id, profile FROM people WHERE {_OF_OWNERS} AND person_id > %s ORDER BY person_id LIMIT %s
"""  # noqa: S608 - put together from constants


class Window(NamedTuple):
    """From `since` to before `until`; None: without an end."""

    since: datetime | None = None
    until: datetime | None = None


def list_exposed(connection: Connection, kind: str, value: str | bytes, window: Window) -> None:
    """Make the list that the other functions read, for this transaction. `kind`: source, key (4 bytes) or reader."""
    since, until = window.since or _START, window.until or _END
    statement = {"source": _BY_SOURCE, "key": _BY_KEY, "reader": _BY_READER}[kind]
    connection.exec_driver_sql(_LIST)
    values: dict[str, Any] = {kind: value, "since": since, "until": until}
    values |= {"first": schema.month_bound(since), "last": schema.month_bound(until)}
    connection.exec_driver_sql(statement, values)
    connection.exec_driver_sql("ANALYZE exposed")


def count_people(connection: Connection) -> dict[str, int]:
    """By brand."""
    return _counts(connection, _PEOPLE)


def count_leads(connection: Connection) -> tuple[int, int]:
    """How many leads, and how many of them are nobody's (yet)."""
    leads, of_nobody = connection.exec_driver_sql(
        "SELECT count(*), count(*) FILTER (WHERE person_id IS NULL) FROM exposed WHERE event_id IS NOT NULL"
    ).one()
    return leads, of_nobody


def count_kept(connection: Connection) -> dict[str, int]:
    """What there is of them besides their fields: requests as they came, visits, consents, records in CRMs."""
    return _counts(connection, _KEPT)


def count_sealing_keys(connection: Connection) -> dict[str, int]:
    """By key id in hexadecimal: how many of their golden records and requests it seals."""
    return _counts(connection, _KEYS)


class Reader(NamedTuple):
    """Who did what with them, by the audit log."""

    actor_kind: str
    actor: str
    action: str
    times: int
    first_at: datetime
    last_at: datetime


def read_readers(connection: Connection, window: Window) -> list[Reader]:
    """Most first."""
    rows = connection.exec_driver_sql(
        "SELECT a.actor_kind, a.actor_name, a.action, count(*), min(a.at), max(a.at) FROM audit_log a"
        " WHERE a.at >= %(since)s AND a.at < %(until)s AND a.object_id IN ("
        " SELECT person_id::text FROM exposed WHERE person_id IS NOT NULL"
        " UNION SELECT event_id::text FROM exposed WHERE event_id IS NOT NULL)"
        " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
        {"since": window.since or _START, "until": window.until or _END},
    )
    return [Reader(*row) for row in rows]


def read_values(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Their golden values, opened. Raises ConfigurationError if a key is missing."""
    after = UUID(int=0)
    while True:
        rows = connection.exec_driver_sql(_PROFILES, (after, _PEOPLE_AT_ONCE)).all()
        for person_id, profile in rows:
            yield open_profile(profile, person_id).values()
        if not rows:
            return
        after = rows[-1][0]


def _counts(connection: Connection, statement: str) -> dict[str, int]:
    return {name: count for name, count in connection.exec_driver_sql(statement) if count}
