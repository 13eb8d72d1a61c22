"""Moments as people type them: how long ago, a day, or a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pipeline.cli.terminal.output import CommandError

_AGO = re.compile(r"([0-9]{1,9})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str, now: datetime) -> datetime:
    """`90m`, `24h`, `7d`, `2w` (before `now`), `2026-03-01` (its midnight) or `2026-03-01T22:00`; UTC unless it says.

    Raises CommandError (wrong use) that names `option`.
    """
    said = text.strip()
    try:
        if ago := _AGO.fullmatch(said):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(said)
    except OverflowError:
        raise CommandError(f"{option} {text!r} is before all time", exit_code=2) from None
    except ValueError:
        raise CommandError(
            f"{option} {text!r} is not a time; write it as 24h, 7d, 2026-03-01 or 2026-03-01T22:00 (UTC)", exit_code=2
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
