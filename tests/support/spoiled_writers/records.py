"""Wrong in what becomes of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from connectors.kit import (
    Record,
    TransientError,
    WriteResult,
)
from tests.support.spoiled_writers.spoils import must_fail

_NUMBERS = count(1)


def renamed(record: Record, key: str) -> Record:
    return replace(record, key=key)


@must_fail(
    "created_then_updated_by_one_key",
    "same_batch_twice_changes_nothing",
    "none_clears_a_field",
    "known_id_is_updated_and_not_made_anew",
    "update_only_makes_no_record",
    "order_of_results_is_that_of_records",
    "full_batch_is_written",
    "too_many_records_are_a_mistake_of_the_caller",
    "refused_record_stops_no_other",
    "short_answer_leaves_nobody_out",
    "answer_without_ids_is_not_taken_for_success",
    "unreadable_answer_is_not_taken_for_success",
    "lost_answer_makes_no_second_record",
    "silence_is_told_apart_from_refusal",
    "each_status_becomes_its_error",
    "retry_after_is_kept",
    "refused_token_is_renewed_once",
    "usage_is_read_from_every_answer",
    "read_gives_back_what_was_written",
    "delete_takes_what_was_named_and_nothing_else",
    "find_gives_those_with_the_address",
    "list_gives_everybody_once",
)
def says_written_and_sends_nothing(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return [WriteResult(record.key, "written", crm_id="H000001") for record in records]

    return Wrong


@must_fail(
    "created_then_updated_by_one_key",
    "same_batch_twice_changes_nothing",
    "field_not_sent_is_left_alone",
    "none_clears_a_field",
    "known_id_is_updated_and_not_made_anew",
    "update_only_makes_no_record",
    "order_of_results_is_that_of_records",
    "too_many_records_are_a_mistake_of_the_caller",
    "answer_without_ids_is_not_taken_for_success",
    "lost_answer_makes_no_second_record",
    "read_gives_back_what_was_written",
    "delete_takes_what_was_named_and_nothing_else",
    "list_gives_everybody_once",
)
def makes_a_new_record_each_time(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            results = super().write([renamed(record, f"{record.key}#{next(_NUMBERS)}") for record in records])
            return [replace(result, key=record.key) for record, result in zip(records, results, strict=True)]

    return Wrong


@must_fail("lost_answer_makes_no_second_record")
def makes_another_record_after_a_lost_answer(right):
    class Wrong(right):
        lost = False

        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            sent = [renamed(record, f"{record.key}#2") for record in records] if self.lost else records
            try:
                results = super().write(sent)
            except TransientError:
                self.lost = True
                raise
            return [replace(result, key=record.key) for record, result in zip(records, results, strict=True)]

    return Wrong


@must_fail("known_id_is_updated_and_not_made_anew")
def makes_a_new_record_of_a_known_id(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            sent = [renamed(record, f"{record.key}#2") if record.crm_id else record for record in records]
            results = super().write(sent)
            return [replace(result, key=record.key) for record, result in zip(records, results, strict=True)]

    return Wrong


@must_fail("update_only_makes_no_record")
def makes_what_is_only_to_be_updated(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return super().write([replace(record, update_only=False) for record in records])

    return Wrong


@must_fail("none_clears_a_field")
def forgets_to_clear(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return super().write(
                [
                    replace(record, fields={name: value for name, value in record.fields.items() if value is not None})
                    for record in records
                ]
            )

    return Wrong


@must_fail("field_not_sent_is_left_alone")
def clears_what_was_not_sent(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return super().write([replace(record, fields={"town": None, **record.fields}) for record in records])

    return Wrong


@must_fail("same_batch_twice_changes_nothing", "field_not_sent_is_left_alone")
def writes_the_time_of_the_write(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return super().write(
                [replace(record, fields={**record.fields, "origin": f"{next(_NUMBERS)}"}) for record in records]
            )

    return Wrong


@must_fail("created_then_updated_by_one_key")
def says_created_of_everybody(right):
    class Wrong(right):
        def _result(self, record: Record, said: dict | None) -> WriteResult:
            return replace(super()._result(record, said), created=True)

    return Wrong
