"""Instants: whatever a source writes, as an aware UTC datetime, or None. Never the wall clock: stages have none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FUTURE_TOLERANCE = timedelta(days=1)  # clocks differ and zones are mistaken; more than that is a wrong clock

# Epoch values between 1990 and 2100 only: a smaller or greater number is no time of a lead.
_EPOCH_SECONDS = (631_152_000, 4_102_444_800)
_DIGITS = re.compile(r"^\d{9,17}(?:\.\d{1,9})?$")
_OFFSET_WITHOUT_COLON = re.compile(r"([+-]\d{2})(\d{2})$")


def parse_instant(value: str | float, *, formats: list[str] | None = None, zone: str = "UTC") -> datetime | None:
    """An aware UTC datetime from ISO 8601 (a date alone is its midnight), epoch seconds, milliseconds or microseconds.

    `formats` (strptime) are tried first. A time without a zone is taken to be in `zone`. None: not readable.
    """
    if isinstance(value, int | float):
        return _from_epoch(value)
    text = value.strip()
    if not text or len(text) > 64:
        return None
    if _DIGITS.match(text) and not formats:
        return _from_epoch(float(text))
    for pattern in formats or ():
        try:
            return _to_utc(datetime.strptime(text, pattern), zone)  # noqa: DTZ007 - the zone is put on right here
        except (ValueError, OverflowError):
            continue
    try:
        return _to_utc(datetime.fromisoformat(_OFFSET_WITHOUT_COLON.sub(r"\1:\2", text)), zone)
    except (ValueError, OverflowError):
        return _from_epoch(float(text)) if _DIGITS.match(text) else None


def instant_text(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z, microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _from_epoch(number: float) -> datetime | None:
    if not 0 < number < 1e17:
        return None
    for divisor in (1, 1_000, 1_000_000):
        seconds = number / divisor
        if _EPOCH_SECONDS[0] <= seconds <= _EPOCH_SECONDS[1]:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _to_utc(moment: datetime, zone: str) -> datetime | None:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone))
    moment = moment.astimezone(UTC)
    return moment if moment.year >= 1970 else None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
