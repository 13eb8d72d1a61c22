"""The state of a person's consents: statements from the store, whose word each is from the evidence of its event."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.privacy.consent_states import Answer, Statement, consent_answers, consent_state
from pipeline.store.people.consents import StoredConsent, read_answers_of, read_consents


def consent_state_of(connection: Connection, person_id: UUID) -> dict[tuple[str, str], str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel) of a person. One statement."""
    return consent_states_of(connection, [person_id]).get(person_id, {})


def consent_states_of(connection: Connection, person_ids: Sequence[UUID]) -> dict[UUID, dict[tuple[str, str], str]]:
    """The same of several people, of those who said anything. One statement."""
    return {person_id: _state_of(consents) for person_id, consents in read_consents(connection, person_ids).items()}


def consent_answers_of(
    connection: Connection, person_ids: Collection[UUID], questions: Collection[tuple[str, str]]
) -> dict[UUID, dict[tuple[str, str], Answer]]:
    """What holds of these questions, (purpose, channel), of those of these people who were asked. One statement."""
    stored = read_answers_of(connection, person_ids, questions)
    return {person_id: consent_answers(map(_statement, consents)) for person_id, consents in stored.items()}


def _state_of(consents: Iterable[StoredConsent]) -> dict[tuple[str, str], str]:
    return consent_state(map(_statement, consents))


def _statement(consent: StoredConsent) -> Statement:
    return Statement(
        consent.purpose,
        consent.channel,
        consent.granted,
        consent.at,
        _address(consent),
        consent.source,
        consent.policy_version,
        consent.is_superseded,
    )


def _address(consent: StoredConsent) -> Hashable:
    """The address a lead came with: its e-mail in match form, else its numbers, else all that it said."""
    if consent.evidence_id is None or consent.sealed_evidence is None:
        return None
    evidence = unpack(open_evidence(consent.sealed_evidence, consent.evidence_id))
    return evidence.email or evidence.phones or consent.evidence_id
