"""What a message's payload is made of, read at the moment of sending: leads, people and deliveries as they are now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.canonical import ATTRIBUTION_NAMES
from pipeline.crypto.encryption import open_profile
from pipeline.records.webhooks import WebhookMessage
from pipeline.store import arrays

_LEAD = ("event_id", "source", "state", "lane", "channel", "received_at", "occurred_at", "settled_at", "person_id")
_LEADS = f"SELECT {', '.join(_LEAD)} FROM events WHERE event_id = ANY(%s::uuid[])"  # noqa: S608 - put together from constants
_PERSON = ("person_id", "version", "merged_into", "profile", *ATTRIBUTION_NAMES)
_PEOPLE = f"""
SELECT {", ".join(_PERSON)}, person_id IN (SELECT r.person_id FROM people_restricted r) AS is_restricted
FROM people WHERE person_id = ANY(%s::uuid[])
"""  # noqa: S608 - put together from constants
_DELIVERY = ("person_id", "destination", "state", "sent_version", "external_id", "last_error")
_DELIVERIES = f"""
SELECT {", ".join(f"d.{name}" for name in _DELIVERY)}
FROM deliveries d JOIN unnest(%s::uuid[], %s::text[]) AS asked (person_id, destination) USING (person_id, destination)
"""  # noqa: S608 - put together from constants
_ANSWER = ("event_id", "person_id", "purpose", "channel", "granted", "at", "source", "policy_version")
_ANSWERS = f"""
SELECT {", ".join(_ANSWER)} FROM consents WHERE event_id = ANY(%s::uuid[]) AND granted IS NOT NULL
ORDER BY event_id, purpose, channel
"""  # noqa: S608 - put together from constants


class PersonNow(msgspec.Struct, frozen=True):
    """A person as stored now. `is_restricted`: their data is kept and not used."""

    person_id: UUID
    version: int
    merged_into: UUID | None
    sealed: bytes
    attribution: dict[str, Any]
    is_restricted: bool = False

    def __repr__(self) -> str:
        return "<PersonNow>"

    def open_values(self) -> dict[str, Any]:
        """Its golden values. Raises ConfigurationError or ValueError if they cannot be opened."""
        return open_profile(self.sealed, self.person_id).values()


class Contents(msgspec.Struct, frozen=True):
    """By id what messages are about; what is not there any more is left out."""

    leads: dict[UUID, dict[str, Any]]
    people: dict[UUID, PersonNow]
    deliveries: dict[tuple[UUID, str], dict[str, Any]]
    answers: dict[UUID, list[dict[str, Any]]]  # by event: what it said of consent

    def __repr__(self) -> str:
        return "<Contents>"


def read_contents(connection: Connection, messages: Collection[WebhookMessage]) -> Contents:
    """What these messages are about. At most four statements. A lead's person is the one that it is of now, and so is
    that of what it said of consent."""
    answers = _read_answers(connection, {message.event_id for message in messages if message.kind == "consent"})
    event_ids = {message.event_id for message in messages if message.event_id is not None and message.kind == "lead"}
    leads: dict[UUID, dict[str, Any]] = {}
    if event_ids:
        for row in connection.exec_driver_sql(_LEADS, (arrays.uuids(sorted(event_ids)),)).mappings():
            leads[row["event_id"]] = dict(row)
    person_ids = {message.person_id for message in messages if message.person_id is not None}
    person_ids |= {lead["person_id"] for lead in leads.values() if lead["person_id"] is not None}
    person_ids |= {said["person_id"] for event_answers in answers.values() for said in event_answers}
    people = _read_people(connection, person_ids)
    asked = sorted(
        (message.person_id, message.destination)
        for message in messages
        if message.destination is not None and message.person_id is not None
    )
    deliveries: dict[tuple[UUID, str], dict[str, Any]] = {}
    if asked:
        columns = (arrays.uuids(person_id for person_id, _ in asked), arrays.texts(name for _, name in asked))
        for row in connection.exec_driver_sql(_DELIVERIES, columns).mappings():
            deliveries[row["person_id"], row["destination"]] = dict(row)
    return Contents(leads, people, deliveries, answers)


def _read_answers(connection: Connection, event_ids: Collection[UUID | None]) -> dict[UUID, list[dict[str, Any]]]:
    answers: dict[UUID, list[dict[str, Any]]] = {}
    if event_ids:
        for row in connection.exec_driver_sql(_ANSWERS, (arrays.uuids(event_ids),)).mappings():
            answers.setdefault(row["event_id"], []).append(dict(row))
    return answers


def _read_people(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, PersonNow]:
    if not person_ids:
        return {}
    people = {}
    for person_id, version, merged_into, sealed, *attribution, is_restricted in connection.exec_driver_sql(
        _PEOPLE, (arrays.uuids(sorted(person_ids)),)
    ):
        facts = dict(zip(ATTRIBUTION_NAMES, attribution, strict=True))
        people[person_id] = PersonNow(person_id, version, merged_into, bytes(sealed), facts, is_restricted)
    return people
