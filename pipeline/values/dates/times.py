"""Instants: whatever stands in a lead's field, as an aware UTC datetime, or None. Never the wall clock.

What is read, in this order: declared formats; ISO 8601; seconds, milliseconds, microseconds or nanoseconds since 1970;
Excel serials; dates as people write them (`written_dates`). Two readings and nothing to choose by: not read.
What machines write outside of fields (an event's time, a cursor, a signature) the kit reads, `connectors/kit/times.py`:
any ISO 8601 or number since 1970, and nothing that people write. A small number is a serial here and a second there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pipeline.values.dates.formats import EXCEL_FORMATS, readable, strptime_pattern
from pipeline.values.dates.written_dates import TEXT_LIMIT, WrittenDate, plain, read_written
from pipeline.values.text.text import is_blank
from pipeline.values.vocabularies import vocabulary

FUTURE_TOLERANCE = timedelta(days=1)  # clocks differ and zones are mistaken; more than that is a wrong clock

# Epoch values between 1990 and 2100 only: a smaller or greater number is no time of a lead.
_EPOCH_SECONDS = (631_152_000, 4_102_444_800)
_DIGITS = re.compile(r"^\d{9,19}(?:\.\d{1,9})?$", re.ASCII)
_SERIAL = re.compile(r"^(\d{5})(?:[.,](\d{1,15}))?$", re.ASCII)
# A bare number in this range is a day of Excel's calendar: 1954 to 2119. Day 60 is a 29 February 1900 that never was,
# so the days that count begin on 30 December 1899.
_SERIALS = (20_000, 80_000)
_SERIAL_LIMIT = 2_958_466  # the day after 9999-12-31
_YEARS = (
    1990,
    2120,
)  # a time before or after is no time of a lead, however well it is written: 1970 is a clock that was never set
# `fromisoformat` takes any character for the T, the seventh digit of a phone number too.
_ISO = re.compile(r"\d{4}(?:-\d\d-\d\d|\d{4}|-?W\d\d-?\d)(?:[T ]|$)", re.ASCII)

# Nor does it say of what a fraction is one: it takes 10.30 for ten o'clock and three tenths of a second.
_FRACTION_OF_MORE = re.compile(r"[T ]\d\d(?::?\d\d)?[.,]", re.ASCII)


class ReadTime(NamedTuple):
    """`moment` None: not read, and `flags` say why. Flags of a moment that was read: `excel_serial`."""

    moment: datetime | None
    flags: tuple[str, ...] = ()


_UNREADABLE = ReadTime(None, ("unreadable_time",))


def read_instant(
    value: str | float, *, formats: Sequence[str] = (), zone: str = "UTC", order: str | None = None
) -> ReadTime:
    """An aware UTC datetime, or None with a flag: `unreadable_time`, `ambiguous_date`, `contradicts_order`,
    `unknown_zone`, `blank`.

    A date alone is its midnight. `formats` (strptime's or as `DD/MM/YYYY`) are tried first; a time without a zone is
    taken to be in `zone`; `order` (dmy, mdy or ymd) settles dates as 02/03/2026.
    """
    if isinstance(value, bool):
        return _UNREADABLE
    if isinstance(value, int | float):
        return _from_number(value, zone, formats)
    text = value.strip()
    if not text or len(text) > 2 * TEXT_LIMIT:
        return _UNREADABLE
    moments = (_declared(text, pattern, zone) for pattern in formats)
    moment = next((moment for moment in moments if moment is not None), None)
    return ReadTime(moment) if moment is not None else _undeclared(text, zone, order)


def parse_instant(
    value: str | float, *, formats: Sequence[str] | None = None, zone: str = "UTC", order: str | None = None
) -> datetime | None:
    """As `read_instant`, without the reasons."""
    return read_instant(value, formats=formats or (), zone=zone, order=order).moment


def instant_text(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z, microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def settle(written: WrittenDate, order: str | None) -> tuple[date | None, str | None]:
    """The one date that was meant, or None and a flag saying why it is not known.

    Without an order a date is certain where the calendar allows one reading only (25/03/2026, 03/03/2026), or where it
    is written with dots: every locale of CLDR that does so puts the day first.
    """
    readings = written.readings()
    if order in written.orders:
        day = readings.get(order or "")
        return (day, None) if day or not readings else (None, "contradicts_order")
    if len(set(readings.values())) > 1:
        return (readings["dmy"], None) if written.is_dotted else (None, "ambiguous_date")
    return next(iter(readings.values()), None), None


def _undeclared(text: str, zone: str, order: str | None) -> ReadTime:
    if _DIGITS.match(text):
        since_epoch = _from_epoch(float(text) if "." in text else int(text))
        if since_epoch is not None:
            return ReadTime(since_epoch)
    if text[:4].isdigit() and text.isascii():
        serial = _SERIAL.match(text)
        if serial:
            return _from_serial(float(f"{serial[1]}.{serial[2] or 0}"), zone, 1900)
    if _ISO.match(text) and not _FRACTION_OF_MORE.search(text):
        try:
            moment = _to_utc(datetime.fromisoformat(text), zone)
            return ReadTime(moment) if moment is not None else _UNREADABLE
        except (ValueError, OverflowError):
            pass
    return _from_words(text, zone, order)


@lru_cache(maxsize=4096)
def _from_words(text: str, zone: str, order: str | None) -> ReadTime:
    written_time = read_written(plain(text))
    if written_time is None:
        return ReadTime(None, ("blank",)) if is_blank(text) else _UNREADABLE
    written, clock = written_time
    day, flag = settle(written, order)
    if day is None:
        return ReadTime(None, (flag,)) if flag else _UNREADABLE
    local = datetime.combine(day, clock.clock)
    try:
        written_zone = _written_zone(clock.zone, local, zone) if clock.zone is not None else _zone(zone)
        if written_zone is None:
            return ReadTime(None, ("unknown_zone",))
        moment = _to_utc(local.replace(tzinfo=written_zone) + clock.carry, zone)
    except OverflowError:
        return _UNREADABLE
    return ReadTime(moment) if moment is not None else _UNREADABLE


def _declared(text: str, pattern: str, zone: str) -> datetime | None:
    if pattern.lower() in EXCEL_FORMATS:
        serial = re.match(r"^(\d{1,7})(?:[.,](\d{1,15}))?$", text, re.ASCII)
        number = float(f"{serial[1]}.{serial[2] or 0}") if serial else 0
        return _from_serial(number, zone, EXCEL_FORMATS[pattern.lower()]).moment
    try:
        pattern = strptime_pattern(pattern)
        return _to_utc(datetime.strptime(readable(text, pattern), pattern), zone)  # noqa: DTZ007 - put on right here
    except (ValueError, OverflowError, re.error):  # the last: a pattern that says a code twice
        return None


def _from_number(value: float, zone: str, formats: Sequence[str]) -> ReadTime:
    for pattern in formats:
        if pattern.lower() in EXCEL_FORMATS:
            return _from_serial(value, zone, EXCEL_FORMATS[pattern.lower()])
    if _SERIALS[0] <= value <= _SERIALS[1]:
        return _from_serial(value, zone, 1900)
    moment = _from_epoch(value)
    if moment is None and isinstance(value, int) and 0 < value < 10**15:
        return read_instant(str(value), formats=formats, zone=zone)  # 20260302
    return ReadTime(moment) if moment is not None else _UNREADABLE


def _from_epoch(number: float) -> datetime | None:
    if not 0 < number < 1e19:
        return None
    for divisor in (1, 1_000, 1_000_000, 1_000_000_000):
        seconds = number / divisor
        if _EPOCH_SECONDS[0] <= seconds <= _EPOCH_SECONDS[1]:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _from_serial(number: float, zone: str, system: int) -> ReadTime:
    """A day of a spreadsheet's calendar and its fraction, to the millisecond: their floats hold no more."""
    if not 0 < number < _SERIAL_LIMIT or (system == 1900 and not _SERIALS[0] <= number <= _SERIALS[1]):
        return _UNREADABLE
    start = datetime(1899, 12, 30) if system == 1900 else datetime(1904, 1, 1)  # noqa: DTZ001 - local time
    try:
        moment = _to_utc(start + timedelta(milliseconds=round(number * 86_400_000)), zone)
    except OverflowError:
        return _UNREADABLE
    return ReadTime(moment, ("excel_serial",)) if moment is not None else _UNREADABLE


def _to_utc(moment: datetime, zone: str) -> datetime | None:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone))
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment if _YEARS[0] <= moment.year <= _YEARS[1] else None


def _written_zone(name: str | timezone, local: datetime, declared: str) -> tzinfo | None:
    """The zone that stands behind a time: an offset, an abbreviation that means one thing, a name of the IANA data."""
    if isinstance(name, timezone):
        return name
    offset = vocabulary("zones").get(name.upper())
    if offset is not None:
        return datetime.strptime(offset, "%z").tzinfo
    if local.replace(tzinfo=_zone(declared)).tzname() == name.upper():
        return _zone(declared)
    known = _zone_names().get(name.lower())
    return _zone(known) if known else None


@cache
def _zone_names() -> dict[str, str]:
    """Small letters -> name. Names with a slash only: `EST5EDT` and `Cuba` are no times of day."""
    return {name.lower(): name for name in available_timezones() if "/" in name}


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
