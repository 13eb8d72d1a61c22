"""Which rows of a table were changed, by a column that says when. `updated_at`, which Afluente keeps, moves with its
own writes only: a table in which people change something needs a column that moves with theirs too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.destinations.sql.abilities import KEY
from connectors.kit import ChangedRecord, ChangesPage, ConfigurationError, TransientError, Watched
from connectors.kit.destinations.people import known_values
from connectors.kit.postgres import SQL, Composed, Database, Identifier, Literal, Table
from connectors.kit.postgres.tables import checked_name

_PAGE = 500
_STANDARD = {"email": ("email",), "phone": ("phone", "mobile_phone")}
# To the order of moment and id there may be an index; ids are compared as texts, whatever type they are.
_CHANGES = """
SELECT found.{id}::text, found.{changed}::timestamptz::text, to_jsonb(found) FROM (
    SELECT * FROM {table} WHERE {where}
    ORDER BY {changed}::timestamptz, {id}::text COLLATE "C" LIMIT {most}
) found ORDER BY found.{changed}::timestamptz, found.{id}::text COLLATE "C"
"""


class SqlChanges:
    """A part of the writer."""

    _name: str
    _schema: str
    _table: Table
    _database: Database

    def list_changes(self, watched: Watched, since: datetime | None, cursor: str | None = None) -> ChangesPage:
        """500 rows in one transaction, in the order of their changes; the cursor is the last one's moment and id."""
        place = f"destinations.{self._name}.reads_consent"
        if watched.changed_field is None:
            raise ConfigurationError(
                f"{place}: say the column that holds when a row was changed (`changed`): a table has none by itself"
            )
        id_field = watched.id_field or KEY
        for name in (id_field, watched.changed_field, *watched.fields):
            checked_name(f"{place}: a column", name)
        table = Table(self._name, self._schema, watched.object, id_field) if watched.object else self._table
        statement = SQL(_CHANGES).format(
            id=Identifier(id_field),
            changed=Identifier(watched.changed_field),
            table=table.identifier,
            where=_after(id_field, watched.changed_field, since, cursor),
            most=Literal(_PAGE),
        )
        with self._database.transaction() as run:
            rows = run(statement)
        records = tuple(self._changed(watched, *row) for row in rows)
        following = f"{rows[-1][1]}\x1f{rows[-1][0]}" if len(rows) == _PAGE else None
        return ChangesPage(records, following)

    def _changed(self, watched: Watched, row_id: str, changed_at: str, row: dict[str, Any]) -> ChangedRecord:
        missing = sorted(name for name in watched.fields if name not in row)
        if missing:
            raise ConfigurationError(f"destinations.{self._name}.reads_consent: the table has no column {missing[0]}")
        key = row.get(KEY) if watched.is_keyed else None
        try:
            moment = datetime.fromisoformat(changed_at).astimezone(UTC)
        except ValueError:
            raise TransientError(f"{self._name}: a row says not when it was changed") from None
        values = known_values(row, watched.addresses or _STANDARD)
        return ChangedRecord(
            row_id, str(key) if key else None, moment, {name: row[name] for name in watched.fields}, values
        )


def _after(id_field: str, changed: str, since: datetime | None, cursor: str | None) -> Composed:
    names = {"changed": Identifier(changed), "id": Identifier(id_field)}
    if cursor is not None:
        moment, _, row_id = cursor.partition("\x1f")
        return SQL('({changed}::timestamptz, {id}::text COLLATE "C") > ({moment}::timestamptz, {last})').format(
            **names, moment=Literal(moment), last=Literal(row_id)
        )
    if since is None:
        return SQL("{changed} IS NOT NULL").format(**names)
    return SQL("{changed}::timestamptz >= {moment}::timestamptz").format(**names, moment=Literal(since.isoformat()))
