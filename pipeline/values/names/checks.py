"""What stands in a field for names and is not one person's name: a placeholder, an address, a company, two people."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pipeline.values.companies.companies import has_legal_form
from pipeline.values.folding import fold
from pipeline.values.names.credentials import is_listed
from pipeline.values.names.pronouns import without_pronouns
from pipeline.values.names.words import (
    AND,
    BEFORE_FAMILY,
    COMPANY_ANY,
    COMPANY_FIRST,
    DOUBTFUL_TITLE,
    GIVEN,
    INITIAL,
    JOINING,
    LEGAL_FORM,
    SEVERAL,
    TITLE,
    name_words,
    word_kind,
)
from pipeline.values.text.text import clean_line

# Anything but letters, spaces, dots, commas, hyphens, apostrophes: most names are done here.
_UNUSUAL = re.compile(r"[^\w\s.,'\u2019-]|[\d_]")
_EMOJI = re.compile(
    "(?:[\u00a9\u00ae\u2122\u2190-\u21ff\u2300-\u23ff\u2460-\u27bf\u2900-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff][\u200d\u20e3\ufe0e\ufe0f]*)+|[\u20e3\ufe0e\ufe0f]+"
)
# Bounded as addresses are (RFC 5321, 4.5.3.1): without that, a long text without an at sign costs its square.
_EMAIL = re.compile(r"[<(\[]?[^\s@<>()\[\],;:]{1,64}@[^\s@<>()\[\],;:]{1,253}\.[^\s@<>()\[\],;:]{1,63}[>)\]]?")
_PHONE = re.compile(r"[(\[]?\+?\d(?:[\s().-]*\d){6,}[)\]]?")
_GENERATION = re.compile(r"\b(?:2nd|3rd|4th)\b", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_EDGES = " ,;:|*_=~<>/\\"
_QUOTED = re.compile(r'(["\u201c\u201e\u00ab])([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u00bb]')
_STRONG = re.compile(r"\s*[&+/]\s*|\s+(?:and|und|et)\s+", re.IGNORECASE)
_WEAK = re.compile(r"\s+(y|e)\s+", re.IGNORECASE)
_SIGN = re.compile(r"[&+/]")
_BEYOND_LATIN = re.compile("[\u0370-\U0010ffff]")
_PARTNERS = re.compile(r"[&+]\s*(?:co|cia|cie|sons?|s\u00f6hne|sohn|partners?|associates|bros)\b", re.IGNORECASE)


# Capital and small letters as in `María José`; Â and Ã in front are how damaged text begins.
_PLAIN = re.compile(
    "[A-Z\u00c0\u00c1\u00c4-\u00d6\u00d8-\u00de][a-z\u00df-\u00f6\u00f8-\u00ff]+"
    "(?: [A-Z\u00c0\u00c1\u00c4-\u00d6\u00d8-\u00de][a-z\u00df-\u00f6\u00f8-\u00ff]+)*"
)
_NOT_PLAIN = AND | JOINING | TITLE | DOUBTFUL_TITLE | LEGAL_FORM | COMPANY_FIRST | COMPANY_ANY | SEVERAL
_PLAIN_LIMIT = 100  # characters


class Checked(NamedTuple):
    """`value` is what is left of the text as a name, None if nothing is; `is_person` False: nothing to split there."""

    value: str | None
    flags: tuple[str, ...] = ()
    is_person: bool = True


def is_plain_name(text: str) -> bool:
    """Whether a name, or part of one, stands as it should: the common case, found at a tenth of the cost of a check."""
    if len(text) > _PLAIN_LIMIT or not _PLAIN.fullmatch(text):
        return False
    known = name_words()
    words = text.split(" ")
    begin = words[0] if words[0].isascii() else fold(words[0])
    if begin.lower() in known.placeholders_begin or words[0] in known.placeholders_exact:
        return False
    if len(words) > 1:
        for word in words:
            if word_kind(word) & _NOT_PLAIN:
                return False
    return True


@lru_cache(maxsize=8192)
def check_name(clean: str) -> Checked:
    """A clean line read as the name of a person, or part of one; flags as in docs/normalization.md."""
    flags: tuple[str, ...] = ()
    if _UNUSUAL.search(clean):
        clean, flags = _without_addresses(clean)
    elif clean[0] in _EDGES or clean[-1] in _EDGES:
        clean = clean.strip(_EDGES)
    if not clean or _is_placeholder(clean):
        return Checked(None, flags or ("placeholder",), is_person=False)
    if _DIGIT.search(clean) and _DIGIT.search(_without_generations(clean)):
        return Checked(clean if _LETTER.search(clean) else None, (*flags, "digits_in_name"), is_person=False)
    words = clean.split()
    kind = 0
    for word in words:
        kind |= word_kind(word)
    if _is_company(clean, words, kind):
        return Checked(clean, (*flags, "company_in_name"), is_person=False)
    several = _are_several(clean, words, kind)
    if several is None:
        return Checked(clean, flags)
    return Checked(clean, (*flags, "several_people") if several else flags, is_person=False)


def _without_generations(clean: str) -> str:
    """Without `3rd`, and without credentials that have digits: `PRINCE2`."""
    return " ".join(word for word in _GENERATION.sub("", clean).split() if not is_listed(word.strip(",")))


def _is_company(clean: str, words: list[str], kind: int) -> bool:
    """Whether a name of several words ends as companies do (`Brandt GmbH`) or has words only they have."""
    if not kind & (LEGAL_FORM | COMPANY_FIRST | COMPANY_ANY) and clean.isascii() and "&" not in clean:
        return False  # the common case
    if len(words) < 2:
        return _BEYOND_LATIN.search(clean) is not None and has_legal_form(clean)
    if (kind & LEGAL_FORM or _BEYOND_LATIN.search(clean)) and has_legal_form(clean):
        # `Ana S.A.`: initials of two family names, as a careful person writes them
        return not (len(words) == 2 and word_kind(words[0]) & GIVEN and word_kind(words[1]) & INITIAL)
    return bool(
        word_kind(words[0]) & COMPANY_FIRST
        or any(word_kind(word) & COMPANY_ANY for word in words[1:])
        or ("&" in clean and _PARTNERS.search(clean))
    )


def _are_several(clean: str, words: list[str], kind: int) -> bool | None:
    """True for two people (`Ana y Luis García`), False where a sign between words says that it may be, None else.

    `Ortega y Gasset` are two family names of one person: behind `y` there must be a given name, or only one before it.
    """
    if not kind & (SEVERAL | AND | JOINING) and not _SIGN.search(clean):
        return None  # the common case
    if "/" in clean or "&" in clean or "+" in clean:  # `MD/PhD` is one person's
        words = [word for word in words if not (_SIGN.search(word) and len(word) > 1 and is_listed(word.strip(",")))]
        clean = " ".join(words)
    if len(words) > 1 and word_kind(words[0]) & SEVERAL:
        return True
    joint = _STRONG.search(clean)
    if joint:
        left, right = clean[: joint.start()].split(), clean[joint.end() :].split()
        return bool(left and right) and (_begins_as_person(left) or _begins_as_person(right))
    joint = _WEAK.search(clean)
    if not joint or (joint[1].isupper() and not clean.isupper()):  # `John E Smith`: an initial
        return None
    return _are_joined(clean[: joint.start()].split(), clean[joint.end() :].split(), joint[1]) or None


def _are_joined(left: list[str], right: list[str], joint: str) -> bool:
    """Two people on both sides of `y` or `e`; an E in capitals may be an initial."""
    if all(word_kind(word) & TITLE for word in left) and word_kind(right[0]) & TITLE:
        return True
    are_given = all(word_kind(word) & GIVEN for word in left)
    if word_kind(right[0]) & GIVEN:
        return are_given or len(right) > 1
    return are_given and len(left) == 1 and joint != "E"


def _begins_as_person(words: list[str]) -> bool:
    return bool(word_kind(words[0]) & (GIVEN | BEFORE_FAMILY | TITLE))


def _is_placeholder(clean: str) -> bool:
    known = name_words()
    if clean in known.placeholders_exact:
        return True
    if len(clean) > 24:  # characters; the longest of them is shorter
        return False
    begin = clean.split(" ", 1)[0].lower()
    if begin.isascii() and begin.isalpha() and begin not in known.placeholders_begin:
        return False  # the common case
    return not (_LETTER.search(clean) or _DIGIT.search(clean)) or fold(clean) in known.placeholders


def _without_addresses(clean: str) -> tuple[str, tuple[str, ...]]:
    """The text without emoji, e-mail addresses, phone numbers and the quotes around all of it."""
    flags: dict[str, None] = {}
    while True:  # until nothing changes: taking one thing off may lay another one open; each round is shorter
        before = clean
        for pattern, flag in ((_EMOJI, "emoji_removed"), (_EMAIL, "email_in_name"), (_PHONE, "phone_in_name")):
            without = pattern.sub(" ", clean)
            if without != clean:
                flags[flag] = None
                clean = clean_line(without)
        without = clean_line(without_pronouns(clean))
        if without != clean:
            flags["pronouns_removed"] = None
            clean = without
        clean = clean.strip(_EDGES)
        whole = _QUOTED.fullmatch(clean)
        clean = whole[2].strip(_EDGES) if whole else clean
        if clean == before:
            return clean, tuple(flags)
