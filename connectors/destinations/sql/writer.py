"""The writer: a batch in one statement and one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from connectors.destinations.sql.abilities import BATCH_SIZE, KEPT_FIRST, KEPT_LAST, KEY, SqlAbilities
from connectors.destinations.sql.changes import SqlChanges
from connectors.kit import (
    ConfigurationError,
    Connection,
    Record,
    RecordError,
    SentField,
    TerminalError,
    Usage,
    WriteResult,
    check_batch,
)
from connectors.kit.postgres import SQL, Column, Composed, Database, Identifier, Literal, Run, Table, Wanted
from connectors.kit.postgres.tables import checked_name

_KEPT = (Wanted(KEPT_FIRST, "timestamptz NOT NULL"), Wanted(KEPT_LAST, "timestamptz NOT NULL"))
_TYPES = {"number": "numeric", "integer": "bigint", "boolean": "boolean", "date": "date", "datetime": "timestamptz"}
_TOO_LONG = "string_data_right_truncation"

# `sent` are the records, read as PostgreSQL reads rows of this table; `absent` says which fields a record leaves alone.
# `known` are the rows there are, locked so that nobody deletes one meanwhile: a record that may not be made (`marks`)
# is written where there is one, and what records leave alone is there for the table's checks, which PostgreSQL asks of
# the row as it would be inserted. The row itself keeps what it has at the moment of the update (`CASE`).
# Rows are taken in the order of their keys: two batches never wait for each other.
_UPSERT = """
WITH sent AS MATERIALIZED (
    SELECT * FROM jsonb_populate_recordset(NULL::{table}, {rows}::jsonb)
), given AS MATERIALIZED (
    SELECT {absent}::jsonb AS absent
), known AS MATERIALIZED (
    SELECT {columns} FROM {table} WHERE {key} IN (SELECT {key} FROM sent) ORDER BY {key} FOR KEY SHARE
), written AS (
    INSERT INTO {table} AS kept ({columns}, {first}, {last})
    SELECT {proposed}, now(), now() FROM sent LEFT JOIN known USING ({key})
    WHERE known.{key} IS NOT NULL OR NOT sent.{key}::text = ANY ({marks}::text[])
    ORDER BY sent.{key}
    ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {differs}
    RETURNING kept.{key}, kept.xmax = 0 AS is_new
)
SELECT sent.{key}::text, written.is_new, known.{key} IS NOT NULL
FROM sent LEFT JOIN written USING ({key}) LEFT JOIN known USING ({key})"""

# A row that has our id already is that of a call whose answer was lost, or another one: then the former one stays.
_GIVE_KEYS = """
WITH given AS MATERIALIZED (
    SELECT sent.{key}, known.former FROM jsonb_populate_recordset(NULL::{table}, {rows}::jsonb) AS sent
    JOIN unnest({keys}::text[], {formers}::text[]) AS known (wanted, former) ON known.wanted = sent.{key}::text
), changed AS (
    UPDATE {table} AS kept SET {key} = given.{key} FROM given
    WHERE kept.{key}::text = given.former AND NOT EXISTS (SELECT FROM {table} x WHERE x.{key} = given.{key})
    RETURNING kept.{key}
)
SELECT given.{key}::text, EXISTS (SELECT FROM changed WHERE changed.{key} = given.{key})
        OR EXISTS (SELECT FROM {table} x WHERE x.{key} = given.{key}),
    NOT EXISTS (SELECT FROM changed WHERE changed.{key} = given.{key})
        AND EXISTS (SELECT FROM {table} x WHERE x.{key}::text = given.former)
