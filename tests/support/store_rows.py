"""Rows for the store's tests: events, leads, people and their way through the store, a line each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.crypto.encryption import seal_envelope
from pipeline.records import (
    Claim,
    Envelope,
    FieldValue,
    Lead,
    NewEvent,
    Person,
    Profile,
    RawEvent,
    Touch,
    new_id,
)
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from pipeline.store.events import events
from pipeline.store.identity.evidence_rows import NewEvidence
from pipeline.store.people import people

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def new_event(
    text: str = "", *, lane: str = "bulk", source: str = "web_form", event_id: UUID | None = None
) -> NewEvent:
    """An event whose idempotency key is made of `text`, or a key of its own if there is none."""
    event_id = event_id or new_id()
    digest = hashlib.sha256((text or event_id.hex).encode()).digest()
    envelope = Envelope("application/json", (text or "{}").encode(), {"user-agent": "tests"}, {"index": 0})
    return NewEvent("default", source, lane, digest, event_id, seal_envelope(envelope, event_id), text or None, NOON)


def store(count: int, *, lane: str = "bulk", source: str = "web_form") -> list[UUID]:
    """Store `count` fresh events; gives their ids in ascending order."""
    with transaction() as connection:
        receipts = events.insert_events(connection, [new_event(lane=lane, source=source) for _ in range(count)])
    return sorted(receipt.event_id for receipt in receipts)


def claim(lane: str = "bulk", *, limit: int = 500, lease_seconds: float = 60) -> Claim | None:
    with transaction() as connection:
        return events.claim_events(connection, lane, limit=limit, lease_seconds=lease_seconds)


def states() -> dict[str, int]:
    """How many events are in which state."""
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT state, count(*) FROM events GROUP BY state")
        return dict(map(tuple, rows))


def column(name: str, event_id: UUID) -> object:
    """One column of one event."""
    with transaction() as connection:
        return connection.exec_driver_sql(f"SELECT {name} FROM events WHERE event_id = %s", (event_id,)).scalar_one()


def read_cursor(connection: Connection, source: str) -> Row | None:
    """The cursor of a source of the default brand, with its columns as attributes; None if it was never polled."""
    return connection.exec_driver_sql(
        "SELECT * FROM cursors WHERE (brand, source, stream) = ('default', %s, '')", (source,)
    ).first()


def read_dropped_files(connection: Connection, source: str) -> list[Row]:
    """The files that a source of the default brand had, with their columns as attributes, the first one first."""
    rows = connection.exec_driver_sql(
        "SELECT * FROM dropped_files WHERE (brand, source) = ('default', %s) ORDER BY first_seen_at, content_id",
        (source,),
    )
    return list(rows)


def lead_of(event: RawEvent | UUID, person_id: UUID | None = None, **fields: object) -> Lead:
    event_id = event if isinstance(event, UUID) else event.event_id
    return Lead(
        event_id,
        "default",
        "web_form",
        "bulk",
        NOON,
        NOON,
        "web_form@1+0123abcd",
        dict(fields),
        person_id=person_id,
        channel="Direct",
    )


def evidence_of(*event_ids: UUID, birth_id: UUID | None = None, keys: Sequence[int] = ()) -> NewEvidence:
    """Evidence of its own, brought by these events."""
    return NewEvidence(new_id(), "default", birth_id or new_id(), b"", keys, event_ids)


def new_person(person_id: UUID | None = None, *, brand: str = "default", **fields: object) -> Person:
    event_id = new_id()
    profile = Profile({name: FieldValue(value, "web_form", event_id, NOON) for name, value in fields.items()})
    return Person(person_id or new_id(), brand, 1, profile, is_new=True)


def write_person(**fields: object) -> UUID:
    person = new_person(**fields)
    with transaction() as connection:
        people.write_people(connection, [person])
    return person.person_id


def bump(person_ids: Sequence[UUID]) -> None:
    """Give people a new version, as a changed profile does."""
    with transaction() as connection:
        known = people.read_people(connection, person_ids, lock=True)
        for person in known.values():
            person.version += 1
        people.write_people(connection, list(known.values()))


def want(person_ids: Sequence[UUID], *, destination: str = "crm", lane: str = "bulk") -> dict[tuple[str, str], int]:
    with transaction() as connection:
        return deliveries.want_deliveries(connection, [(destination, person_id, lane) for person_id in person_ids])


def touch_of(person_id: UUID, at: datetime, source: str, *, event_id: UUID | None = None, position: int = 0) -> Touch:
    event_id = event_id or new_id()
    names = (source, f"{source} channel", f"{source} campaign")
    return Touch(event_id, person_id, "default", at, *names, position=position)
