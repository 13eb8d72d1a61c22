"""Titles of a table's columns: what each may mean, in the languages of the vocabularies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from pipeline.canonical import CANONICAL_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBERED = re.compile(r"^(.*\D)\d{1,2}$")
LONGEST_TITLE = 80  # characters; a longer cell is a question of its own or a text
LANGUAGES = {"en": "English", "es": "Spanish", "pt": "Portuguese", "de": "German", "fr": "French"}


class Titles(NamedTuple):
    """The vocabulary, by folded title."""

    fields: dict[str, tuple[str, str]]  # canonical field, language
    ambiguous: dict[str, tuple[str, ...]]
    left: dict[str, str]  # hint
    lead_ins: tuple[str, ...]  # longest first


def title_key(text: str) -> str:
    """A title for comparing: letters and digits only, without case and accents."""
    return fold(text).replace(" ", "")


@cache
def titles() -> Titles:
    """The vocabulary, checked: a title may stand in one place only. Raises ConfigurationError."""
    content = vocabulary("headers")
    place: dict[str, str] = {}

    def claim(title: object, owner: str) -> str:
        key = title_key(str(title))
        if not isinstance(title, str) or not key or place.setdefault(key, owner) != owner:
            raise ConfigurationError(
                f"mappings/vocabularies/headers.yaml: {title!r} stands under {place.get(key)} and under {owner};"
                " a title of several meanings belongs under `ambiguous`"
            )
        return key

    fields: dict[str, tuple[str, str]] = {}
    for name, by_language in content["fields"].items():
        if name not in CANONICAL_FIELDS:
            raise ConfigurationError(f"mappings/vocabularies/headers.yaml: fields.{name} is not a canonical field")
        for language, known in by_language.items():
            for title in known:
                fields.setdefault(claim(title, name), (name, language))
    ambiguous = {claim(title, "ambiguous"): tuple(names) for title, names in content["ambiguous"].items()}
    left = {
        claim(title, f"left.{kind}"): str(entry["hint"])
        for kind, entry in content["left"].items()
        for title in entry["titles"]
    }
    lead_ins = sorted({fold(str(words)) + " " for words in content["lead_ins"]}, key=len, reverse=True)
    _add_without_small_words(fields, place, content["fields"])
    return Titles(fields, ambiguous, left, tuple(lead_ins))


_SMALL_WORDS = frozenset(("de", "del", "do", "da", "of", "der", "des", "du"))


def _loose_key(text: str) -> str:
    """The title without words that people leave out: `Nº de empleados` is `Nº empleados`."""
    return "".join(word for word in fold(text).split() if word not in _SMALL_WORDS)


def _add_without_small_words(
    fields: dict[str, tuple[str, str]], place: dict[str, str], listed: dict[str, dict[str, list[str]]]
) -> None:
    """Titles by their loose key too, where that stands for one field and for nothing that is listed itself."""
    loose: dict[str, dict[str, str]] = {}
    for name, by_language in listed.items():
        for language, known in by_language.items():
            for title in known:
                loose.setdefault(_loose_key(title), {}).setdefault(name, language)
    for key, languages in loose.items():
        if key and key not in place and len(languages) == 1:
            fields.update({key: next(iter(languages.items()))})


def count_titles(cells: Iterable[str]) -> int:
    """How many cells of a row are titles that the vocabulary knows: what makes a row a header."""
    known = titles()
    return sum(
        any(key in known.fields or key in known.ambiguous or key in known.left for key in title_keys(cell)[:2])
        for cell in cells
        if cell and len(cell) <= LONGEST_TITLE
    )


@cache
def totals() -> frozenset[str]:
    """Words that begin a line of sums."""
    return frozenset(title_key(str(word)) for word in vocabulary("headers")["totals"])


def title_keys(header: str) -> list[str]:
    """The folded title, then without brackets, then without its number, then without the words that lead in to it."""
    bare = fold(BRACKETS.sub(" ", header)) or fold(header)
    numbered = _NUMBERED.match(bare)
    last = numbered[1].strip() if numbered else bare
    shorter = [last[len(words) :] for words in titles().lead_ins if last.startswith(words)]
    keys = (title_key(header), *(words.replace(" ", "") for words in (bare, last, *shorter)), _loose_key(last))
    return list(dict.fromkeys(key for key in keys if key))
