"""A whole name into given and family names: by what stands in it and where it is from, or not at all.

The evidence, strongest first: a comma (`Brandt, Ada`), a family name in capitals (`Ada BRANDT`), two words, particles
(`Ana de la Cruz`), frequent given names (`Ana María López`) and Spanish or Portuguese family names
(`Ana López García`), then the custom of the lead's country: two family names at the end, any number of them, or one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.names.boundary import ALL_GIVEN, boundary, boundary_of_two, unit_codes
from pipeline.values.names.case import repair_case
from pipeline.values.names.checks import check_name, is_plain_name
from pipeline.values.names.credentials import (
    is_credential_part,
    is_listed,
    is_whole_name,
    without_credentials_behind,
)
from pipeline.values.names.units import units
from pipeline.values.names.words import (
    BEFORE_FAMILY,
    DEGREE,
    DOUBTFUL_TITLE,
    FAMILY_FIRST,
    FAMILY_IBERIAN,
    FAMILY_OTHER,
    GENERATION,
    GIVEN,
    INITIAL,
    PARTICLE,
    TITLE,
    TITLE_TAIL,
    name_words,
    word_kind,
)
from pipeline.values.text.text import clean_line

# Where the family name comes first, two words do not say which is which; nor do Chinese, Japanese or Korean letters.
_FAMILY_FIRST = frozenset(("CN", "HK", "HU", "JP", "KH", "KP", "KR", "MO", "SG", "TW", "VN"))
_EAST_ASIAN = re.compile(
    "[\u1100-\u11ff\u2e80-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# "Bill", (Bill), 'Bill'; an apostrophe inside a word is none of these
_NICKNAME = re.compile(
    '["\u201c\u201e\u00ab][^"\u201c\u201d\u201e\u00ab\u00bb]*["\u201c\u201d\u00bb]|\\([^()]*\\)|\\[[^\\[\\]]*\\]'
    "|(?<!\\S)['\u2018\u2019][^'\u2018\u2019]+['\u2019](?!\\S)"
)
_INITIALS = 2  # letters
_OPEN_QUOTE = re.compile('["\u201c\u201d\u201e\u00ab\u00bb()\\[\\]]')


class _CommaParts(NamedTuple):
    """The words before the comma, those behind it, and what neither of them is."""

    family: list[str]
    given: list[str]
    generation: list[str]
    credentials: list[str]


class NameParts(NamedTuple):
    """Both None where nothing is certain; one of them where the text holds no more (`Ana María`, `Herr Brandt`)."""

    given: str | None = None
    family: str | None = None


UNCERTAIN = NameParts()


@lru_cache(maxsize=8192)
def split_name(text: str, country: str | None = None) -> NameParts:
    """Given and family names of a whole name, case repaired; `country` is alpha-2, the lead's own or its region.

    Titles, nicknames and degrees are left out, `Jr.` and `Filho` stay with the family name.
    """
    if country not in _FAMILY_FIRST and is_plain_name(text):
        return _split_words(text.split(" "), country)
    checked = check_name(clean) if (clean := clean_line(text)) else None
    if checked is None or checked.value is None or not checked.is_person:
        return UNCERTAIN
    name = checked.value
    if country in _FAMILY_FIRST or (not name.isascii() and _EAST_ASIAN.search(name)):
        return UNCERTAIN
    if _OPEN_QUOTE.search(name) or "'" in name or "\u2018" in name or "\u2019" in name:
        name = clean_line(_NICKNAME.sub(" ", name))
        if _OPEN_QUOTE.search(name):
            return UNCERTAIN
    parts = _split_at_comma(name, country) if "," in name else _split_words(name.split(), country)
    return NameParts(
        repair_case(parts.given, is_family=False) if parts.given else None,
        repair_case(parts.family, is_family=True) if parts.family else None,
    )


def turn_round(name: str) -> str | None:
    """`Brandt, Ada` as `Ada Brandt`, `Beethoven, Ludwig van` as `Ludwig van Beethoven`.

    None where the comma parts something else (`Smith, Jr.`, `Acme, Inc., Berlin`).
    """
    if "," not in name:
        return None
    family, given, generation, credentials = _comma_parts(name)
    if not family or not given or not without_titles(given):
        return None
    turned = " ".join((*_repaired(given, is_family=False), *_repaired(family, is_family=True), *generation))
    return ", ".join((turned, *credentials))


def without_titles(words: list[str]) -> list[str]:
    """The words of a name without the titles in front and `dr` behind it; empty if there is nothing else."""
    words = _title_off(words)[1]
    while len(words) > 1 and fold(words[-1]) in name_words().titles_behind:
        words = words[:-1]
    return words


def _split_at_comma(name: str, country: str | None) -> NameParts:
    family, given, generation, _ = _comma_parts(name)
    if not family:
        return UNCERTAIN
    if not given:
        return _split_words([*family, *generation], country)
    family = without_titles(family)
    given = without_titles(given)
    if not given or not family:
        return UNCERTAIN
    return NameParts(" ".join(given), " ".join((*family, *generation)))


def _comma_parts(name: str) -> _CommaParts:
    """What stands before and behind the commas of a name; all empty where there are more commas than a name has."""
    parts = [part.split() for part in name.split(",") if part.strip()]
    generation: list[str] = []
    credentials: list[str] = []
    while len(parts) > 1 and _is_suffix(parts[-1], parts):
        credentials.append(" ".join(parts.pop()))
    credentials.reverse()
    while credentials and all(word_kind(word) & GENERATION for word in credentials[0].split()):
        generation += credentials.pop(0).split()
    if len(parts) == 3 and _is_suffix(parts[1], parts[:2]):  # Smith, Jr., John
        middle = parts.pop(1)
        if all(word_kind(word) & GENERATION for word in middle):
            generation = [*middle, *generation]
        else:
            credentials.insert(0, " ".join(middle))
    if len(parts) == 1:
        return _CommaParts(parts[0], [], generation, credentials)
    if len(parts) != 2 or (is_whole_name(parts[0]) and not _has_given(parts[1])):
        return _CommaParts([], [], [], [])
    family, given = parts
    while len(given) > 1 and is_listed(given[-1]):
        credentials.insert(0, given[-1])
        given = given[:-1]
    while len(given) > 1 and fold(given[-1]) in name_words().generations:  # Miller, Walter M. Jr.
        generation = [given[-1], *generation]
        given = given[:-1]
    if len(given) > 1 and fold(given[-1]) in name_words().titles_behind:
        given = [given[-1], *given[:-1]]
    while len(given) > 1 and given[-1].islower() and word_kind(given[-1]) & PARTICLE:
        family = [given[-1], *family]
        given = given[:-1]
    return _CommaParts(family, given, generation, credentials)


def _is_suffix(words: list[str], parts: list[list[str]]) -> bool:
    if len(parts) == 2 and len(parts[0]) == 1 and len(words) == 1:
        letters = fold(words[0]).replace(" ", "")
        if letters == "jd" or (len(letters) <= _INITIALS and not word_kind(words[0]) & (DEGREE | GENERATION)):
            return False  # behind a family name alone two letters are initials: `Rao, RN`
    return is_credential_part(words, parts[0], is_last_of_many=len(parts) > 2)


def _has_given(words: list[str]) -> bool:
    return any(word_kind(word) & GIVEN for word in words)


def _repaired(words: list[str], *, is_family: bool) -> list[str]:
    return repair_case(" ".join(words), is_family=is_family).split(" ")


def _split_words(words: list[str], country: str | None) -> NameParts:
    title, words = _title_off(words)
    words = without_credentials_behind(words)
    while len(words) > 2 and fold(words[-1]) in name_words().titles_behind:  # dr Vincent van Gogh dr
        words = words[:-1]
    generation = ""
    is_pair = len(words) == 2 and fold(words[-1]) not in name_words().generations  # `João Neto`: his family name
    if len(words) > 1 and word_kind(words[-1]) & GENERATION and not is_pair:
        words, generation = words[:-1], " " + words[-1]
    if not words:
        return UNCERTAIN
    if len(words) == 1:
        return _single(words[0], title, generation)
    marked = _split_at_capitals(words)
    if marked is None and word_kind(words[0]) & FAMILY_FIRST:
        return UNCERTAIN
    if marked is None:
        marked = _split_at_boundary(words, country, has_generation=bool(generation))
    if marked.family and generation:
        return NameParts(marked.given, marked.family + generation)
    return marked if not generation else UNCERTAIN


def _single(word: str, title: int, generation: str) -> NameParts:
    if generation or word_kind(word) & (INITIAL | TITLE | PARTICLE):
        return UNCERTAIN
    kind = word_kind(word)
    if kind & GIVEN:
        return UNCERTAIN if title & BEFORE_FAMILY and kind & (FAMILY_IBERIAN | FAMILY_OTHER) else NameParts(given=word)
    return NameParts(family=word) if title & BEFORE_FAMILY else UNCERTAIN


def _split_at_capitals(words: list[str]) -> NameParts | None:
    """`Ada BRANDT`, `GARCÍA LÓPEZ María`: capitals on one side only mean the family name. None: they say nothing."""
    shouted = [len(word) > 2 and word.isupper() and "." not in word for word in words]
    count = sum(shouted)
    if not count or count == len(words) or any(word.isupper() for word in words if len(word) == 2 and word.isalpha()):
        return None
    start = shouted.index(True)
    if not all(shouted[start : start + count]):
        return None
    block = words[start : start + count]
    if all(word_kind(word) & GIVEN for word in block):
        return None  # `ANA López`: shouted given names say nothing
    if start == 0:
        given, family = words[count:], block
    elif start + count == len(words):
        end = start
        while start > 1 and words[start - 1].islower():  # the particles before it
            start -= 1
        given, family = words[:start], [*words[start:end], *_repaired(block, is_family=True)]
    else:
        return None
    return NameParts(" ".join(given), " ".join(family)) if word_kind(given[0]) & (GIVEN | INITIAL) else None


def _split_at_boundary(words: list[str], country: str | None, *, has_generation: bool) -> NameParts:
    name_units = units(words)
    if name_units is None:
        return UNCERTAIN
    if len(name_units) < 2:
        return UNCERTAIN
    texts = [text for text, _ in name_units]
    place = (
        boundary_of_two(name_units, country)
        if len(name_units) == 2
        else boundary(unit_codes(name_units, country), country)
    )
    if place is None or (place == ALL_GIVEN and has_generation):
        return UNCERTAIN
    if place == ALL_GIVEN:
        return NameParts(given=" ".join(texts))
    return NameParts(" ".join(texts[:place]), " ".join(texts[place:]))


def _title_off(words: list[str]) -> tuple[int, list[str]]:
    """The bits of the last title in front and the words behind it."""
    title = place = 0
    while place < len(words):
        kind = word_kind(words[place])
        if kind & TITLE or (place and kind & TITLE_TAIL):
            title = kind
        elif not (kind & DOUBTFUL_TITLE and len(words) - place > 2 and word_kind(words[place + 1]) & GIVEN):
            break
        place += 1
    return title, words[place:]