FROM given"""


class SqlWriter(SqlAbilities, SqlChanges):
    """One table. Not shared between threads: it holds one connection."""

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        options = connection.options
        schema, table = str(options.get("schema", "afluente")), str(options.get("table", "contacts"))
        table = connection.object or table
        self._schema = schema
        self._table = Table(self._name, schema, table, KEY)
        self._creates = bool(options.get("create_tables", False))
        # A link is a column too: it holds the key of a row of another table.
        self._sent = (*connection.fields, *(SentField(role) for role in connection.links))
        self._fields = {field.name: _wanted(field.name, field.kind, field.max_length) for field in self._sent}
        for name in self._fields:
            self._check_field(name)
        self._columns: dict[str, Column] = {}
        self._database = Database(connection)
        self.sent_as = f"{schema}.{table} by {KEY}"

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        """One transaction for all records; PostgreSQL takes all of them or, for one value, none (RecordError)."""
        check_batch(records, BATCH_SIZE)
        return self._write(records, lambda _run: set()) if records else []

    def _write(self, records: Sequence[Record], prepare: Callable[[Run], set[str]]) -> list[WriteResult]:
        """All but those whose keys `prepare` gives; it is called in the transaction, before any is written."""
        records = [_with_links(record) for record in records]
        names = list(dict.fromkeys(name for record in records for name in record.fields))
        values = (value for record in records for value in record.fields.values())
        try:
            with self._database.transaction(values=values) as run:
                if not self._columns.keys() >= {KEY, *names}:
                    self._columns = self._look(run, names, creates=self._creates)
                left_out = prepare(run)
                chosen = [record for record in records if record.key not in left_out]
                rows = run(_upsert(self._table, self._mapped(names), chosen)) if chosen else []
        except RecordError as error:
            raise self._named(error, records) from None
        except TerminalError:
            if self._columns:  # the table was changed under us, perhaps: to look again says what it lacks now
                self._columns = {}
                with self._database.transaction() as run:
                    self._look(run, names, creates=False)
            raise
        answers = {key: (is_new, is_known) for key, is_new, is_known in rows}
        return [_result(record, *answers.get(record.key, (None, False))) for record in chosen]

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """Rows get our id in place of the one they had, and are written as by `write`, in one transaction."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        gone: set[str] = set()
        taken: set[str] = set()

        def give_keys(run: Run) -> set[str]:
            for key, has_row, has_former in run(_give_keys(self._table, records)):
                if not has_row:
                    gone.add(key)
                elif has_former:
                    taken.add(key)
            return gone | taken

        written = {result.key: result for result in self._write(records, give_keys)}
        return [
            written.get(record.key)
            or WriteResult(
                record.key,
                "retry",
                code="record_gone" if record.key in gone else "key_taken",
                message="its row is not there any more" if record.key in gone else "another row has our id",
            )
            for record in records
        ]

    def check(self) -> None:
        """Looks whether the table is there, or may be made, with its columns and our rights; writes nothing."""
        with self._database.transaction() as run:
            if run(SQL("SHOW transaction_read_only")) == [("on",)]:
                raise TerminalError(f"{self._name}: the database takes no writes; is it a standby of another?")
            if self._table.columns(run, self._wanted()) is not None:
                return
            if not self._creates:
                raise self._table.missing()
            self._table.check_may_create(run)

    def close(self) -> None:
        self._database.close()

    def _look(self, run: Run, names: Iterable[str], *, creates: bool) -> dict[str, Column]:
        """The table's columns. Makes it first where it may. Raises TerminalError saying what it lacks."""
        wanted = self._wanted(names)
        columns = self._table.columns(run, wanted)
        if columns is None and creates:
            self._table.create(run, wanted)
            columns = self._table.columns(run, wanted)
        if columns is None:
            raise self._table.missing()
        return columns

    def _mapped(self, names: Iterable[str]) -> list[Column]:
        """The columns of all fields that the mapping may send, and of those that are sent."""
        return [self._columns[name] for name in dict.fromkeys([*self._fields, *names])]

    def _wanted(self, names: Iterable[str] = ()) -> list[Wanted]:
        for name in names:
            self._check_field(name)
        fields = self._fields | {name: _wanted(name) for name in names if name not in self._fields}
        return [Wanted(KEY, "text"), *fields.values(), *_KEPT]

    def _check_field(self, name: str) -> None:
        checked_name(f"destinations.{self._name}: a field of its mapping", name)
        if name in (KEY, KEPT_FIRST, KEPT_LAST):
            raise ConfigurationError(
                f"destinations.{self._name}: its mapping has a field {name}, which Afluente keeps itself: name it"
                " otherwise"
            )

    def _named(self, error: RecordError, records: Sequence[Record]) -> RecordError:
        """With the field, where PostgreSQL says that a text is too long and the table says whose of a single record."""
        if error.code != _TOO_LONG or error.field or len(records) > 1:
            return error
        for name, value in records[0].fields.items():
            limit = self._columns[name].max_length if name in self._columns else None
            if limit is not None and isinstance(value, str) and len(value) > limit:
                return RecordError(error.code, field=name, message=error.message)
        return error


