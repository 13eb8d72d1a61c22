"""What a destination would be sent of a person before and after: which fields of its record differ."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from pipeline.errors import RecordError
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.mapping import DestinationMapping, map_person
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries.deliveries import PersonToSend


class Difference(NamedTuple):
    """`fields`: those of the destination's record that differ. `once`: fields written once are among them."""

    fields: frozenset[str]
    once: bool


def destination_mappings() -> dict[str, DestinationMapping]:
    """The mapping of each enabled destination, as its file is now. Raises ConfigurationError."""
    return {
        name: destination_mapping_in_force(configured.mapping_name)
        for name, configured in settings().destinations.items()
        if configured.enabled
    }


def difference(
    mapping: DestinationMapping, person_id: UUID, before: PersonToSend | None, after: PersonToSend
) -> Difference:
    """What differs in the record of somebody who was `before` (None: not there) and is `after`."""
    emptied = after.emptied.keys() - (before.emptied.keys() if before is not None else set())
    now, now_once = _record(mapping, person_id, after, emptied)
    was, was_once = _record(mapping, person_id, before, ()) if before is not None else ({}, None)
    changed = {name for name in now.keys() | was.keys() if now.get(name) != was.get(name)}
    return Difference(frozenset(changed), was_once is not None and was_once != now_once)


def _record(
    mapping: DestinationMapping, person_id: UUID, person: PersonToSend, emptied: Collection[str]
) -> tuple[dict[str, Any], bytes | None]:
    """The record, and what tells the values of its fields written once. A person that the destination would refuse
    differs in the field at fault."""
    try:
        mapped = map_person(mapping, person_id, person.values, person.attribution, emptied=emptied)
    except RecordError as error:
        return {error.field or "": error.code}, None
    return mapped.fields, mapped.once_digest
