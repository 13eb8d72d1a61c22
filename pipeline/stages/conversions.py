"""What `as: …` in a mapping means: a value of any JSON type becomes one of the type wanted, or a flag saying why not.

Each conversion returns `Normalized`: a value of None with flags means that the value could not be used and is kept raw.
None of them raises, whatever it is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from pipeline.stages.text import fold, raw_excerpt
from pipeline.stages.times import instant_text, read_instant
from pipeline.stages.values import NOTHING, Normalized, is_empty
from pipeline.stages.vocabularies import aliases

Conversion = Callable[[Any], Normalized]

_NUMBER = re.compile(r"^[+-]?\d+(?:\.\d+)?$")
_GROUPED = re.compile(r"^[+-]?\d{1,3}(?:([,.'\u2019 \u00a0\u202f])\d{3})+$")
_LIST_SEPARATORS = re.compile(r"[;,|\n]")
_INTEGER_LIMIT = 10**18
# A batch travels in a message: megabytes of one lead stay at home. Twice what normalization keeps, and flags as cut.
_TEXT_LIMIT = 65_536
_LIST_LIMIT = 1_000


def to_text(value: Any) -> Normalized:
    """Text; numbers as they print, several choices joined with a comma."""
    if isinstance(value, str):
        return Normalized(value[:_TEXT_LIMIT])
    if isinstance(value, bool):
        return Normalized("true" if value else "false")
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, list):
        parts = [to_text(item).value for item in value if not isinstance(item, list | dict)]
        if len(parts) == len(value):
            return Normalized(", ".join(part for part in parts if part and not part.isspace())[:_TEXT_LIMIT] or None)
    return _wrong_type(value)


def to_address(value: Any) -> Normalized:
    """One e-mail address or number as text: the first of a list, the rest handed on as `others`."""
    if isinstance(value, str):
        return Normalized(value[:_TEXT_LIMIT])
    if isinstance(value, list):
        texts = to_list(value)
        if not texts.value:
            return texts
        first, *others = texts.value
        return Normalized(first, texts.flags, texts.raw, tuple(others))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong_type(value)
    return _number_text(value)


def to_phone(value: Any) -> Normalized:
    """A phone number as text. A float beyond 15 digits has lost some of them and is refused."""
    if isinstance(value, float) and abs(value) >= 1e15:
        return Normalized(None, ("scientific_notation",), raw_excerpt(str(value)))
    return to_address(value)


def to_list(value: Any) -> Normalized:
    """A list of texts; text is split at commas, semicolons, bars and line breaks."""
    if isinstance(value, str):
        return Normalized(
            [part.strip() for part in _LIST_SEPARATORS.split(value[:_TEXT_LIMIT]) if part.strip()] or None
        )
    items = value[:_LIST_LIMIT] if isinstance(value, list) else [value]
    texts = []
    flags: tuple[str, ...] = ()
    for item in items:
        text = to_text(item) if not isinstance(item, list | dict | bool) else _wrong_type(item)
        if text.flags:
            flags = text.flags
        elif not is_empty(text.value):
            texts.append(text.value)
    return Normalized(texts or None, flags, _excerpt(value) if flags else None)


def to_number(value: Any) -> Normalized:
    """An integer or a float; text with groups of thousands is understood where it can mean one thing only."""
    if isinstance(value, bool):
        return _wrong_type(value)
    if isinstance(value, int | float):
        return _bounded_number(value, value)
    if not isinstance(value, str):
        return _wrong_type(value)
    text = value.strip()
    grouped = _GROUPED.match(text)
    if grouped:
        # One group only, as in 1.234 or 1,234, may also be a decimal fraction: thousands is what counts of people are.
        text = re.sub(r"[^\d+-]", "", text)
    if not text.isascii() or len(text) > 40 or not _NUMBER.match(text):
        return Normalized(None, ("not_a_number",), raw_excerpt(value))
    number = float(text) if "." in text else int(text)
    return _bounded_number(number, value)


def to_boolean(value: Any) -> Normalized:
    """True or False; the words for yes and no stand in `mappings/vocabularies/booleans.yaml`."""
    if isinstance(value, bool):
        return Normalized(value)
    if isinstance(value, list) and len(value) == 1:
        return to_boolean(value[0])
    if isinstance(value, int | float) and value in (0, 1):
        return Normalized(bool(value))
    if isinstance(value, str):
        word = aliases("booleans").get(fold(value))
        if word is not None:
            return Normalized(word == "yes")
        return Normalized(None, ("not_a_boolean",), raw_excerpt(value))
    return _wrong_type(value)


class DateConversion(Protocol):
    """A conversion that may be told, value by value, how its column writes dates (dmy, mdy or ymd)."""

    def __call__(self, value: Any, order: str | None = None) -> Normalized: ...


def date_conversion(*, formats: Sequence[str] = (), zone: str = "UTC", order: str | None = None) -> DateConversion:
    """An instant as ISO 8601 in UTC. `formats` are tried first; `zone` is that of times without one.

    `order` is what the mapping declares; it beats the order of the column that a call may name.
    """
    declared = order

    def to_date(value: Any, order: str | None = None) -> Normalized:
        if isinstance(value, datetime | date):
            value = value.isoformat()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return _wrong_type(value)
        if is_empty(value):
            return NOTHING
        moment, flags = read_instant(value, formats=formats, zone=zone, order=declared or order)
        if moment is None:
            return Normalized(None, flags, _excerpt(value))
        text = instant_text(moment)
        return Normalized(text) if text == value else Normalized(text, flags, _excerpt(value))

    return to_date


def table_conversion(convert: Conversion, table: dict[str, Any]) -> Conversion:
    """`values: {…}` after `convert`: a listed text becomes its value, another stays and is flagged `unlisted`."""
    folded = {fold(str(key)): value for key, value in table.items()}

    def look_up(value: Any) -> Normalized:
        converted = convert(value)
        if isinstance(converted.value, list):
            known = [folded.get(fold(str(item)), item) for item in converted.value]
            return Normalized(known, converted.flags, converted.raw, converted.others)
        key = fold(str(converted.value))
        if converted.value is None or key in folded:
            return converted._replace(value=folded.get(key)) if converted.value is not None else converted
        return converted._replace(flags=(*converted.flags, "unlisted"))

    return look_up


CONVERSIONS: dict[str, Conversion] = {
    "text": to_text,
    "email": to_address,
    "phone": to_phone,
    "number": to_number,
    "boolean": to_boolean,
    "list": to_list,
}
CONVERSION_NAMES = (*CONVERSIONS, "date")


def _number_text(value: Any) -> Normalized:
    if isinstance(value, float):
        if not math.isfinite(value):
            return Normalized(None, ("not_a_number",), str(value))
        if value.is_integer() and abs(value) < 1e15:
            value = int(value)
    elif abs(value) > 10**40:
        return Normalized(None, ("wrong_type",), "a number of more than 40 digits")
    return Normalized(str(value))


def _bounded_number(number: float, value: Any) -> Normalized:
    if not abs(number) <= _INTEGER_LIMIT:  # NaN too; math.isfinite chokes on an integer of hundreds of digits
        return Normalized(None, ("not_a_number",), _excerpt(value))
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return Normalized(number)


def _wrong_type(value: Any) -> Normalized:
    return NOTHING if is_empty(value) else Normalized(None, ("wrong_type",), _excerpt(value))


def _excerpt(value: Any) -> str:
    """What is kept of a value that is no text: its beginning as JSON-like text, never a nested structure."""
    try:
        return raw_excerpt(value if isinstance(value, str) else repr(value))
    except (RecursionError, ValueError):  # an endless nesting or number
        return "(cannot be shown)"
