"""Job titles: the stored title stays as written; its level and function are read from it where words of the
vocabularies `job_levels.yaml` and `job_functions.yaml` say so, and never guessed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.text.text import LINE_LIMIT
from pipeline.values.vocabularies import vocabulary

_INITIALS = re.compile(r"(?<![^\W_])([^\W\d_])\.(?=[^\W\d_](?:\.|\b))")  # C.E.O., R.R.H.H.
_GENDERS = re.compile(r"\((?:[mwfdxhi]\s*[/|,]\s*){1,3}[mwfdxhi]\)|[:*_](?=in(?:nen)?\b)|/-?in\b", re.IGNORECASE)


class _Vocabulary(NamedTuple):
    """A file, ready: `instead` decides alone, `none` forbids, else `phrases` are asked; `order` is the file's."""

    instead: _Phrases
    none: _Phrases
    phrases: _Phrases
    order: tuple[str, ...]


class _Phrases(NamedTuple):
    """Names by phrase (empty: passed over), by a word's beginning and end, by the whole title; `longest` in words."""

    names: dict[tuple[str, ...], str]
    longest: int
    beginnings: tuple[tuple[str, str], ...]
    ends: tuple[tuple[str, str], ...]
    whole: dict[str, str]


@lru_cache(maxsize=8192)
def job_level(title: str) -> str | None:
    """c_level, owner, vp, director, head, manager, senior, staff, entry, intern or student; None if no word tells.

    Of several the highest: "Senior Manager" is a manager. An assistant to the CEO is staff, a former CEO has no level.
    """
    levels = _names(title, _compiled("job_levels"))
    order = _compiled("job_levels").order
    return min(levels, key=order.index) if len(levels) > 1 else next(iter(levels), None)


@lru_cache(maxsize=8192)
def job_function(title: str) -> str | None:
    """sales, marketing, it, finance, … (`job_functions.yaml`); None if no word tells.

    Of several the first in the title; consulting, administration and executive only where there is no other.
    """
    functions = _names(title, _compiled("job_functions"))
    weak = vocabulary("job_functions")["weak"]
    strong = next((name for name in functions if name not in weak), None)
    return strong or next((name for name in weak if name in functions), None)


def _names(title: str, known: _Vocabulary) -> list[str]:
    """What a title's words say, from left to right."""
    words = _words(title)
    if _names_in(words, known.none):
        return []
    return _names_in(words, known.instead)[:1] or _names_in(words, known.phrases)


def _words(title: str) -> list[str]:
    text = title[:LINE_LIMIT]
    if "." in text:
        text = _INITIALS.sub(r"\1", text)
    if "(" in text or "/" in text or ":" in text or "*" in text or "_" in text:
        text = _GENDERS.sub("", text)
    return fold(text).split()


def _names_in(words: list[str], phrases: _Phrases) -> list[str]:
    """Names of the phrases in a title from left to right, the longest at each place; none overlap."""
    whole = phrases.whole.get(" ".join(words)) if phrases.whole else None
    if whole is not None:
        return [whole]
    names: list[str] = []
    place = 0
    while place < len(words):
        length, name = _phrase_at(words, place, phrases)
        if name:
            names.append(name)
        place += length
    return names


def _phrase_at(words: list[str], place: int, phrases: _Phrases) -> tuple[int, str | None]:
    for length in range(min(phrases.longest, len(words) - place), 0, -1):
        name = phrases.names.get(tuple(words[place : place + length]))
        if name is not None:
            return length, name
    word = words[place]
    for beginning, name in phrases.beginnings:
        if word.startswith(beginning):
            return 1, name
    for end, name in phrases.ends:
        if word.endswith(end):
            return 1, name
    return 1, None


@cache
def _compiled(file: str) -> _Vocabulary:
    """`mappings/vocabularies/<file>.yaml` compiled, once per process."""
    entries = vocabulary(file)
    main = entries[file.removeprefix("job_")]
    silent = {"": entries["silent"]}
    return _Vocabulary(
        instead=_phrases({**entries["instead"], **silent}),
        none=_phrases({"none": entries["none"], **silent}),
        phrases=_phrases({**main, **silent}),
        order=(*main, *entries["instead"]),
    )


def _phrases(entries: dict[str, list[str]]) -> _Phrases:
    """Phrases of one table, by how they are to be found."""
    names: dict[tuple[str, ...], str] = {}
    beginnings: list[tuple[str, str]] = []
    ends: list[tuple[str, str]] = []
    whole: dict[str, str] = {}
    for name, spellings in entries.items():
        for spelling in spellings:
            key = fold(str(spelling))
            if spelling.startswith("="):
                whole[key] = name
            elif spelling.endswith("*"):
                beginnings.append((key, name))
            elif spelling.startswith("*"):
                ends.append((key, name))
            else:
                names[tuple(key.split())] = name
    longest = max(map(len, names), default=1)
    by_length = sorted(beginnings, key=lambda beginning: -len(beginning[0]))
    return _Phrases(names, longest, tuple(by_length), tuple(sorted(ends, key=lambda end: -len(end[0]))), whole)
