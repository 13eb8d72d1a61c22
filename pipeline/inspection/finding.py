"""Somebody by what is at hand: an e-mail address, a phone number, a source's own id, a CRM's id.

Addresses and numbers are looked up by the digests under which evidence is filed: no profile is opened but those found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from connectors.kit.registry import sources
from pipeline.errors import NotFoundError, UsageError
from pipeline.identity.matching.evidence import EMAIL, PHONE, PROFILE
from pipeline.inspection.masked.told import as_seen
from pipeline.inspection.names import name_of_values
from pipeline.settings.loading import settings
from pipeline.store.identity import lookups
from pipeline.store.keys import index_keys
from pipeline.store.people.people import read_people
from pipeline.store.reports import find_kind
from pipeline.values.emails.emails import normalize_email
from pipeline.values.emails.matching import match_form
from pipeline.values.phones.matching import match_forms
from pipeline.values.phones.phones import normalize_phone

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MOST_EVENTS = 100


class Found(msgspec.Struct, frozen=True):
    """A person or an event that a text leads to. `by`: email, phone, external_id or crm_id. Name and address are there
    for the eyes of whoever asked."""

    kind: str
    id: UUID
    brand: str
    by: str
    name: str | None = None
    email: str | None = None
    source: str | None = None

    def __repr__(self) -> str:
        return f"<Found {self.kind} {self.id}>"


def find(connection: Connection, text: str) -> list[Found]:
    """Whoever a text may mean: people first, then events that have none yet. An id is given back with its kind, be it
    anybody's or `unknown`. Raises NotFoundError if nobody is known by anything else."""
    text = text.strip()
    if (any_id := _id(text)) is not None:
        return [Found(find_kind(connection, any_id) or "unknown", any_id, "", "id")]
    by: dict[UUID, str] = {}
    events = lookups.events_with_id(connection, text, limit=_MOST_EVENTS)
    for word, people in (
        ("email", _people_with(connection, EMAIL, _emails(text))),
        ("phone", _people_with(connection, PHONE, _phones(text))),
        ("external_id", _people_with(connection, PROFILE, [f"{source}:{text}" for source in _sources()])),
        ("external_id", [event.person_id for event in reversed(events) if event.person_id]),
        ("crm_id", lookups.people_with_crm_id(connection, text)),
    ):
        for person_id in people:
            by.setdefault(person_id, word)
    found = _people(connection, by)
    found += [
        Found("event", event.event_id, event.brand, "external_id", source=event.source)
        for event in events
        if event.person_id is None
    ]
    if not found:
        raise NotFoundError(
            "nobody is known by this: give an id of an event or a person, a whole e-mail address, a phone number"
            " (+34…), the id that a source or a CRM gave. Names are sealed and cannot be looked up"
        )
    return found


def find_one(connection: Connection, text: str) -> UUID:
    """The id of the one person or event that a text means. Raises NotFoundError, and UsageError where it means
    several."""
    found = find(connection, text)
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} are known by one of these: `afluente explain` with that alone lists them; name one by its id"
        )
    return found[0].id


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _people_with(connection: Connection, kind: str, values: list[str]) -> list[UUID]:
    if not values:
        return []
    index_keys.refresh(connection)
    keys = [
        number
        for brand in sorted(settings().brands)
        for value in values
        for number in index_keys.stored_numbers(brand, kind, value)
    ]
    return lookups.people_with_keys(connection, keys)


def _emails(text: str) -> list[str]:
    email = normalize_email(text).value if "@" in text else None
    return [match_form(email)] if isinstance(email, str) else []


def _phones(text: str) -> list[str]:
    """The number as it may be meant: with its own prefix, or in the market of any brand or source."""
    if sum(char.isdigit() for char in text) < 6 or "@" in text:
        return []
    known = settings()
    regions = [brand.region for brand in known.brands.values()] + [source.region for source in known.sources.values()]
    numbers = [normalize_phone(text, (region,)).value for region in dict.fromkeys(regions) if region]
    numbers.append(normalize_phone(text).value)
    return list(dict.fromkeys(match_forms(number)[0] for number in numbers if isinstance(number, str)))


def _sources() -> list[str]:
    return sorted({*sources(), *settings().sources})


def _people(connection: Connection, by: dict[UUID, str]) -> list[Found]:
    people = read_people(connection, by, lock=False)
    found = []
    for person_id, word in by.items():
        if person_id in people:
            values = people[person_id].profile.values()
            brand = people[person_id].brand
            told = Found("person", person_id, brand, word, name_of_values(values), values.get("email"))
            found.append(as_seen(told))
    return found
