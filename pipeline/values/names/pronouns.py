"""Pronouns beside a name: `Max Power (he/him)`, `Kajal Patel, she/her/hers`, `Ana Ruiz (ella)`. They are no name."""

from __future__ import annotations

import re
from functools import cache

from pipeline.values.vocabularies import vocabulary

# Bounded, so that a text of nothing but brackets or slashes is read once.
_BRACKETED = re.compile(r"[\s,;|\-\u2013\u2014]{0,3}[(\[{]([^()\[\]{}]{1,60})[)\]}](?=\s*(\Z|,)?)")
_SLASHED = re.compile(
    r"[\s,;|\-\u2013\u2014(\[]{0,3}(?<!\S)[(\[]?((?:\w{4,20}:\s?)?\w{1,12}(?:\s?[/|\\]\s?\w{1,12}){1,4})[)\]]?(?![\w/@.])"
)
_PARTS = re.compile(r"\s*[/|\\,;&+\u00b7]\s*")
_JOINING = frozenset(("and", "or", "und", "oder", "y", "o", "e", "ou", "et"))
_LABEL = re.compile(r"(\w{4,20})\s?:?\s+|(\w{4,20}):\s?")


def without_pronouns(name: str) -> str:
    """The name without pronouns; as it is if it has none."""
    if not any(sign in name for sign in "/|\\([{"):
        return name
    bare = _BRACKETED.sub(
        lambda found: " " if _are_pronouns(found[1], is_at_end=found[2] is not None) else found[0], name
    )
    bare = _SLASHED.sub(lambda found: " " if _are_pronouns(found[1], is_at_end=False) else found[0], bare)
    return bare.replace(" ,", ",") if bare != name else name


def _are_pronouns(text: str, *, is_at_end: bool) -> bool:
    known, labels = _known()
    label = _LABEL.match(text)
    if label and (label[1] or label[2]).casefold() in labels:
        text, is_at_end = text[label.end() :], True
    parts = [part for part in _PARTS.split(text.strip()) if part]
    words = [word for part in parts for word in part.split()]
    if len(words) > 1 and words[-1].casefold() in labels:  # `any pronouns`
        return all(word.casefold() in known for word in words[:-1])
    if not words or not all(word.casefold() in known or (word in _JOINING and len(words) > 1) for word in words):
        return False
    if len(parts) > 1:
        return True
    return is_at_end and text.islower()  # `(Ella)` may be what she is called


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    entries = vocabulary("pronouns")
    words = (str(word).casefold() for language, listed in entries.items() if language != "labels" for word in listed)
    return frozenset(words), frozenset(entries["labels"])
