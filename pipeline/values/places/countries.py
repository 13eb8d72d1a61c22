"""Countries: every spelling we know -> ISO 3166-1 alpha-2.

Names come from pycountry in English and all its translations, aliases from `mappings/vocabularies/countries.yaml`.
What lists write in another order or shorter (`Korea (the Republic of)`, `St. Kitts & Nevis`) is compared by its words.
Our five languages are one dictionary, built at the first question; the rest of the world's another, built at the first
name that is in none of the five. pycountry's own fuzzy search takes 9 ms a name and guesses.
"""

from __future__ import annotations

import gettext
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from pipeline.values.folding import fold
from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import clean_line, raw_excerpt
from pipeline.values.vocabularies import vocabulary

LANGUAGES = ("es", "pt", "fr", "de")  # beside English; the first one wins where a spelling means two countries
_NAMES = ("name", "common_name", "official_name")
_SEPARATORS = re.compile(r"\s*[,;:/|()\[\]]\s*|\s+[-\u2013\u2014]\s+")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_REGIONAL_A = 0x1F1E6
_WRITTEN_OUT = {
    "st": "saint", "ste": "sainte", "rep": "republic", "dem": "democratic", "fed": "federated", "sts": "states",
    "is": "islands", "isl": "islands", "terr": "territory",
}  # fmt: skip
_MEANINGLESS = frozenset((
    "the", "of", "and", "country", "los", "las", "el", "la", "y", "e", "de", "del", "die", "der", "das", "und", "les",
    "le", "l", "d", "et", "des", "du", "os", "as", "o", "a", "do", "da", "dos", "di", "i",
))  # fmt: skip
_SINGLE_LETTERS = re.compile(r"\b\w(?: \w)+\b")
_SHORTEST_WORDS = 3  # characters: what is shorter is a code or nothing


def country_code(text: str) -> str | None:
    """Alpha-2 code of a country written as code, flag or name in any language pycountry has, or None.

    A cell that says it twice ("MX - México", "Germany (DE)") is read if all its parts mean one country.
    """
    return _code(text)


def normalize_country(text: str) -> Normalized:
    """The alpha-2 code; an unknown country is flagged and kept raw."""
    if not text:
        return NOTHING
    code = _code(text)
    if code is None:
        return Normalized(None, ("unknown_country",), raw_excerpt(text))
    return Normalized(code) if code == text else Normalized(code, (), raw_excerpt(text))


@lru_cache(maxsize=4096)
def _code(text: str) -> str | None:
    if len(text) > 200:
        return None
    line = clean_line(text)
    if not line.isascii() and _FLAG.search(line):
        return _of_flag(line)
    code = _of_name(line)
    if code is None:
        parts = [part for part in _SEPARATORS.split(line) if part]
        codes = {_of_name(part) for part in parts} if len(parts) > 1 else set()
        code = codes.pop() if len(codes) == 1 else None
    return code


def _of_name(line: str) -> str | None:
    spellings = _spellings()
    key = fold(line)
    code = spellings.get(key) or spellings.get(key.removeprefix("the "))
    if code is None:
        squeezed = key.replace(" ", "")  # U. S. A., but n/a is not Namibia
        code = spellings.get(squeezed) if len(squeezed) > 2 else None
    return code or _by_words().get(_words_of(line)) or _foreign_spellings().get(_foreign_key(line))


def _words_of(name: str) -> str:
    """The words of a name in the order of the alphabet, short ones written out, articles and `and` left out."""
    letters = _SINGLE_LETTERS.sub(lambda run: run[0].replace(" ", ""), fold(name))  # u s, p r
    words = (_WRITTEN_OUT.get(word, word) for word in letters.split())
    key = " ".join(sorted({word for word in words if word not in _MEANINGLESS}))
    return key if len(key) > _SHORTEST_WORDS else ""


@cache
def _by_words() -> dict[str, str]:
    """As `_spellings`, by the words of a name; without what stands for two countries."""
    codes: dict[str, str | None] = {}
    names = [(str(name), code) for code, spellings in vocabulary("countries").items() for name in spellings]
    for language in (None, *LANGUAGES, "it"):
        names += [
            (name, code) for name, code in _names(language) if language is None or _of_exactly(name) in (None, code)
        ]
    for name, code in names:
        key = _words_of(name)
        if key:
            codes[key] = code if codes.get(key, code) == code else None
    return {key: code for key, code in codes.items() if code}


def _of_exactly(name: str) -> str | None:
    return _spellings().get(fold(name))


def _of_flag(line: str) -> str | None:
    """A flag alone, or with a name that means the same country: 🇩🇪, 🇩🇪 Germany."""
    flags = _FLAG.findall(line)
    letters = {"".join(chr(ord(letter) - _REGIONAL_A + ord("A")) for letter in flag) for flag in flags}
    rest = _FLAG.sub(" ", line).strip()
    codes = {_of_name(code) for code in letters} | ({_of_name(rest)} if fold(rest) else set())
    return codes.pop() if len(codes) == 1 else None


@cache
def _spellings() -> dict[str, str]:
    """Folded spelling -> code: our aliases, the codes, then the names in our languages; the earlier one wins."""
    spellings: dict[str, str] = {}
    for code, names in vocabulary("countries").items():
        for name in names:
            spellings[fold(str(name))] = code
    import pycountry

    for country in pycountry.countries:
        # "001" and such: spreadsheets lose leading zeros, but "4" alone is too little to go by
        for name in (country.alpha_2, country.alpha_3, country.numeric):
            spellings.setdefault(fold(name), country.alpha_2)
    for language in (None, *LANGUAGES):
        for name, code in _names(language):
            spellings.setdefault(fold(name), code)
    return spellings


@cache
def _foreign_spellings() -> dict[str, str]:
    """Spelling -> code in the other translations, without those that stand for two countries or are very short."""
    import pycountry

    codes: dict[str, str | None] = {}
    known = _spellings()
    for folder in sorted(Path(pycountry.LOCALES_DIR).iterdir()):
        if folder.name in LANGUAGES or not (folder / "LC_MESSAGES" / "iso3166-1.mo").is_file():
            continue
        for name, code in _names(folder.name):
            key = _foreign_key(name)
            if key not in known:
                codes[key] = code if codes.get(key, code) == code else None
    return {key: code for key, code in codes.items() if code and len(key) > (3 if key.isascii() else 1)}


def _foreign_key(name: str) -> str:
    """Folded; but where marks are vowels and not accents (Hindi, Thai, …) they are what tells two names apart."""
    composed = unicodedata.normalize("NFC", name)
    if any(unicodedata.combining(character) or unicodedata.category(character)[0] == "M" for character in composed):
        return " ".join(composed.casefold().split())
    return fold(name)


def _names(language: str | None) -> Iterator[tuple[str, str]]:
    import pycountry

    translate = translation("iso3166-1", language)
    for country in pycountry.countries:
        for attribute in _NAMES:
            name = getattr(country, attribute, None)
            if name:
                yield translate(name), country.alpha_2


def translation(domain: str, language: str | None) -> Callable[[str], str]:
    """A catalog of pycountry's (`iso3166-1`, `iso3166-2`), read anew: gettext's own cache would keep every one."""
    if language is None:
        return str
    import pycountry

    path = Path(pycountry.LOCALES_DIR) / language / "LC_MESSAGES" / f"{domain}.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file).gettext
