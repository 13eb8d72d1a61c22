"""What afluente.yaml may say of how long anything is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import msgspec

from pipeline.settings.type_checks import Problem
from pipeline.values.nearest import unknown_name

BODIES, QUARANTINE, PEOPLE, TOUCHES, DELIVERY_LOG, LOGS = (
    "bodies",
    "quarantine",
    "people",
    "touches",
    "delivery_log",
    "logs",
)
CLASSES = (BODIES, QUARANTINE, PEOPLE, TOUCHES, DELIVERY_LOG, LOGS)
STATES = ("settled", "suppressed")
ACTIVITY, WITHDRAWAL = "activity", "withdrawal"
STARTS = (ACTIVITY, WITHDRAWAL)
# Which of the narrowing keys a class knows.
_NARROWED_BY = {
    BODIES: ("brand", "source", "state"),
    QUARANTINE: ("brand", "source"),
    PEOPLE: ("brand", "start", "purpose"),
    TOUCHES: ("brand", "source"),
    DELIVERY_LOG: ("brand",),
    LOGS: (),
}
_WRITTEN = re.compile(r"([1-9][0-9]{0,4})([dwy])")
_UNITS = {"d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
_LONGEST = timedelta(days=100 * 365)


class RetentionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is retired `after` so long. Of several rules that fit the shortest counts. What is not given means all.
    `start`: what the time counts from, of people only. `purpose`: of a withdrawal, the consent on which their data lie;
    not given: whichever they gave."""

    what: str
    after: str
    brand: str | None = None
    source: str | None = None
    state: str | None = None
    start: str | None = None
    purpose: str | None = None

    @property
    def length(self) -> timedelta:
        length = period_of(self.after)
        if length is None:  # the checks of the file refuse it
            raise ValueError(f"{self.after!r} is no length of time")
        return length

    @property
    def name(self) -> str:
        """What it is about, the same however long it keeps."""
        narrowed = [f"{key}={value}" for key in _NARROWED_BY[self.what] if (value := getattr(self, key)) is not None]
        return " ".join([self.what, *narrowed])


def period_of(text: str) -> timedelta | None:
    """`30d`, `26w` or `3y` (of 365 days), up to a hundred years; None for anything else."""
    if (written := _WRITTEN.fullmatch(text.strip())) is None:
        return None
    length = int(written[1]) * _UNITS[written[2]]
    return length if length <= _LONGEST else None


def longest_of_logs(rules: Iterable[RetentionRule]) -> float | None:
    """Seconds that a line of the programs' logs is kept at the most; None: no rule says so."""
    return min((rule.length.total_seconds() for rule in rules if rule.what == LOGS), default=None)


def problems_of_retention(rules: Any, brands: set[str]) -> Iterator[Problem]:
    """What types cannot tell of the section `retention`."""
    seen: dict[tuple[Any, ...], int] = {}
    for number, rule in enumerate(rules if isinstance(rules, list) else ()):
        if not isinstance(rule, dict):
            continue
        place = f"retention[{number}]"
        yield from _of_rule(rule, place, brands)
        key = tuple(rule.get(name) for name in ("what", "brand", "source", "state", "start", "purpose"))
        if key in seen:
            yield place, f"is about the same as retention[{seen[key]}]: leave one of them"
        seen.setdefault(key, number)


def _of_rule(rule: dict[Any, Any], place: str, brands: set[str]) -> Iterator[Problem]:
    what, after = rule.get("what"), rule.get("after")
    if isinstance(after, str) and period_of(after) is None:
        yield f"{place}.after", f"{after!r} is no length of time; write it as 30d, 26w or 3y"
    if isinstance(what, str) and what not in CLASSES:
        yield f"{place}.what", unknown_name(what, CLASSES)
    elif isinstance(what, str):
        for key in ("brand", "source", "state", "start", "purpose"):
            if rule.get(key) is not None and key not in _NARROWED_BY[what]:
                yield f"{place}.{key}", f"rules of {what} do not know it: {_known_keys(what)}"
        if what == PEOPLE and rule.get("purpose") is not None and rule.get("start") != WITHDRAWAL:
            yield f"{place}.purpose", "is that of a consent taken back: write start: withdrawal beside it"
    brand = rule.get("brand")
    if isinstance(brand, str) and brand not in brands:
        yield f"{place}.brand", f"{brand} is not among brands ({', '.join(sorted(map(str, brands)))})"
    for key, allowed in (("state", STATES), ("start", STARTS)):
        value = rule.get(key)
        if isinstance(value, str) and value not in allowed:
            yield f"{place}.{key}", unknown_name(value, allowed)


def _known_keys(what: str) -> str:
    known = _NARROWED_BY[what]
    return f"they know {', '.join(known)}" if known else "they are about the whole installation"
