"""Whom a request of privacy is about: by an address, a number or an id, all that we know somebody by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import NotFoundError, UsageError
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.evidence import EMAIL, PHONE, PROFILE, STRONG_KINDS
from pipeline.identity.screening import known_digests, new_digests
from pipeline.privacy.erasing.addresses import email_form, phone_forms, regions_of
from pipeline.settings.loading import settings
from pipeline.store.erasures.events import brands_of_people
from pipeline.store.erasures.found import FoundPeople, find_all_of
from pipeline.store.erasures.requests import PrivacyRequest, read_begun, requests_about
from pipeline.store.erasures.rows import keys_of_others
from pipeline.store.identity import lookups
from pipeline.store.keys import index_keys
from pipeline.store.suppressions.suppressions import requests_with

_FIND = "`afluente people find` finds people by what is at hand"
MOST_PEOPLE = 25  # that one address may lead to: a number of more people is a switchboard's


class Asked(msgspec.Struct, frozen=True):
    """By what somebody is asked for: one of the four, and within one brand if it is given. `external_id`: a source and
    the id that it has for them, as `SOURCE:ID`."""

    email: str | None = None
    phone: str | None = None
    person_id: UUID | None = None
    brand: str | None = None
    external_id: str | None = None

    def __repr__(self) -> str:
        return "<Asked>"


class Subjects(msgspec.Struct, frozen=True):
    """`found`: all that hangs on them. `digests`: by brand those of every form of every address that is to be
    suppressed. `keys`: the numbers under which their evidence is filed. `shared`: addresses that others have as well,
    which stay. `given`: of the digests those of what was asked by. `earlier`: erasures of the same, or of a part of it,
    that were asked for before and have begun, newest first. `same`: those of them that took all of it."""

    found: FoundPeople
    digests: dict[str, frozenset[bytes]] = {}
    keys: frozenset[int] = frozenset()
    shared: int = 0
    given: dict[str, frozenset[bytes]] = {}
    earlier: tuple[PrivacyRequest, ...] = ()
    same: frozenset[UUID] = frozenset()

    def __repr__(self) -> str:
        return f"<Subjects: {len(self.found.people)} people>"


def check_asked(asked: Asked) -> None:
    """Raises UsageError for what names nobody, or several things at once."""
    given = [name for name in ("email", "phone", "person_id", "external_id") if getattr(asked, name) is not None]
    if len(given) != 1:
        raise UsageError("name whom it is about by one of --email, --phone and --person, or --external-id")
    if asked.external_id is not None and not all(asked.external_id.partition(":")):
        raise UsageError("is a source and the id that it gave, as SOURCE:ID", argument="external-id")
    if asked.brand is not None and asked.brand not in settings().brands:
        known = ", ".join(sorted(settings().brands))
        raise UsageError(f"{asked.brand} is no brand of the settings; there are: {known}", argument="brand")
    if asked.email is not None and email_form(asked.email) is None:
        raise UsageError("is no e-mail address", argument="email")
    if asked.phone is not None and not any(phone_forms(asked.phone, regions_of(brand)) for brand in brands_of(asked)):
        raise UsageError("is no phone number: write it with its country code, +34…", argument="phone")


def brands_of(asked: Asked) -> list[str]:
    """The brands that a request is about."""
    return [asked.brand] if asked.brand is not None else sorted(settings().brands)


def forms_of(asked: Asked, brand: str) -> list[tuple[str, str]]:
    """(kind, match form) of what is asked for; none where the id of a person is."""
    if asked.email is not None:
        form = email_form(asked.email)
        return [(EMAIL, form)] if form else []
    if asked.phone is not None:
        return [(PHONE, form) for form in phone_forms(asked.phone, regions_of(brand))]
    return [] if asked.external_id is None else [(PROFILE, asked.external_id)]


def find_subjects(connection: Connection, asked: Asked, *, most: int = MOST_PEOPLE) -> Subjects:
    """Everybody the request is about, with all that hangs on them.

    Raises NotFoundError for an id that is nobody's and never was; UsageError where an address leads to more than `most`
    people, or a source's id to several, as they cannot all have asked.
    """
    index_keys.refresh(connection)
    is_everywhere = asked.brand is None and asked.person_id is None
    brands = {*brands_of(asked), *(brands_of_people(connection) if is_everywhere else ())}
    named = {brand: forms_of(asked, brand) for brand in sorted(brands)}
    if asked.person_id is not None:
        people: Collection[UUID] = [asked.person_id]
    else:
        keys = [
            number
            for brand, forms in named.items()
            for form in forms
            for number in index_keys.stored_numbers(brand, *form)
        ]
        people = lookups.people_with_keys(connection, keys)
    if len(people) > (most if asked.external_id is None else 1):
        raise UsageError(
            f"this leads to {len(people)} people, as a switchboard's number or the id of a form does: name each by"
            " --person; `afluente people find` shows their ids"
        )
    found = find_all_of(connection, people)
    if asked.brand is not None and asked.person_id is not None and asked.brand not in found.people.values():
        found = FoundPeople()
    given = {
        brand: {digest for form in forms for digest in new_digests(brand, *form)}
        for brand, forms in named.items()
        if forms
    }
    known = [] if found.people else _erasures(connection, asked, named)
    earlier = tuple(read_begun(connection, set().union(*known)))
    if asked.person_id is not None and not found.people and not earlier:
        raise NotFoundError(f"no person has the id {asked.person_id}: {_FIND}")
    if asked.external_id is not None and not found.people and not earlier:
        raise NotFoundError(f"nobody is known by this id of a source: {_FIND}")
    subjects = subjects_of_people(connection, found, given)
    same = frozenset(set.intersection(*known)) if known else frozenset()
    return msgspec.structs.replace(subjects, earlier=earlier, same=same)


def _erasures(connection: Connection, asked: Asked, named: Mapping[str, list[tuple[str, str]]]) -> list[set[UUID]]:
    """Requests that took somebody of this id, or by brand those that took what is asked for there, by whatever key of
    the index. One statement, one more for each brand besides the first."""
    if asked.person_id is not None:
        return [requests_about(connection, asked.person_id, brand=asked.brand)]
    return [
        requests_with(connection, brand, [known_digests(brand, *form) for form in forms])
        for brand, forms in sorted(named.items())
        if forms
    ]


def subjects_of_people(
    connection: Connection,
    found: FoundPeople,
    given: Mapping[str, Collection[bytes]] | None = None,
) -> Subjects:
    """What is to be suppressed of people that were found: all their addresses but those that others have as well, and
    what was `given` by brand in any case. Two statements, one where nothing was found."""
    index_keys.refresh(connection)
    cache = EvidenceCache()
    keys = {key for stored in found.evidence.values() for key in cache.keys(stored)}
    others = keys_of_others(connection, keys, found.evidence)
    digests: dict[str, set[bytes]] = {brand: set(of_brand) for brand, of_brand in (given or {}).items()}
    shared: set[int] = set()
    for stored in found.evidence.values():
        cache.keys(stored)
        for kind, value in cache.named_keys(stored.evidence_id):
            if kind not in STRONG_KINDS:
                continue
            number = cache.number(stored.brand, kind, value)
            if number in others:
                shared.add(number)
            else:
                digests.setdefault(stored.brand, set()).update(new_digests(stored.brand, kind, value))
    return Subjects(
        found,
        {brand: frozenset(of_brand) for brand, of_brand in digests.items()},
        frozenset(number for stored in found.evidence.values() for number in cache.all_numbers(stored)),
        len(shared),
        {brand: frozenset(of_brand) for brand, of_brand in (given or {}).items()},
    )
