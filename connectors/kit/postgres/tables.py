"""A table that records are written to: what it lacks, the statements that give it that, and making it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.kit.errors import ConfigurationError, TerminalError
from connectors.kit.postgres.database import SQL, Identifier, Literal, Run

_LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer one without a word
_RIGHTS = ("SELECT", "INSERT", "UPDATE")
_LIMITED = re.compile(r"character(?: varying)?\((\d+)\)")

_LOOK = SQL("""
SELECT a.attname, format_type(a.atttypid, a.atttypmod), c.relkind,
       has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT'),
       has_column_privilege(c.oid, a.attnum, 'INSERT'),
       has_column_privilege(c.oid, a.attnum, 'UPDATE'),
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                 AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       pg_get_expr(d.adbin, d.adrelid)
FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped""")
_DESCRIBE = SQL("""
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
       a.attgenerated = '' AND a.attidentity <> 'a' AND has_column_privilege(c.oid, a.attnum, 'INSERT')
           AND has_column_privilege(c.oid, a.attnum, 'UPDATE'),
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                 AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = a.atttypid)
FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum""")
_MAY_CREATE = SQL("""
SELECT n.oid IS NOT NULL,
       CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(n.oid, 'CREATE') END
FROM (SELECT {} AS name) wanted LEFT JOIN pg_namespace n ON n.nspname = wanted.name""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that there must be. `type_name` is what it is made with."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column that there is. `default` is an expression; `max_length` counts characters, None: no limit."""

    name: str
    type_name: str
    default: str | None = None

    @property
    def max_length(self) -> int | None:
        return _length(self.type_name)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as a mapping sees it. `is_required`: neither empty nor filled by the table. `is_writable`: by us, and no
    generated one. `is_unique`: by itself. `labels` of an enumerated type."""

    name: str
    type_name: str
    is_required: bool
    is_writable: bool
    is_unique: bool
    labels: tuple[str, ...] | None

    @property
    def max_length(self) -> int | None:
        return _length(self.type_name)


class Table:
    """A table of a destination, known by schema, name and the column that tells its rows apart."""

    def __init__(self, destination: str, schema: str, name: str, key: str) -> None:
        """Raises ConfigurationError for names that PostgreSQL cannot have."""
        self._destination = destination
        self._schema = checked_name(f"destinations.{destination}.options.schema", schema)
        self._name = checked_name(f"destinations.{destination}.options.table", name)
        self._key = key

    @property
    def identifier(self) -> Identifier:
        """For statements."""
        return Identifier(self._schema, self._name)

    @property
    def shown(self) -> str:
        """Quoted, for sentences and for statements that a human copies."""
        return f"{quoted(self._schema)}.{quoted(self._name)}"

    def columns(self, run: Run, wanted: Sequence[Wanted]) -> dict[str, Column] | None:
        """Its columns by name; None: there is no such table. Raises TerminalError that says all that it lacks of
        `wanted`, and the statements that mend it."""
        rows = run(_LOOK.format(Literal(self._schema), Literal(self._name)))
        if not rows:
            return None
        if rows[0][2] != "r":
            raise TerminalError(
                f"{self._destination}: {self.shown} is a view, a partitioned table or the like, no table"
            )
        found = {row[0]: Column(row[0], row[1], row[8]) for row in rows}
        lacking = [*self._lacking_columns(found, wanted), *self._lacking_rights(rows, wanted)]
        if self._key in found and not any(row[7] for row in rows if row[0] == self._key):
            lacking.append(
                f"no unique index on {self._key}: ALTER TABLE {self.shown} ADD PRIMARY KEY ({quoted(self._key)});"
            )
        if lacking:
            raise TerminalError(f"{self._destination}: the table {self.shown} has {' And '.join(lacking)}")
        return found

    def describe(self, run: Run) -> tuple[ColumnFacts, ...]:
        """Its columns, whatever they lack; () where there is no such table."""
        rows = run(_DESCRIBE.format(Literal(self._schema), Literal(self._name)))
        return tuple(
            ColumnFacts(name, type_name, is_required, is_writable, is_unique, tuple(labels) if labels else None)
            for name, type_name, is_required, is_writable, is_unique, labels in rows
        )

    def add_columns(self, run: Run, wanted: Sequence[Wanted]) -> None:
        """Give it columns, in the transaction of `run`."""
        for column in wanted:
            run(SQL(f"ALTER TABLE {self.shown} ADD COLUMN IF NOT EXISTS {quoted(column.name)} {column.type_name}"))

    def statements(self, wanted: Sequence[Wanted]) -> list[str]:
        """The statements that make schema and table."""
        columns = [f"    {quoted(column.name)} {column.type_name}" for column in wanted]
        columns.append(f"    PRIMARY KEY ({quoted(self._key)})")
        return [
            f"CREATE SCHEMA IF NOT EXISTS {quoted(self._schema)};",
            f"CREATE TABLE IF NOT EXISTS {self.shown} (\n" + ",\n".join(columns) + "\n);",
        ]

    def create(self, run: Run, wanted: Sequence[Wanted]) -> None:
        """Make it, in the transaction of `run`; another who makes it at the same time is waited for."""
        # IF NOT EXISTS alone does not help two who begin together: one of them hears of a name taken.
        run(SQL("SELECT pg_advisory_xact_lock({})").format(Literal(zlib.crc32(self.shown.encode()))))
        has_schema = self._may_create(run)
        for statement in self.statements(wanted)[has_schema:]:  # to make one there is asks for a right even so
            run(SQL(statement))

    def check_may_create(self, run: Run) -> None:
        """Raises TerminalError if the right to make it is missing."""
        self._may_create(run)

    def missing(self) -> TerminalError:
        """Said where there is no such table and nobody is to make it."""
        return TerminalError(
            f"{self._destination}: there is no table {self.shown}: make it, docs/sql.md has the statement,"
            f" or set destinations.{self._destination}.options.create_tables to true"
        )

    def _may_create(self, run: Run) -> bool:
        """Whether the schema is there."""
        [(has_schema, may_create)] = run(_MAY_CREATE.format(Literal(self._schema)))
        if not may_create:
            schema = f"the schema {quoted(self._schema)}"
            raise TerminalError(
                f"{self._destination}: may not make {'a table in ' if has_schema else ''}{schema}: give it the right to"
                f" CREATE {'in it' if has_schema else 'in this database'}, or make {self.shown} as docs/sql.md shows"
            )
        return bool(has_schema)

    def _lacking_columns(self, found: dict[str, Column], wanted: Sequence[Wanted]) -> list[str]:
        lacking = [column for column in wanted if column.name not in found]
        if not lacking:
            return []
        names = ", ".join(column.name for column in lacking)
        added = ", ".join(f"ADD COLUMN {quoted(column.name)} {column.type_name}" for column in lacking)
        return [f"no column {names}: ALTER TABLE {self.shown} {added};"]

    def _lacking_rights(self, rows: Sequence[tuple[Any, ...]], wanted: Sequence[Wanted]) -> list[str]:
        names = {column.name for column in wanted}
        ours = [row for row in rows if row[0] in names]
        lacking = [right for place, right in enumerate(_RIGHTS, start=4) if not all(row[place] for row in ours)]
        said = []
        if not rows[0][3]:
            said.append(f"a schema that may not be used: GRANT USAGE ON SCHEMA {quoted(self._schema)} TO …;")
        if lacking:
            said.append(f"no right to {', '.join(lacking)}: GRANT {', '.join(lacking)} ON {self.shown} TO …;")
        return said


def _length(type_name: str) -> int | None:
    limited = _LIMITED.fullmatch(type_name)
    return int(limited[1]) if limited else None


def quoted(name: str) -> str:
    """A name as it stands in a statement, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def checked_name(place: str, name: str) -> str:
    """The name. Raises ConfigurationError if PostgreSQL cannot have it."""
    if not name.strip() or "\0" in name or len(name.encode()) > _LONGEST_NAME:
        raise ConfigurationError(f"{place} is {name!r}; a name in PostgreSQL has one to {_LONGEST_NAME} bytes")
    return name
