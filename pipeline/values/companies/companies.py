"""Companies: the stored name stays as it was written; legal forms and articles come off for matching only.

The forms are `mappings/vocabularies/legal_forms.yaml`. A form that is also a word or a name ("SA", "Sá", "spa") counts
only where its writing shows what is meant: with dots, or in capitals among words that are not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.normalized import Normalized
from pipeline.values.text.text import LINE_LIMIT, normalize_cell
from pipeline.values.vocabularies import vocabulary

# Initials with dots or slashes are one word (S.A., A/S, d. o. o.); a sign for "and" is a word too.
_WORD = re.compile(r"(?:[^\W\d_][./]\s?)+[^\W\d_](?![^\W_])\.?|[^\W_]+|[&+]")
_APOSTROPHES = re.compile("['\u2019\u2018\u00b4`]")
_PLACEHOLDER_LIMIT = 24  # characters; the longest of them is shorter
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_SIGNS_ONLY = re.compile(r"[\W_]*\Z")


class _Word(NamedTuple):
    """`marked`: written as legal forms are, with dots, or with capitals where other words have small letters."""

    folded: str
    marked: bool


class _Forms(NamedTuple):
    """Folded words of each legal form; `longest` in words.

    `written_so` are those of several words as the list has them, not with their initials apart ("S A" may be a
    person's); `certain` are single words that nobody is called; `ends` holds a word of every form.
    """

    behind: frozenset[tuple[str, ...]]
    in_front: frozenset[tuple[str, ...]]
    longest: int
    written_so: frozenset[tuple[str, ...]]
    ends: frozenset[str]
    certain: frozenset[str]
    ambiguous: frozenset[str]
    words: frozenset[str]
    attached: re.Pattern[str]
    conjunctions: frozenset[str]
    articles: frozenset[str]
    placeholders: frozenset[str]


def normalize_company(text: str) -> Normalized:
    """The clean line, legal form and case untouched; `placeholder` where it says that there is no company."""
    cell = normalize_cell(text)
    if isinstance(cell.value, str) and len(cell.value) <= _PLACEHOLDER_LIMIT and _is_placeholder(cell.value):
        return cell._replace(flags=(*cell.flags, "placeholder"))
    return cell


@lru_cache(maxsize=8192)
def match_form(company: str) -> str:
    """For comparing only: folded, without legal forms, a leading article and apostrophes, every "and" the same.

    Empty for a placeholder and for text without letters or digits: nothing to compare by. "Grupo", "Group" and
    "Holding" stay: a holding is a company of its own. Applying it twice changes nothing.
    """
    if _is_placeholder(company[:LINE_LIMIT]):
        return ""
    words = _words(company)
    core = " ".join(_core(words))
    # Of "Self GmbH" the form is what tells it from somebody who has no company.
    return core if core not in _forms().placeholders else " ".join(word.folded for word in words)


@lru_cache(maxsize=8192)
def has_legal_form(text: str) -> bool:
    """Whether the text names a company by its legal form: "Brandt GmbH", "PT Astra", "Aceros, S.A.", not "Maria Sá"."""
    forms = _forms()
    if text.isascii():
        if "." not in text and "/" not in text and forms.ends.isdisjoint(_PUNCTUATION.sub(" ", text.lower()).split()):
            return False  # the common case by far: the name of a person
    elif forms.attached.search(text):
        return True
    words = _words(text)
    if len(words) < 2:
        return False
    folded = [word.folded for word in words]
    if any(word in forms.certain for word in folded):
        return True
    for length in range(min(forms.longest, len(words) - 1), 1, -1):
        if tuple(folded[-length:]) in forms.written_so or tuple(folded[:length]) in forms.in_front:
            return True
    first, last = words[0], words[-1]
    return (last.marked and (last.folded,) in forms.behind) or (first.marked and (first.folded,) in forms.in_front)


def _core(words: list[_Word]) -> list[str]:
    """What is left without forms, articles and hanging conjunctions; never less than one word."""
    forms = _forms()
    while tuple(word.folded for word in words) not in forms.behind:
        before = len(words)
        words = _without_front(_without_end(words, forms), forms)
        if len(words) == before:
            break
    return [word.folded for word in words]


def _without_end(words: list[_Word], forms: _Forms) -> list[_Word]:
    folded = tuple([word.folded for word in words])
    for length in range(min(forms.longest, len(words) - 1), 0, -1):
        if folded[-length:] in forms.behind and (length > 1 or words[-1].marked or folded[-1] not in forms.words):
            return words[:-length]
    return words[:-1] if len(words) > 1 and folded[-1] == "and" else words


def _without_front(words: list[_Word], forms: _Forms) -> list[_Word]:
    folded = tuple([word.folded for word in words])
    for length in range(min(forms.longest, len(words) - 1), 0, -1):
        if folded[:length] in forms.in_front and (length > 1 or words[0].marked or folded[0] not in forms.ambiguous):
            return words[length:]
    has_article = len(words) > 1 and (folded[0] in forms.articles or folded[0] == "and")
    return words[1:] if has_article else words


def _words(text: str) -> list[_Word]:
    forms = _forms()
    text = text[:LINE_LIMIT]
    if not text.isascii():
        text = unicodedata.normalize("NFC", forms.attached.sub(" ", text))
    text = _APOSTROPHES.sub("", text)
    shouted = text.isupper()
    kept: list[_Word] = []
    for written in _WORD.findall(text):
        dotted = "." in written or "/" in written
        letters = written.replace(".", "").replace("/", "").replace(" ", "") if dotted else written
        marked = dotted or (not shouted and not letters.islower() and letters != letters.capitalize())
        if written in "&+":
            kept.append(_Word("and", marked=False))
            continue
        if letters.isascii() and letters.isalnum():
            kept.append(_Word(letters.lower(), marked))
        else:
            kept += [_Word(part, marked) for part in fold(fold(letters)).split()]
    for place in range(1, len(kept) - 1):
        if kept[place].folded in forms.conjunctions and not kept[place].marked:
            kept[place] = _Word("and", marked=False)
    return kept


def _is_placeholder(text: str) -> bool:
    if _SIGNS_ONLY.match(text):
        return True
    return fold(text) in _forms().placeholders


def _key(form: str) -> tuple[str, ...]:
    """A form's words as `_words` finds them in a name, but for a leading "&"."""
    parts: list[str] = []
    for written in _WORD.findall(unicodedata.normalize("NFC", form)):
        bare = written.replace(".", "").replace("/", "")
        parts += ["and"] if written in "&+" else fold(fold(bare.replace(" ", ""))).split()
    return tuple("and" if 0 < place < len(parts) - 1 and part == "und" else part for place, part in enumerate(parts))


@cache
def _forms() -> _Forms:
    words = vocabulary("legal_forms")
    behind = {_key(form) for forms in words["behind"].values() for form in forms}
    in_front = {_key(form) for forms in words["in_front"].values() for form in forms}
    # "S A de C V": initials apart, as spreadsheets without punctuation have them
    spelled_out = {
        tuple(fold(form).split()) for forms in words["behind"].values() for form in forms if "." in form or "/" in form
    } - behind
    ambiguous = frozenset(str(word) for word in words["ambiguous"])
    single = {form[0] for form in behind | in_front if len(form) == 1}
    return _Forms(
        behind=frozenset(behind | spelled_out),
        in_front=frozenset(in_front),
        longest=max(map(len, behind | in_front | spelled_out)),
        written_so=frozenset(behind | {form for form in spelled_out if len(form) > 3}),
        ends=frozenset({form[-1] for form in behind | spelled_out} | {form[0] for form in in_front}),
        certain=frozenset(word for word in single if len(word) > 2) - ambiguous,
        ambiguous=ambiguous,
        words=frozenset(str(word) for word in words["words"]),
        attached=re.compile("|".join(re.escape(form) for form in sorted(words["attached"], key=len, reverse=True))),
        conjunctions=frozenset(fold(word) or "and" for word in words["conjunctions"]),
        articles=frozenset(words["articles"]),
        placeholders=frozenset(fold(str(word)) for word in words["placeholders"]),
    )
