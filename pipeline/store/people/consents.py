"""Consents: what each lead said, kept as it came. What counts for a person of it all is decided in `privacy`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Lead
from pipeline.store import arrays


class StoredConsent(NamedTuple):
    """One answer, with the sealed evidence of the lead that gave it; both None where the event left no evidence."""

    purpose: str
    channel: str
    granted: bool | None
    at: datetime
    evidence_id: UUID | None
    sealed_evidence: bytes | None

    def __repr__(self) -> str:
        return f"<StoredConsent on {self.purpose} by {self.channel}>"


_ADD_CONSENTS = """
INSERT INTO consents (event_id, person_id, brand, purpose, channel, granted, at, source, policy_version)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::timestamptz[],
    %s::text[], %s::text[])
ON CONFLICT DO NOTHING
"""


def add_consents(connection: Connection, leads: Iterable[Lead]) -> None:
    """Store what leads with a person say about consent; `at` falls back to when the lead occurred. One statement.

    Append-only: what an event said of a purpose and channel is kept as first stored.
    """
    rows = [
        (lead, lead.person_id, consent)
        for lead in sorted(leads, key=lambda lead: lead.event_id)
        if lead.person_id is not None
        for consent in lead.consents
    ]
    if not rows:
        return
    connection.exec_driver_sql(
        _ADD_CONSENTS,
        (
            arrays.uuids(lead.event_id for lead, _, _ in rows),
            arrays.uuids(person_id for _, person_id, _ in rows),
            arrays.texts(lead.brand for lead, _, _ in rows),
            arrays.texts(consent.purpose for _, _, consent in rows),
            arrays.texts(consent.channel for _, _, consent in rows),
            arrays.booleans(consent.granted for _, _, consent in rows),
            arrays.moments(consent.at or lead.occurred_at for lead, _, consent in rows),
            arrays.texts(consent.source or lead.source for lead, _, consent in rows),
            arrays.texts(consent.policy_version for _, _, consent in rows),
        ),
    )


_OF_PERSON = """
SELECT c.purpose, c.channel, c.granted, c.at, e.evidence_id, e.sealed FROM consents c
LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
LEFT JOIN events v ON v.event_id = c.event_id
WHERE c.person_id = %s AND (v.superseded_by IS NULL OR c.granted IS FALSE) ORDER BY c.at, c.event_id
"""
_OF_PEOPLE = _OF_PERSON.replace("SELECT", "SELECT c.person_id,", 1).replace("= %s", "= ANY(%s::uuid[])")


def read_consents(connection: Connection, person_id: UUID) -> list[StoredConsent]:
    """All that a person's leads said of consent, oldest first. One statement.

    Of a record that says something else by now, refusals only: what it granted was for what it said then.
    """
    return [
        StoredConsent(purpose, channel, granted, at, evidence_id, None if sealed is None else bytes(sealed))
        for purpose, channel, granted, at, evidence_id, sealed in connection.exec_driver_sql(_OF_PERSON, (person_id,))
    ]


def read_consents_of(connection: Connection, person_ids: Sequence[UUID]) -> dict[UUID, list[StoredConsent]]:
    """`read_consents` of several people, of those who have any. One statement."""
    found: dict[UUID, list[StoredConsent]] = {}
    rows = connection.exec_driver_sql(_OF_PEOPLE, (arrays.uuids(person_ids),))
    for person_id, purpose, channel, granted, at, evidence_id, sealed in rows:
        opened = None if sealed is None else bytes(sealed)
        found.setdefault(person_id, []).append(StoredConsent(purpose, channel, granted, at, evidence_id, opened))
    return found
