"""Statements of consent whole, as they are kept: for whoever shows or exports them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import Consent
from pipeline.store import arrays

_SAID = Consent.__struct_fields__
_KEPT = f"""
SELECT c.person_id, c.event_id, coalesce(v.received_at, c.created_at), v.superseded_by IS NOT NULL,
    coalesce(e.evidence_id, a.event_id), coalesce(e.sealed, a.sealed_evidence),
    {", ".join(f"c.{name}" for name in _SAID)}
FROM consents c
LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
LEFT JOIN events v ON v.event_id = c.event_id LEFT JOIN activities a ON a.event_id = c.event_id
WHERE c.person_id = ANY(%s::uuid[]) ORDER BY c.person_id, c.at, c.event_id, c.purpose, c.channel
"""  # noqa: S608 - put together from constants


class KeptConsent(msgspec.Struct, frozen=True):
    """A statement of an event, with the sealed evidence of whose word it is; None where it left none."""

    person_id: UUID
    event_id: UUID
    received_at: datetime
    is_superseded: bool
    evidence_id: UUID | None
    sealed_evidence: bytes | None
    consent: Consent

    def __repr__(self) -> str:
        return f"<KeptConsent of event {self.event_id}>"


def read_kept(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, list[KeptConsent]]:
    """All that these people's leads and statements said, oldest first, of those who said anything. One statement."""
    found: dict[UUID, list[KeptConsent]] = {}
    rows = connection.exec_driver_sql(_KEPT, (arrays.uuids(sorted(person_ids)),))
    for person_id, event_id, received_at, is_superseded, evidence_id, sealed, *said in rows:
        opened = None if sealed is None else bytes(sealed)
        kept = KeptConsent(person_id, event_id, received_at, is_superseded, evidence_id, opened, Consent(*said))
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
