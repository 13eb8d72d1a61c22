"""Titles of a table's columns: what each may mean, in the languages of the vocabularies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple

from pipeline.canonical import CANONICAL_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBERED = re.compile(r"^(.*\D)\d{1,2}$")
LONGEST_TITLE = 80  # characters; a longer cell is a question of its own or a text
LANGUAGES = {"en": "English", "es": "Spanish", "pt": "Portuguese", "de": "German", "fr": "French", "it": "Italian"}
COUNTRIES_OF_LANGUAGE = {  # alpha-2, the most likely one first
    "es": ("ES", "MX", "AR", "CO", "CL", "PE"),
    "pt": ("BR", "PT"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA"),
    "it": ("IT", "CH"),
    "en": ("US", "GB", "CA", "AU", "IE", "IN", "ZA", "NZ"),
}


class Titles(NamedTuple):
    """The vocabulary, by folded title."""

    fields: dict[str, tuple[str, str]]  # canonical field, language
    ambiguous: dict[str, tuple[str, ...]]
    left: dict[str, str]  # hint
    lead_ins: tuple[str, ...]  # longest first
    beside: frozenset[str]  # words before or after a title that change nothing
    of_others: tuple[str, ...]  # words before a title that make it somebody else's


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
    for name in CANONICAL_FIELDS:  # our own names, as our exports write them
        if title_key(name) not in place:
            fields[title_key(name)] = (name, "any")
    beside = frozenset(fold(str(word)) for word in content["beside"])
    return Titles(
        fields, ambiguous, left, tuple(lead_ins), beside, tuple(fold(str(word)) + " " for word in content["of_others"])
    )


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


# What a title may still mean once words beside it are taken off: a person's own things, nothing of a ticket.
_OF_A_PERSON = frozenset(
    (
        *("email", "other_emails", "phone", "other_phones", "whatsapp_id", "linkedin_url", "website"),
        *("first_name", "last_name", "full_name", "company", "job_title", "language"),
        *("street", "city", "state", "postal_code", "country"),
    )
)
_PLACES = frozenset(("address", "address1", "direccion", "adresse", "indirizzo", "web", "url"))  # that are ambiguous
_MOST_WORDS, _MOST_TAKEN_OFF = 8, 4
_KINDS = frozenset(("label", "type", "typ", "tipo", "etiqueta"))
KIND_HINT = "says of what kind the column beside it is"


def bare_meaning(header: str) -> tuple[str, str] | None:
    """What a title means without the numbers in it and the words beside it: ("fields", key), ("ambiguous", key),
    ("left", hint); None if nothing known is left. `Phone 1 - Value` means what `Phone` means.

    The form that loses least decides.
    """
    known = titles()
    words = tuple((fold(BRACKETS.sub(" ", header)) or fold(header)).split())
    if len(words) > _MOST_WORDS:
        return None
    if words and words[-1] in _KINDS and any(word.isdigit() for word in words):
        return "left", KIND_HINT
    forms = [words]
    for _ in range(_MOST_TAKEN_OFF):
        forms = list(dict.fromkeys(chain.from_iterable(_shorter(form, known.beside) for form in forms)))
        for form in forms:
            key = "".join(form)
            if key in known.left:
                return "left", known.left[key]
            if key in known.fields and known.fields[key][0] in _OF_A_PERSON:
                return "fields", key
            if key in known.ambiguous and key in _PLACES:
                return "ambiguous", key
    return None


def _shorter(words: tuple[str, ...], beside: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The title less one word: the first or last if it changes nothing, or a small number anywhere."""
    if len(words) < 2:
        return
    if words[0] in beside:
        yield words[1:]
    if words[-1] in beside:
        yield words[:-1]
    for place, word in enumerate(words):
        if word.isdigit() and len(word) <= 2:
            yield words[:place] + words[place + 1 :]


def is_of_others(header: str) -> bool:
    """Whether the title says that its values are another person's: `Buyer Email`, `Order Phone`."""
    bare = fold(BRACKETS.sub(" ", header))
    lead = next((words for words in titles().of_others if bare.startswith(words)), None)
    known = titles().fields.get(bare[len(lead) :].replace(" ", "")) if lead else None
    return known is not None and known[0] in _OF_A_PERSON


def title_keys(header: str) -> tuple[str, ...]:
    """The folded title, then without brackets, then without its number, then without the words that lead in to it."""
    return _known_keys(header) if len(header) <= LONGEST_TITLE else _read_keys(header)


def _read_keys(header: str) -> tuple[str, ...]:
    bare = fold(BRACKETS.sub(" ", header)) or fold(header)
    numbered = _NUMBERED.match(bare)
    last = numbered[1].strip() if numbered else bare
    lead_ins = titles().lead_ins
    # At once, as a table may have thousands of columns and hardly a title begins so.
    shorter = [last[len(words) :] for words in lead_ins if last.startswith(words)] if last.startswith(lead_ins) else []
    keys = (title_key(header), *(words.replace(" ", "") for words in (bare, last, *shorter)), _loose_key(last))
    return tuple(dict.fromkeys(key for key in keys if key))


# A table is looked at from several sides, and may have thousands of columns of one title.
_known_keys = lru_cache(maxsize=8192)(_read_keys)
