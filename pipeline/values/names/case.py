"""The case of names: given back where it was lost, never where somebody chose it."""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.values.names.credentials import spelled_credentials
from pipeline.values.names.words import name_words
from pipeline.values.text.text import clean_line

_SIGNS = re.compile(r"[\d@/\\&+#<>|]")  # not in a name: somebody else has to say what this is
_WORD_PARTS = re.compile(r"([-\u2010\u2011\u2013'\u2019`\u00b4.])")
_APOSTROPHES = "'\u2019`\u00b4"
_INITIALS = frozenset(("e", "i"))  # particles among family names (Costa e Silva), initials in John E Smith
_NEVER_INITIALS = frozenset(("ng", "st", "mc", "sr", "mr", "dr", "ms", "mrs", "sra", "fr", "sgt", "drs", "srs", "srta"))
_VOWELS = frozenset("aeiouy")
# Turkish has two letters i. In capitals, I beside these may be the dotless one; in small letters, i the dotted one.
_TURKISH_CAPITALS = frozenset("\u011e\u015e")
_TURKISH_SMALL = frozenset("\u011f\u015f\u0131")
_TURKISH_SMALL_I = re.compile(r"(?<!\w)i")


def repair_case(name: str, *, is_family: bool) -> str:
    """Title case for a name typed in capitals or in small letters only; any other is left as it is.

    Left as well: two or three letters in front that can only be initials (JP), and Turkish names whose i or I cannot be
    told apart without knowing the language.
    """
    if not (name.isupper() or name.islower()) or _SIGNS.search(name) or _is_open_turkish(name):
        return name
    titled = _title(name, is_family)
    if titled != name and (titled.isupper() or titled.islower()):  # single letters: once more, until it stays
        return repair_case(titled, is_family=is_family)
    return titled


@lru_cache(maxsize=8192)
def _title(name: str, is_family: bool) -> str:  # noqa: FBT001 - a cache keyed by position is the faster one
    known = name_words()
    words = name.lower().split(" ")  # the whole name at once: a final sigma depends on what is beside it
    last = len(words) - 1
    titled: list[str] = []
    behind_comma = False
    for place, lower in enumerate(words):
        is_inside = place < last and (place > 0 or is_family) and (is_family or lower not in _INITIALS)
        is_small = lower in known.small or lower in known.joining
        if is_inside and (is_small or (lower in known.articles and titled and titled[-1] in known.small)):
            titled.append(lower)
        elif place and (spelling := _spelling(lower, behind_comma=behind_comma)):
            titled.append(spelling)
        elif not place and not is_family and _is_initials(lower):
            titled.append(lower.upper())
        else:
            titled.append(_title_word(lower, known.small))
        behind_comma |= lower.endswith(",")
    return clean_line(" ".join(titled))


def _spelling(lower: str, *, behind_comma: bool) -> str | None:
    """How a degree is written; behind a comma other credentials too: `MA` there, while `YO YO MA` is a name."""
    word = lower.rstrip(",")
    known = name_words().spellings.get(word) or (spelled_credentials().get(word.rstrip(".")) if behind_comma else None)
    return known + lower[len(word) :] if known else None


def _is_open_turkish(name: str) -> bool:
    if name.isascii():
        return False
    if name.isupper():  # \u0130 is the dotted I: its small letter does not lead back
        return "\u0130" in name or ("I" in name and not _TURKISH_CAPITALS.isdisjoint(name))
    return not _TURKISH_SMALL.isdisjoint(name) and _TURKISH_SMALL_I.search(name) is not None


def _is_initials(word: str) -> bool:
    """`jp`, `aj`, `jrr`: nobody's given name, as there is no vowel in it or it is two letters and a J."""
    if not 2 <= len(word) <= 3 or not (word.isascii() and word.isalpha()) or word in _NEVER_INITIALS:
        return False
    return _VOWELS.isdisjoint(word) or (len(word) == 2 and word[1] == "j")


def _title_word(word: str, particles: frozenset[str]) -> str:
    """Title case at each hyphen, apostrophe and dot. An ending as in `dell's` is no part of its own."""
    pieces = [piece for piece in _WORD_PARTS.split(word) if piece]
    if len(pieces) >= 3 and pieces[-2] in _APOSTROPHES and len(pieces[-1]) == 1:
        pieces[-3:] = ["".join(pieces[-3:])]
    last = len(pieces) - 1
    return "".join(
        piece if piece in particles and 0 < place < last and pieces[place + 1] == "-" else _title_part(piece)
        for place, piece in enumerate(pieces)
    )


def _title_part(part: str) -> str:
    if len(part) > 3 and part.startswith("mc"):
        return "Mc" + part[2].upper() + part[3:]
    capital = part[:1].title()  # Georgian has capitals that no name begins with: `upper` would write them
    return capital + part[1:] if len(capital) == 1 else part  # no capital of its own: ß, ligatures
