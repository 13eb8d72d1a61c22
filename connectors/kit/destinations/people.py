"""What writers that look for people share: spellings of a phone, names of fields, parts of a long question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.kit.destinations.capabilities import KnownPerson, Lookup
from connectors.kit.destinations.declarations import SentField


def spellings(phone: str) -> tuple[str, ...]:
    """As a CRM may have a number given in E.164: so, its digits alone, and of North America as people write it there.

    Other spellings are not found: CRMs compare texts.
    """
    digits = "".join(sign for sign in phone if sign.isdigit())
    if not digits:
        return ()
    found = [f"+{digits}", digits]
    if len(digits) == 11 and digits.startswith("1"):
        area, office, line = digits[1:4], digits[4:7], digits[7:]
        found += [digits[1:], f"({area}) {office}-{line}", f"{area}-{office}-{line}"]
    return tuple(found)


def emails_of(lookups: Sequence[Lookup]) -> list[str]:
    """All addresses that are looked for, in lower case, each once."""
    return list(dict.fromkeys(email.strip().lower() for lookup in lookups for email in lookup.emails if email.strip()))


def phones_of(lookups: Sequence[Lookup]) -> list[str]:
    """All spellings of the numbers that are looked for, each once."""
    return list(dict.fromkeys(text for lookup in lookups for phone in lookup.phones for text in spellings(phone)))


def asked_of_fields(
    lookups: Sequence[Lookup], names: Mapping[str, Sequence[str]]
) -> Iterator[tuple[list[str], list[str]]]:
    """What is to be looked for, e-mails and then numbers: the CRM's fields that may hold it, and the texts. `names`: as
    `person_names` gives them."""
    for canonical, values in (("email", emails_of(lookups)), ("phone", phones_of(lookups))):
        yield [*names.get(canonical, ()), *names.get(f"mobile_{canonical}", ())], values


def people_by_lookup(
    lookups: Sequence[Lookup], people: Iterable[KnownPerson], more: Mapping[str, Iterable[str]] | None = None
) -> dict[str, tuple[KnownPerson, ...]]:
    """Whom each lookup means, by its key; each person once, in the order given. `more`: by the CRM's id, addresses that
    a person is known by beside `values`."""
    by_id = {person.crm_id: person for person in people}
    known: dict[str, dict[str, KnownPerson]] = {}
    for crm_id, person in by_id.items():
        for form in (*_forms(person), *(text.strip().lower() for text in (more or {}).get(crm_id, ()))):
            known.setdefault(form, {})[crm_id] = person
    found = {}
    for lookup in lookups:
        wanted = [*(email.strip().lower() for email in lookup.emails), *map(_digits, lookup.phones)]
        meant = {crm_id: person for text in wanted if text for crm_id, person in known.get(text, {}).items()}
        if meant:
            found[lookup.key] = tuple(meant.values())
    return found


def person_names(standard: Mapping[str, str], fields: Sequence[SentField]) -> dict[str, tuple[str, ...]]:
    """The CRM's fields that hold each canonical name: the standard ones, and further ones of the mapping that hold
    addresses by their type."""
    names = {canonical: [field] for canonical, field in standard.items()}
    for field in fields:
        if field.kind in ("email", "phone"):
            names.setdefault(field.kind, []).append(field.name)
    return {canonical: tuple(dict.fromkeys(found)) for canonical, found in names.items()}


def known_values(record: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Texts by canonical name, the first field that has one; a second address under the name and its number."""
    values: dict[str, str] = {}
    for canonical, fields in names.items():
        texts = dict.fromkeys(str(record[name]) for name in fields if record.get(name) not in (None, ""))
        for number, text in enumerate(texts):
            values[canonical if number == 0 else f"{canonical}_{number + 1}"] = text
    return values


def parts_of(values: Sequence[str], *, most: int, most_characters: int, around: int = 3) -> Iterator[list[str]]:
    """The values in lists of at most `most` whose lengths, `around` signs beside each, are at most `most_characters`
    together; a longer one stands alone."""
    part: list[str] = []
    characters = 0
    for value in values:
        if part and (len(part) == most or characters + len(value) + around > most_characters):
            yield part
            part, characters = [], 0
        part.append(value)
        characters += len(value) + around
    if part:
        yield part


def _forms(person: KnownPerson) -> Iterator[str]:
    """What lookups compare: addresses in lower case, numbers as digits, those of North America with their 1 too."""
    for canonical, text in person.values.items():
        if canonical.startswith("email"):
            yield text.strip().lower()
        elif canonical.startswith(("phone", "mobile")) and (digits := _digits(text)):
            yield digits
            if len(digits) == 10:
                yield f"1{digits}"


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())
