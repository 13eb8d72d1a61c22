"""Wrong in what an answer is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connectors.kit import (
    AfluenteError,
    QuotaError,
    Record,
    RecordError,
    TerminalError,
    TransientError,
    WriteResult,
)
from tests.support.spoiled_writers.spoils import must_fail


@must_fail("short_answer_leaves_nobody_out")
def takes_silence_about_a_record_for_success(right):
    class Wrong(right):
        def _result(self, record: Record, said: dict | None) -> WriteResult:
            if said is None:
                return WriteResult(record.key, "written", crm_id=record.key)
            return super()._result(record, said)

    return Wrong


@must_fail("answer_without_ids_is_not_taken_for_success")
def takes_success_without_an_id(right):
    class Wrong(right):
        def _result(self, record: Record, said: dict | None) -> WriteResult:
            if (said or {}).get("status") in ("created", "updated"):
                return WriteResult(record.key, "written", crm_id=said.get("id"))
            return super()._result(record, said)

    return Wrong


@must_fail("unreadable_answer_is_not_taken_for_success")
def trusts_a_bare_2xx(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except TransientError as error:
                if "cannot be read" not in str(error):
                    raise
                return [WriteResult(record.key, "written", crm_id=record.key) for record in records]

    return Wrong


@must_fail("unreadable_answer_is_not_taken_for_success", "abilities_fail_as_writing_does")
def lets_an_unreadable_answer_through_as_a_bug(right):
    class Wrong(right):
        def _outcome(self, path: str, body: dict) -> dict[str, dict]:
            return {entry["ref"]: entry for entry in self._post(path, body)["outcome"]}

        def _people(self, answer: dict) -> list[dict]:
            return answer["people"]

    return Wrong


@must_fail(
    "unreadable_answer_is_not_taken_for_success",
    "lost_answer_makes_no_second_record",
    "silence_is_told_apart_from_refusal",
    "each_status_becomes_its_error",
    "retry_after_is_kept",
    "refused_token_is_renewed_once",
)
def takes_a_whole_calls_error_for_success(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except AfluenteError:
                return [WriteResult(record.key, "written", crm_id=record.key) for record in records]

    return Wrong


@must_fail("each_status_becomes_its_error")
def tries_a_400_for_ever(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except RecordError as error:
                raise TransientError(str(error)) from None

    return Wrong


@must_fail("each_status_becomes_its_error", "retry_after_is_kept")
def stops_for_a_503(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except TransientError as error:
                if "answered" in str(error):
                    raise TerminalError(str(error)) from None
                raise

    return Wrong


@must_fail("retry_after_is_kept")
def ignores_retry_after(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except QuotaError as error:
                raise QuotaError(str(error), retry_after=30.0) from None

    return Wrong


@must_fail("retry_after_is_kept")
def waits_for_nothing_where_no_wait_is_named(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except QuotaError as error:
                raise QuotaError(str(error), retry_after=error.retry_after if error.retry_after < 30 else 0) from None

    return Wrong


@must_fail("silence_is_told_apart_from_refusal")
def waits_for_ever(right):
    class Wrong(right):
        def __init__(self, connection: Any) -> None:
            super().__init__(replace(connection, timeout_seconds=20.0))

    return Wrong
