"""How two names of people agree: the words of the shorter one found again in the longer one, or not.

Accents, particles and order count for nothing; short names (`Paco`, `Majo`), initials and small slips are recognized.
Nothing here knows of families or companies: whether an agreement means the same person is weighed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache

from rapidfuzz.distance import DamerauLevenshtein

from pipeline.errors import ConfigurationError
from pipeline.values.folding import fold
from pipeline.values.names.words import (
    ARTICLE,
    DEGREE,
    FAMILY_IBERIAN,
    FAMILY_OTHER,
    GENERATION,
    GIVEN,
    JOINING,
    PARTICLE,
    TITLE,
    word_kind,
)
from pipeline.values.vocabularies import vocabulary

FULL = "name_full"  # every word of the shorter name is in the longer one, at least two of them
CLOSE = "name_close"  # as full, but a word had a slip: Marian for Marina, or somebody else
LATER = "name_later"  # as full, but the longer name begins with a given name that the other lacks: Luis, José Luis
PART = "name_part"  # the shorter name is one word, and that is in the longer one
INITIAL = "name_initial"  # as full or part, but an initial had to stand for a word
CROSSED = "name_crossed"  # one has a further given name, the other a further family name: José Luis Mora, José Mora Gil
SAME_GIVEN = "name_same_given"  # given names agree, another word does not (a married name, a slip, somebody else)
SAME_FAMILY = "name_same_family"  # another word agrees, given names do not (mostly a relative)
DIFFERENT = "name_different"
UNKNOWN = "name_unknown"  # one of them has no name, or one is a given name and the other a family name: Ada, Brandt

AGREEING = frozenset((FULL, CLOSE, LATER))
Name = tuple[str, ...]

_IGNORED = PARTICLE | ARTICLE | JOINING | TITLE | DEGREE | GENERATION
_FAMILY = FAMILY_IBERIAN | FAMILY_OTHER
_WORD_LIMIT = 12
_LETTER_LIMIT = 40
_TEXT_LIMIT = 512
_DIMINUTIVES = ("zinho", "zinha", "inho", "inha", "cito", "cita", "ito", "ita", "chen", "lein")
_CUT = {
    "o": ("", "o", "e", "io", "os"),
    "a": ("", "a", "e", "ia"),
    "n": ("", "a", "e"),
}  # off the name, by its last letter
_EQUAL, _SHORT, _SLIP, _LETTER = 4, 3, 2, 1


@lru_cache(maxsize=16_384)
def name_of(text: str) -> Name:
    """The words that tell people apart, folded, in their order: no particles, titles, degrees or generations."""
    words = [word[:_LETTER_LIMIT] for word in _words(text) if not word.isdigit()][:_WORD_LIMIT]
    told = [
        word
        for place, word in enumerate(words)
        if not word_kind(word) & _IGNORED or (not place and len(word) == 1)  # E. Wright: no "and" begins a name
    ]
    return tuple(told or words)


def _words(text: str) -> list[str]:
    text = text[:_TEXT_LIMIT].replace("'", "").replace("\u2019", "")
    return (fold(text) if text.isascii() else fold(fold(text))).split()  # once more: bold letters become capitals


@lru_cache(maxsize=65_536)
def agreement(one: Name, other: Name) -> str:
    """One of the constants above; the same whichever name comes first."""
    if not one or not other:
        return UNKNOWN
    one, other = _spelled_out(one, other), _spelled_out(other, one)
    if (len(one), one) > (len(other), other):
        one, other = other, one
    matches, taken = _matches(one, other)
    words = sum(match >= _SLIP for match in matches)
    letters = sum(match == _LETTER for match in matches)
    if all(matches):
        if letters:
            return INITIAL
        if words < 2:
            return PART
        has_slip = any(match == _SLIP and _is_given(word, other) for word, match in zip(one, matches, strict=True))
        return CLOSE if has_slip else FULL if 0 in taken else LATER
    if not words + letters:
        return UNKNOWN if _are_halves(one, other) or _are_halves(other, one) else DIFFERENT
    is_crossed = words > 1 and not letters and _leave_out_each_others(one, matches, other, taken)
    return CROSSED if is_crossed else SAME_GIVEN if matches[0] >= _SLIP else SAME_FAMILY


def maximal_names(names: Iterable[Name]) -> list[Name]:
    """The fullest of them: those that no longer one already says. In an order that depends on nothing else."""
    kept: list[Name] = []
    for name in sorted(set(names), key=lambda words: (-len(words), -sum(map(len, words)), words)):
        if name and not any(agreement(name, longer) in (FULL, CLOSE, LATER, PART, INITIAL) for longer in kept):
            kept.append(name)
    return kept


def word_forms(word: str) -> frozenset[str]:
    """A word and the full names it may be short for, for looking candidates up."""
    return _full_names().get(word, frozenset((word,)))


def _matches(one: Name, other: Name) -> tuple[list[int], set[int]]:
    """For each word of `one` the best match among the words of `other`, each of those used once; and the places of the
    words of `other` that are among those.
    """
    matches = [0] * len(one)
    pairs = sorted(
        (-match, abs(i - j), i, j)
        for i, word in enumerate(one)
        for j, against in enumerate(other)
        if (match := _match(word, against))
    )
    taken: set[int] = set()
    for match, _, i, j in pairs:
        if not matches[i] and j not in taken:
            matches[i] = -match
            taken.add(j)
    return matches, taken


@lru_cache(maxsize=65_536)
def _match(one: str, other: str) -> int:
    if one == other:
        return _EQUAL
    if word_forms(one) & word_forms(other) or _is_diminutive(one, other) or _is_diminutive(other, one):
        return _SHORT
    if len(one) == 1 or len(other) == 1:
        return _LETTER if one[0] == other[0] else 0
    if _differ_in_gender(one, other) or word_kind(one) & word_kind(other) & GIVEN:  # Marian and Marina
        return 0
    if not (one.isalpha() and other.isalpha()):
        return 0  # lead17 and lead18 are counted, not misspelled
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < 4 else 1 if shorter < 8 else 2
    return _SLIP if allowed and DamerauLevenshtein.distance(one, other, score_cutoff=allowed) <= allowed else 0


def _differ_in_gender(one: str, other: str) -> bool:
    """Mario and Maria, Eric and Erica, Paul and Paula: one letter, two people."""
    if len(one) > len(other):
        one, other = other, one
    if other in (one + "a", one + "e", one + "o"):
        return True
    return len(one) == len(other) and one[:-1] == other[:-1] and one[-1] in "aeo" and other[-1] in "aeo"


def _is_diminutive(short: str, full: str) -> bool:
    """`Paulinho` of Paulo, `Juancito` of Juan, `Lenchen` of Lena; not of the other sex, nor `Benito` of Benjamín."""
    if not short.endswith(_DIMINUTIVES) or word_kind(short) & word_kind(full) & GIVEN:
        return False
    stems = (short.removesuffix(ending) for ending in _DIMINUTIVES if short.endswith(ending))
    return any(len(stem) >= 2 and full in {stem + end for end in _CUT[short[-1]]} for stem in stems)


def _is_given(word: str, other: Name) -> bool:
    """Whether the word that met with a slip is a given name, there or here: those differ by as little."""
    return bool(word_kind(word) & GIVEN) or any(
        word_kind(against) & GIVEN and word != against and _match(word, against) == _SLIP for against in other
    )


def _are_halves(given: Name, family: Name) -> bool:
    """One says only how the person is called, the other only of what family: nothing in them contradicts."""
    return all(word_kind(word) & (GIVEN | _FAMILY) == GIVEN for word in given) and all(
        word_kind(word) & _FAMILY and not word_kind(word) & GIVEN for word in family
    )


def _leave_out_each_others(one: Name, matches: list[int], other: Name, taken: set[int]) -> bool:
    mine = [place for place, match in enumerate(matches) if not match]
    theirs = [place for place in range(len(other)) if place not in taken]
    return _are_crossed(one, mine, other, theirs) or _are_crossed(other, theirs, one, mine)


def _are_crossed(one: Name, mine: list[int], other: Name, theirs: list[int]) -> bool:
    """Whether `one` lacks nothing but a family name at the end, and `other` nothing but a given name in the middle.

    `mine` and `theirs` are the places of the words that only one of the two has.
    """
    return (
        bool(mine and theirs)
        and mine[0] > 0
        and mine[-1] < len(one) - 1
        and theirs[0] == len(other) - len(theirs)
        and all(word_kind(one[place]) & GIVEN for place in mine)
        and all(word_kind(other[place]) & (GIVEN | _FAMILY) != GIVEN for place in theirs)
    )


def _spelled_out(name: Name, other: Name) -> Name:
    """`Majo` as `maria jose` where the other name has both."""
    compounds = _compounds()
    if not any(word in compounds for word in name):
        return name
    words: list[str] = []
    for word in name:
        parts = compounds.get(word, ())
        words += parts if parts and word not in other and all(part in other for part in parts) else (word,)
    return tuple(words)


@cache
def nicknames() -> dict[str, dict[str, list[str]]]:
    """`mappings/vocabularies/nicknames.yaml`, checked: a text where a list belongs would make nicknames of its letters.

    Raises ConfigurationError.
    """
    file, content = "mappings/vocabularies/nicknames.yaml", vocabulary("nicknames")
    if not isinstance(content, dict) or set(content) != {"names", "compounds"}:
        raise ConfigurationError(f"{file}: must hold exactly names and compounds")
    for section, entries in content.items():
        if not isinstance(entries, dict):
            raise ConfigurationError(f"{file}: {section}: must hold `name: [name, …]`; without any, write {{}}")
        for name, listed in entries.items():
            if not isinstance(listed, list) or not listed:
                raise ConfigurationError(f"{file}: {section}.{name}: {listed!r} is not a list: put it in brackets")
            for word in (name, *listed):
                if not isinstance(word, str) or len(fold(word).split()) != 1:
                    raise ConfigurationError(f"{file}: {section}.{name}: {word!r} is not one word; quote on, no and y")
    return content


@cache
def _full_names() -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for full, shorts in nicknames()["names"].items():
        canonical = fold(str(full))
        names.setdefault(canonical, set()).add(canonical)
        for short in shorts:
            names.setdefault(fold(str(short)), {fold(str(short))}).add(canonical)
    return {word: frozenset(forms) for word, forms in names.items()}


@cache
def _compounds() -> dict[str, Name]:
    return {
        fold(str(short)): tuple(fold(str(part)) for part in parts) for short, parts in nicknames()["compounds"].items()
    }
