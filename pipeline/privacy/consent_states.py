"""What counts for a person of all the consents and refusals their leads brought. Pure; statements are never changed.

Each address, or number, has a word of its own on each question, a purpose and a channel: the last said with it. But an
explicit withdrawal stands against every later answer until an act as strong takes it back, a confirmed opt-in with the
same address or a human's word about the person (decisions/0039). For the person the strictest of all words counts.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from pipeline.records import BY_HAND, EVERY_CHANNEL, OBJECTION, RESTORING, WITHDRAWING

GRANTED, REFUSED, NOT_ANSWERED = "granted", "refused", "not_answered"
# As a CRM is told: a refusal is one of two, and whoever was never asked has a state too.
DENIED, WITHDRAWN, UNKNOWN = "denied", "withdrawn", "unknown"

Question = tuple[str, str]


class Statement(msgspec.Struct, frozen=True):
    """One answer of one lead. `granted` None: asked and left open. `said_by` tells whose word it is: the address that
    the lead came with. A later word of the same one replaces an earlier one, anybody else's does not. `is_superseded`:
    its record says something else by now, so that it granted then counts no more. `source` and `policy_version`: where
    it was said, and to which text. `act`: one of CONSENT_ACTS, or a plain answer. `expires_at`: what it grants ends.
    `legal_basis`: in its source's words.
    """

    purpose: str
    channel: str
    granted: bool | None
    at: datetime
    said_by: Hashable = None
    source: str | None = None
    policy_version: str | None = None
    is_superseded: bool = False
    act: str | None = None
    expires_at: datetime | None = None
    legal_basis: str | None = None

    @property
    def question(self) -> Question:
        return self.purpose, self.channel

    @property
    def withdraws(self) -> bool:
        return self.granted is False and self.act in WITHDRAWING

    def restores(self, now: datetime) -> bool:
        """Whether it is a grant that takes withdrawals back."""
        return self.granted is True and self.act in RESTORING and not self.has_lapsed(now)

    def has_lapsed(self, now: datetime) -> bool:
        """Whether it granted until a moment that is past."""
        return self.granted is True and self.expires_at is not None and self.expires_at <= now

    def __repr__(self) -> str:
        return f"<Statement on {self.purpose} by {self.channel}>"


class Word(msgspec.Struct, frozen=True):
    """What one address's word on a question is: the statement that decides, and `granted` as of now, None once it has
    lapsed. `is_outranked`: a grant was said since, which does not count against a withdrawal."""

    statement: Statement
    granted: bool | None
    is_outranked: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What holds of one question: `state` is granted, denied, withdrawn (explicitly, or denied by whom had granted it
    before) or unknown (never asked, or left open). `said`: the statement that decides; None: there is none.
    `is_outranked`: granted since, but withdrawn before."""

    state: str = UNKNOWN
    said: Statement | None = None
    is_outranked: bool = False


def consent_answers(
    statements: Iterable[Statement], questions: Collection[Question] = (), *, now: datetime | None = None
) -> dict[Question, Answer]:
    """The answer per (purpose, channel) of whatever was said, by the rule of `consent_state`; of `questions` too that
    nobody asked, where a withdrawal from every channel answers them."""
    known = list(statements)
    grants: dict[tuple[Question, Hashable], datetime] = {}
    for statement in known:
        if statement.granted:
            key = (statement.question, statement.said_by)
            grants[key] = min(statement.at, grants.get(key, statement.at))
    counted = [statement for statement in known if statement.granted is False or not statement.is_superseded]
    words = words_of(counted, questions, now=now)
    return {question: _answer(list(said.values()), grants, question) for question, said in words.items()}


def _answer(words: Sequence[Word], grants: Mapping[tuple[Question, Hashable], datetime], question: Question) -> Answer:
    """`grants`: when somebody granted something for the first time."""
    decisive = next((answer for answer in (False, True) if any(word.granted is answer for word in words)), None)
    word = max(
        (word for word in words if word.granted is decisive),
        key=lambda word: (word.statement.withdraws, *_order(word.statement)),
    )
    said = word.statement
    if decisive is None:
        return Answer(UNKNOWN, said)
    if decisive:
        return Answer(GRANTED, said)
    granted_at = grants.get((question, said.said_by))
    is_withdrawn = said.withdraws or (granted_at is not None and granted_at <= said.at)
    return Answer(WITHDRAWN if is_withdrawn else DENIED, said, word.is_outranked)


def consent_state(statements: Iterable[Statement], *, now: datetime | None = None) -> dict[Question, str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel), sorted: the strictest of what each one said last.

    People who are one may have unsubscribed with one address and subscribed with another: the refusal counts. Taken
    apart, each has its own statements again, and so its own state. What was left open takes nothing back, and of two
    answers of one moment the refusal is the last. `now`: by which a grant may have lapsed; None: this moment.
    """
    words = words_of(statements, now=now)
    return {question: _strictest(said.values()) for question, said in sorted(words.items())}


def words_of(
    statements: Iterable[Statement], questions: Collection[Question] = (), *, now: datetime | None = None
) -> dict[Question, dict[Hashable, Word]]:
    """Each address's word per question. What is withdrawn from every channel of a purpose is withdrawn from each that
    was asked, and from `questions`."""
    moment = now or datetime.now(UTC)
    asked: dict[Question, list[Statement]] = {}
    for statement in statements:
        asked.setdefault(statement.question, []).append(statement)
    words = {question: _words(said, moment) for question, said in asked.items()}
    for (purpose, channel), said in list(words.items()):
        withdrawn = [word.statement for word in said.values() if word.granted is False and word.statement.withdraws]
        if channel != EVERY_CHANNEL or not withdrawn:
            continue
        for question in {*asked, *questions}:
            if question[0] == purpose and question != (purpose, channel):
                words[question] = _words([*asked.get(question, ()), *withdrawn], moment)
    return words


def _words(statements: Sequence[Statement], now: datetime) -> dict[Hashable, Word]:
    """Of one question. A human's grant is about the person, whichever address it was filed with, and so is an
    objection."""
    of_person = [statement for statement in statements if statement.restores(now) and statement.act == BY_HAND]
    objections = [statement for statement in statements if statement.withdraws and statement.act == OBJECTION]
    said: dict[Hashable, list[Statement]] = {}
    for statement in statements:
        said.setdefault(statement.said_by, []).append(statement)
    return {voice: _word([*own, *of_person, *objections], now) for voice, own in said.items()}


def _word(statements: Sequence[Statement], now: datetime) -> Word:
    """The last word, but for a withdrawal that nothing as strong came after. Of one moment the refusal is the last."""
    last = max(statements, key=_order)
    withdrawals = [statement for statement in statements if statement.withdraws]
    if withdrawals:
        withdrawal = max(withdrawals, key=_order)
        if not any(statement.restores(now) and statement.at > withdrawal.at for statement in statements):
            return Word(withdrawal, granted=False, is_outranked=last.granted is True)
    return Word(last, None if last.has_lapsed(now) else last.granted)


def _order(statement: Statement) -> tuple[bool, datetime, bool]:
    return statement.granted is not None, statement.at, statement.granted is False


def _strictest(words: Iterable[Word]) -> str:
    said = {word.granted for word in words}
    if False in said:
        return REFUSED
    return GRANTED if True in said else NOT_ANSWERED
