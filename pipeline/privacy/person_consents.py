"""The state of a person's consents: statements from the store, whose word each is from the evidence of its event."""

from __future__ import annotations

from collections.abc import Hashable
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.privacy.consent_states import Statement, consent_state

_STATEMENTS = """
SELECT c.purpose, c.channel, c.granted, c.at, e.evidence_id, e.sealed FROM consents c
LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
WHERE c.person_id = %s ORDER BY c.at, c.event_id
"""


def consent_state_of(connection: Connection, person_id: UUID) -> dict[tuple[str, str], str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel) of a person. One statement."""
    rows = connection.exec_driver_sql(_STATEMENTS, (person_id,)).all()
    return consent_state(
        Statement(purpose, channel, granted, at, _address(evidence_id, sealed))
        for purpose, channel, granted, at, evidence_id, sealed in rows
    )


def _address(evidence_id: UUID | None, sealed: bytes | None) -> Hashable:
    """The address a lead came with: its e-mail in match form, else its numbers, else all that it said."""
    if evidence_id is None or sealed is None:
        return None
    evidence = unpack(open_evidence(bytes(sealed), evidence_id))
    return evidence.email or evidence.phones or evidence_id
