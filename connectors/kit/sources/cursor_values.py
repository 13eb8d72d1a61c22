"""Values that a feed is read on from, in its own spelling: which is the greatest, and what lies a little before.

A value is a time (ISO 8601 with any separator, fraction and offset, compact, RFC 2822, or Unix time in seconds to
nanoseconds), a number, or text that only the source understands. Nothing is written anew: an earlier time is the same
text with other digits, so that separator, fraction, offset and zone stay as the source writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

FUTURE_SECONDS = 300  # clocks differ; what is dated later than this is not believed
_ZONES_SECONDS = 14 * 3600  # a time without an offset may be that far ahead of UTC, and right
_ISO = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"(?:[Tt_ ]+(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,30}))?)?)?"
    r" *(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)?(?:\[[\w/+-]{1,60}\])?)?",
    re.ASCII,
)
_COMPACT = re.compile(
    r"(?P<year>(?:19[7-9]|20\d)\d)(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?P<fraction>\d{3})?)?",
    re.ASCII,
)
_MAIL = re.compile(
    r"(?:(?P<weekday>[A-Z][a-z]{2}), +)?(?P<day>\d\d?) (?P<name>[A-Z][a-z]{2}) (?P<year>\d{4})"
    r" (?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))? +(?P<zone>[+-]\d{4}|GMT|UTC|UT|Z)",
    re.ASCII,
)
_NUMBER = re.compile(r"(?P<whole>-?\d{1,40})(?:\.(?P<fraction>\d{1,40}))?", re.ASCII)
_EPOCH_DIGITS = 9  # fewer are counters: seconds have reached nine in 1973
_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))  # below which, ticks in a second
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME_NAME = re.compile(
    r"time|date|stamp|modif|creat|chang|since|(?:^|[._-])(?:at|on|ts|when)$|[a-z](?:At|On)$|(?:^|[._-])(?:upd|mod)"
)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)

Order = tuple[int, Decimal, str]


@dataclass(frozen=True, slots=True)
class _Written:
    """A value with what it means. `seconds`: since 1970, of a time; `local`: its wall clock, with the places of its
    digits in `match`; `is_zoned`: the offset is written; `is_count`: Unix time, which may be a mere number."""

    text: str
    seconds: Decimal | None = None
    number: Decimal | None = None
    match: re.Match[str] | None = None
    local: datetime | None = None
    is_zoned: bool = True
    is_count: bool = False


def as_text(value: Any) -> str | None:
    """A record's value as it is sent back; None for what can be no cursor."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def order(text: str) -> Order:
    """Times in the order of time, numbers in the order of numbers, the rest as text; times are above numbers."""
    written = _read(text)
    if written.seconds is not None:
        return 2, written.seconds, text
    return (1, written.number, "") if written.number is not None else (0, Decimal(0), text)


def is_time(text: str) -> bool:
    return _read(text).seconds is not None


def earlier(text: str, seconds: int) -> str:
    """The time `seconds` before, as the source writes it, rounded down to what it writes; other values as they are."""
    return text if seconds <= 0 else shifted(text, -seconds)


def shifted(text: str, seconds: int) -> str:
    """The time `seconds` later, or before if there are less than none, as above."""
    written = _read(text)
    if written.seconds is None:
        return text
    if written.is_count:
        whole, point, fraction = text.partition(".")
        return f"{int(whole) + seconds * _ticks(int(whole))}{point}{fraction}"
    if written.match is None or written.local is None:
        return text
    try:
        return _rewritten(written.match, written.local + timedelta(seconds=seconds))
    except OverflowError:  # the year 1, or 9999
        return text


def is_future(text: str, now: datetime, *, names_time: bool = True) -> bool:
    """Whether a time is later than now and some minutes. Unix time counts as time only if `names_time`."""
    written = _read(text)
    if written.seconds is None or (written.is_count and not names_time):
        return False
    return written.seconds > Decimal(str(now.timestamp())) + FUTURE_SECONDS


