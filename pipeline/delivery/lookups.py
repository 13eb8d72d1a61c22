"""Who is about to be made in a CRM, and may be there already: looked for by address first, where the settings say so.

Whoever is found is kept as evidence, as `afluente destination adopt` keeps all, and identity decides whose they are: a
number that two share links nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from connectors.kit import Finds, Lookup, Record
from pipeline.delivery.writers import OpenWriter
from pipeline.identity.crm_people import Page, note_people
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import PERSON
from pipeline.store.deliveries import crm_records
from pipeline.store.deliveries.crm_records import CrmRecord
from pipeline.store.deliveries.deliveries import PersonToSend
from pipeline.store.engine import transaction
from pipeline.targets import Target


class Found(msgspec.Struct, frozen=True):
    """`there`: the records of people who turned out to be there. `changed`: people who came together or apart by it,
    and are to be read anew before they are written."""

    there: Mapping[UUID, CrmRecord] = {}
    changed: frozenset[UUID] = frozenset()


def looks_up(target: Target, writer: OpenWriter) -> bool:
    """Whether new people are looked for first."""
    configured = settings().destinations[target.destination]
    return target.subject == PERSON and configured.look_up and isinstance(writer.writer, Finds)


def find_there(
    target: Target, writer: OpenWriter, records: Sequence[Record], people: Mapping[UUID, PersonToSend]
) -> Found:
    """Look for the people of these records, which name no record of the CRM. One call, or as many as the writer makes
    for one batch; raises as `Writer.write` does, and TransientError of the database."""
    subjects = {record.key: people[UUID(record.key)] for record in records}
    lookups = [lookup for key, subject in subjects.items() if (lookup := _lookup(key, subject.values)) is not None]
    if not lookups:
        return Found()
    known = {person.crm_id: person for found in writer.find(lookups).values() for person in found}
    if not known:
        return Found()
    brands = sorted({subject.brand for subject in subjects.values()})
    with transaction() as connection:
        run = crm_records.current_run(connection, target.destination)
    noted = note_people(Page(target.destination, brands, list(known.values()), run))
    with transaction() as connection:
        there = crm_records.read_links(connection, target.destination, set(map(UUID, subjects)))
    return Found(there, noted.changed)


def _lookup(key: str, values: Mapping[str, Any]) -> Lookup | None:
    emails, phones = (
        tuple(dict.fromkeys(filter(None, (values.get(name), *(values.get(f"other_{name}s") or ())))))
        for name in ("email", "phone")
    )
    return Lookup(key, emails, phones) if emails or phones else None
