"""Numbers as people and spreadsheets write them, in five languages: exact, or not at all.

`,` and `.` mean what the mapping declares (`decimal`), else what the number itself shows: `1.234,56` has one reading.
`1,234` alone has two: it is taken for thousands, which is what counts and prices mostly are, and flagged.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import clean_line, is_blank, raw_excerpt
from pipeline.values.vocabularies import aliases, vocabulary

NUMBER_LIMIT = 10**18  # what every JSON reader and database column holds exactly
_TEXT_LIMIT = 64  # characters

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2018\u2019\u02bc\uff07`\u00b4", "'"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u2008\u200a", " "),
        "\uff0b": "+",
        "\uff0c": ",",
        "\uff0e": ".",
        "\uff05": "%",
        "\u066a": "%",
        "\uff04": "$",
        "\uff08": "(",
        "\uff09": ")",
    }
)
# Arabic's own signs mean one thing each.
_ARABIC = str.maketrans({"\u066b": "\ue000", "\u066c": " "})
_LITERAL = re.compile(r"(?:\d[\d.,' \ue000]*)?[.,\ue000]?\d")
_LEADING_WORD = re.compile(r"[^\W\d_]+")
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_LETTERS = re.compile(r" ?[^\W\d_]+(?: [^\W\d_]+)?\.?")
_EVEN_GROUPS = re.compile(r"\d{1,3}(?:(?P<sign>[.,' ])\d{3})(?:(?P=sign)\d{3})*")
_ONE_GROUP = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")  # or a fraction of three digits
_INDIAN_GROUPS = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")


class Literal(NamedTuple):
    """Digits as a number. `is_ambiguous`: a decimal fraction would be another reading."""

    number: Decimal
    is_ambiguous: bool = False


def normalize_number(text: str, *, decimal: str | None = None) -> Normalized:
    """An int, or a float where there is a fraction. `decimal` is the sign before a fraction, `,` or `.`, if known.

    Flags of a value: `ambiguous_number`, `percent` (10% is 10), `approximate`. Without a value: `not_a_number`,
    `range` (`51-200`, `500+`: never one of its ends), `scientific_notation` (digits are lost), `blank`.
    """
    if len(text) <= 15 and text.isdigit() and text.isascii():
        return Normalized(int(text))
    if len(text) <= _TEXT_LIMIT:
        return _normalize_short(text, decimal)
    return _normalize(text, decimal)


@lru_cache(maxsize=4096)
def _normalize_short(text: str, decimal: str | None) -> Normalized:  # counts of people are the same few again and again
    return _normalize(text, decimal)


def _normalize(text: str, decimal: str | None) -> Normalized:
    if not text:
        return NOTHING
    plain = ascii_numbers(text)
    if not plain or is_blank(plain):
        return Normalized(None, ("blank",), raw_excerpt(text))
    is_short = len(plain) <= _TEXT_LIMIT and len(text) <= 4 * _TEXT_LIMIT
    number, flags = _read(plain, decimal) if is_short else (None, ("not_a_number",))
    if number is None:
        return Normalized(None, flags, raw_excerpt(text))
    value = number_value(number)
    return Normalized(value, flags, None if str(value) == text else raw_excerpt(text))


def number_value(number: Decimal) -> int | float:
    """An int where that loses nothing."""
    return int(number) if number == number.to_integral_value() else float(number)


def ascii_numbers(text: str) -> str:
    """The text in one line, with ASCII digits and signs. Raised digits and fractions (², ½) stay what they are."""
    text = clean_line(text[: 4 * _TEXT_LIMIT])
    if text.isascii():
        return text
    digits = (
        str(digit) if (digit := unicodedata.decimal(character, None)) is not None else character for character in text
    )
    return "".join(digits).translate(_SIGNS).translate(_ARABIC)


def read_literal(text: str, decimal: str | None = None) -> Literal | None:
    """The number that digits, signs for thousands and a sign for the fraction write; None if they are put wrongly."""
    if "\ue000" in text:
        decimal = "\ue000"
    signs = [character for character in text if character in ".,"]
    if decimal is None and signs and signs.count(signs[-1]) == 1:
        decimal = signs[-1]
        if _ONE_GROUP.fullmatch(text):
            return Literal(Decimal(re.sub(r"\D", "", text)), is_ambiguous=True)
    whole, sign, fraction = text.partition(decimal) if decimal else (text, "", "")
    return _joined(whole, fraction) if not sign or fraction.isdigit() else None


def multiplier(word: str) -> int | None:
    """What `k`, `Mio.`, `mil`, `milhões` multiply by. The word as it stands behind the number, blanks included."""
    if not _LETTERS.fullmatch(word) or word == " m":  # metres, minutes
        return None
    factor = aliases("multipliers").get(fold(word))
    return int(factor) if factor is not None else None


def _joined(whole: str, fraction: str) -> Literal | None:
    """Whole digits, in even or Indian groups, and the digits of a fraction."""
    if whole and not whole.isdigit():
        if not (_EVEN_GROUPS.fullmatch(whole) or _INDIAN_GROUPS.fullmatch(whole)):
            return None
        whole = re.sub(r"\D", "", whole)
    return Literal(Decimal(f"{whole or 0}.{fraction}" if fraction else whole or "0"))


def _read(text: str, decimal: str | None) -> tuple[Decimal | None, tuple[str, ...]]:
    parts = signed(text)
    if parts is None:
        return None, ("scientific_notation",) if _SCIENTIFIC.fullmatch(text) else ("not_a_number",)
    sign, before, digits, after = parts
    if is_range(before, after):
        return None, ("range",)
    literal = read_literal(digits, decimal)
    surroundings = _surroundings(before, after)
    if literal is None or surroundings is None:
        return None, ("not_a_number",)
    factor, flags = surroundings
    number = literal.number * factor * sign
    if abs(number) > NUMBER_LIMIT:
        return None, ("not_a_number",)
    return number, (("ambiguous_number", *flags) if literal.is_ambiguous else flags)


def signed(text: str) -> tuple[int, str, str, str] | None:
    """The sign (1 or -1), what stands before the first run of digits, these digits, and what stands behind them."""
    if text[0] == "(" and text[-1] == ")":  # accounting's minus
        text = f"-{text[1:-1].strip()}"
        if "-" in text[1:]:
            return None
    match = _LITERAL.search(text)
    if match is None or _SCIENTIFIC.search(text):
        return None
    before, after = text[: match.start()], text[match.end() :]
    if before.rstrip().endswith(("-", "+")) and not after.lstrip().startswith(("-", "+")):
        marked = before.rstrip()
        return -1 if marked[-1] == "-" else 1, marked[:-1], match[0], after
    if before.startswith("-"):
        return -1, before[1:], match[0], after
    return 1, before, match[0], after


def is_range(before: str, after: str) -> bool:
    """True for `51-200`, `10.000+`, `mehr als 500`, `de 10 a 50`."""
    words = range_words()
    lead, rest = bare(before), _strip_units(after)
    thousands = _LEADING_WORD.match(rest)
    if thousands and multiplier(thousands[0]) is not None:
        rest = rest[thousands.end() :].strip()
    if (lead in words.bounds and lead != "+") or rest in words.bounds:
        return True
    second = _LITERAL.search(rest)
    if second is None:
        return False
    between, tail = rest[: second.start()].strip(), rest[second.end() :].strip()
    return (
        between in words.between
        and (not tail or tail in words.units or multiplier(tail) is not None)
        and (not lead or lead in words.before)
    )


def _surroundings(before: str, after: str) -> tuple[int, tuple[str, ...]] | None:
    """The factor and flags that the words around a number mean; None if one of them means something else."""
    words = range_words()
    lead = bare(before)
    flags: tuple[str, ...] = ()
    if lead in words.about:
        flags = ("approximate",)
    elif lead:
        return None
    if after.strip() == "%":
        return 1, (*flags, "percent")
    rest = _strip_units(after)
    if not rest:
        return (1, flags) if not after.strip() or after.strip(" .:") else None
    factor = multiplier(f" {rest}" if after.startswith(" ") else rest)
    return (factor, flags) if factor is not None else None


def _strip_units(after: str) -> str:
    rest = bare(after)
    for unit in range_words().units:
        if rest == unit or rest.endswith(f" {unit}"):
            return rest.removesuffix(unit).strip()
    return rest


def bare(text: str) -> str:
    """Small letters without accents; unlike `fold`, signs are kept."""
    text = text.strip(" .:").lower()
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


class RangeWords(NamedTuple):
    units: tuple[str, ...]
    about: frozenset[str]
    bounds: frozenset[str]
    between: frozenset[str]
    before: frozenset[str]


@cache
def range_words() -> RangeWords:
    listed = {kind: [bare(str(word)) for word in words] for kind, words in vocabulary("counts").items()}
    return RangeWords(
        tuple(sorted(listed["units"], key=len, reverse=True)),
        frozenset(listed["about"]),
        frozenset(listed["bounds"]),
        frozenset(listed["between"]) - {""},
        frozenset(listed["before"]),
    )
