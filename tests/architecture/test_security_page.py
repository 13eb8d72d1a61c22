"""The page for security reviews names tests that exist, so that whoever reads it can run them."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py): (test_\w+)`", PAGE)
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| [\d.]+", line)]


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
