"""Reads the times that machines write: an event's own time, a cursor, the timestamp of a signature.

Every result is aware and UTC; what cannot be read is None, never a guess. The other reader, of times in the fields of a
lead, is the pipeline's `values/dates/times.py`: it knows dates as people write them, spreadsheets' serials, zones and
the order of a column, and refuses what is no time of a lead (before 1990). A machine's 45000 is half past twelve on
1 January 1970, a spreadsheet's is a day in 2023: one reader could not be right about both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_MILLISECONDS_FROM = 100_000_000_000  # seconds reach this in the year 5138: a greater number counts milliseconds


def parse_time(value: Any) -> datetime | None:
    """ISO 8601 text (without an offset: UTC), or Unix seconds or milliseconds as number or digits."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str):
        text = value.strip()
        if not _is_number(text):
            return _parse_iso(text)
        value = float(text)
    if not isinstance(value, int | float):
        return None
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _is_number(text: str) -> bool:
    # At least nine digits before the point (1973): shorter ones are dates such as 20260302 or counters, not times.
    whole, _, fraction = text.partition(".")
    return text.isascii() and whole.isdigit() and len(whole) >= 9 and (not fraction or fraction.isdigit())


def _parse_iso(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
