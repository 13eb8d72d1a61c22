"""Ranges of people: `51-200`, `1,001 to 5,000 employees`, `10.000+`. Neither end is the number; both say enough."""

from __future__ import annotations

import re
from functools import cache

from pipeline.values.normalized import Normalized
from pipeline.values.numbers.numbers import normalize_number, range_words
from pipeline.values.text.text import normalize_cell, raw_excerpt

_OPEN = re.compile(r"(.*\d[^+]{0,12})\s?\+\s?([^\W\d]*)\Z")  # 500+, 10k+ employees
_LONGEST = 80  # characters of a range; a sentence stays one


def normalize_range(text: str) -> Normalized:
    """`51-200` or `10000+` with plain digits; a text that is neither stays as it is, cleaned (`more than 500`)."""
    cell = normalize_cell(text)
    if cell.value is None or len(cell.value) > _LONGEST:
        return cell
    spelled = _two_ends(cell.value) or _one_end(cell.value) or cell.value
    return cell._replace(value=spelled, raw=None if spelled == text else raw_excerpt(text))


def _two_ends(text: str) -> str | None:
    parts = _between().split(text.strip(), maxsplit=1)
    if len(parts) != 2:
        return None
    lead = parts[0].split(" ", 1)
    low = _count(lead[-1] if lead[0].lower() in range_words().before else parts[0])
    high = _count(parts[1])
    return f"{low}-{high}" if low is not None and high is not None and low <= high else None


def _one_end(text: str) -> str | None:
    found = _OPEN.match(text)
    low = _count(found[1]) if found and (not found[2] or found[2].lower() in range_words().units) else None
    return f"{low}+" if low is not None else None


def _count(text: str) -> int | None:
    number = normalize_number(text).value
    return int(number) if number is not None and number >= 0 and number == int(number) else None


@cache
def _between() -> re.Pattern[str]:
    """A sign or word between two ends, behind a digit (or its `k`) and before one."""
    words = sorted(map(re.escape, range_words().between), key=len, reverse=True)
    return re.compile(rf"(?<=[\dkKmM ])\s?(?:{'|'.join(words)})\s?(?=\d)", re.IGNORECASE)
