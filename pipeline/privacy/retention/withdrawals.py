"""When somebody took back the consent on which their data lie. Pure.

A no to a question that was never answered by yes takes nothing back: a refused phone call, an opt-out of a channel that
nobody had agreed to. And whoever still agrees to anything, or whose data are kept on another basis, has not withdrawn.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime

from pipeline.privacy.consent_states import Question, Statement, words_of

_CONSENT = "consen"  # as in consent, consentimiento, consentimento, consenso, consentement


def withdrawn_at(statements: Iterable[Statement], purpose: str | None, *, now: datetime) -> datetime | None:
    """When the last consent of this purpose (None: of any) was taken back by who had given it. None: it was not, or
    something else is in force: a consent of whatever purpose, by whichever of their addresses, or another basis."""
    known = list(statements)
    counted = [statement for statement in known if statement.granted is False or not statement.is_superseded]
    words = words_of(counted, now=now)
    refused = {question for question, said in words.items() if any(word.granted is False for word in said.values())}
    if any(word.granted for said in words.values() for word in said.values()):
        return None
    if any(_is_of_another_basis(statement, now) and statement.question not in refused for statement in counted):
        return None
    given: dict[tuple[Question, Hashable], datetime] = {}
    for statement in known:
        if statement.granted and purpose in (None, statement.purpose):
            key = (statement.question, statement.said_by)
            given[key] = min(statement.at, given.get(key, statement.at))
    return max(
        (
            word.statement.at
            for question, said in words.items()
            for voice, word in said.items()
            if word.granted is False
            and (since := given.get((question, voice))) is not None
            and since <= word.statement.at
        ),
        default=None,
    )


def _is_of_another_basis(statement: Statement, now: datetime) -> bool:
    """Whether its source says that something else than consent allows it: a contract, a duty. In its own words."""
    basis = (statement.legal_basis or "").strip().casefold()
    has_ended = statement.expires_at is not None and statement.expires_at <= now
    return bool(basis) and _CONSENT not in basis and statement.granted is not False and not has_ended
