"""What normalization makes of 6,000 raw leads with truth: `python -m benchmarks.quality` shows the same in words."""

from __future__ import annotations

import pytest

from benchmarks.quality import KINDS, evaluate
from benchmarks.quality_misses import OURS


@pytest.fixture(scope="module")
def tallies():
    return evaluate()


@pytest.mark.parametrize(
    ("kind", "total", "right", "exact"),
    [
        ("phone", 4_330, 3_493, 3_482),  # eleven of Brazil's old eight-digit mobiles by match form
        ("email", 4_307, 3_833, 3_657),  # plus tags, Gmail's dots and googlemail by match form
        ("country", 1_487, 1_487, 1_487),
    ],
)
def test_as_many_values_are_right_as_ever(tallies, kind, total, right, exact):
    tally = tallies[kind]
    assert tally.total == total
    assert tally.right >= right
    assert tally.exact >= exact


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_that_stands_in_the_text_is_missed(tallies, kind):
    assert tallies[kind].misses[OURS] == 0, tallies[kind].examples[OURS]


def test_every_slip_in_a_big_providers_domain_gets_the_right_suggestion(tallies):
    assert tallies["email"].misses["slip in the domain: suggested, not changed"] >= 27
