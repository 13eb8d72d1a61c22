"""Times as sources send them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.times import parse_time

MOMENT = datetime(2026, 3, 2, 9, 14, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "sent",
    [
        "2026-03-02T09:14:55Z",
        "2026-03-02T10:14:55+01:00",
        "2026-03-02T09:14:55+0000",
        "2026-03-02 09:14:55",
        " 2026-03-02T09:14:55.000000Z ",
        1772442895,
        1772442895000,
        "1772442895",
        "1772442895000",
        1772442895.0,
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ],
)
def test_every_spelling_becomes_the_same_aware_utc_time(sent):
    parsed = parse_time(sent)
    assert parsed == MOMENT
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "sent", [None, True, "", "yesterday", "31/12/2026", "12345", [], {}, float("nan"), 10**30, "NaN"]
)
def test_what_cannot_be_read_is_none_and_not_a_guess(sent):
    assert parse_time(sent) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary()))
def test_nothing_makes_it_raise_or_gives_a_naive_time(sent):
    parsed = parse_time(sent)
    assert parsed is None or parsed.tzinfo is UTC
