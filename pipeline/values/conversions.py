"""What `as: …` in a mapping means: a value of any JSON type becomes one of the type wanted, or a flag saying why not.

Each conversion returns `Normalized`: a value of None with flags means that the value could not be used and is kept raw.
None of them raises, whatever it is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from pipeline.values.dates.times import instant_text, read_instant
from pipeline.values.folding import fold
from pipeline.values.normalized import NOTHING, Normalized, is_empty
from pipeline.values.numbers.booleans import normalize_boolean
from pipeline.values.numbers.money import currency_code, money, normalize_money
from pipeline.values.numbers.numbers import NUMBER_LIMIT, normalize_number
from pipeline.values.text.text import clean_line, raw_excerpt

Conversion = Callable[[Any], Normalized]

_PLAIN_DECIMAL = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_LIST_SEPARATORS = re.compile(r"[;,|\n]")
# A batch travels in a message: megabytes of one lead stay at home. Twice what normalization keeps, and flags as cut.
_TEXT_LIMIT = 65_536
_LIST_LIMIT = 1_000
_MARKED_ID = re.compile(r"\s*(?:l|ag|as|c|f):(\d{6,40})\s*", re.ASCII)
_EXACT = 2.0**53  # from here on a float stands for several integers: which one was meant is lost
_TABLE_LIMIT = 1_000  # characters of a text that is looked up in a table of values
_UNLISTED = object()
# Words, and the signs between and around them that change nothing: in answers of yes and no, and in other texts.
_WORDS = re.compile(r"[\"'“”]?[^\W_]++(?:(?:, | |-|_|'|’)[^\W_]++)*+[\"'“”]?[.!]?")
_PHRASE = re.compile(r"[\"'“”(]?[^\W_]++(?:[ ,;:&/_'’().-]{1,3}[^\W_]++)*+[\"'“”)]?[.!]?")
_BETWEEN_DIGITS = re.compile(r"\d[^\w ]+ ?\d|\d_\d|\d [^\w ]")


def to_text(value: Any) -> Normalized:
    """Text; numbers as they print, several choices joined with a comma. True and false are no text."""
    if isinstance(value, str):
        return Normalized(value[:_TEXT_LIMIT])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_text(value)
    if isinstance(value, list):
        texts = [to_text(item) for item in value if not isinstance(item, list | dict | bool)]
        refused = next((text.flags for text in texts if text.flags), None)
        if refused is not None:
            return Normalized(None, refused, excerpt(value))
        if len(texts) == len(value):
            parts = [text.value for text in texts]
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
    return Normalized(texts or None, flags, excerpt(value) if flags else None)


def to_identifier(value: Any) -> Normalized:
    """An id as text, without the mark of its kind that Meta's exports put before it (`l:`, `ag:`, `as:`, `c:`, `f:`):
    its API and its own pages give the same id bare."""
    text = to_text(value)
    marked = _MARKED_ID.fullmatch(text.value) if isinstance(text.value, str) else None
    return text._replace(value=marked[1]) if marked else text


def to_number(value: Any, *, decimal: str | None = None) -> Normalized:
    """An integer or a float. `decimal` is the sign before a fraction, `,` or `.`, where the mapping declares it."""
    if isinstance(value, str):
        return normalize_number(value, decimal=decimal)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong_type(value)
    return _bounded_number(value, value)


def to_count(value: Any, *, decimal: str | None = None) -> Normalized:
    """A whole number of people, 0 or more. A count has no fraction, so `1,200` has one reading."""
    number = to_number(value, decimal=decimal)
    if number.value is None:
        return number
    if "percent" in number.flags or number.value < 0 or number.value != int(number.value):
        return Normalized(None, ("not_a_count",), excerpt(value))
    return number._replace(flags=tuple(flag for flag in number.flags if flag != "ambiguous_number"))


def to_money(value: Any, *, decimal: str | None = None) -> Normalized:
    """`{"amount": "1234.50", "currency": "EUR"}` from text, a number, or an object of these two."""
    if isinstance(value, str):
        return normalize_money(value, decimal)
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return _money_of_object(value, decimal)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong_type(value)
    number = _bounded_number(value, value)
    return money(Decimal(str(number.value)), None) if number.value is not None else number


def to_boolean(value: Any) -> Normalized:
    """True or False; the words for yes and no stand in `mappings/vocabularies/booleans.yaml`."""
    if isinstance(value, bool):
        return Normalized(value)
    if isinstance(value, list) and len(value) == 1:
        return to_boolean(value[0])
    if isinstance(value, int | float) and value in (0, 1):
        return Normalized(bool(value))
    return normalize_boolean(value) if isinstance(value, str) else _wrong_type(value)


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
            return Normalized(None, flags, excerpt(value))
        text = instant_text(moment)
        return Normalized(text) if text == value else Normalized(text, flags, excerpt(value))

    return to_date


def table_conversion(convert: Conversion, table: dict[str, Any]) -> Conversion:
    """`values: {…}` around `convert`: a listed text becomes its value, another stays and is flagged `unlisted`.

    The text is looked up as it came, and as it was converted: `{"Ich stimme zu": true}` needs no boolean to begin with.
    """
    find = _finder(table)

    def look_up(value: Any) -> Normalized:
        if isinstance(value, str | int) and (listed := find(value)) is not _UNLISTED and listed is not None:
            return Normalized(listed)
        converted = convert(value)
        if isinstance(converted.value, list):
            known = [item if (listed := find(item)) is _UNLISTED else listed for item in converted.value]
            return Normalized(known, converted.flags, converted.raw, converted.others)
        if converted.value is None:
            return converted
        listed = find(converted.value)
        if listed is _UNLISTED:
            return converted._replace(flags=(*converted.flags, "unlisted"))
        return converted._replace(value=listed)

    return look_up


def exact_key(key: Any) -> str:
    """What a key of a table of values is compared by first: its visible characters, without case."""
    return clean_line(str(key)).casefold()


def _finder(table: dict[str, Any]) -> Callable[[Any], Any]:
    """A function value -> what the table says of it, or `_UNLISTED`.

    First as it stands. Signs may be all the difference there is (`☐ mail` and `☑ mail`, `C` and `C++`, `1` and `-1`):
    they are left out of the comparison only where neither side has any that means something.
    """
    exact = {exact_key(key): value for key, value in table.items()}
    meaningless = _WORDS if any(isinstance(value, bool) for value in table.values()) else _PHRASE
    folded: dict[str, Any] = {}
    for key, value in exact.items():
        if _says_no_more(key, meaningless) and folded.setdefault(fold(key), value) != value:
            folded[fold(key)] = _UNLISTED

    def find(value: Any) -> Any:
        if not isinstance(value, str):
            value = str(value) if not isinstance(value, int) or abs(value) < 10**18 else ""
        if len(value) > _TABLE_LIMIT:
            return _UNLISTED
        key = exact_key(value)
        if key in exact:
            return exact[key]
        return folded.get(fold(key), _UNLISTED) if _says_no_more(key, meaningless) else _UNLISTED

    return find


def _says_no_more(key: str, meaningless: re.Pattern[str]) -> bool:
    """Whether folding loses nothing: words with ordinary punctuation, and none of it between two digits."""
    return meaningless.fullmatch(key) is not None and not _BETWEEN_DIGITS.search(key)


CONVERSIONS: dict[str, Conversion] = {
    "text": to_text,
    "email": to_address,
    "phone": to_phone,
    "number": to_number,
    "count": to_count,
    "money": to_money,
    "boolean": to_boolean,
    "list": to_list,
    "id": to_identifier,
}
CONVERSION_NAMES = (*CONVERSIONS, "date")


def _number_text(value: Any) -> Normalized:
    if isinstance(value, float):
        if not math.isfinite(value):
            return Normalized(None, ("not_a_number",), str(value))
        if abs(value) >= _EXACT:
            return Normalized(None, ("imprecise_number",), str(value))
        if value.is_integer():
            value = int(value)
        elif abs(value) < 1e-4:  # beyond which a float prints as 1e-05
            return Normalized(f"{Decimal(str(value)):f}")
    elif abs(value) > 10**40:
        return Normalized(None, ("wrong_type",), "a number of more than 40 digits")
    return Normalized(str(value))


def _bounded_number(number: float, value: Any) -> Normalized:
    if not abs(number) <= NUMBER_LIMIT:  # NaN too; math.isfinite chokes on an integer of hundreds of digits
        return Normalized(None, ("not_a_number",), excerpt(value))
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return Normalized(number)


def _money_of_object(value: dict[str, Any], decimal: str | None) -> Normalized:
    amount, code = value["amount"], value["currency"]
    if isinstance(amount, str) and _PLAIN_DECIMAL.fullmatch(amount):
        decimal = "."  # what a program wrote, ours among them
    price = to_money(amount, decimal=decimal) if not isinstance(amount, dict) else _wrong_type(value)
    if price.value is None:
        return price._replace(raw=excerpt(value))
    currency = currency_code(code) if isinstance(code, str) else None
    if price.value["currency"] is not None and currency is None:
        return price
    merged = {"amount": price.value["amount"], "currency": currency}
    flags = tuple(flag for flag in price.flags if flag != "currency_unknown" or currency is None)
    return Normalized(merged, flags, None if merged == value else excerpt(value))


def _wrong_type(value: Any) -> Normalized:
    return NOTHING if is_empty(value) else Normalized(None, ("wrong_type",), excerpt(value))


def excerpt(value: Any) -> str:
    """What is kept of a value that is no text: its beginning as JSON-like text, never a nested structure."""
    try:
        return raw_excerpt(value if isinstance(value, str) else repr(value))
    except (RecursionError, ValueError):  # an endless nesting or number
        return "(cannot be shown)"
