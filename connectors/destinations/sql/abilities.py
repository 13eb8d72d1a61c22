"""What is asked of a table beside writing: rows read and deleted, the table described and made, people listed, found.

Each is one transaction, which counts as one call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.kit import (
    DescribedField,
    FoundRecord,
    KnownPerson,
    Lookup,
    PeoplePage,
    Record,
    SentField,
    WriteResult,
    check_batch,
)
from connectors.kit.destinations.people import asked_of_fields, known_values, people_by_lookup, person_names
from connectors.kit.postgres import SQL, Database, Identifier, Literal, Run, Table, Wanted

BATCH_SIZE = 500
KEY = "afluente_id"
KEPT_FIRST, KEPT_LAST = "first_written_at", "updated_at"
_PERSON = ("email", "phone", "mobile_phone", "first_name", "last_name", "full_name", "company")
_KINDS = {
    "boolean": "boolean",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "date": "date",
    "text": "text",
    "citext": "text",
    "name": "text",
}


class SqlAbilities(ABC):
    """A part of the writer, which has the connection and the table."""

    _table: Table
    _database: Database
    _sent: tuple[SentField, ...]
    _creates: bool

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """Times and dates come as ISO 8601 texts, numbers as JSON has them."""
        names = [field.name for field in self._sent]
        with self._database.transaction() as run:
            rows = self._rows(
                run, names, SQL("{}::text = ANY({}::text[])").format(Identifier(KEY), Literal(list(keys)))
            )
        return {key: FoundRecord(key, key, {name: row.get(name) for name in names}) for key, row in rows}

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """By our key, which is a row's id too, or the id that a row had before us. Needs the right to DELETE."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        keys = list(dict.fromkeys(name for record in records for name in (record.key, record.crm_id) if name))
        statement = SQL("DELETE FROM {table} WHERE {key}::text = ANY({keys}::text[]) RETURNING {key}::text")
        with self._database.transaction() as run:
            rows = run(statement.format(table=self._table.identifier, key=Identifier(KEY), keys=Literal(keys)))
        gone = {key for (key,) in rows}
        return [
            WriteResult(record.key, "written", crm_id=record.key)
            if gone.intersection((record.key, record.crm_id))
            else WriteResult(record.key, "written", crm_id=record.key, code="record_gone", message="nothing to delete")
            for record in records
        ]

    def describe(self) -> tuple[DescribedField, ...]:
        """All columns. Of a table that is not there and may be made (`create_tables`): as it would be."""
        with self._database.transaction() as run:
            facts = self._table.describe(run)
            if facts:
                return tuple(
                    DescribedField(
                        column.name,
                        _kind(column.type_name),
                        max_length=column.max_length,
                        is_required=column.is_required and column.name not in (KEY, KEPT_FIRST, KEPT_LAST),
                        is_writable=column.is_writable,
                        values=column.labels,
                        converts=_kind(column.type_name) == "text",
                        is_key=column.name == KEY and column.is_unique,
                    )
                    for column in facts
                )
            if not self._creates:
                raise self._table.missing()
            self._table.check_may_create(run)
        return tuple(
            DescribedField(
                wanted.name,
                _kind(wanted.type_name.removesuffix(" NOT NULL")),
                is_key=wanted.name == KEY,
            )
            for wanted in self._wanted()
        )

    def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
        """Makes schema and table, or the columns that the table lacks."""
        with self._database.transaction() as run:
            facts = self._table.describe(run)
            if not facts:
                self._table.check_may_create(run)
                if not dry_run:
                    self._table.create(run, self._wanted())
                return (f"table {self._table.shown} with {len(self._wanted())} columns",)
            there = {column.name for column in facts}
            lacking = [_added(wanted) for wanted in self._wanted() if wanted.name not in there]
            if lacking and not dry_run:
                self._table.add_columns(run, lacking)
        return tuple(f"column {wanted.name} {wanted.type_name} of {self._table.shown}" for wanted in lacking)

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """500 rows in the order of our key; the cursor is the last one."""
        after = SQL('{}::text > {} COLLATE "C"').format(Identifier(KEY), Literal(cursor)) if cursor else SQL("true")
        with self._database.transaction() as run:
            names = self._person_columns(run)
            rows = self._rows(run, _flat(names), after, limit=BATCH_SIZE)
        people = tuple(KnownPerson(key, key, known_values(row, names)) for key, row in rows)
        return PeoplePage(people, people[-1].crm_id if len(people) == BATCH_SIZE else None)

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """Addresses whatever their case; numbers as the column has them."""
        with self._database.transaction() as run:
            names = self._person_columns(run)
            wanted = []
            for columns, values in asked_of_fields(lookups, names):
                wanted += [
                    SQL("lower({}::text) = ANY({}::text[])").format(Identifier(column), Literal(values))
                    for column in columns
                    if values
                ]
            rows = self._rows(run, _flat(names), SQL(" OR ").join(wanted)) if wanted else []
        return people_by_lookup(lookups, [KnownPerson(key, key, known_values(row, names)) for key, row in rows])

    def _rows(
        self, run: Run, names: Sequence[str], where: Any, *, limit: int | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """Keys and rows, in the order of the keys."""
        statement = SQL(
            "SELECT {key}::text, to_jsonb(found) FROM (SELECT {columns} FROM {table} WHERE {where}) found"
            ' ORDER BY {key}::text COLLATE "C" LIMIT {limit}'
        )
        columns = SQL(", ").join(Identifier(name) for name in dict.fromkeys((KEY, *names)))
        return [
            (key, row)
            for key, row in run(
                statement.format(
                    key=Identifier(KEY),
                    columns=columns,
                    table=self._table.identifier,
                    where=where,
                    limit=Literal(limit),
                )
            )
        ]

    def _person_columns(self, run: Run) -> dict[str, tuple[str, ...]]:
        """Columns called as canonical names are, and those that the mapping fills with addresses."""
        there = {column.name for column in self._table.describe(run)}
        standard = {name: name for name in _PERSON if name in there}
        return person_names(standard, [field for field in self._sent if field.name in there])

    @abstractmethod
    def _wanted(self, names: Iterable[str] = ()) -> list[Wanted]:
        """The columns of our key and of what the mapping sends, and further ones of these names."""


def _added(wanted: Wanted) -> Wanted:
    """As a table that may have rows gets it later."""
    more = {KEY: " UNIQUE", KEPT_FIRST: " DEFAULT now()", KEPT_LAST: " DEFAULT now()"}.get(wanted.name, "")
    return Wanted(wanted.name, wanted.type_name + more)


def _flat(names: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for several in names.values() for name in several]


def _kind(type_name: str) -> str:
    """`character varying(80)` is a text; what is none of the mapping's types keeps PostgreSQL's word."""
    bare = type_name.partition("(")[0].strip()
    if bare in ("character varying", "character", "varchar"):
        return "text"
    return "datetime" if type_name.startswith("timestamp") else _KINDS.get(bare, bare)
