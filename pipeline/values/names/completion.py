"""The three fields of a lead's name made to agree: what one of them says fills the others, where that is certain."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.values.folding import fold
from pipeline.values.names.checks import check_name
from pipeline.values.names.names import normalize_family_name, normalize_full_name, normalize_given_name
from pipeline.values.names.splitting import NameParts, split_name
from pipeline.values.names.words import FAMILY_IBERIAN, FAMILY_OTHER, GIVEN, word_kind
from pipeline.values.text.text import clean_line


class Names(NamedTuple):
    """`first_name`, `last_name`, `full_name` of a lead, each in its one spelling or None."""

    first: str | None
    last: str | None
    full: str | None


class Completed(NamedTuple):
    """`flags` are (field, flag)."""

    names: Names
    flags: tuple[tuple[str, str], ...] = ()


def complete_names(names: Names, *, written: str | None = None, country: str | None = None) -> Completed:
    """Names with what is certain filled in; those already there change only where one field holds the whole name.

    `written` is the full name as it came (its comma and capitals are evidence), `country` alpha-2. Doing it again
    changes nothing.
    """
    first, last, full = names
    if first and last:
        return _of_both(first, last, full, country)
    if full:
        if first or last:
            return Completed(_rest(first, last, full))
        return _of_full(full, written or full, country)
    if first:
        return _of_one_field(first, "first_name", country)
    if last:
        return _of_one_field(last, "last_name", country)
    return Completed(names)


def _of_both(first: str, last: str, full: str | None, country: str | None) -> Completed:
    if _share_no_word(first, last):  # the common case
        return Completed(Names(first, last, full or _whole_of(first, last)))
    if full and fold(full) not in (fold(first), fold(last)):  # `Juan Martín Martín`: it says that both are right
        return Completed(Names(first, last, full))
    if not (_is_person(first) and _is_person(last)):
        return Completed(Names(first, last, full or (first if first == last else _whole_of(first, last))))
    first_words, last_words = fold(first).split(), fold(last).split()
    if first_words == last_words:
        return _of_same(first, last, full, country)
    parts = NameParts()
    if first_words == last_words[: len(first_words)] and all(word_kind(word) & GIVEN for word in first.split()):
        parts, whole, field = NameParts(first, _behind(first, last)), last, "last_name"
    elif last_words == first_words[-len(last_words) :]:
        parts, whole, field = NameParts(_before(last, first), last), first, "first_name"
    given = normalize_given_name(parts.given).value if parts.given else None
    family = normalize_family_name(parts.family).value if parts.family else None
    if not given or not family:
        return Completed(Names(first, last, full or _whole_of(first, last)))
    again = _of_both(given, family, full or _settled(whole), country)  # `Ana López López` beside `López`
    return again._replace(flags=((field, f"whole_name_in_{field}"), *again.flags))


def _of_same(first: str, last: str, full: str | None, country: str | None) -> Completed:
    """The same in both fields, as forms with one field for the name send it twice."""
    parts = _parts(first, country)
    flags = (("last_name", "same_first_and_last"),)
    if parts.given and parts.family:
        return Completed(
            Names(parts.given, parts.family, full or _settled(first) or _whole_of(parts.given, parts.family)), flags
        )
    return Completed(Names(first, last, full or (_settled(first) if " " in first else _whole_of(first, last))), flags)


def _share_no_word(first: str, last: str) -> bool:
    given, other = first.casefold(), last.casefold()
    return given not in other and other not in given and (given[0] != other[0] or " " not in first + last)


def _whole_of(first: str, last: str) -> str | None:
    whole = f"{first} {last}"
    return whole if first.isalpha() and last.isalpha() else _settled(whole)


def _settled(whole: str) -> str | None:
    """The full name made of other fields, if it would stay as it is: a comma or a dash in one of them may turn it."""
    return whole if normalize_full_name(whole).value == whole else None


def _of_full(full: str, written: str, country: str | None) -> Completed:
    for text in dict.fromkeys((written, full)):
        parts = _parts(text, country)
        if parts.given or parts.family:
            return Completed(Names(parts.given, parts.family, full))
    flags = (("full_name", "split_uncertain"),) if _is_person(full) else ()
    return Completed(Names(None, None, full), flags)


def _of_one_field(name: str, field: str, country: str | None) -> Completed:
    """`Ana López` in the field for the first name, as forms with a single field send it; or in that for the last."""
    is_first = field == "first_name"
    as_it_is = Completed(Names(name, None, None) if is_first else Names(None, name, None))
    words = name.split()
    if len(words) < 2 or not word_kind(words[0]) & GIVEN:
        return as_it_is
    parts = _parts(name, country)
    if not parts.given or not parts.family or (not is_first and word_kind(words[0]) & (FAMILY_IBERIAN | FAMILY_OTHER)):
        return as_it_is
    return Completed(
        Names(parts.given, parts.family, _settled(name) or _whole_of(parts.given, parts.family)),
        ((field, f"whole_name_in_{field}"),),
    )


def _rest(first: str | None, last: str | None, full: str) -> Names:
    """`Brandt` of `Ada Brandt` where `Ada` is known. A second given name or a middle name makes it uncertain."""
    if first and _is_person(full):
        rest = _behind(first, full)
        if rest and len(rest.split()) == 1 and not word_kind(rest) & GIVEN:
            last = normalize_family_name(rest).value
    elif last and _is_person(full):
        rest = _before(last, full)
        if rest and all(word_kind(word) & GIVEN for word in rest.split()):
            first = normalize_given_name(rest).value
    return Names(first, last, full)


def _parts(text: str, country: str | None) -> NameParts:
    """As `split_name`, each part in its one spelling."""
    given, family = split_name(text, country)
    return NameParts(
        normalize_given_name(given).value if given else None, normalize_family_name(family).value if family else None
    )


def _is_person(text: str) -> bool:
    return check_name(text).is_person


def _behind(start: str, text: str) -> str | None:
    """What stands behind `start` in `text`, compared word by word without case and accents."""
    head, words = start.split(), clean_line(text).split()
    return " ".join(words[len(head) :]) if fold(" ".join(words[: len(head)])) == fold(start) else None


def _before(end: str, text: str) -> str | None:
    tail, words = end.split(), clean_line(text).split()
    return " ".join(words[: -len(tail)]) if fold(" ".join(words[-len(tail) :])) == fold(end) else None
