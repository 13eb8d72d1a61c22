"""Moments as people type them: how long ago, a day, a time, or a period of days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from pipeline.errors import UsageError

_AGO = re.compile(r"([0-9]{1,9})([mhdw])")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.DOTALL)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str, now: datetime) -> datetime:
    """`90m`, `24h`, `7d`, `2w` (before `now`), `2026-03-01` (its midnight) or `2026-03-01T22:00`; UTC unless it says.

    Raises UsageError that names `option`.
    """
    typed = text.strip()
    try:
        if ago := _AGO.fullmatch(typed):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(typed)
    except OverflowError:
        raise UsageError(f"{option} {text!r} is before all time") from None
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a time; write it as 24h, 7d, 2026-03-01 or 2026-03-01T22:00 (UTC)"
            f"{_no_such_day(typed)}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_expiry(option: str, text: str, now: datetime) -> datetime:
    """`24h`, `90d`, `2w` from `now` on, a day or a time; UTC unless it says. Raises UsageError that names `option`."""
    typed = text.strip()
    try:
        if ahead := _AGO.fullmatch(typed):
            return now + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
        moment = datetime.fromisoformat(typed)
    except OverflowError:
        raise UsageError(f"{option} {text!r} is after all time") from None
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a time; write it as 90d, 2w, 2027-03-01 or leave it out{_no_such_day(typed)}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _no_such_day(typed: str) -> str:
    """What to add for what is written as a day, or begins with one, that no calendar has."""
    written = _DAY.fullmatch(typed)
    return f": there is no {written[1]} in the calendar" if written and not _is_day(written[1]) else ""


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_days(since: str | None, until: str | None) -> tuple[date | None, date | None]:
    """The first and the last day of `--since` and `--until`. Raises UsageError.

    The last day of all is none: the day after it cannot be written, and nothing is that late.
    """
    first_day, last_day = _parse_day("--since", since), _parse_day("--until", until)
    if first_day and last_day and last_day < first_day:
        raise UsageError(f"--until {last_day} is before --since {first_day}")
    return first_day, None if last_day == date.max else last_day


def _parse_day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a day; write it as 2025-03-31{_no_such_day(text or '')}") from None


Since = Annotated[
    str | None, typer.Option("--since", help="Only from then on: 24h, 7d, 2026-03-01 or 2026-03-01T22:00 (UTC).")
]
Until = Annotated[str | None, typer.Option("--until", help="Only before then; a day counts to its end.")]


def parse_period(since: str | None, until: str | None) -> dict[str, datetime | None]:
    """`since` and `until` (excluded) of an export. A day as `--until` is included. Raises UsageError."""
    now = datetime.now(UTC)
    begin = parse_moment("--since", since, now) if since is not None else None
    end = parse_moment("--until", until, now) if until is not None else None
    if end is not None and until is not None and _is_day(until.strip()):
        end = end + timedelta(days=1) if end.date() < date.max else None  # nothing is later than the last day of all
    if begin and end and end <= begin:
        raise UsageError(f"--until {until} is before --since {since}")
    return {"since": begin, "until": end}
