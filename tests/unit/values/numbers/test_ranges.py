"""Ranges of people in one spelling."""

from __future__ import annotations

import pytest

from pipeline.values.numbers.ranges import normalize_range


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("51-200", "51-200"),
        ("51 \u2013 200 employees", "51-200"),
        ("1,001 to 5,000", "1001-5000"),
        ("5001-10,000 employees", "5001-10000"),
        ("1k-5k", "1000-5000"),
        ("entre 50 y 100", "50-100"),
        ("zwischen 5 und 10 Mitarbeiter", "5-10"),
        ("10.000+", "10000+"),
        ("10k+ employees", "10000+"),
        ("mehr als 500", "mehr als 500"),
        ("200-51", "200-51"),
        ("n/a", None),
    ],
)
def test_a_range_keeps_both_its_ends_in_plain_digits(text, spelled):
    found = normalize_range(text)
    assert found.value == spelled
    if spelled is not None:
        assert normalize_range(spelled).value == spelled
