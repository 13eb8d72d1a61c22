"""The state of a person's consents: statements from the store, whose word each is from the evidence of its event."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.matching.contact_points import points_about
from pipeline.identity.matching.evidence import EMAIL, PHONE, Evidence
from pipeline.privacy.consent_states import Answer, Statement, consent_answers, consent_state
from pipeline.records import EVERY_CHANNEL
from pipeline.store.keyring import key_number
from pipeline.store.people.consents import StoredConsent, read_answers_of, read_consents


def consent_state_of(connection: Connection, person_id: UUID) -> dict[tuple[str, str], str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel) of a person. One statement."""
    return consent_states_of(connection, [person_id]).get(person_id, {})


def consent_states_of(connection: Connection, person_ids: Sequence[UUID]) -> dict[UUID, dict[tuple[str, str], str]]:
    """The same of several people, of those who said anything. One statement."""
    stored = read_consents(connection, person_ids)
    return {person_id: consent_state(statements_of(consents)) for person_id, consents in stored.items()}


def consent_answers_of(
    connection: Connection, person_ids: Collection[UUID], questions: Collection[tuple[str, str]]
) -> dict[UUID, dict[tuple[str, str], Answer]]:
    """What holds of these questions, (purpose, channel), of those of these people who were asked, or who withdrew from
    every channel of the purpose. One statement."""
    read = {*questions, *((purpose, EVERY_CHANNEL) for purpose, _ in questions)}
    stored = read_answers_of(connection, person_ids, read)
    answers = {person_id: consent_answers(statements_of(consents), questions) for person_id, consents in stored.items()}
    return {
        person_id: {question: found[question] for question in found.keys() & set(questions)}
        for person_id, found in answers.items()
        if found.keys() & set(questions)
    }


def statements_of(consents: Iterable[StoredConsent]) -> list[Statement]:
    """Stored answers with whose word each is; one about several numbers is a word of each."""
    return [_statement(consent, voice) for consent in consents for voice in voices_of(consent)]


def _statement(consent: StoredConsent, voice: Hashable) -> Statement:
    return Statement(
        consent.purpose,
        consent.channel,
        consent.granted,
        consent.at,
        voice,
        consent.source,
        consent.policy_version,
        consent.is_superseded,
        consent.act,
        consent.expires_at,
        consent.legal_basis,
    )


def voices_of(consent: StoredConsent) -> Sequence[Hashable]:
    """The contact points that an answer is about, in match form: the numbers of its lead where it is about calls or
    messages, else the e-mail; what is known of the other kind where there is none; else all that the lead said."""
    if consent.evidence_id is None or consent.sealed_evidence is None:
        return (None,)
    evidence = unpack(open_evidence(consent.sealed_evidence, consent.evidence_id))
    if consent.key is not None and consent.brand is not None:
        point = _point_with(evidence, consent.brand, consent.key)
        if point is not None:  # else it is one of these, under a key of before
            return (point,)
    return tuple(value for _, value in points_about(evidence, consent.channel)) or (consent.evidence_id,)


def _point_with(evidence: Evidence, brand: str, key: int) -> str | None:
    """The address or number of this evidence that is filed under a key."""
    emails = [(EMAIL, email) for email in (evidence.email, *evidence.others) if email]
    points = [*emails, *((PHONE, phone) for phone in evidence.phones)]
    return next((value for kind, value in points if key_number(brand, kind, value) == key), None)
