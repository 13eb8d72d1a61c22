"""Whom a CRM has already: each of its records says of who it is what a lead would, and is evidence as a lead's is.

It is no event: no lead, no touch, no golden record comes of it, so a person whom only the CRM knows has evidence and
nothing else, and is told to nobody. A record that has our key says nothing: we wrote it ourselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from connectors.kit import KnownPerson
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads, file_evidence
from pipeline.identity.matching.evidence import KEYS_VERSION, evidence_of, keys_of
from pipeline.identity.resolution import resolve_people
from pipeline.lanes import BULK
from pipeline.records import Lead
from pipeline.settings.loading import settings
from pipeline.stages.normalization import show_normalized
from pipeline.store.deliveries import crm_records
from pipeline.store.deliveries.crm_records import Listed, record_id
from pipeline.store.engine import transaction
from pipeline.store.identity import upgrades

SOURCE = "crm"
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)  # a record says when it was made to no two CRMs' alike: it is not asked
_ADDRESSES = ("email", "phone")
_NAMES = ("first_name", "last_name", "full_name", "company", "linkedin_url")
_SEVERAL = 9  # addresses of a kind that are read


class Page(msgspec.Struct, frozen=True):
    """People of a CRM that were read together; `next_cursor` and `is_listed` where they are a page of its list."""

    destination: str
    brands: Sequence[str]
    people: Sequence[KnownPerson]
    run: int
    is_listed: bool = False
    next_cursor: str | None = None

    def __repr__(self) -> str:
        return f"<Page of {self.destination}: {len(self.people)} people>"


class Noted(msgspec.Struct, frozen=True):
    """`changed`: people of ours who came together or apart by it. `owners`: of each record of the page, by the CRM's id
    of it, the person of ours whose it is; left out where no lead is known. `keyed`: those that have our key."""

    changed: frozenset[UUID] = frozenset()
    owners: Mapping[str, UUID] = {}
    keyed: frozenset[str] = frozenset()


class _RolledBackError(Exception):
    """Ends a trial: nothing of it is written."""


def note_people(page: Page) -> Noted:
    """Keep who is there, and find whose they are. Two transactions: evidence first, so that of two workers who meet the
    same person the later one sees both. A repeat changes nothing. Raises TransientError."""
    cache = EvidenceCache()
    with transaction() as connection:
        upgrades.require_finished(connection, KEYS_VERSION)
        filing = _Filing(connection, page, cache)
    with transaction() as connection:
        upgrades.require_finished(connection, KEYS_VERSION)
        return filing.resolve(connection)


def try_people(page: Page) -> Noted:
    """What `note_people` would find, in one transaction that is rolled back."""
    noted = Noted()
    try:
        with transaction() as connection:
            filing = _Filing(connection, page, EvidenceCache())
            noted = filing.resolve(connection)
            raise _RolledBackError
    except _RolledBackError:
        return noted


class _Filing:
    """The page's records and their evidence, stored; `resolve` in a later transaction finds the people."""

    def __init__(self, connection: Connection, page: Page, cache: EvidenceCache) -> None:
        self._page, self._cache = page, cache
        ours = crm_records.known_people(connection, {key for person in page.people if (key := _key_of(person))})
        listed: list[Listed] = []
        leads: list[Lead] = []
        for brand in page.brands:
            for person in {person.crm_id: person for person in page.people}.values():
                key = _key_of(person)
                owner = key if key is not None and ours.get(key) == brand else None
                if key in ours and owner is None:
                    continue  # of another brand's person
                known = record_id(page.destination, brand, person.crm_id)
                listed.append(Listed(known, brand, person.crm_id, owner))
                lead = None if owner else _lead(known, brand, person)
                if lead is not None and keys_of(evidence_of(lead)):
                    leads.append(lead)
        self._listed = listed
        self._new = crm_records.note_records(connection, page.destination, page.run, listed)
        self._filed = file_evidence(connection, leads, cache) if leads else FiledLeads()

    def resolve(self, connection: Connection) -> Noted:
        page, filed = self._page, self._filed
        nobodys = FiledLeads({evidence_id: [] for evidence_id in filed.leads}, filed.corrected)
        resolved = resolve_people(connection, BULK, nobodys, cache=self._cache) if filed.leads else None
        crm_records.want_refused_again(connection, page.destination, self._new)
        if page.is_listed:
            crm_records.end_page(connection, page.destination, page.run, page.next_cursor)
        crm_ids = {row.record_id: row.crm_id for row in self._listed}
        owners = {row.crm_id: row.person_id for row in self._listed if row.person_id is not None}
        keyed = frozenset(owners)
        if resolved is not None:
            found = {
                lead.event_id: resolved.owners[evidence_id]
                for evidence_id, leads in filed.leads.items()
                for lead in leads
            }
            known = crm_records.known_people(connection, set(found.values()))
            owners |= {crm_ids[record]: owner for record, owner in found.items() if owner in known}
        changed = (
            frozenset() if resolved is None else frozenset({*resolved.changed, *resolved.joined, *resolved.parted})
        )
        return Noted(changed, owners, keyed)


def _key_of(person: KnownPerson) -> UUID | None:
    """The id of a person in the record, if it has any."""
    try:
        key = UUID(person.key) if person.key else None
    except ValueError:
        return None
    return key if key is not None and str(key) == str(person.key).lower() else None


def _lead(event_id: UUID, brand: str, person: KnownPerson) -> Lead:
    """What the record says of who it is, in the spellings of leads."""
    lead = Lead(
        event_id=event_id,
        brand=brand,
        source=SOURCE,
        lane=BULK,
        received_at=_BEFORE_ALL,
        occurred_at=_BEFORE_ALL,
        mapping_version=SOURCE,
        fields=_fields(person.values),
    )
    known = settings().brands.get(brand)
    return show_normalized(lead, default_region=known.region if known else None)


def _fields(values: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: values[name] for name in _NAMES if values.get(name)}
    for name in _ADDRESSES:
        stems = (name, f"mobile_{name}")
        places = [place for stem in stems for place in (stem, *(f"{stem}_{number}" for number in range(2, _SEVERAL)))]
        addresses = [values[place] for place in places if values.get(place)]
        if addresses:
            fields[name] = addresses[0]
        if len(addresses) > 1:
            fields[f"other_{name}s"] = addresses[1:]
    return fields
