"""What was withdrawn before addresses were noted as withdrawn: read page by page, once."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import WITHDRAWING

_NAME = "withdrawn_points"  # in filed_versions until it is done


class FormerWithdrawal(NamedTuple):
    """A withdrawal of an event, with the sealed evidence of whose it is, by `sealed_by`. `sealed`: what is kept of a
    statement that is no lead."""

    event_id: UUID
    purpose: str
    channel: str
    brand: str
    act: str
    at: datetime
    sealed_by: UUID
    evidence: bytes
    sealed: bytes | None

    def __repr__(self) -> str:
        return f"<FormerWithdrawal of event {self.event_id}>"


class WaitingStatement(NamedTuple):
    """A statement of consent that waits for its person, sealed by its event."""

    event_id: UUID
    brand: str
    source: str
    at: datetime
    evidence: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"<WaitingStatement of event {self.event_id}>"


def are_noted(connection: Connection) -> bool:
    """Whether all was noted already, or there was nothing when migration 0034 came. One statement."""
    found = connection.exec_driver_sql("SELECT FROM filed_versions WHERE name = %s", (_NAME,)).first()
    return found is None


def note_done(connection: Connection) -> None:
    """All is noted. One statement."""
    connection.exec_driver_sql("DELETE FROM filed_versions WHERE name = %s", (_NAME,))


_NEXT = f"""
SELECT c.event_id, c.purpose, c.channel, c.brand, c.act, c.at, coalesce(e.evidence_id, a.event_id),
    coalesce(e.sealed, a.sealed_evidence), a.sealed
FROM consents c
LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
LEFT JOIN activities a ON a.event_id = c.event_id AND a.sealed_evidence IS NOT NULL
WHERE (c.event_id, c.purpose, c.channel) > (%s, %s, %s) AND c.granted IS FALSE
    AND c.act IN ({", ".join(repr(act) for act in WITHDRAWING)}) AND coalesce(e.sealed, a.sealed_evidence) IS NOT NULL
ORDER BY c.event_id, c.purpose, c.channel LIMIT %s
"""  # noqa: S608 - put together from constants


def next_withdrawals(connection: Connection, after: tuple[UUID, str, str], *, limit: int) -> list[FormerWithdrawal]:
    """The next ones by event and question. One statement."""
    rows = connection.exec_driver_sql(_NEXT, (*after, limit))
    found = [FormerWithdrawal(*row) for row in rows]
    return [
        row._replace(evidence=bytes(row.evidence), sealed=None if row.sealed is None else bytes(row.sealed))
        for row in found  # the driver gives views
    ]


def next_waiting(connection: Connection, after: UUID, *, limit: int) -> list[WaitingStatement]:
    """The next ones by event. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT event_id, brand, source, at, sealed_evidence, sealed FROM activities"
        " WHERE state = 'waiting' AND says = 'consent' AND sealed_evidence IS NOT NULL AND event_id > %s"
        " ORDER BY event_id LIMIT %s",
        (after, limit),
    )
    found = [WaitingStatement(*row) for row in rows]
    return [row._replace(evidence=bytes(row.evidence), sealed=bytes(row.sealed)) for row in found]
