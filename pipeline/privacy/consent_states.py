"""What counts for a person of all the consents and refusals their leads brought. Pure; statements are never changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime

import msgspec

GRANTED, REFUSED, NOT_ANSWERED = "granted", "refused", "not_answered"


class Statement(msgspec.Struct, frozen=True):
    """One answer of one lead. `granted` None: asked and left open. `said_by` tells whose word it is: the address that
    the lead came with. A later word of the same one replaces an earlier one, anybody else's does not.
    """

    purpose: str
    channel: str
    granted: bool | None
    at: datetime
    said_by: Hashable = None

    def __repr__(self) -> str:
        return f"<Statement on {self.purpose} by {self.channel}>"


def consent_state(statements: Iterable[Statement]) -> dict[tuple[str, str], str]:
    """`granted`, `refused` or `not_answered` per (purpose, channel), sorted: the strictest of what each one said last.

    People who are one may have unsubscribed with one address and subscribed with another: the refusal counts. Taken
    apart, each has its own statements again, and so its own state. What was left open takes nothing back, and of two
    answers of one moment the refusal is the last.
    """
    last: dict[tuple[str, str], dict[Hashable, Statement]] = {}
    for one in statements:
        words = last.setdefault((one.purpose, one.channel), {})
        known = words.get(one.said_by)
        if known is None or _order(one) > _order(known):
            words[one.said_by] = one
    return {question: _strictest(words.values()) for question, words in sorted(last.items())}


def _order(one: Statement) -> tuple[bool, datetime, bool]:
    return one.granted is not None, one.at, one.granted is False


def _strictest(words: Iterable[Statement]) -> str:
    said = {one.granted for one in words}
    if False in said:
        return REFUSED
    return GRANTED if True in said else NOT_ANSWERED
