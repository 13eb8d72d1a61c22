"""Statements of consent whole, as they are kept: for whoever shows or exports them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import Consent
from pipeline.store import arrays
from pipeline.store.people.consents import IS_SUPERSEDED
from pipeline.store.people.withdrawn_points import OF_PEOPLE

_SAID = Consent.__struct_fields__
_NOT_KEPT = {"purpose": "purpose", "channel": "channel", "granted": "false", "at": "at", "act": "act"}
_KEPT = f"""
WITH withdrawn AS ({OF_PEOPLE.format(people="%(people)s::uuid[]")})
SELECT c.person_id, c.event_id, coalesce(v.received_at, c.created_at), {IS_SUPERSEDED},
    coalesce(e.evidence_id, a.event_id), coalesce(e.sealed, a.sealed_evidence), NULL::bigint, NULL::text,
    {", ".join(f"c.{name}" for name in _SAID)}
FROM consents c
LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
LEFT JOIN events v ON v.event_id = c.event_id LEFT JOIN activities a ON a.event_id = c.event_id
WHERE c.person_id = ANY(%(people)s::uuid[])
UNION ALL
SELECT person_id, event_id, created_at, false, evidence_id, sealed, key, brand,
    {", ".join(_NOT_KEPT.get(name, "NULL") for name in _SAID)}
FROM withdrawn w WHERE NOT EXISTS (
    SELECT FROM consents c WHERE (c.event_id, c.purpose, c.channel) = (w.event_id, w.purpose, w.channel)
        AND c.person_id = w.person_id)
ORDER BY person_id, at, event_id, purpose, channel
"""  # noqa: S608 - put together from constants


class KeptConsent(msgspec.Struct, frozen=True):
    """A statement of an event, with the sealed evidence of whose word it is; None where it left none. `key`: it is
    about an address or number of theirs, whoever said it, as `StoredConsent` has it."""

    person_id: UUID
    event_id: UUID
    received_at: datetime
    is_superseded: bool
    evidence_id: UUID | None
    sealed_evidence: bytes | None
    consent: Consent
    key: int | None = None
    brand: str | None = None

    def __repr__(self) -> str:
        return f"<KeptConsent of event {self.event_id}>"


def read_kept(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, list[KeptConsent]]:
    """All that these people's leads and statements said, and what others withdrew of their addresses, oldest first, of
    those who have any of it. One statement."""
    found: dict[UUID, list[KeptConsent]] = {}
    rows = connection.exec_driver_sql(_KEPT, {"people": arrays.uuids(sorted(person_ids))})
    for person_id, event_id, received_at, is_superseded, evidence_id, sealed, key, brand, *said in rows:
        opened = None if sealed is None else bytes(sealed)
        kept = KeptConsent(
            person_id, event_id, received_at, is_superseded, evidence_id, opened, Consent(*said), key, brand
        )
        found.setdefault(person_id, []).append(kept)
    return found


_ASKED = """
SELECT DISTINCT person_id FROM consents
WHERE person_id > %(after)s AND (%(brand)s::text IS NULL OR brand = %(brand)s) ORDER BY person_id LIMIT %(limit)s
"""


def stream_people_asked(connection: Connection, *, brand: str | None, page: int) -> Iterator[list[UUID]]:
    """Ids of all who said anything, in their order, `page` at a time. One statement for each page."""
    after = UUID(int=0)
    while True:
        values = {"after": after, "brand": brand, "limit": page}
        ids = list(connection.exec_driver_sql(_ASKED, values).scalars())
        if ids:
            yield ids
        if len(ids) < page:
            return
        after = ids[-1]


def read_owner(connection: Connection, person_id: UUID) -> tuple[UUID, str] | None:
    """Who somebody is by now, and of which brand; None: there is nobody of that id. One statement."""
    row = connection.exec_driver_sql(
        "SELECT coalesce(merged_into, person_id), brand FROM people WHERE person_id = %s", (person_id,)
    ).first()
    return None if row is None else (row[0], row[1])
