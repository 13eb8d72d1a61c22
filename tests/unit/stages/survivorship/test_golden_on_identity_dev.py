"""What survives of 6,000 leads with truth: `python -m benchmarks.golden` prints the same."""

from __future__ import annotations

import pytest

from benchmarks.golden import evaluate


@pytest.fixture(scope="module")
def shares():
    return evaluate()


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("first_name", 0.98),
        ("last_name", 0.985),
        ("country", 1.0),
        ("company", 0.85),
        ("email", 0.955),
        ("phone", 0.95),
    ],
)
def test_as_many_golden_values_are_right_as_ever(shares, field, right):
    assert shares["rules_in_force"][field]["right"] >= right
    assert shares["rules_in_force"][field]["right"] >= shares["newest_alone"][field]["right"]
