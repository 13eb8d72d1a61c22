"""Times as sources send them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.times import parse_time
from pipeline.values.dates.times import parse_instant

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


@pytest.mark.parametrize(
    ("sent", "of_a_machine", "of_a_lead"),
    [
        ("2026-03-02T09:14:55Z", MOMENT, MOMENT),
        (1772442895000, MOMENT, MOMENT),
        (45_000, datetime(1970, 1, 1, 12, 30, tzinfo=UTC), datetime(2023, 3, 15, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC), None),
        ("1960-01-01T00:00:00Z", datetime(1960, 1, 1, tzinfo=UTC), None),
        ("2 March 2026 09:14:55", None, MOMENT),
        ("25/03/2026", None, datetime(2026, 3, 25, tzinfo=UTC)),
    ],
)
def test_a_machine_s_time_and_a_lead_s_are_read_by_different_rules(sent, of_a_machine, of_a_lead):
    assert parse_time(sent) == of_a_machine
    assert parse_instant(sent) == of_a_lead
