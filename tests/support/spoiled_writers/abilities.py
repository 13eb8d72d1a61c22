"""Wrong in what a writer does beside writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connectors.kit import (
    Record,
    TransientError,
    WriteResult,
)
from tests.support.spoiled_writers.spoils import must_fail


@must_fail("read_gives_back_what_was_written")
def reads_back_the_record_of_another(right):
    class Wrong(right):
        def read(self, keys: Sequence[str]) -> dict[str, Any]:
            found = super().read(keys)
            return dict(zip(found, reversed(found.values()), strict=True))

    return Wrong


@must_fail("read_gives_back_what_was_written")
def reads_what_was_sent_and_not_what_is_there(right):
    class Wrong(right):
        def read(self, keys: Sequence[str]) -> dict[str, Any]:
            found = super().read(keys)
            return {key: replace(record, fields={**record.fields, "town": "Porto"}) for key, record in found.items()}

    return Wrong


@must_fail("delete_takes_what_was_named_and_nothing_else")
def deletes_another(right):
    class Wrong(right):
        def delete(self, records: Sequence[Record]) -> list[WriteResult]:
            page = self.list_people()
            while page.cursor:
                page = self.list_people(page.cursor)
            others = [person.key for person in page.people if person.key not in {record.key for record in records}]
            self._post("people/forget", {"refs": others[-1:]})
            return [WriteResult(record.key, "written", code="record_gone") for record in records]

    return Wrong


@must_fail("delete_takes_what_was_named_and_nothing_else")
def refuses_to_delete_what_is_gone(right):
    class Wrong(right):
        def delete(self, records: Sequence[Record]) -> list[WriteResult]:
            results = super().delete(records)
            return [replace(result, state="rejected") if result.code else result for result in results]

    return Wrong


@must_fail("find_gives_those_with_the_address")
def finds_the_first_for_everybody(right):
    class Wrong(right):
        def find(self, lookups: Sequence[Any]) -> dict[str, Any]:
            found = super().find(lookups)
            return {lookup.key: next(iter(found.values())) for lookup in lookups if found}

    return Wrong


@must_fail("abilities_fail_as_writing_does")
def finds_nobody_where_the_answer_cannot_be_read(right):
    class Wrong(right):
        def find(self, lookups: Sequence[Any]) -> dict[str, Any]:
            try:
                return super().find(lookups)
            except TransientError:
                return {}

    return Wrong


@must_fail("list_gives_everybody_once")
def lists_the_first_page(right):
    class Wrong(right):
        def list_people(self, cursor: str | None = None) -> Any:
            return replace(super().list_people(cursor), cursor=None)

    return Wrong


@must_fail("list_gives_everybody_once")
def lists_everybody_twice(right):
    class Wrong(right):
        def list_people(self, cursor: str | None = None) -> Any:
            page = super().list_people(cursor)
            return replace(page, people=page.people * 2)

    return Wrong


@must_fail("description_knows_every_field_sent")
def describes_half_of_its_fields(right):
    class Wrong(right):
        def describe(self) -> Any:
            return super().describe()[::2]

    return Wrong


@must_fail("setup_makes_what_is_missing_once")
def makes_something_in_a_dry_run(right):
    made: set[str] = set()

    class Wrong(right):
        def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
            missing = {"a field", "a key"} - made
            made.update(missing)
            return tuple(sorted(missing))

    return Wrong


@must_fail("setup_makes_what_is_missing_once")
def makes_nothing_and_says_so(right):
    class Wrong(right):
        def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
            return ("a field",)

    return Wrong
