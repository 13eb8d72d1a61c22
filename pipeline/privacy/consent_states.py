"""What counts for a person of all the consents and refusals their leads brought. Pure; statements are never changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime

import msgspec

GRANTED, REFUSED, NOT_ANSWERED = "granted", "refused", "not_answered"
# As a CRM is told: a refusal is one of two, and whoever was never asked has a state too.
DENIED, WITHDRAWN, UNKNOWN = "denied", "withdrawn", "unknown"


class Statement(msgspec.Struct, frozen=True):
    """One answer of one lead. `granted` None: asked and left open. `said_by` tells whose word it is: the address that
    the lead came with. A later word of the same one replaces an earlier one, anybody else's does not. `is_superseded`:
    its record says something else by now, so that it granted then counts no more. `source` and `policy_version`: where
    it was said, and to which text.
    """

    purpose: str
    channel: str
    granted: bool | None
    at: datetime
    said_by: Hashable = None
    source: str | None = None
    policy_version: str | None = None
    is_superseded: bool = False

    def __repr__(self) -> str:
        return f"<Statement on {self.purpose} by {self.channel}>"


class Answer(msgspec.Struct, frozen=True):
    """What holds of one question: `state` is granted, denied, withdrawn (denied by whom had granted it before) or
    unknown (never asked, or left open). `said`: the statement that decides; None: there is none."""

    state: str = UNKNOWN
    said: Statement | None = None


def consent_answers(statements: Iterable[Statement]) -> dict[tuple[str, str], Answer]:
    """The answer per (purpose, channel) of whatever was said, by the rule of `consent_state`."""
    known = list(statements)
    last = _last_words(one for one in known if one.granted is False or not one.is_superseded)
    grants: dict[tuple[str, str, Hashable], datetime] = {}
    for one in known:
        if one.granted:
            key = (one.purpose, one.channel, one.said_by)
            grants[key] = min(one.at, grants.get(key, one.at))
    return {question: _answer(words.values(), grants) for question, words in last.items()}


def _answer(words: Iterable[Statement], grants: Mapping[tuple[str, str, Hashable], datetime]) -> Answer:
    """`grants`: when somebody granted something for the first time."""
    said = list(words)
    decisive = next((answer for answer in (False, True) if any(one.granted is answer for one in said)), None)
    one = max((word for word in said if word.granted is decisive), key=_order)
    if decisive is None:
        return Answer(UNKNOWN, one)
    if decisive:
        return Answer(GRANTED, one)
    granted_at = grants.get((one.purpose, one.channel, one.said_by))
    return Answer(WITHDRAWN if granted_at is not None and granted_at <= one.at else DENIED, one)


def consent_state(statements: Iterable[Statement]) -> dict[tuple[str, str], str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel), sorted: the strictest of what each one said last.

    People who are one may have unsubscribed with one address and subscribed with another: the refusal counts. Taken
    apart, each has its own statements again, and so its own state. What was left open takes nothing back, and of two
    answers of one moment the refusal is the last.
    """
    return {question: _strictest(words.values()) for question, words in sorted(_last_words(statements).items())}


def _last_words(statements: Iterable[Statement]) -> dict[tuple[str, str], dict[Hashable, Statement]]:
    """What each one said last, per question."""
    last: dict[tuple[str, str], dict[Hashable, Statement]] = {}
    for one in statements:
        words = last.setdefault((one.purpose, one.channel), {})
        known = words.get(one.said_by)
        if known is None or _order(one) > _order(known):
            words[one.said_by] = one
    return last


def _order(one: Statement) -> tuple[bool, datetime, bool]:
    return one.granted is not None, one.at, one.granted is False


def _strictest(words: Iterable[Statement]) -> str:
    said = {one.granted for one in words}
    if False in said:
        return REFUSED
    return GRANTED if True in said else NOT_ANSWERED
