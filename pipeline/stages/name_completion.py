"""The three fields of a lead's name made to agree: what one of them says fills the others, where that is certain."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.stages.name_checks import check_name
from pipeline.stages.name_split import NameParts, split_name
from pipeline.stages.name_words import FAMILY_IBERIAN, FAMILY_OTHER, GIVEN, word_kind
from pipeline.stages.names import normalize_family_name, normalize_given_name
from pipeline.stages.text import clean_line, fold

# Flags of a field that is not one person's name: nothing is taken from it.
NOT_ONE_PERSON = frozenset(("company_in_name", "several_people", "digits_in_name"))


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
    flags: tuple[tuple[str, str], ...] = ()
    first_words, last_words = fold(first).split(), fold(last).split()
    if not (_is_person(first) and _is_person(last)):
        pass
    elif first_words == last_words:
        whole = first
        flags = (("last_name", "same_first_and_last"),)
        parts = _parts(whole, country)
        if parts.given and parts.family:
            first, last, full = parts.given, parts.family, full or whole
        elif len(first_words) > 1:
            full = full or whole
    elif len(first_words) < len(last_words) and first_words == last_words[: len(first_words)]:
        rest = _behind(first, last)
        if rest and all(word_kind(word) & GIVEN for word in first.split()):
            full = full or last
            last, flags = rest, (("last_name", "whole_name_in_last_name"),)
    elif len(last_words) < len(first_words) and last_words == first_words[-len(last_words) :]:
        rest = _before(last, first)
        if rest:
            full = full or first
            first, flags = rest, (("first_name", "whole_name_in_first_name"),)
    return Completed(Names(first, last, full or f"{first} {last}"), flags)


def _of_full(full: str, written: str, country: str | None) -> Completed:
    parts = _parts(written, country)
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
    return Completed(Names(parts.given, parts.family, name), ((field, f"whole_name_in_{field}"),))


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
