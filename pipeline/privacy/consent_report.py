"""What somebody said of consent, as it is kept, and what holds of it now: per purpose, and per contact point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.privacy.consent_states import (
    GRANTED,
    NOT_ANSWERED,
    REFUSED,
    Question,
    Statement,
    Word,
    consent_answers,
    words_of,
)
from pipeline.privacy.person_consents import statements_of, voices_of
from pipeline.store.people.consents import StoredConsent
from pipeline.store.people.kept_consents import KeptConsent, read_kept

OUTRANKED = "granted, but withdrawn before"
LAPSED = "granted until a moment that is past"
AWAITED = "granted, and not confirmed yet"
_STATES = {True: GRANTED, False: REFUSED, None: NOT_ANSWERED}


class ShownStatement(msgspec.Struct, frozen=True):
    """A statement as it is kept. `contact_points`: the addresses or numbers that it is about, in match form. `said`:
    its facts by the names of `Consent`, those that there are."""

    event_id: UUID
    received_at: datetime
    contact_points: list[str]
    is_superseded: bool
    said: dict[str, Any]

    def __repr__(self) -> str:
        return f"<ShownStatement of event {self.event_id}>"


class Held(msgspec.Struct, frozen=True):
    """What holds of one question: `state` is granted, refused or not_answered. `contact_point` None: for the person,
    the strictest of all. `since`: when what decides was said; `act`: what it was beside a plain answer. `note`: what
    else was said, and does not count."""

    purpose: str
    channel: str
    contact_point: str | None
    state: str
    since: datetime
    act: str | None = None
    note: str | None = None

    def __repr__(self) -> str:
        return f"<Held on {self.purpose} by {self.channel}>"


class PersonConsents(msgspec.Struct, frozen=True):
    """All of one person."""

    person_id: UUID
    holds: list[Held]
    statements: list[ShownStatement]

    def __repr__(self) -> str:
        return f"<PersonConsents {self.person_id}>"


def report_consents(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, PersonConsents]:
    """Of those of these people who said anything. One statement."""
    return {
        person_id: PersonConsents(person_id, _held(kept), [_shown(statement) for statement in kept])
        for person_id, kept in read_kept(connection, person_ids).items()
    }


def _held(kept: Sequence[KeptConsent]) -> list[Held]:
    statements = [statement for statement in statements_of(map(_stored, kept)) if not _counts_no_more(statement)]
    answers = consent_answers(statements)
    held: list[Held] = []
    for question, words in sorted(words_of(statements).items()):
        answer = answers[question]
        said = answer.said
        assert said is not None  # noqa: S101 - each question here was asked
        strictest = next((word for word in words.values() if word.statement is said), None)
        held.append(_one(question, None, strictest or Word(said, said.granted), list(words.values())))
        points = {voice: word for voice, word in words.items() if isinstance(voice, str)}
        held += [_one(question, point, word, [word]) for point, word in sorted(points.items())]
    return held


def _counts_no_more(statement: Statement) -> bool:
    return statement.is_superseded and statement.granted is not False


def _one(question: Question, point: str | None, word: Word, words: Iterable[Word]) -> Held:
    said = word.statement
    note = None
    if any(other.is_outranked for other in words):
        note = OUTRANKED
    elif said.granted and word.granted is None:
        note = LAPSED
    elif said.act == "pending":
        note = AWAITED
    return Held(*question, point, _STATES[word.granted], said.at, said.act, note)


def _stored(kept: KeptConsent) -> StoredConsent:
    said = kept.consent
    assert said.at is not None  # noqa: S101 - the column is never empty
    return StoredConsent(
        said.purpose,
        said.channel,
        said.granted,
        said.at,
        kept.evidence_id,
        kept.sealed_evidence,
        said.source,
        said.policy_version,
        said.act,
        said.expires_at,
        kept.is_superseded,
        said.legal_basis,
        kept.key,
        kept.brand,
    )


def _shown(kept: KeptConsent) -> ShownStatement:
    points = [voice for voice in voices_of(_stored(kept)) if isinstance(voice, str)]
    named = kept.consent.named()
    said = {name: value for name, value in named.items() if value is not None or name == "granted"}
    return ShownStatement(kept.event_id, kept.received_at, points, kept.is_superseded, said)