def is_surely_future(text: str, now: datetime) -> bool:
    """The same, where a time without an offset may be that of the zone furthest ahead."""
    zones = 0 if _read(text).is_zoned else _ZONES_SECONDS
    return is_future(text, now + timedelta(seconds=zones))


def names_time(path: str | None) -> bool:
    """Whether a field's name says that it holds a time (`updated_at`, `createdOn`, `ts`)."""
    return path is not None and _TIME_NAME.search(path) is not None


@dataclass(frozen=True, slots=True)
class Greatest:
    """`value`: the greatest that is believed, or None. `has_future`: one was passed over, as dated in the future."""

    value: str | None
    has_future: bool


def greatest(values: Sequence[str], known: str | None, *, path: str | None, now: datetime) -> Greatest:
    """Of `values` and the one `known` before. Numbers are held for Unix time if the field's name says so, or if others
    are such times of the past."""
    counted = names_time(path) or any(
        _read(text).is_count and not is_future(text, now) for text in (*values, *([known] if known else []))
    )
    believed = [text for text in values if not is_future(text, now, names_time=counted)]
    has_future = any(is_surely_future(text, now) for text in values if is_future(text, now, names_time=counted))
    return Greatest(max([*believed, *([known] if known is not None else [])], key=order, default=None), has_future)


@lru_cache(maxsize=2048)
def _read(text: str) -> _Written:
    for pattern in (_COMPACT, _ISO, _MAIL):
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return _read_clock(text, match)
            except ValueError:  # no such day or hour: 20261399 is a number
                continue
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _Written(text)
    number, whole = Decimal(text), match["whole"]
    if len(whole) < _EPOCH_DIGITS or whole.startswith("-") or int(whole) >= _UNITS[-1][0]:
        return _Written(text, number=number)
    return _Written(text, number=number, seconds=number / _ticks(int(whole)), is_count=True)


def _read_clock(text: str, match: re.Match[str]) -> _Written:
    parts = match.groupdict()
    month = int(parts["month"]) if parts.get("month") else _MONTHS.index(parts["name"]) + 1
    second = min(int(parts["second"] or 0), 59)  # a leap second
    local = datetime(  # noqa: DTZ001 - the wall clock of the source; its offset is taken off below
        int(parts["year"]), month, int(parts["day"]), int(parts["hour"] or 0), int(parts["minute"] or 0), second
    )
    zone = parts.get("zone")
    since = local - _BEGIN.replace(tzinfo=None)
    seconds = Decimal(since.days * 86_400 + since.seconds - _offset_seconds(zone))
    fraction = parts.get("fraction")
    seconds += Decimal(f"0.{fraction}") if fraction else 0
    return _Written(text, seconds=seconds, match=match, local=local, is_zoned=zone is not None)


def _offset_seconds(zone: str | None) -> int:
    if zone is None or zone[0] not in "+-":
        return 0
    digits = re.sub(r"\D", "", zone).ljust(6, "0")
    count = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -count if zone[0] == "-" else count


def _rewritten(match: re.Match[str], local: datetime) -> str:
    """The matched text with the digits of another wall clock in their places."""
    text = match.group()
    new = {
        "year": f"{local.year:04d}", "month": f"{local.month:02d}", "day": f"{local.day:02d}",
        "hour": f"{local.hour:02d}", "minute": f"{local.minute:02d}", "second": f"{local.second:02d}",
        "name": _MONTHS[local.month - 1], "weekday": _DAYS[local.weekday()],
    }  # fmt: skip
    if match.groupdict().get("day") is not None and len(match["day"]) == 1:
        new["day"] = str(local.day)
    places = sorted(
        (*match.span(name), name) for name, found in match.groupdict().items() if found is not None and name in new
    )
    for begin, end, name in reversed(places):
        text = text[:begin] + new[name] + text[end:]
    return text


def _ticks(whole: int) -> int:
    return next(ticks for limit, ticks in _UNITS if whole < limit)
