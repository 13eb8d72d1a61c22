"""People who are in HubSpot by their e-mail already: written onto the contact that has it, where that is nobody's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.destinations.hubspot.answers import BatchAnswer
from connectors.destinations.hubspot.associations import ReadKeys
from connectors.destinations.hubspot.inputs import batch_input
from connectors.destinations.hubspot.objects import CONTACTS
from connectors.kit import Record, WriteResult

Send = Callable[[str, list[dict[str, Any]], Sequence[Record]], BatchAnswer]
ResultOf = Callable[[Record, BatchAnswer], WriteResult]


class KnownByEmail:
    """Three calls at most: whose the contacts are, those that are nobody's, and all but the e-mail of the others."""

    def __init__(self, key_property: str, *, read_keys: ReadKeys, send: Send, result_of: ResultOf) -> None:
        self._key_property = key_property
        self._read_keys = read_keys
        self._send = send
        self._result = result_of

    def write(
        self, records: Sequence[Record], existing: Mapping[str, str], *, sent: Collection[str]
    ) -> dict[str, WriteResult]:
        """Write records onto the contacts that have their e-mail (`existing`: ids by key), where those are nobody's.

        `sent` are the keys of the whole call: one of them may just have given the e-mail up.
        """
        owners = self._read_keys(CONTACTS, sorted(set(existing.values())))
        results: dict[str, WriteResult] = {}
        free: dict[str, Record] = {}
        taken: list[Record] = []
        for record in records:
            contact = existing[record.key]
            owner = owners.get(contact)
            if owner is None or contact in free or (owner in sent and owner != record.key):
                message = f"contact {contact}, which has the e-mail, is changing: looked at again later"
                results[record.key] = waits(record, "CONFLICT", message)
            elif owner not in ("", record.key) or record.crm_id not in (None, contact):
                taken.append(record)
            else:
                free[contact] = record
        if free:
            inputs = [batch_input(record, self._key_property, contact) for contact, record in free.items()]
            answer = self._send("batch/update", inputs, list(free.values()))
            for record in free.values():
                result = self._result(record, answer)
                results[record.key] = _linked(result) if result.state == "written" else result
        return results | self._write_without_email(taken, existing) if taken else results

    def _write_without_email(self, records: Sequence[Record], existing: Mapping[str, str]) -> dict[str, WriteResult]:
        """Of whom another contact has the e-mail, all else is written, and a human merges the two contacts."""
        bare = without_email(records)
        answer = self._send("batch/upsert", [batch_input(record, self._key_property) for record in bare], bare)
        results = {}
        for record in bare:
            result = self._result(record, answer)
            results[record.key] = taken(result, existing[record.key]) if result.state == "written" else result
        return results


def waits(record: Record, code: str, message: str) -> WriteResult:
    return WriteResult(record.key, "retry", code=code, message=message)


def without_email(records: Sequence[Record]) -> list[Record]:
    return [
        replace(record, fields={name: value for name, value in record.fields.items() if name != "email"})
        for record in records
    ]


def _linked(result: WriteResult) -> WriteResult:
    return replace(
        result, created=False, code="linked", message="was in HubSpot by its e-mail; has our key from now on"
    )


def taken(result: WriteResult, contact: str) -> WriteResult:
    """What is told of one whose e-mail another contact has."""
    return replace(
        result,
        state="rejected",
        code="CONFLICT",
        field="email",
        message=f"contact {contact} has this e-mail and is another person's: merge the two in HubSpot, then replay."
        " All but the e-mail was written",
    )
