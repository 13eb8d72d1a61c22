"""Wrong in what is said of the records of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.kit import (
    Record,
    TerminalError,
    WriteResult,
    check_batch,
)
from tests.support.spoiled_writers.spoils import must_fail


def is_unfit(record: Record) -> bool:
    return len(record.fields.get("email", "")) > 120


@must_fail(
    "created_then_updated_by_one_key",
    "same_batch_twice_changes_nothing",
    "none_clears_a_field",
    "known_id_is_updated_and_not_made_anew",
    "order_of_results_is_that_of_records",
    "full_batch_is_written",
    "refused_record_stops_no_other",
    "shuffled_answer_keeps_results_apart",
    "short_answer_leaves_nobody_out",
    "answer_without_ids_is_not_taken_for_success",
    "lost_answer_makes_no_second_record",
    "refused_token_is_renewed_once",
    "read_gives_back_what_was_written",
)
def gives_results_in_the_order_of_the_answer(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            return list(reversed(super().write(records)))

    return Wrong


@must_fail(
    "order_of_results_is_that_of_records",
    "refused_record_stops_no_other",
    "refusal_holds_no_value",
    "shuffled_answer_keeps_results_apart",
    "short_answer_leaves_nobody_out",
    "read_gives_back_what_was_written",
)
def takes_results_by_their_place(right):
    class Wrong(right):
        def _outcome(self, path: str, body: dict) -> dict[str, dict]:
            entries = list(super()._outcome(path, body).values())
            sent = body.get("people") or [{"ref": ref} for ref in body["refs"]]
            return {asked["ref"]: entry for asked, entry in zip(sent, entries, strict=False)}

    return Wrong


@must_fail("refused_record_stops_no_other")
def loses_the_tail_after_a_refused_record(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            check_batch(records, 50)
            refused = next((place for place, record in enumerate(records) if is_unfit(record)), len(records))
            results = super().write(records[: refused + 1])
            return results + [WriteResult(record.key, "written", crm_id="H1") for record in records[refused + 1 :]]

    return Wrong


@must_fail("refused_record_stops_no_other")
def stops_everything_for_a_refused_record(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            results = super().write(records)
            if any(result.state == "rejected" for result in results):
                raise TerminalError("heron refuses a record")
            return results

    return Wrong


@must_fail("refused_record_stops_no_other")
def tries_refused_records_for_ever(right):
    class Wrong(right):
        def _result(self, record: Record, said: dict | None) -> WriteResult:
            result = super()._result(record, said)
            return replace(result, state="retry") if result.state == "rejected" else result

    return Wrong


@must_fail("refusal_holds_no_value")
def leaks_a_value_in_a_message(right):
    class Wrong(right):
        def _result(self, record: Record, said: dict | None) -> WriteResult:
            result = super()._result(record, said)
            text = ((said or {}).get("error") or {}).get("text")
            return replace(result, message=text) if text else result

    return Wrong


@must_fail("full_batch_is_written")
def writes_the_beginning_of_a_batch(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            check_batch(records, 50)
            results = super().write(records[:10])
            return results + [WriteResult(record.key, "retry", code="later") for record in records[10:]]

    return Wrong


@must_fail("too_many_records_are_a_mistake_of_the_caller")
def takes_any_number_of_records(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            results: list[WriteResult] = []
            for begin in range(0, len(records), 50):
                unique = {record.key: record for record in records[begin : begin + 50]}
                results += super().write(list(unique.values()))
            return results

    return Wrong


@must_fail("empty_batch_makes_no_call")
def calls_for_no_records(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            if not records:
                self._outcome("people/bulk", {"people": []})
            return super().write(records)

    return Wrong
