"""Wrong in how calls are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connectors.kit import (
    Record,
    RecordError,
    TerminalError,
    TransientError,
    Usage,
    WriteResult,
    check_batch,
)
from tests.support.spoiled_writers.spoils import must_fail


@must_fail("calls_stay_within_the_grant")
def writes_everything_twice(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            first = super().write(records)
            super().write(records)
            return first

    return Wrong


@must_fail("calls_stay_within_the_grant")
def looks_before_it_writes(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            check_batch(records, 50)
            if records:
                self.read([record.key for record in records])
            return super().write(records)

    return Wrong


@must_fail("calls_stay_within_the_grant")
def halves_by_itself(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except RecordError:
                if len(records) == 1:
                    raise
                half = len(records) // 2
                return [*self.write(records[:half]), *self.write(records[half:])]

    return Wrong


@must_fail("calls_stay_within_the_grant")
def tries_again_by_itself(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            try:
                return super().write(records)
            except TransientError:
                return super().write(records)

    return Wrong


@must_fail("refused_token_is_renewed_once")
def does_not_renew_its_token(right):
    class Wrong(right):
        def __init__(self, connection: Any) -> None:
            super().__init__(connection)
            self._calls._access._tokens.renew = lambda: False

    return Wrong


@must_fail("refused_token_is_renewed_once")
def renews_its_token_for_ever(right):
    class Wrong(right):
        def write(self, records: Sequence[Record]) -> list[WriteResult]:
            for _ in range(3):
                try:
                    return super().write(records)
                except TerminalError:
                    self._calls._access._tokens.renew()
            return super().write(records)

    return Wrong


@must_fail("usage_is_read_from_every_answer")
def keeps_the_usage_of_the_first_answer(right):
    class Wrong(right):
        def _note_usage(self, answer: Any) -> None:
            if self.usage == Usage():
                super()._note_usage(answer)

    return Wrong


@must_fail("usage_is_read_from_every_answer")
def reads_usage_of_successes_alone(right):
    class Wrong(right):
        def _note_usage(self, answer: Any) -> None:
            if answer.status_code < 300:
                super()._note_usage(answer)

    return Wrong


@must_fail("missing_secrets_are_a_sentence")
def misses_secrets_with_a_key_error(right):
    class Wrong(right):
        def __init__(self, connection: Any) -> None:
            super().__init__(replace(connection, secrets=dict(connection.secrets)))

    return Wrong


@must_fail("check_tells_whether_we_are_let_in")
def says_that_all_is_well_without_asking(right):
    class Wrong(right):
        def check(self) -> None:
            pass

    return Wrong
