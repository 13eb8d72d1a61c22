"""Words of names: what a single word may be, by the vocabularies of names, as a set of bits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

GIVEN = 1  # a frequent given name, or several with hyphens
FAMILY_IBERIAN = 2  # a frequent Spanish or Portuguese family name
FAMILY_OTHER = 4  # a frequent English, German or French one
PARTICLE = 8
ARTICLE = 16  # a particle behind another one: `la` in `de la Cruz`
JOINING = 32  # between two family names: `y`, `e`
DEVOTIONAL = 64  # `Carmen` in `María del Carmen`
TITLE = 128
DOUBTFUL_TITLE = 256  # a name or an initial as well: `Don`, `D.`
TITLE_TAIL = 512
BEFORE_FAMILY = 1024  # a title that a family name follows: `Herr`
DEGREE = 2048
GENERATION = 4096
INITIAL = 8192
GIVEN_IBERIAN = 16_384  # a given name on the Spanish or Portuguese list and on no other
COMPOUNDING = 32_768  # given names that another one often follows: `María`, `Juan`
LEGAL_FORM = 65_536  # the end of a company's legal form, or its beginning where it stands in front
COMPANY_FIRST = 131_072
COMPANY_ANY = 262_144
SEVERAL = 524_288  # `Familie`
AND = 1_048_576  # `and`, `und`, `et`
FAMILY_FIRST = 4_194_304  # a family name that stands in front where it is from: `Nguyen`
LED = 2_097_152  # no word's own: a unit that begins with a particle or holds two joined family names

_INITIALS = re.compile(r"[^\W\d_](?:\.-?[^\W\d_])*\.?")  # J, J., J.R.R., J.-P.
_AND = frozenset(("and", "und", "et"))
_ABBREVIATING = (".", "\u00aa", "\u00ba")


class NameWords(NamedTuple):
    """The short vocabularies, in the form their questions need them."""

    small: frozenset[str]
    capital: frozenset[str]
    articles: frozenset[str]
    joining: frozenset[str]
    titles: frozenset[str]
    doubtful_titles: frozenset[str]
    titles_behind: frozenset[str]
    title_tails: frozenset[str]
    before_family: frozenset[str]
    degrees: frozenset[str]
    generations: frozenset[str]
    generations_all: frozenset[str]
    spellings: dict[str, str]
    placeholders: frozenset[str]
    placeholders_begin: frozenset[str]
    placeholders_exact: frozenset[str]
    company_first: frozenset[str]
    company_any: frozenset[str]
    families: frozenset[str]
    legal_ends: frozenset[str]


@cache
def name_words() -> NameWords:
    """Read once per process. Raises ConfigurationError as `vocabulary` does."""
    particles, honorifics = vocabulary("name_particles"), vocabulary("honorifics")
    placeholders, companies = vocabulary("name_placeholders"), vocabulary("company_words")
    generations = _folded(honorifics["generations"])
    return NameWords(
        small=frozenset(particles["small"]),
        capital=frozenset(particles["capital"]),
        articles=frozenset(particles["articles"]),
        joining=frozenset(particles["joining"]),
        titles=_folded(honorifics["titles"]),
        doubtful_titles=_folded(honorifics["doubtful"]),
        titles_behind=_folded(honorifics["behind"]),
        title_tails=_folded(honorifics["title_tails"]),
        before_family=_folded(honorifics["before_family"]),
        degrees=_folded(honorifics["degrees"]),
        generations=generations,
        generations_all=generations | _folded(honorifics["portuguese_generations"]),
        spellings={spelling.lower(): spelling for spelling in honorifics["spellings"]},
        placeholders=frozenset(fold(word) for word in placeholders["words"]),
        placeholders_begin=frozenset(
            fold(word).split()[0] for word in (*placeholders["words"], *vocabulary("blanks")["signs"]) if fold(word)
        ),
        placeholders_exact=frozenset(placeholders["exact"]),
        company_first=_folded(companies["first"]),
        company_any=_folded(companies["any"]),
        families=_folded(companies["families"]),
        legal_ends=_legal_ends(vocabulary("legal_forms")),
    )


@lru_cache(maxsize=16_384)
def word_kind(word: str) -> int:
    """The bits of everything a word of a name may be; 0 for a word of no list."""
    words, names = name_words(), _names()
    lower, key = word.lower(), fold(word)
    bare = key.replace(" ", "")
    pieces = key.split()
    kind = 0
    is_abbreviated = bare in names.abbreviated and word.endswith(_ABBREVIATING)
    if is_abbreviated or (pieces and all(piece in names.given for piece in pieces)):
        kind |= GIVEN
    if lower in words.small or (lower in words.capital and not kind):
        kind |= PARTICLE
    for members, name, bit in (
        (words.articles, lower, ARTICLE),
        (words.joining, lower, JOINING),
        (names.iberian, bare, FAMILY_IBERIAN),
        (names.other, bare, FAMILY_OTHER),
        (names.family_first, bare, FAMILY_FIRST),
        (names.given_iberian, bare, GIVEN_IBERIAN),
        (names.compounding, bare, COMPOUNDING),
        (names.devotional, bare, DEVOTIONAL),
        (words.doubtful_titles, bare, DOUBTFUL_TITLE),
        (words.title_tails, bare, TITLE_TAIL),
        (words.before_family, bare, BEFORE_FAMILY),
        (words.degrees, bare, DEGREE),
        (words.generations_all, bare, GENERATION),
        (words.company_first, bare, COMPANY_FIRST),
        (words.company_any, bare, COMPANY_ANY),
        (words.families, bare, SEVERAL),
        (words.legal_ends, bare, LEGAL_FORM),
        (_AND, lower, AND),
    ):
        if name in members:
            kind |= bit
    if bare in words.titles or (len(pieces) > 1 and all(piece in words.titles for piece in pieces)):
        kind |= TITLE
    if _INITIALS.fullmatch(word):
        kind |= INITIAL
    return kind


class _Names(NamedTuple):
    given: frozenset[str]
    given_iberian: frozenset[str]
    compounding: frozenset[str]
    abbreviated: frozenset[str]
    iberian: frozenset[str]
    other: frozenset[str]
    family_first: frozenset[str]
    devotional: frozenset[str]


@cache
def _names() -> _Names:
    given, family = vocabulary("given_names"), vocabulary("family_names")
    iberian = _folded(given["es"]) | _folded(given["pt"])
    other = _folded(given["en"]) | _folded(given["de"]) | _folded(given["fr"])
    return _Names(
        given=iberian | other,
        given_iberian=iberian - other,
        compounding=_folded(given["compounding"]),
        abbreviated=_folded(given["abbreviated"]),
        iberian=_folded(family["es"]) | _folded(family["pt"]),
        other=_folded(family["en"]) | _folded(family["de"]) | _folded(family["fr"]),
        family_first=_folded(family["family_first"]),
        devotional=_folded(vocabulary("name_particles")["devotional"]),
    )


def _legal_ends(forms: dict[str, dict[str, list[str]]]) -> frozenset[str]:
    behind = [fold(form).split() for spellings in forms["behind"].values() for form in spellings]
    in_front = [fold(form).split() for spellings in forms["in_front"].values() for form in spellings]
    ends = {words[-1] for words in behind} | {words[0] for words in in_front}
    return frozenset(ends | {"".join(words) for words in behind + in_front})


def _folded(spellings: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(spelling).replace(" ", "") for spelling in spellings)
