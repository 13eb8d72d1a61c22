"""Amounts of money: an exact decimal and, where it is certain, a currency of ISO 4217.

Signs and words of currencies stand in `mappings/vocabularies/currencies.yaml`; what several of them share (`$`, `kr`,
`pesos`) gives an amount without a currency, flagged.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import pycountry

from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.numbers.numbers import (
    NUMBER_LIMIT,
    ascii_numbers,
    bare,
    multiplier,
    range_words,
    read_literal,
    signed,
)
from pipeline.values.text.text import is_blank, raw_excerpt
from pipeline.values.vocabularies import vocabulary

_TEXT_LIMIT = 80  # characters
_UNKNOWN = "unknown"
_WHOLE = re.compile(r"^[.,][-=]{1,2}")  # 500,- and 500.--
_METERS = re.compile(r"\s+m(?![^\W\d_])", re.IGNORECASE)  # or minutes; a million is written 5m or 5 mn
_FILLERS = frozenset(("de", "d'", "of", "do", "von"))
# Their small coins are thousandths: 1.234 may be a price.
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


class _Around(NamedTuple):
    """What the words around an amount say. `currencies` holds ISO codes, and None for a sign of several currencies."""

    currencies: tuple[str | None, ...] = ()
    factor: int = 1
    is_about: bool = False
    is_bound: bool = False


def normalize_money(text: str, decimal: str | None = None) -> Normalized:
    """`{"amount": "1234.50", "currency": "EUR"}`; the amount as plain decimal text, the currency None if unknown.

    Flags of a value: `currency_unknown`, `ambiguous_number`, `approximate`. Without a value: `not_money`, `range`,
    `blank`. A price per month or year is not read: it is another figure.
    """
    if not text or text.isspace():
        return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))
    plain = ascii_numbers(text)
    if not plain or is_blank(plain):
        return Normalized(None, ("blank",), raw_excerpt(text))
    is_short = len(plain) <= _TEXT_LIMIT and len(text) <= 4 * _TEXT_LIMIT
    amount = _read(plain, decimal) if is_short else Normalized(None, ("not_money",))
    return amount._replace(raw=raw_excerpt(text))


def _read(text: str, decimal: str | None) -> Normalized:
    parts = signed(text)
    if parts is None or _METERS.match(parts[3]):
        return Normalized(None, ("not_money",))
    sign, before, digits, after = parts
    if _is_range(after):
        return Normalized(None, ("range",))
    around = _read_around(f"{before} \x00{_WHOLE.sub('', after.lstrip())}")
    if around is not None and around.is_bound:
        return Normalized(None, ("range",))
    literal = read_literal(digits, decimal)
    known = {code for code in around.currencies if code} if around is not None else set()
    amount = literal.number * around.factor * sign if literal is not None and around is not None else None
    if literal is None or around is None or amount is None or abs(amount) > NUMBER_LIMIT or len(known) > 1:
        return Normalized(None, ("not_money",))
    currency = known.pop() if known else None
    flags = ("approximate",) if around.is_about else ()
    if literal.is_ambiguous and (currency is None or currency in _THREE_DECIMALS):
        flags = ("ambiguous_number", *flags)
    price = money(amount, currency, is_exact_scale=around.factor == 1)
    return price._replace(flags=(*flags, *price.flags))


def money(amount: Decimal, currency: str | None, *, is_exact_scale: bool = True) -> Normalized:
    """The value that stands for money. `is_exact_scale` keeps the zeros of 1234.50."""
    written = f"{amount:f}"
    if not is_exact_scale and "." in written:
        written = written.rstrip("0").rstrip(".")
    return Normalized({"amount": written, "currency": currency}, () if currency else ("currency_unknown",))


def currency_code(word: str) -> str | None:
    """The ISO 4217 code that a code, a sign or a word stands for; None if none or several."""
    return _currencies().get(bare(word))


def _is_range(after: str) -> bool:
    """True where a second number stands at the other end: `500-1000 €`, `500 € a 1000 €`."""
    second = re.search(r"\d", after)
    if second is None:
        return False
    between = [piece for piece in re.split(r"[\s\d]+", bare(after[: second.start()])) if piece]
    return any(piece in range_words().between or "-" in (piece[0], piece[-1]) for piece in between)


def _read_around(words: str) -> _Around | None:
    """Reads every word around the amount (`\\x00` stands where it was); None if one of them is not known."""
    around = _Around()
    left = bare(words)
    pieces = _pieces()
    while left:
        match = pieces.match(left)
        if match is None:
            return None
        piece, left = match[0], left[match.end() :].lstrip(" .,\x00:")
        if piece in _currencies():
            around = around._replace(currencies=(*around.currencies, _currencies()[piece]))
        elif piece in range_words().about:
            around = around._replace(is_about=True)
        elif piece in range_words().bounds:
            around = around._replace(is_bound=True)
        elif piece not in _FILLERS and piece != "\x00":
            if around.factor != 1 or (factor := multiplier(piece)) is None:
                return None
            around = around._replace(factor=factor)
    return around


@cache
def _currencies() -> dict[str, str | None]:
    """Sign, word or code in small letters without accents -> ISO code, or None for what several currencies share."""
    known: dict[str, str | None] = {currency.alpha_3.lower(): currency.alpha_3 for currency in pycountry.currencies}
    for code, words in vocabulary("currencies").items():
        known |= {bare(str(word)): None if code == _UNKNOWN else code for word in words}
    return known


@cache
def _pieces() -> re.Pattern[str]:
    """One word around an amount, the longest that is known. A multiplier may stick to its currency: `k€`, `MEUR`."""
    factors = {bare(str(word)) for words in vocabulary("multipliers").values() for word in words}
    words = {*_currencies(), *factors, *range_words().about, *range_words().bounds, *_FILLERS} - {""}
    longest_first = sorted(words, key=len, reverse=True)
    listed = "|".join(re.escape(word) + (r"(?![^\W\d_])" if word[-1].isalpha() else "") for word in longest_first)
    codes = "|".join(sorted(re.escape(code) for code in _currencies()))
    return re.compile(rf"\x00|{listed}|(?:k|m|mm|mn|bn|b|t)(?={codes})")
