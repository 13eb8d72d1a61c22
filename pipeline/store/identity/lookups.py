"""People and events by what somebody has at hand: keys of evidence, a source's id, a CRM's id. Nothing is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

_SHORT_SALESFORCE_ID = 15  # what an address bar shows; the three characters after it only check the case


def people_with_keys(connection: Connection, keys: Sequence[int]) -> list[UUID]:
    """People with evidence that is filed under one of these numbers, oldest first. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT e.person_id FROM evidence_keys k JOIN evidence e USING (evidence_id)"
        " WHERE k.key = ANY(%s::bigint[]) AND e.person_id IS NOT NULL ORDER BY e.person_id",
        (arrays.numbers(keys),),
    )
    return list(rows.scalars())


def people_with_crm_id(connection: Connection, crm_id: str) -> list[UUID]:
    """People whose record in some CRM has this id, oldest first. One statement over all deliveries."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT person_id FROM deliveries WHERE external_id = %(id)s"
        " OR (length(%(id)s) = %(short)s AND left(external_id, %(short)s) = %(id)s) ORDER BY person_id",
        {"id": arrays.clean(crm_id), "short": _SHORT_SALESFORCE_ID},
    )
    return list(rows.scalars())


class EventOfId(NamedTuple):
    """An event to which its source gave an id; `person_id` None: it has not settled."""

    event_id: UUID
    brand: str
    source: str
    person_id: UUID | None


def events_with_id(connection: Connection, external_id: str, *, limit: int) -> list[EventOfId]:
    """Events to which their source gave this id, newest first. One statement over all."""
    rows = connection.exec_driver_sql(
        "SELECT event_id, brand, source, person_id FROM events WHERE external_id = %s ORDER BY event_id DESC LIMIT %s",
        (arrays.clean(external_id), limit),
    )
    return [EventOfId(*row) for row in rows]
