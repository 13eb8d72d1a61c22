"""Names of people: case repaired where it was lost, never where somebody chose it; full and partial names completed
only where there is one way to do so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pipeline.stages.text import clean_line, fold, normalize_line, raw_excerpt
from pipeline.stages.values import Normalized

# Small words inside a name (Spanish, Portuguese, French, Dutch, German), never the last word of it.
_PARTICLES = frozenset(
    (
        "de",
        "del",
        "da",
        "das",
        "do",
        "dos",
        "e",
        "y",
        "i",
        "d'",
        "du",
        "des",
        "van",
        "von",
        "der",
        "den",
        "ter",
        "ten",
        "te",
        "zu",
        "zur",
        "zum",
        "vom",
        "und",
        "op",
        "'t",
        "'s",
        "bin",
        "ibn",
        "af",
        "av",
    )
)
_INITIALS = frozenset(("e", "i"))  # particles among family names (Costa e Silva), initials in John E Smith
_AFTER_PARTICLE = frozenset(("la", "las", "los", "el", "le", "het"))  # `de la Cruz`, but `La Toya`
_SUFFIXES = frozenset(("jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "filho", "neto", "junior", "senior"))
# A company in the field for names: nothing to split there.
_LEGAL_FORMS = frozenset(
    (
        "gmbh",
        "ag",
        "kg",
        "inc",
        "llc",
        "ltd",
        "plc",
        "corp",
        "co",
        "sl",
        "slu",
        "sa",
        "sas",
        "sarl",
        "srl",
        "bv",
        "nv",
        "ltda",
        "me",
    )
)
_ROMAN = frozenset(("ii", "iii", "iv", "vi", "vii", "viii"))
_HONORIFICS = frozenset(
    (
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "sr",
        "sra",
        "srta",
        "don",
        "dona",
        "herr",
        "frau",
        "ing",
        "lic",
        "mme",
        "mlle",
        "monsieur",
        "madame",
        "senor",
        "senora",
    )
)
_WORD_PARTS = re.compile(r"([-\u2010\u2011'\u2019.])")
_APOSTROPHES = "'\u2019"
# Where the family name comes first, two words do not say which is which; nor do Chinese, Japanese or Korean letters.
_FAMILY_FIRST = frozenset(("CN", "HK", "HU", "JP", "KH", "KP", "KR", "MO", "SG", "TW", "VN"))
_EAST_ASIAN = re.compile(
    "[\u1100-\u11ff\u2e80-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def normalize_given_name(text: str) -> Normalized:
    """A given name, or several."""
    return _normalize(text, is_family=False)


def normalize_family_name(text: str) -> Normalized:
    """A family name, or several; it may begin with a particle (`de la Cruz`)."""
    return _normalize(text, is_family=True)


def normalize_full_name(text: str) -> Normalized:
    """A whole name; `Brandt, Ada` is turned round and flagged `last_first`."""
    line = normalize_line(text)
    if line.value is None:
        return line
    turned = _turned_round(line.value)
    name = repair_case(turned or line.value, is_family=False)
    flags = (*line.flags, "last_first") if turned else line.flags
    return Normalized(name, flags, None if name == text else raw_excerpt(text))


def split_full_name(full_name: str, country: str | None = None) -> tuple[str, str] | None:
    """(given, family) where that is certain: two words, or a given name and a family name led by particles.

    `Ana María López` is not: neither the second given name nor the second family name can be told apart. Nor is any
    name of a country, or in letters, where the family name comes first.
    """
    if country in _FAMILY_FIRST or _EAST_ASIAN.search(full_name):
        return None
    words = full_name.split()
    if words and fold(words[0]) in _HONORIFICS and len(words) > 2:
        words = words[1:]
    if len(words) == 2:
        first, last = words
    else:
        particles = 0
        for word in words[1:-1]:
            if word.lower() not in _PARTICLES and word.lower() not in _AFTER_PARTICLE:
                return None
            particles += 1
        if not particles:
            return None
        first, last = words[0], " ".join(words[1:])
        if words[1].lower() in ("e", "y", "i", "und"):  # `Ana y Luis`: two people
            return None
    if (
        fold(first) in _HONORIFICS
        or fold(last) in _SUFFIXES
        or fold(last).replace(" ", "") in _LEGAL_FORMS
        or first.endswith(",")
        or not _is_name_like(first + last)
    ):
        return None
    return first, last


def name_tokens(full_name: str) -> frozenset[str]:
    """The words that count when two names are compared: no case, accents, particles or honorifics."""
    return frozenset(
        word
        for word in fold(full_name).split()
        if word not in _PARTICLES and word not in _AFTER_PARTICLE and word not in _HONORIFICS
    )


def names_of(fields: Mapping[str, Any]) -> frozenset[str]:
    """The tokens of the whole name in a lead's or a person's fields; empty if there is none."""
    parts = (fields.get("first_name"), fields.get("last_name"))
    return name_tokens(fields.get("full_name") or " ".join(part for part in parts if part))


def _normalize(text: str, *, is_family: bool) -> Normalized:
    line = normalize_line(text)
    if line.value is None:
        return line
    name = repair_case(line.value, is_family=is_family)
    return Normalized(name, line.flags, None if name == text else raw_excerpt(text))


def _turned_round(name: str) -> str | None:
    """`Brandt, Ada` as `Ada Brandt`; None where the comma parts something else (`Smith, Jr.`, `Acme, Inc., Berlin`)."""
    last, comma, first = name.partition(",")
    last, first = last.strip(), first.strip()
    if not comma or not last or not first or "," in first or fold(first).replace(" ", "") in _SUFFIXES:
        return None
    return f"{first} {last}"


def repair_case(name: str, *, is_family: bool) -> str:
    """Title case for a name typed in capitals or in small letters only; any other is left as it is."""
    if not (name.isupper() or name.islower()) or "\u0130" in name or not _is_name_like(name):
        return name  # \u0130 is the Turkish dotted I: its small letter does not tell that it came from there
    return _title(name, is_family)


@lru_cache(maxsize=8192)
def _title(name: str, is_family: bool) -> str:  # noqa: FBT001 - a cache keyed by position is the faster one
    words = name.split(" ")
    last = len(words) - 1
    titled: list[str] = []
    for place, word in enumerate(words):
        lower = word.lower()
        is_inside = place < last and (place > 0 or is_family) and (is_family or lower not in _INITIALS)
        if is_inside and (lower in _PARTICLES or (lower in _AFTER_PARTICLE and titled and titled[-1] in _PARTICLES)):
            titled.append(lower)
        elif place and lower in _ROMAN:
            titled.append(lower.upper())
        else:
            titled.append("".join(_title_part(part) for part in _title_pieces(lower)))
    return clean_line(" ".join(titled))


def _title_pieces(word: str) -> list[str]:
    """A word cut at hyphens, apostrophes and dots, those kept. An ending as in `dell's` is not cut off."""
    pieces = [piece for piece in _WORD_PARTS.split(word) if piece]
    if len(pieces) >= 3 and pieces[-2] in _APOSTROPHES and len(pieces[-1]) == 1:
        pieces[-3:] = ["".join(pieces[-3:])]
    return pieces


def _title_part(part: str) -> str:
    if len(part) > 3 and part.startswith("mc"):
        return "Mc" + part[2].upper() + part[3:]
    capital = part[:1].upper()
    return capital + part[1:] if len(capital) == 1 else part  # no capital of its own: ß, ligatures


def _is_name_like(text: str) -> bool:
    return not any(character.isdigit() or character in "@/\\&+#<>|" for character in text)
