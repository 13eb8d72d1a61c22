"""Notes and tasks of an account where our key is no property with unique values, so that nothing is upserted by it.

It is a mark then: before a note is made, those of the contact it belongs to are read. A note is made together with its
associations in one call, so one whose answer was lost is found there, without the delay of HubSpot's search; the search
finds those that are another contact's by now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.destinations.hubspot.answers import BatchAnswer
from connectors.destinations.hubspot.associations import Associations, ReadKeys
from connectors.destinations.hubspot.inputs import batch_input
from connectors.destinations.hubspot.objects import CONTACTS, ObjectFacts
from connectors.kit import Record, WriteResult

Send = Callable[[str, list[dict[str, Any]], Sequence[Record]], BatchAnswer]
ResultOf = Callable[[Record, BatchAnswer], WriteResult]
_GONE = "OBJECT_NOT_FOUND"


class MarkedWrites:
    """Looks before it makes: up to three calls that look, one more for each further hundred of the contacts' notes, one
    that updates and one that makes. `search`: ids of those with one of our keys, by the key."""

    def __init__(
        self,
        facts: ObjectFacts,
        key_property: str,
        associations: Associations,
        *,
        read_keys: ReadKeys,
        search: Callable[[Sequence[str]], Mapping[str, str]],
        send: Send,
        result_of: ResultOf,
    ) -> None:
        self._facts = facts
        self._key_property = key_property
        self._associations = associations
        self._read_keys = read_keys
        self._search = search
        self._send = send
        self._result_of = result_of

    def write(self, records: Sequence[Record]) -> tuple[dict[str, WriteResult], set[str]]:
        """A result for each, and the keys of those that were made with their associations."""
        known = self._find(records)
        results: dict[str, WriteResult] = {}
        there = {known[record.key]: record for record in records if record.key in known}
        if there:
            inputs = [batch_input(record, self._key_property, crm_id) for crm_id, record in there.items()]
            answer = self._send("batch/update", inputs, list(there.values()))
            for record in there.values():
                refusal = answer.refusals.get(record.key)
                if refusal is None or refusal.code != _GONE:  # of one that somebody deleted a new one is made
                    results[record.key] = self._result_of(record, answer)
        new = [record for record in records if record.key not in results]
        if new:
            answer = self._send("batch/create", [self._new(record) for record in new], new)
            results |= {record.key: self._created(record, answer) for record in new}
        return results, {record.key for record in new}

    def _find(self, records: Sequence[Record]) -> dict[str, str]:
        """Ids by our key: as told, and of those that were made without our hearing of it."""
        known = {record.key: record.crm_id for record in records if record.crm_id}
        unknown = {record.key for record in records if not record.crm_id}
        if not unknown:
            return known
        known |= self._search(sorted(unknown))
        links = [link for record in records if record.key in unknown for link in record.links]
        contacts = {link.crm_id for link in links if link.object == CONTACTS and link.crm_id}
        associated = self._associations.read(CONTACTS, sorted(contacts), is_reverse=True)
        ids = sorted({crm_id for several in associated.values() for crm_id in several})
        keys: Mapping[str, str] = self._read_keys(self._facts.name, ids)
        return known | {key: crm_id for crm_id, key in keys.items() if key in unknown}

    def _new(self, record: Record) -> dict[str, Any]:
        made = batch_input(record, self._key_property)
        types = dict(self._facts.association_types)
        associations = [
            {
                "to": {"id": link.crm_id},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": types[link.object]}],
            }
            for link in record.links
            if link.crm_id is not None
        ]
        return {
            "objectWriteTraceId": record.key,
            "properties": made["properties"],
            "associations": associations,
        }

    def _created(self, record: Record, answer: BatchAnswer) -> WriteResult:
        result = self._result_of(record, answer)
        if result.state != "written":
            return result
        return WriteResult(record.key, "written", crm_id=result.crm_id, created=True)
