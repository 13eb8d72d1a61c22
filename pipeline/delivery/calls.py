"""The calls of one claim, in order: what is to go, who may be there already, whose record is taken over, the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec

from connectors.kit import Record, WriteResult
from pipeline.delivery.claims import Claimed, Prepared, leave_filled, prepare, without_fields
from pipeline.delivery.comparisons import halt_if_the_mapping_is_wrong
from pipeline.delivery.halving import Written, write_in_halves
from pipeline.delivery.lookups import find_there, looks_up
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import ConfigurationError, QuotaError, TerminalError, TransientError
from pipeline.stages.destination_mapping.mapping import MappedPerson
from pipeline.store.deliveries.crm_records import GONE, PASSED_OVER, CrmRecord
from pipeline.targets import Target

_LOST = {"record_gone": GONE, "key_taken": PASSED_OVER}  # codes of a record that cannot be taken over


class Called(msgspec.Struct):
    """What became of the calls. `there`: records that the CRM had before us, of whom they are. `mapped`: what the
    records were made of."""

    gone: Written
    adopted: Written
    written: Written
    there: dict[UUID, CrmRecord]
    mapped: Mapping[UUID, MappedPerson]

    @property
    def trouble(self) -> Exception | None:
        return self.gone.trouble or self.adopted.trouble or self.written.trouble

    @property
    def unsent(self) -> list[Record]:
        """Those of the call that the trouble stopped."""
        return next((part.unsent for part in (self.gone, self.adopted, self.written) if part.trouble), [])

    def taken_over(self) -> tuple[dict[UUID, UUID], dict[UUID, str]]:
        """By the ids of records that the CRM had: whose each is now, and in which state those are that are nobody's."""
        owners: dict[UUID, UUID] = {}
        lost: dict[UUID, str] = {}
        if not self.there:
            return owners, lost
        for result in (*self.adopted.results, *self.written.results):
            record = self.there.get(UUID(result.key))
            if record is not None and result.crm_id is not None:
                owners[record.record_id] = UUID(result.key)
            elif record is not None and result.code in _LOST:
                lost[record.record_id] = _LOST[result.code]
        deleted = (result for result in self.gone.results if result.state == "written")
        lost |= {record.record_id: GONE for result in deleted if (record := self.there.get(UUID(result.key)))}
        return owners, lost

    def overwrote(self, consent_fields: Collection[str]) -> list[tuple[str, str, Any]]:
        """By which field we told which record of the CRM of a consent, and what it has there now."""
        return [
            (result.crm_id, name, value)
            for result, _ in self.results()
            if result.state == "written" and result.crm_id is not None
            for person in (self.mapped[UUID(result.key)],)
            for name, value in person.fields.items()
            if name in consent_fields and name not in person.fills
        ]

    def results(self) -> list[tuple[WriteResult, bool]]:
        """Of all that was written, each with whether its record was taken over."""
        return [
            *((result, True) for result in self.adopted.results),
            *((result, False) for result in self.written.results),
        ]


def make_calls(
    target: Target, writer: OpenWriter, claimed: Claimed, prepared: Prepared, *, may_call: Callable[[], bool]
) -> Called:
    """What is to go first: nothing is written beside what was promised to be gone. The first call was granted, each
    further one asks `may_call`. Raises nothing of what a call raises."""
    calls = _Calls(writer, may_call)
    called = Called(Written(), Written(), Written(), dict(claimed.there), prepared.mapped)
    if prepared.gone and calls.may_begin():
        called.gone = write_in_halves(prepared.gone, writer.delete, may_call=may_call)
    try:
        records, adopted = _look_up(target, calls, claimed, prepared, called)
    except (TransientError, QuotaError, TerminalError, ConfigurationError) as error:
        called.written = Written(unsent=prepared.records, trouble=error)
        return called
    if adopted and called.trouble is None and calls.may_begin():
        # What is only to be filled stays as it is: what the CRM has there is read by our key, when the record has it.
        bare = [without_fields(record, prepared.mapped[UUID(record.key)].fills) for record in adopted]
        called.adopted = write_in_halves(bare, writer.adopt, may_call=may_call)
    if records and called.trouble is None and calls.may_begin():
        called.written = _write(calls, records, prepared)
        halt_if_the_mapping_is_wrong(target, writer, called.written, records, may_call=may_call)
    return called


class _Calls:
    """Whether the next call may begin: the first one was granted."""

    def __init__(self, writer: OpenWriter, may_call: Callable[[], bool]) -> None:
        self.writer, self.may_call = writer, may_call
        self._is_granted = True

    def may_begin(self) -> bool:
        was_granted, self._is_granted = self._is_granted, False
        return was_granted or self.may_call()


def _look_up(
    target: Target, calls: _Calls, claimed: Claimed, prepared: Prepared, called: Called
) -> tuple[list[Record], list[Record]]:
    """The records to write by our key, and those to take over; left out are people who changed meanwhile."""
    records, adopted, writer = prepared.records, prepared.adopted, calls.writer
    new = [record for record in records if record.crm_id is None and not record.update_only]
    if called.trouble is not None or not new or not looks_up(target, writer):
        return records, adopted
    if not calls.may_begin():
        return [record for record in records if record not in new], adopted
    found = find_there(target, writer, new, claimed.values)
    called.there |= found.there
    anew = prepare(target, writer, msgspec.structs.replace(claimed, there=called.there)) if found.there else prepared
    prepared.mapped.update(anew.mapped)
    return (
        [record for record in anew.records if UUID(record.key) not in found.changed],
        [record for record in anew.adopted if UUID(record.key) not in found.changed],
    )


def _write(calls: _Calls, records: list[Record], prepared: Prepared) -> Written:
    writer = calls.writer
    has_fills = any(person.fills for person in prepared.mapped.values())
    if has_fills and any(prepared.mapped[UUID(record.key)].fills for record in records):
        try:
            records = leave_filled(records, prepared.mapped, writer)
        except (TransientError, QuotaError, TerminalError, ConfigurationError) as error:
            return Written(unsent=records, trouble=error)
        if not calls.may_begin():
            return Written()
    return write_in_halves(records, writer.write, may_call=calls.may_call)
