"""Lengths of time as settings say them, and as people read them."""

from __future__ import annotations

import re
from datetime import timedelta

from pipeline.values.counting import counted

_WRITTEN = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=366)
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


def length_of(text: str) -> timedelta | None:
    """`90m`, `6h`, `3d` or `2w`, up to a year; None for anything else."""
    if (written := _WRITTEN.fullmatch(text.strip())) is None:
        return None
    length = int(written[1]) * _UNITS[written[2]]
    return length if length <= _LONGEST else None


def length_in_words(seconds: float) -> str:
    """`40 seconds`, `9 minutes`, `3 hours`, `2 days`: rounded to what one would say."""
    for unit, word, least in ((_DAY, "day", 2 * _DAY), (_HOUR, "hour", 2 * _HOUR), (_MINUTE, "minute", 1.5 * _MINUTE)):
        if seconds >= least:
            return counted(round(seconds / unit), word)
    return counted(max(1, round(seconds)), "second")
