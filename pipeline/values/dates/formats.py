"""Declared date formats: strptime's (`%d/%m/%Y`), spreadsheets' (`DD/MM/YYYY hh:mm`), and Excel's two calendars."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from pipeline.values.dates.written_dates import month_number, plain

# A number of days. Excel for Mac once counted from 1904; nothing in the number tells, so it is only ever declared.
EXCEL_FORMATS = {"excel": 1900, "excel_1900": 1900, "excel_1904": 1904}

_TOKENS = re.compile(
    r"YYYY|yyyy|YY|yy|MMMM|MMM|MM|M|DD|dd|D|d|HH|H|hh|h|mm|m|ss|s|SSSSSS|SSS|fff|AM/PM|am/pm|tt|A|a|XXX|ZZ|Z|T"
)
_CODES = {
    "y": "%Y",
    "yy": "%y",
    "mmmm": "%m",
    "mmm": "%m",
    "d": "%d",
    "s": "%S",
    "sss": "%f",
    "ssssss": "%f",
    "fff": "%f",
    "xxx": "%z",
    "zz": "%z",
    "z": "%z",
    "t": "T",
}
_SAMPLE = datetime(2023, 11, 24, 10, 30, 45, 123456, UTC)
_HALF_DAY = ("AM/PM", "am/pm", "tt", "A", "a")
_WORD = re.compile(r"[A-Za-z]+")


def check_format(pattern: str) -> None:
    """Raises ValueError where no date could ever be read by the pattern: unknown codes, a code twice, no day."""
    if pattern.lower() in EXCEL_FORMATS:
        return
    try:
        codes = strptime_pattern(pattern)
        sample = _SAMPLE.strftime(codes)
        moment = datetime.strptime(readable(sample, codes), codes)  # noqa: DTZ007 - thrown away
    except (ValueError, OverflowError, re.error):
        raise ValueError("is no date format, such as DD/MM/YYYY hh:mm or %d/%m/%Y %H:%M") from None
    if moment.year % 100 != _SAMPLE.year % 100:
        raise ValueError("names no year: which one is meant, nobody could tell")


@lru_cache(maxsize=256)
def strptime_pattern(pattern: str) -> str:
    """The pattern in strptime's codes; months by name become numbers. Raises ValueError saying what is not known.

    `mm` is minutes after an hour and months elsewhere, as in spreadsheets; `MM` is always months.
    """
    if "%" in pattern:
        return pattern.replace("%B", "%m").replace("%b", "%m").replace("%h", "%m")
    tokens = _TOKENS.findall(pattern)
    rest = _TOKENS.sub("", pattern)
    if not tokens or re.search(r"[^\W_]", rest):
        raise ValueError(f"{pattern!r} is no date format, such as DD/MM/YYYY hh:mm or %d/%m/%Y %H:%M")
    is_half_day = any(token in _HALF_DAY for token in tokens)
    has_hour = False

    def code(match: re.Match[str]) -> str:
        nonlocal has_hour
        token = match[0]
        if token in _HALF_DAY:
            return "%p"
        if token[0] in "Hh":
            has_hour = True
            return "%I" if is_half_day and token[0] == "h" else "%H"
        if token in ("mm", "m") and has_hour:
            return "%M"
        if len(token) <= 2 and token[0] in "Mm":
            return "%m"
        lower = token.lower()
        return _CODES[{"yyyy": "y", "dd": "d", "ss": "s"}.get(lower, lower)]

    return _TOKENS.sub(code, pattern)


def readable(text: str, pattern: str) -> str:
    """The text as strptime can read it: months' names as numbers, `a. m.` as AM, no ordinal marks."""
    if text.isascii() and not _WORD.search(text):
        return text
    text = plain(text)
    if "%p" in pattern:
        text = re.sub(r"(?<=[\d ])([ap])\.?\s?m\.?(?![a-z])", r"\1m", text, flags=re.IGNORECASE)
    return _WORD.sub(lambda word: str(month_number(word[0]) or word[0]), text) if "%m" in pattern else text
