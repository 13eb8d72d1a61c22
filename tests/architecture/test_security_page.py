"""The page for security reviews names tests that exist, so that whoever reads it can run them."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py): (test_\w+)`", PAGE)
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| [\d.]+", line)]
# The last number of each section of OWASP ASVS 5.0 that is of level 1 or 2; numbers before it are too.
LAST = """
1.1.2 1.2.9 1.3.11 1.4.3 1.5.2 2.1.3 2.2.3 2.3.4 2.4.1 3.2.2 3.3.4 3.4.6 3.5.5 3.7.2 4.1.3 4.2.1 4.3.2 4.4.4 5.1.1
5.2.3 5.3.2 5.4.3 6.1.3 6.2.12 6.3.4 6.4.4 6.5.5 6.6.3 6.8.4 7.1.3 7.2.4 7.3.2 7.4.5 7.5.2 7.6.2 8.1.2 8.2.3 8.3.1
8.4.1 9.1.3 9.2.4 10.1.2 10.2.2 10.3.4 10.4.11 10.5.5 10.6.2 10.7.3 11.1.2 11.2.3 11.3.3 11.4.4 11.5.1 11.6.1 12.1.3
12.2.2 12.3.4 13.1.1 13.2.5 13.3.2 13.4.5 14.1.2 14.2.4 14.3.3 15.1.3 15.2.3 15.3.7 16.1.1 16.2.5 16.3.4 16.4.3 16.5.3
17.1.1 17.2.4 17.3.2
"""
LEVEL_3 = {"1.2.10", "2.3.5", "5.3.3", "8.4.2", "13.3.4", "14.2.7"}


def numbers(first: str, last: str) -> list[str]:
    """`6.2.1`, `6.2.3` -> all three."""
    section, _, begin = first.rpartition(".")
    assert last.startswith(f"{section}.")
    return [f"{section}.{number}" for number in range(int(begin), int(last.rpartition(".")[2]) + 1)]


def test_each_requirement_of_the_first_two_levels_has_one_place_and_no_other_number_stands_there():
    named = [
        number
        for row in ROWS
        for part in row.split("|")[1].strip().split(", ")
        for number in numbers(part.split(" to ")[0], part.split(" to ")[-1])
    ]
    known = {number for last in LAST.split() for number in numbers(f"{last.rpartition('.')[0]}.1", last)}
    assert sorted(named) == sorted(known | LEVEL_3)


def test_each_item_names_tests_or_says_why_it_does_not_apply():
    assert len(ROWS) >= 8
    assert [row for row in ROWS if not re.search(r": test_\w+`", row) and "does not apply" not in row] == []


def test_each_test_that_is_named_exists():
    missing = [
        f"{path}: {name}"
        for path, name in NAMED
        if not (ROOT / "tests" / path).exists()
        or not re.search(rf"^ *(?:async )?def {name}\(", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.M)
    ]
    assert missing == []
