"""Who may be sent to a destination that needs consent: asked at the moment of sending, of what holds then."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Connection

from pipeline.privacy.consent_states import GRANTED, UNKNOWN, Answer
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.records import EVERY_CHANNEL

Question = tuple[str, str]


def lacking_consent(connection: Connection, needed: Mapping[UUID, Question]) -> dict[UUID, str]:
    """Of these people, with the question that each must have granted, those who have not: the question as
    PURPOSE.CHANNEL. A grant for every channel of the purpose is one, where the channel itself was not answered; never
    asked is not granted. One statement, none without people."""
    if not needed:
        return {}
    questions = {*needed.values(), *((purpose, EVERY_CHANNEL) for purpose, _ in needed.values())}
    answers = consent_answers_of(connection, needed, questions)
    return {
        person_id: ".".join(question)
        for person_id, question in needed.items()
        if not _is_granted(answers.get(person_id, {}), question)
    }


def _is_granted(answers: Mapping[Question, Answer], question: Question) -> bool:
    own = answers.get(question, Answer())
    if own.state == UNKNOWN:
        own = answers.get((question[0], EVERY_CHANNEL), own)
    return own.state == GRANTED
