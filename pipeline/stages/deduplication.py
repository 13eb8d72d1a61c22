"""Deduplication: which person a lead belongs to. Pure: what the store knows is handed in, what to write is handed back.

Rules, in this order:
1. the same e-mail address: the same person;
2. the same phone and the same name, for leads without e-mail: first, as a name that the phone's owner takes on later
   must not draw them over in a second run;
3. the same phone: the same person, unless both have e-mail addresses and their full names are not the same, or both
   have names that disagree;
4. the same id of the same source, for leads with neither e-mail nor phone;
5. else a new person.
A key belongs to the first person it was seen with and is never taken away by a later lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pipeline.records import Lead, Match, MatchKey, Person, Profile
from pipeline.stages.names import names_of
from pipeline.stages.survivorship import merge_profile

__all__ = ["Decision", "decide_matches", "merge_profile"]

BrandKey = tuple[str, MatchKey]
NewKey = tuple[str, MatchKey, UUID, UUID]


class Decision(msgspec.Struct, frozen=True):
    """`matches` one per lead; `people` those to write (new, or with a changed profile); `new_keys` rows to add:
    (brand, match key, person id, event id of the lead that brought it).

    A person's version grows by exactly 1 if a value changed, however many leads of the batch changed it; if only
    provenance did, the person is written with the same version.
    """

    matches: list[Match]
    people: list[Person]
    new_keys: list[NewKey]

    def __repr__(self) -> str:
        return f"<Decision: {len(self.matches)} matches, {len(self.people)} people>"


def decide_matches(
    leads: Sequence[Lead],
    known: Mapping[BrandKey, UUID],
    people: Mapping[UUID, Person],
    new_id: Callable[[], UUID],
) -> Decision:
    """Find or make the person of each lead. Leads of one batch see each other, in the order they occurred.

    `known` are the owners of the leads' match keys, `people` those owners, locked by the caller. Nothing handed in is
    changed. A lead without match keys gets a person of its own.
    """
    owners: dict[BrandKey, UUID] = dict(known)
    before = dict(people)
    current: dict[UUID, Person] = dict(people)
    touched: dict[UUID, bool] = {}
    matches: dict[UUID, Match] = {}
    new_keys: list[NewKey] = []
    for lead in sorted(leads, key=lambda lead: (lead.occurred_at, lead.event_id)):
        person_id, reason = _find(lead, owners, current)
        if person_id is None:
            person_id = new_id()
            current[person_id] = Person(person_id, lead.brand, 1, Profile(), is_new=True)
        person = current[person_id]
        profile, changed = merge_profile(person.profile, lead)
        if changed or profile != person.profile or person.is_new:
            touched[person_id] = touched.get(person_id, False) or changed
            current[person_id] = Person(person_id, person.brand, person.version, profile, person.is_new)
        matches[lead.event_id] = Match(lead.event_id, person_id, reason)
        for key in lead.match_keys:
            if (lead.brand, key) not in owners:
                owners[(lead.brand, key)] = person_id
                new_keys.append((lead.brand, key, person_id, lead.event_id))
    written = [_versioned(current[person_id], before.get(person_id), changed) for person_id, changed in touched.items()]
    return Decision([matches[lead.event_id] for lead in leads], written, new_keys)


def _find(lead: Lead, owners: Mapping[BrandKey, UUID], people: Mapping[UUID, Person]) -> tuple[UUID | None, str]:
    for kind, may_be_same in _RULES:
        candidates = [
            people[owner]
            for key in lead.match_keys
            if key.kind == kind
            and (owner := owners.get((lead.brand, key))) is not None
            and owner in people
            and may_be_same(lead, people[owner].profile)
        ]
        if candidates:
            return _best(lead, candidates, owners, kind), kind
    return None, "new"


def _best(lead: Lead, candidates: Sequence[Person], owners: Mapping[BrandKey, UUID], kind: str) -> UUID:
    """The owner of the lead's main key, else the oldest person: ids of people sort by the time they were made."""
    main = next(key for key in lead.match_keys if key.kind == kind)
    found = {person.person_id for person in candidates}
    owner = owners.get((lead.brand, main))
    return owner if owner in found else min(found)


def _always(_lead: Lead, _profile: Profile) -> bool:
    return True


def _may_share_phone(lead: Lead, profile: Profile) -> bool:
    """Families, switchboards and resold numbers share phones: names decide where there is something to compare."""
    values = profile.values()
    mine, theirs = names_of(lead.fields), names_of(values)
    if _has_email(lead.fields) and _has_email(values):
        return bool(mine) and mine == theirs
    if mine and theirs:
        return mine <= theirs or theirs <= mine
    return True


def _has_email(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("email") or fields.get("other_emails"))


def _versioned(person: Person, before: Person | None, changed: bool) -> Person:  # noqa: FBT001 - private
    if before is None or not changed:
        return person
    return Person(person.person_id, person.brand, before.version + 1, person.profile, before.is_new)


# Kind of match key -> whether a person found by it may be the lead's; in the order they are asked.
_RULES: tuple[tuple[str, Callable[[Lead, Profile], bool]], ...] = (
    ("email", _always),
    ("named_phone", _always),
    ("phone", _may_share_phone),
    ("external_id", _always),
)