def _with_links(record: Record) -> Record:
    if not record.links:
        return record
    return replace(record, fields={**record.fields, **{link.role: link.crm_id for link in record.links}})


def _upsert(table: Table, columns: Sequence[Column], records: Sequence[Record]) -> Composed:
    """The statement for these records; `columns` are the mapped ones. It gives (key, is_new, is_known)."""
    key = Identifier(KEY)
    sent = {name for record in records for name in record.fields}
    stays = SQL("(SELECT absent FROM given) -> {}.{}::text ? {}")

    def proposed(column: Column) -> Composed:
        return SQL(
            "CASE WHEN NOT {stays} THEN sent.{name} WHEN known.{key} IS NOT NULL THEN known.{name} ELSE {default} END"
        ).format(
            stays=stays.format(SQL("sent"), key, Literal(column.name)),
            name=Identifier(column.name),
            key=key,
            default=SQL(column.default or "NULL"),
        )

    def becomes(name: str) -> Composed:
        condition = stays.format(SQL("excluded"), key, Literal(name))
        return SQL("CASE WHEN {0} THEN kept.{1} ELSE excluded.{1} END").format(condition, Identifier(name))

    changing = [column.name for column in columns if column.name in sent]
    changes = [SQL("{} = {}").format(Identifier(name), becomes(name)) for name in changing]
    # As texts, letter by letter: to a column without case `brandt` and `Brandt` are the same, to whoever reads it not.
    differs = [
        SQL('kept.{}::text COLLATE "C" IS DISTINCT FROM ({})::text COLLATE "C"').format(Identifier(name), becomes(name))
        for name in changing
    ]
    rows = [{**record.fields, KEY: record.key} for record in records]
    absent = {record.key: [column.name for column in columns if column.name not in record.fields] for record in records}
    return SQL(_UPSERT).format(
        table=table.identifier,
        key=key,
        first=Identifier(KEPT_FIRST),
        last=Identifier(KEPT_LAST),
        # Everything but letters and digits of English escaped, so that no text is too odd to be sent and refused.
        rows=Literal(json.dumps(rows)),
        absent=Literal(json.dumps(absent)),
        marks=Literal([record.key for record in records if record.update_only]),
        columns=SQL(", ").join([key, *(Identifier(column.name) for column in columns)]),
        proposed=SQL(", ").join([SQL("sent.{}").format(key), *map(proposed, columns)]),
        changes=SQL(", ").join([*changes, SQL("{} = now()").format(Identifier(KEPT_LAST))]),
        differs=SQL(" OR ").join(differs) if differs else SQL("false"),
    )


def _give_keys(table: Table, records: Sequence[Record]) -> Composed:
    """Gives (key, whether there is a row for it now, whether the former one is there still)."""
    return SQL(_GIVE_KEYS).format(
        table=table.identifier,
        key=Identifier(KEY),
        rows=Literal(json.dumps([{KEY: record.key} for record in records])),
        keys=Literal([record.key for record in records]),
        formers=Literal([record.crm_id or "" for record in records]),
    )


def _result(record: Record, is_new: bool | None, is_known: bool) -> WriteResult:  # noqa: FBT001 - as the row has them
    if is_new is not None or is_known:  # one that is known and was not touched is as it should be
        return WriteResult(record.key, "written", crm_id=record.key, created=bool(is_new))
    if record.update_only:
        return WriteResult(record.key, "written", created=False, code="record_gone", message="nothing to mark")
    return WriteResult(record.key, "retry", code="no_result", message="the table took no row: is there a trigger?")


def _wanted(name: str, kind: str = "text", max_length: int | None = None) -> Wanted:
    text = f"varchar({max_length})" if max_length else "text"
    return Wanted(name, _TYPES.get(kind, text))
