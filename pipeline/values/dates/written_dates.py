"""Dates as people and spreadsheets write them: numbers in any order, months by name, times, zones.

What a text says is read here, without deciding what it does not say: a date as `02/03/2026` keeps both its readings.
Month names, weekdays and zone abbreviations stand in `mappings/vocabularies/`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, time, timedelta, timezone
from functools import cache
from typing import NamedTuple

from pipeline.values.text.text import clean_line
from pipeline.values.vocabularies import aliases, vocabulary

ORDERS = ("dmy", "mdy", "ymd")
TEXT_LIMIT = 100  # characters; JavaScript's longest way to write a moment has 72

_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_YEAR = r"(\d{4}|'?\d{2})(?!\d|:|\s?h\d|\s?[ap]\.?\s?m)"  # no year: the 14 of `2 March 14:05`
_ORDINAL = r"(?:st|nd|rd|th|er|eme|e|o|a)?"
_NUMERIC = re.compile(rf"(\d{{4}}|\d{{1,2}})([-/ ]|\.\ ?)(\d{{1,2}})\2(?:{_YEAR}|(\d))(?!\d)\.?", re.IGNORECASE)
_EAST_ASIAN = re.compile(r"(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?日")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?=$|[\sT]|\d{4}(?:\d\d)?$)", re.IGNORECASE)
_ORDINAL_DATE = re.compile(r"(\d{4})-(\d{3})(?!\d)")
_BEFORE_TIME = re.compile(r"[\s,T]*(?:(?:at|a las?|as|a|um|kl\.?|-|@)(?=[\s\d]))?\s*", re.IGNORECASE)
_TIME = re.compile(
    r"(\d{1,2})(?:\s?[:.h]\s?(\d\d)(?!\d)(?:\s?(?:[:.]|m|min)\s?(\d\d)(?!\d)(?:[.,:](\d{1,9}))?\s?s?)?)?"
    r"(?:\s?([ap])\.?\s?m(?![a-z])\.?|\s?(uhr|hrs?|hs|horas?|h)(?![a-z])\.?)?",
    re.IGNORECASE,
)
_COMPACT_TIME = re.compile(r"T?(\d\d)(\d\d)(?:(\d\d)(?:[.,](\d{1,9}))?)?(?=$|[\sZ+-])", re.IGNORECASE)
_OFFSET = re.compile(r"\s*(?:Z|UTC|UT|GMT)?\s?([+-])(\d{1,2}):?(\d\d)?(?!\d)(?:\s?[\[(][^\])]*[\])])?$", re.IGNORECASE)
_ZONE_NAME = re.compile(r"\s*[\[(]?([A-Za-z]{1,5}|[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)+)[\])]?(?:\s?\([^)]*\))?$")


class WrittenDate(NamedTuple):
    """Three numbers as they stand, and the orders that their shape allows. `is_dotted`: written `2.3.2026`."""

    numbers: tuple[int, int, int]
    orders: tuple[str, ...]
    is_dotted: bool = False
    text: str = ""

    def readings(self) -> dict[str, date]:
        """Each order that gives a date of the calendar -> that date."""
        days = {}
        for order in self.orders:
            parts = dict(zip(order, self.numbers, strict=True))
            try:
                days[order] = date(parts["y"], parts["m"], parts["d"])
            except ValueError:
                continue
        return days


class WrittenTime(NamedTuple):
    """What follows a date. `carry` does not fit into a clock (24:00, a leap second); `zone` is a name or an offset."""

    clock: time = time()
    carry: timedelta = timedelta()
    zone: str | timezone | None = None


def plain(text: str) -> str:
    """The text without accents, with ASCII digits, spaces and dashes; case is kept, for zone names have one."""
    text = clean_line(text[: 4 * TEXT_LIMIT])
    if text.isascii():
        return text
    kept = (
        str(digit) if (digit := unicodedata.decimal(character, None)) is not None else character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character)
    )
    return " ".join("".join(kept).translate(_DASHES).replace("\u2019", "'").split())


def read_written(text: str) -> tuple[WrittenDate, WrittenTime] | None:
    """The date and time that a `plain` text consists of, or None. Nothing may be left over."""
    if len(text) > TEXT_LIMIT:
        return None
    for candidate in _arrangements(text):
        leading = leading_date(candidate)
        if leading is not None:
            written, rest = leading
            clock = _time_and_zone(rest)
            if clock is not None:
                return written, clock
    return None


def leading_date(text: str) -> tuple[WrittenDate, str] | None:
    """The date that a `plain` text begins with, and what follows it."""
    match = _NUMERIC.match(text)
    if match:
        first, separator, second, year, short = match.groups()
        third = year or short
        if len(first) == 4 and len(third) <= 2 and third[0] != "'":
            return WrittenDate((int(first), int(second), int(third)), ("ymd",), text=match[0]), text[match.end() :]
        if len(first) != 4 and year and not (separator == " " and len(third) < 4):
            return _open_date(first, separator, second, third, match[0]), text[match.end() :]
        return None
    for pattern in (_EAST_ASIAN, _COMPACT):
        match = pattern.match(text)
        if match:
            numbers = (int(match[1]), int(match[2]), int(match[3]))
            return WrittenDate(numbers, ("ymd",), text=match[0]), text[match.end() :]
    match = _ORDINAL_DATE.match(text)
    if match and int(match[1]) > 0 and 1 <= int(match[2]) <= 366:
        day = date(int(match[1]), 1, 1) + timedelta(days=int(match[2]) - 1)
        if day.year == int(match[1]):
            return WrittenDate((day.year, day.month, day.day), ("ymd",), text=match[0]), text[match.end() :]
    return _date_with_month_name(text)


def _open_date(first: str, separator: str, second: str, third: str, text: str) -> WrittenDate:
    numbers = (int(first), int(second), full_year(third) if len(third) != 4 else int(third))
    if separator == "-" and len(third) == 2:  # 26-03-02: the year may well come first
        candidates = WrittenDate(numbers, ("dmy", "mdy"), text=text)
        turned = WrittenDate((full_year(first), int(second), int(third)), ("ymd",), text=text)
        return _AmbiguousYear(numbers, ORDERS, text=text) if turned.readings() else candidates
    return WrittenDate(numbers, ("dmy", "mdy"), is_dotted=separator.startswith("."), text=text)


class _AmbiguousYear(WrittenDate):
    """`26-03-02`: two digits in every place, so the last number is a year in one order and a day in another."""

    __slots__ = ()

    def readings(self) -> dict[str, date]:
        days = WrittenDate(self.numbers, ("dmy", "mdy")).readings()
        year, month, day = full_year(f"{self.numbers[0]:02}"), self.numbers[1], self.numbers[2] % 100
        return days | WrittenDate((year, month, day), ("ymd",)).readings()


def full_year(digits: str) -> int:
    """Two digits as a year: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (POSIX strptime's %y)."""
    year = int(digits.lstrip("'"))
    return year + (1900 if year >= 69 else 2000)


def month_number(word: str) -> int | None:
    """1 to 12 for a month's name or abbreviation in five languages."""
    number = aliases("months").get(word.lower().rstrip("."))
    return int(number) if number and not word.isdigit() else None


def _date_with_month_name(text: str) -> tuple[WrittenDate, str] | None:
    for pattern, places in _month_patterns():
        match = pattern.match(text)
        if match:
            day, month, year = (match[place] for place in places)
            number = month_number(month)
            if number is not None:
                numbers = (int(day), number, int(year) if len(year) == 4 else full_year(year))
                return WrittenDate(numbers, ("dmy",), text=match[0]), text[match.end() :]
    return None


def _time_and_zone(text: str) -> WrittenTime | None:
    if not text or text in (",", "."):
        return WrittenTime()
    start = _BEFORE_TIME.match(text)
    rest = text[start.end() :] if start else text
    match = _COMPACT_TIME.match(rest) or _TIME.match(rest)
    if match is None:
        return WrittenTime(zone="UTC") if rest in ("Z", "z") else None
    clock = _clock(match)
    return _with_zone(clock, rest[match.end() :]) if clock is not None else None


def _with_zone(clock: WrittenTime, rest: str) -> WrittenTime | None:
    if not rest.strip(" ,."):
        return clock
    offset = _OFFSET.match(rest)
    if offset:
        sign, hours, minutes = offset.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if shift > timedelta(hours=15) or int(minutes or 0) > 59:
            return None
        return clock._replace(zone=timezone(-shift if sign == "-" else shift))
    name = _ZONE_NAME.match(rest)
    return clock._replace(zone=name[1]) if name else None


def _clock(match: re.Match[str]) -> WrittenTime | None:
    groups = (*match.groups(), None, None)
    half, unit = groups[4:6]
    if groups[1] is None and half is None and unit is None:
        return None  # one number alone is no time of day
    hour, minute, second = (int(group or 0) for group in groups[:3])
    fraction = groups[3] or ""
    if half is not None and hour <= 12:
        if hour == 0 and half in "pP":
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    elif half is not None and half in "aA":
        return None  # 14:05 AM
    carry = timedelta()
    if hour == 24 and minute == second == 0:
        hour, carry = 0, timedelta(days=1)
    if second == 60:
        second, carry = 59, carry + timedelta(seconds=1)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return WrittenTime(time(hour, minute, second, int(fraction[:6].ljust(6, "0") or 0)), carry)


def _arrangements(text: str) -> list[str]:
    """The text, and it in other orders: without a weekday in front; C's `Mar 2 09:14:55 2026`; the time first."""
    arrangements = [text]
    patterns = _Patterns.get()
    weekday = patterns.weekday.match(text)
    if weekday:
        arrangements.append(text[weekday.end() :])
    for candidate in tuple(arrangements):
        match = patterns.c_time.match(candidate)
        if match:
            month, day, clock, zone, year = match.groups()
            arrangements.append(f"{day} {month} {year} {clock} {zone or ''}".rstrip())
    match = patterns.time_first.match(text)
    if match:
        arrangements.append(f"{match[2]} {match[1]}")
    return arrangements


class _Patterns(NamedTuple):
    weekday: re.Pattern[str]
    c_time: re.Pattern[str]
    time_first: re.Pattern[str]

    @staticmethod
    @cache
    def get() -> _Patterns:
        days = "|".join(sorted({re.escape(plain(day)) for day in vocabulary("weekdays")}, key=len, reverse=True))
        clock = r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:\s?[AP]\.?M\.?)?"
        return _Patterns(
            re.compile(rf"(?:el |le |am )?(?:{days})(?![a-z])\.?\s*,?\s*(?:den |dem |le |el |the )?", re.IGNORECASE),
            re.compile(
                rf"({_months()})\.?\s+(\d{{1,2}}),?\s+({clock})\s*([A-Za-z]{{2,5}}|[+-]\d{{4}}|GMT[+-]\d{{4}})?\s+(\d{{4}})$",
                re.IGNORECASE,
            ),
            re.compile(rf"({clock})\s*(?:[,-]|on|le|el|am)?\s+(.*\d)$", re.IGNORECASE),
        )


@cache
def _months() -> str:
    names = sorted((name for name in aliases("months") if not name.isdigit()), key=len, reverse=True)
    return "|".join(map(re.escape, names))


@cache
def _month_patterns() -> tuple[tuple[re.Pattern[str], tuple[int, int, int]], ...]:
    """Patterns of dates with a month's name, and the groups that hold day, month and year."""
    month, between, of = rf"({_months()})(?![a-z])\.?", r"[\s./,-]*", r"(?:(?:of|de|del)\s|d')?\s*"
    return (
        (re.compile(rf"(\d{{1,2}}){_ORDINAL}{between}{of}{month}{between}{of}{_YEAR}", re.IGNORECASE), (1, 2, 3)),
        (re.compile(rf"{month}{between}(\d{{1,2}}){_ORDINAL}[\s./,-]+{of}{_YEAR}", re.IGNORECASE), (2, 1, 3)),
        (re.compile(rf"(\d{{4}}){between}{month}{between}(\d{{1,2}}){_ORDINAL}(?![\da-z])", re.IGNORECASE), (3, 2, 1)),
    )
