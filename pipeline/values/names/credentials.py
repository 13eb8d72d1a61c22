"""What is written behind a name and is none of it: degrees, licenses, certificates. `Dana Okafor, SHRM-CP`.

Listed ones (`mappings/vocabularies/credentials.yaml`) are known anywhere behind a name, as they are written there or in
capitals: `MA` is a degree, `Ma` a name. Nobody lists them all: another run of capitals is one where it stands behind a
comma and what stands before the comma is a name already.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from pipeline.values.names.words import (
    DEGREE,
    FAMILY_IBERIAN,
    FAMILY_OTHER,
    GENERATION,
    GIVEN,
    INITIAL,
    PARTICLE,
    word_kind,
)
from pipeline.values.vocabularies import vocabulary

_SIGNS = re.compile(r"[^\w+]|_")
_PIECES = re.compile(r"[/&+\\]")
# XQZ, X-CP, P.Eng., CX2: capitals, and few small letters behind one
_SHAPE = re.compile(r"[^\W\d_][^\W_]{0,7}(?:[.\-/+&(][^\W_]{1,8}\)?){0,5}[.\u00ae\u2122]?\Z")
_VOWELS = frozenset("AEIOUYÀÁÂÃÄÅÈÉÊËÌÍÎÏÒÓÔÕÖÙÚÛÜ")
_LONGEST = 24  # characters of a listed one
_INITIALS_LIMIT = 3  # letters: JP, JRR
_FAMILY = FAMILY_IBERIAN | FAMILY_OTHER


@lru_cache(maxsize=8192)
def is_listed(text: str) -> bool:
    """Whether a word, or the words of a part, are a credential on our lists: `PMP`, `Ph. D.`, `MD/PhD`."""
    if len(text) > _LONGEST:
        return False
    compact = _SIGNS.sub("", text)
    spelling = _spellings().get(compact.casefold())
    if word_kind(text) & DEGREE or (spelling is not None and (compact == spelling or compact.isupper())):
        return True
    pieces = _PIECES.split(text)
    return len(pieces) > 1 and all(is_listed(piece) for piece in pieces)


def is_credential_part(words: list[str], before: list[str], *, is_last_of_many: bool = False) -> bool:
    """Whether the words behind a comma are credentials of the name in `before`; `is_last_of_many`: of three and more
    parts, where a given name has its place already."""
    if not words or not before:
        return False
    if all(is_listed(word) or word_kind(word) & GENERATION for word in words) or is_listed(" ".join(words)):
        return True
    if any(word_kind(word) & GIVEN for word in words):
        return False
    if is_listed(words[0]) and len(before) > 1:  # `MBA INSEAD`, `PhD candidate`
        return True
    return all(_has_shape(word) for word in words) and (is_last_of_many or _leaves_no_name(words, before))


def _leaves_no_name(words: list[str], before: list[str]) -> bool:
    """Whether a run of capitals on no list is no given name, by what stands before it."""
    if is_whole_name(before):
        return True
    are_initials = all(word_kind(word) & INITIAL for word in words)
    if are_initials or all(word.isupper() for word in before):
        return False
    return not can_be_family(before) or all(_is_telling(word) for word in words)


def is_whole_name(words: list[str]) -> bool:
    """Whether the words begin with a frequent given name that is no family name, and go on."""
    kind = word_kind(words[0])
    return len(words) > 1 and bool(kind & GIVEN) and not kind & (_FAMILY | PARTICLE)


def can_be_family(words: list[str]) -> bool:
    """Whether the words before a comma may be family names: one word, one led by a particle, or known ones."""
    rest = [word for word in words if not word_kind(word) & (PARTICLE | GENERATION)]
    if len(rest) <= 1:
        return True
    return all(word_kind(word) & _FAMILY for word in rest)


@lru_cache(maxsize=8192)
def without_credentials(name: str) -> str:
    """A name, or part of one, without what is written behind it; generations stay. Never empty."""
    head, *parts = [part.strip() for part in name.split(",")] if "," in name else [name]
    before = head.split()
    while parts and (not parts[-1] or _may_go(parts[-1].split(), before)):
        parts.pop()
    if not parts:
        return " ".join(without_credentials_behind(before, fewest=1)) or name
    return ", ".join((head, *parts[:-1], " ".join(without_credentials_behind(parts[-1].split(), fewest=1))))


def without_credentials_behind(words: list[str], *, fewest: int = 2) -> list[str]:
    """The words of a name without the listed credentials at its end, as long as `fewest` of them stay.

    In a name all in capitals, and of the two words of `Artur MAS`, nothing tells a license from a family name.
    """
    are_mixed = not all(word.isupper() for word in words)
    while len(words) > 1 and (
        word_kind(words[-1]) & DEGREE or (len(words) > fewest and are_mixed and is_listed(words[-1]))
    ):
        if all(word_kind(word) & PARTICLE for word in words[:-1]):
            break
        words = words[:-1]
    return words


def _may_go(words: list[str], before: list[str]) -> bool:
    is_generation = all(word_kind(word) & GENERATION for word in words)
    return not is_generation and is_credential_part(words, before)


def _has_shape(word: str) -> bool:
    if not _SHAPE.match(word):
        return False
    capitals, small = sum(map(str.isupper, word)), sum(map(str.islower, word))
    return capitals >= 2 and capitals >= small


def _is_telling(word: str) -> bool:
    """No name in capitals: parted by signs, with digits, or long and without a vowel."""
    letters = "".join(filter(str.isalnum, word))
    if len(letters) <= _INITIALS_LIMIT and "." not in word:
        return False
    has_signs = any(sign in word for sign in "-./+&(")
    return has_signs or not letters.isalpha() or _VOWELS.isdisjoint(letters.upper())


@cache
def _spellings() -> dict[str, str]:
    """Without signs and case -> as it is written, without signs."""
    listed = (str(spelling) for group in vocabulary("credentials").values() for spelling in group)
    compact = (_SIGNS.sub("", spelling) for spelling in listed)
    return {spelling.casefold(): spelling for spelling in compact}


@cache
def spelled_credentials() -> dict[str, str]:
    """In small letters -> as it is written, signs and all: for names whose case was lost."""
    listed = (str(spelling) for group in vocabulary("credentials").values() for spelling in group)
    return {spelling.lower().rstrip("."): spelling.rstrip(".") for spelling in listed if " " not in spelling}
