"""Ticks of sources that want a second word: each is pending until its person confirms it by a link.

A worker asks in the transaction that stores the tick. The link goes out as a message to another system, which the
database writes, or by mail, which beat sends: both are tried again, and neither asks a person twice for one question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from pipeline.privacy.asking.consent_links import confirmation_id_of, confirmation_token, digest_of
from pipeline.privacy.consent_states import GRANTED, Answer
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.records import PENDING, Consent, Lead
from pipeline.settings.consent_settings import asks_by
from pipeline.settings.loading import settings
from pipeline.store.confirmations import confirmations
from pipeline.store.confirmations.confirmations import Asked


def ask_confirmations(connection: Connection, leads: Iterable[Lead]) -> None:
    """Ask for what is pending of these leads, whose statements are stored. Who has granted it already is not asked. Two
    statements, none where nothing is pending."""
    pending = [
        (lead, consent)
        for lead in leads
        for consent in lead.consents
        if consent.act == PENDING and lead.person_id is not None
    ]
    if not pending:
        return
    people = {lead.person_id for lead, _ in pending if lead.person_id is not None}
    answers = consent_answers_of(connection, people, {(consent.purpose, consent.channel) for _, consent in pending})
    asked = [
        Asked(
            confirmation_id := confirmation_id_of(lead.event_id, consent.purpose, consent.channel),
            digest_of(confirmation_token(confirmation_id)),
            lead.event_id,
            consent.purpose,
            consent.channel,
            asks_by(settings().source(lead.source).double_opt_in) or "webhook",
        )
        for lead, consent in pending
        if not _holds(answers.get(lead.person_id, {}), consent)  # type: ignore[arg-type]  # chosen above
    ]
    confirmations.ask(connection, asked)


def _holds(answers: Mapping[tuple[str, str], Answer], consent: Consent) -> bool:
    answer = answers.get((consent.purpose, consent.channel))
    return answer is not None and answer.state == GRANTED
