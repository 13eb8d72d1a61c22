"""Contacts that were in HubSpot without our key: written by their own ids, and keyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.destinations.hubspot.emails import ResultOf, Send, taken, waits, without_email
from connectors.destinations.hubspot.inputs import batch_input
from connectors.kit import Record, WriteResult

_GONE = "OBJECT_NOT_FOUND"


class AdoptedContacts:
    """One call, `batch/update`; another for those whose e-mail is another contact's, with all but that."""

    def __init__(self, key_property: str, *, send: Send, result_of: ResultOf) -> None:
        self._key_property = key_property
        self._send = send
        self._result = result_of

    def write(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        results = self._write_onto(records)
        refused = {key: told for key, told in results.items() if told.field == "email" and told.code == "CONFLICT"}
        bare = without_email([record for record in records if record.key in refused])
        for key, result in (self._write_onto(bare) if bare else {}).items():
            is_written = result.state == "written"
            results[key] = replace(refused[key], crm_id=result.crm_id) if is_written else result
        return results

    def _write_onto(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        """Records and our key onto the contacts that they name by `crm_id`."""
        inputs = [batch_input(record, self._key_property, record.crm_id) for record in records]
        answer = self._send("batch/update", inputs, records)
        results = {}
        for record in records:
            result, refusal = self._result(record, answer), answer.refusals.get(record.key)
            if refusal is not None and refusal.code == _GONE:
                result = waits(record, "record_gone", f"contact {record.crm_id} is not there any more")
            elif refusal is not None and refusal.code == "CONFLICTING_UNIQUE_VALUE" and result.state == "retry":
                result = waits(record, "key_taken", "another contact has our key")
            elif refusal is not None and refusal.existing_id is not None:
                result = taken(result, refusal.existing_id)
            results[record.key] = replace(result, created=False) if result.state == "written" else result
        return results
