"""Parts of a postal address: postal codes as their country writes them, cities in the case they have."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from pipeline.values.folding import fold
from pipeline.values.normalized import Normalized
from pipeline.values.text.text import normalize_cell, raw_excerpt
from pipeline.values.vocabularies import vocabulary

_SPREADSHEET_NUMBER = re.compile(r"(\d{2,9})[.,]0{1,2}\Z")
_LABEL = re.compile(r"(?:C\.?\s?P\.?|CEP|PLZ|ZIP(?: CODE)?|POSTCODE|POSTAL CODE)\s*[.:#]?\s*(?=[0-9])")
_COUNTRY_PREFIX = re.compile(r"(?:A|AT|B|BE|CH|CZ|D|DE|DK|E|ES|F|FR|I|IT|L|MX|NL|PL|PT|S|SE|SK)[-\u2013 ]\s*(?=\d)")
_GAPS = re.compile(r"[\s\u2010-\u2015-]+")
# First two digits that exist with a leading zero; elsewhere four digits may be anything.
_LEADING_ZERO = {
    "DE": ("01", "02", "03", "04", "06", "07", "08", "09"),
    "ES": tuple(f"0{digit}" for digit in range(1, 10)),
    "FR": tuple(f"0{digit}" for digit in range(1, 10)),
    "IT": tuple(f"0{digit}" for digit in range(1, 10)),
    "MX": tuple(f"0{digit}" for digit in range(1, 10)),
    "US": tuple(f"0{digit}" for digit in range(1, 10)),
}
_PREFIXED = {"A": "AT", "B": "BE", "D": "DE", "E": "ES", "F": "FR", "I": "IT", "L": "LU", "S": "SE"}
_VOWEL = re.compile("[aeiouy]")
_INNER_CAPITALS = re.compile(r"(?:mc|mac)\w", re.IGNORECASE)  # McAllen, MacArthur, but Macau: not to be told
_PIECES = re.compile(r"([ -]+|(?<=\b[ldLD])['\u2019])")


def normalize_postal_code(text: str) -> Normalized:
    """Capitals and single spaces; "C.P.", "PLZ" and the like come off. Its country's way of writing: `as_in_country`.

    Flag: `spreadsheet_number` (12345.0 was repaired).
    """
    cell = normalize_cell(text)
    if not isinstance(cell.value, str):
        return cell
    if not cell.value.isascii():  # a code of no country
        return cell
    code = _LABEL.sub("", cell.value.upper(), count=1).strip() or cell.value.upper()
    number = _SPREADSHEET_NUMBER.match(code)
    flags = (*cell.flags, "spreadsheet_number") if number else cell.flags
    code = number[1] if number else code
    return Normalized(code, flags, None if code == text else raw_excerpt(text))


@lru_cache(maxsize=8192)
def as_in_country(code: str, country: str) -> tuple[str, tuple[str, ...]]:
    """A normalized postal code as its country (alpha-2) writes it, and flags.

    Spaces and hyphens are put where they belong, a prefix as in D-10115 is taken off. A zero that a spreadsheet took is
    put back where the code then exists (`leading_zero_restored`), else its loss is flagged (`leading_zero_lost`).
    """
    patterns = _patterns().get(country)
    if patterns is None:
        return code, ()
    prefix = _COUNTRY_PREFIX.match(code)
    if prefix:
        letters = prefix[0].rstrip("-\u2013 ")
        if _PREFIXED.get(letters, letters) == country:
            code = code[prefix.end() :]
    bare = _GAPS.sub("", code)
    for pattern, shape in patterns:
        if pattern.match(bare):
            return bare if len(bare) == len(shape) else _shaped(bare, shape), ()
    starts = _LEADING_ZERO.get(country)
    if starts is not None and len(bare) == 4 and bare.isascii() and bare.isdecimal():
        if f"0{bare[0]}" in starts:
            return f"0{bare}", ("leading_zero_restored",)
        return code, ("leading_zero_lost",)
    return code, ()


def normalize_city(text: str) -> Normalized:
    """The clean line; a name typed in capitals or small letters only gets its case back where no word is in doubt."""
    cell = normalize_cell(text)
    if not isinstance(cell.value, str) or not (cell.value.isupper() or cell.value.islower()):
        return cell
    city = _with_case(cell.value)
    if normalize_cell(city).value != city:  # in another case it would look like mojibake
        return cell
    return Normalized(city, cell.flags, None if city == text else raw_excerpt(text))


@lru_cache(maxsize=8192)
def _with_case(city: str) -> str:
    particles, short = _city_words()
    pieces = _PIECES.split(city.lower())
    titled: list[str] = []
    for place, piece in enumerate(pieces):
        is_elided = pieces[place + 1 : place + 2] in (["'"], ["\u2019"])  # Coeur d'Alene, L'Hospitalet
        is_inside = place > 0 and (piece in particles or is_elided) and place < len(pieces) - 1
        if place % 2 or is_inside:  # between two words, or a small one
            titled.append(piece)
        elif is_elided or piece in short or (piece in particles and len(pieces) > 1) or _is_word(piece):
            titled.append(piece[:1].upper() + piece[1:])
        else:
            return city
    return "".join(titled)


def _is_word(piece: str) -> bool:
    """A word that takes a capital for certain: no abbreviation (CDMX, DC), no McAllen."""
    if len(piece) < 4 or not piece.isalpha() or _INNER_CAPITALS.match(piece):
        return False
    capital = piece[0].upper()
    return len(capital) == 1 and capital.lower() == piece[0] and bool(_VOWEL.search(fold(piece)))


@cache
def _city_words() -> tuple[frozenset[str], frozenset[str]]:
    words = vocabulary("city_words")
    return frozenset(words["particles"]), frozenset(words["short"])


@cache
def _patterns() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    return {
        country: [(re.compile(_expression(shape) + r"\Z", re.ASCII), shape) for shape in shapes]
        for country, shapes in vocabulary("postal_codes").items()
    }


def _expression(shape: str) -> str:
    return "".join({"9": r"\d", "A": "[A-Z]"}.get(sign, "") for sign in shape)


def _shaped(bare: str, shape: str) -> str:
    letters = iter(bare)
    return "".join(sign if sign in " -" else next(letters) for sign in shape)
