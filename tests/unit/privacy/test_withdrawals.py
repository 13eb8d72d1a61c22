"""An explicit withdrawal stands against every later answer but one as strong: whatever comes, in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.privacy.consent_states import Statement, consent_answers, consent_state

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMAIL, EVERY = ("marketing", "email"), ("marketing", "any")
SAID = {
    "tick": (True, None),
    "no": (False, None),
    "stop": (False, "withdrawal"),
    "objects": (False, "objection"),
    "confirmed": (True, "confirmed"),
    "by_hand": (True, "by_hand"),
    "pending": (None, "pending"),
    "open": (None, None),
}


def statement(who: str, said: str, hour: int, channel: str = "email", *, until: datetime | None = None) -> Statement:
    granted, act = SAID[said]
    at = NOON + timedelta(hours=hour)
    return Statement("marketing", channel, granted, at, who, act=act, expires_at=until)


def statements(text: str) -> list[Statement]:
    """`ana stop, ana tick`: who said what, an hour after the other; `ana stop@any` on another channel."""
    words = [word.split() for word in text.split(", ")]
    return [
        statement(who, said.partition("@")[0], hour, said.partition("@")[2] or "email")
        for hour, (who, said) in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("ana stop, ana tick", "refused"),
        ("ana tick, ana stop, ana tick, ana tick", "refused"),
        ("ana no, ana tick", "granted"),  # what was left unticked is no withdrawal
        ("ana stop, ana confirmed", "granted"),
        ("ana stop, ana by_hand", "granted"),
        ("ana stop, ana pending", "refused"),
        ("ana tick, ana pending", "granted"),
        ("ana pending", "not_answered"),
        ("ana confirmed, ana stop", "refused"),
        ("ana stop, ana confirmed, ana no", "refused"),
        ("ana stop, ana confirmed, ana no, ana tick", "granted"),
        ("ana stop, ana confirmed, ana stop, ana tick", "refused"),
        ("ana stop, ben confirmed", "refused"),  # another address confirms for itself
        ("ana stop, ben by_hand", "granted"),  # a human's word is about the person
        ("ana no, ben by_hand", "granted"),
        ("ana objects, ben tick", "refused"),
        ("ana objects, ben confirmed", "refused"),
        ("ana objects, ana confirmed", "granted"),
        ("ana tick, ana objects@any, ana tick", "refused"),
        ("ana tick, ana stop@any, ana confirmed@any", "granted"),
        ("ana tick, ana stop@any, ana confirmed", "granted"),
        ("ana tick, ana no@any", "granted"),  # which only answers the question that leaves the channel open
    ],
)
def test_a_withdrawal_falls_to_nothing_but_an_act_as_strong_in_any_order(said, state):
    for order in permutations(statements(said)):
        assert consent_state(order)[EMAIL] == state
        assert consent_state([*order, *order])[EMAIL] == state, "said twice"


def test_what_was_granted_after_a_withdrawal_is_told_as_that():
    answer = consent_answers(statements("ana stop, ana tick"))[EMAIL]
    assert (answer.state, answer.is_outranked) == ("withdrawn", True)
    assert not consent_answers(statements("ana tick, ana stop"))[EMAIL].is_outranked


def test_a_withdrawal_of_whom_nobody_knew_to_have_granted_is_one():
    assert consent_answers(statements("ana stop"))[EMAIL].state == "withdrawn"
    assert consent_answers(statements("ana no"))[EMAIL].state == "denied"


def test_a_withdrawal_from_every_channel_answers_a_question_that_nobody_asked():
    made = statements("ana stop@any")
    assert consent_answers(made, [EMAIL])[EMAIL].state == "withdrawn"
    assert consent_answers(made, [("profiling", "email")]).keys() == {EVERY}


def test_a_grant_ends_when_it_expires_and_takes_no_withdrawal_back_any_more():
    until = NOON + timedelta(hours=5)
    granted = statement("ana", "tick", 1, until=until)
    assert consent_state([granted], now=until - timedelta(seconds=1)) == {EMAIL: "granted"}
    assert consent_state([granted], now=until) == {EMAIL: "not_answered"}
    assert consent_answers([granted], now=until)[EMAIL].state == "unknown"
    lifted = [statement("ana", "stop", 0), statement("ana", "confirmed", 1, until=until)]
    assert consent_state(lifted, now=until - timedelta(seconds=1)) == {EMAIL: "granted"}
    assert consent_state(lifted, now=until) == {EMAIL: "refused"}


any_statement = st.builds(
    statement,
    st.sampled_from(["ana", "ben", "cem"]),
    st.sampled_from(sorted(SAID)),
    st.integers(0, 6),
    st.sampled_from(["email", "any"]),
)


def allows(said: list[Statement]) -> bool:
    """By the letter: every withdrawal has an act as strong after it, of the same address, or of a human."""
    return all(
        any(
            other.granted is True
            and other.at > withdrawal.at
            and (other.act == "by_hand" or (other.act == "confirmed" and other.said_by == withdrawal.said_by))
            for other in said
        )
        for withdrawal in said
        if withdrawal.act in ("withdrawal", "objection")
    )


@given(st.lists(any_statement, max_size=8), st.randoms(use_true_random=False))
def test_there_is_no_way_from_a_withdrawal_to_granted_without_an_equal_act(said, dice):
    """However statements come, come twice, come together with those of another, and come apart again."""
    shuffled = [*said, *dice.choices(said, k=dice.randint(0, 4))] if said else []
    dice.shuffle(shuffled)
    assert consent_state(shuffled) == consent_state(said)
    parted = {who: [one for one in said if one.said_by == who] for who in ("ana", "ben", "cem")}
    for group in (said, *parted.values(), parted["ana"] + parted["ben"]):
        states = consent_state(group)
        if states.get(EMAIL) == "granted":
            assert allows(group)
        answers = consent_answers(group)
        assert {question: answer.state == "granted" for question, answer in answers.items()} == {
            question: state == "granted" for question, state in states.items()
        }


@given(st.lists(any_statement, min_size=1, max_size=8), any_statement)
def test_a_further_withdrawal_never_makes_anybody_more_consenting(said, last):
    at = max(one.at for one in said)
    stop = Statement("marketing", "email", False, at, last.said_by, act="withdrawal")
    assert consent_state([*said, stop])[EMAIL] == "refused"
