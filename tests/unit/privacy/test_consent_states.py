from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.privacy.consent_states import Statement, consent_answers, consent_state

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANSWERS = {"yes": True, "no": False, "open": None}


def statements(text: str) -> list[Statement]:
    """`ana yes, ben no`: who said what, an hour after the other; `=` before a word: in the same moment."""
    made, hour = [], 0
    for word in text.split(", ") if text else []:
        who, answer = word.removeprefix("=").split()
        hour += not word.startswith("=")
        made.append(Statement("marketing", "email", ANSWERS[answer], NOON + timedelta(hours=hour), who))
    return made


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("ana yes", "granted"),
        ("ana no", "refused"),
        ("ana open", "not_answered"),
        ("ana yes, ana no", "refused"),
        ("ana no, ana yes", "granted"),  # subscribed again, with the same address
        ("ana no, ben yes", "refused"),  # an unsubscribed and a subscribed person are one
        ("ben yes, ana no", "refused"),
        ("ana no, ben yes, ben yes", "refused"),
        ("ana no, ben yes, ana yes", "granted"),
        ("ana yes, ben yes", "granted"),
        ("ana yes, ben open", "granted"),
        ("ana no, ben open", "refused"),
        ("ana yes, ana open", "granted"),  # left open takes nothing back
        ("ana no, ana open", "refused"),
        ("ana open, ana yes", "granted"),
        ("ana open, ben open", "not_answered"),
        ("ana yes, =ana no", "refused"),
        ("ana no, =ana yes", "refused"),
        ("ana yes, ana no, ana yes, ben yes", "granted"),
        ("ana yes, ana no, ana yes, ben no", "refused"),
    ],
)
def test_the_strictest_of_what_each_one_said_last_counts_in_any_order(said, state):
    for order in permutations(statements(said)):
        assert consent_state(order) == {("marketing", "email"): state}


def test_purposes_and_channels_are_questions_of_their_own():
    made = [
        Statement("marketing", "sms", False, NOON, "ana"),
        Statement("marketing", "email", True, NOON, "ana"),
        Statement("profiling", "email", None, NOON, "ana"),
    ]
    assert consent_state(made) == {
        ("marketing", "email"): "granted",
        ("marketing", "sms"): "refused",
        ("profiling", "email"): "not_answered",
    }


def test_nobody_asked_is_no_state():
    assert consent_state([]) == {}


some = st.lists(
    st.builds(
        Statement,
        st.just("marketing"),
        st.sampled_from(["email", "sms"]),
        st.sampled_from([True, False, None]),
        st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours)),
        st.sampled_from(["ana", "ben", None]),
    ),
    max_size=6,
)
STRICTNESS = ["not_answered", "granted", "refused"]


@given(some, some)
def test_joining_people_never_makes_a_consent_laxer_than_either_s_refusal(one, other):
    """Unless both speak with the same address: then the later word is the word."""
    others = [Statement(two.purpose, two.channel, two.granted, two.at, ("other", two.said_by)) for two in other]
    alone, beside, joined = consent_state(one), consent_state(others), consent_state([*one, *others])
    for question, state in joined.items():
        parts = [STRICTNESS.index(of[question]) for of in (alone, beside) if question in of]
        assert STRICTNESS.index(state) == max(parts)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("ana yes", "granted"),
        ("ana no", "denied"),
        ("ana open", "unknown"),
        ("ana yes, ana no", "withdrawn"),
        ("ana no, ana yes", "granted"),
        ("ana yes, =ana no", "withdrawn"),
        ("ana no, ana yes, ana no", "withdrawn"),
        ("ana yes, ben no", "denied"),  # whoever refused had granted nothing
        ("ana yes, ana no, ben yes", "withdrawn"),
        ("ana yes, ana no, ana open", "withdrawn"),
    ],
)
def test_a_crm_is_told_of_a_refusal_whether_it_takes_something_back(said, state):
    for order in permutations(statements(said)):
        assert consent_answers(order)["marketing", "email"].state == state


@given(st.lists(st.tuples(st.sampled_from(["ana", "ben"]), st.sampled_from([*ANSWERS])), min_size=1, max_size=6))
def test_a_crm_and_whoever_looks_here_are_told_the_same(words):
    made = statements(", ".join(" ".join(word) for word in words))
    same = {"granted": "granted", "denied": "refused", "withdrawn": "refused", "unknown": "not_answered"}
    assert same[consent_answers(made)["marketing", "email"].state] == consent_state(made)["marketing", "email"]


def test_the_time_the_source_and_the_text_are_those_of_the_answer_that_counts():
    made = [
        Statement("marketing", "email", True, NOON, "ana", "forms", "2026-01"),
        Statement("marketing", "email", False, NOON + timedelta(hours=1), "ana", "crm", "2026-02"),
        Statement("marketing", "email", True, NOON + timedelta(hours=2), "ben", "fair", "2026-03"),
    ]
    said = consent_answers(made)["marketing", "email"].said
    assert said is not None
    assert (said.at, said.source, said.policy_version) == (NOON + timedelta(hours=1), "crm", "2026-02")


def test_what_a_record_says_no_more_grants_nothing_but_makes_of_a_refusal_a_withdrawal():
    former = Statement("marketing", "email", True, NOON, "ana", is_superseded=True)
    now = Statement("marketing", "email", False, NOON + timedelta(hours=1), "ana")
    assert consent_answers([former, now])["marketing", "email"].state == "withdrawn"
    assert consent_answers([former]) == {}
    silent = Statement("marketing", "email", False, NOON, "ana", is_superseded=True)
    assert consent_answers([silent])["marketing", "email"].state == "denied"
