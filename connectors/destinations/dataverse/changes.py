"""Which rows were changed in Dataverse, by `modifiedon`. Rows that were deleted are not told."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from connectors.destinations.dataverse.answers import Names
from connectors.destinations.dataverse.objects import ID_FIELDS
from connectors.kit import ChangedRecord, ChangesPage, ConfigurationError, SentField, TransientError, Watched
from connectors.kit.destinations.people import known_values, person_names

_MODIFIED = "modifiedon"
_NAME = re.compile(r"[A-Za-z_]\w*")
_ADDRESSES = {"email": "emailaddress1", "phone": "telephone1", "mobile_phone": "mobilephone"}
_OF_PEOPLE = ("leads", "contacts")


class DataverseChanges:
    """A part of the writer."""

    _name: str
    _names: Names
    _fields: tuple[SentField, ...]

    def list_changes(self, watched: Watched, since: datetime | None, cursor: str | None = None) -> ChangesPage:
        """One call for 500 rows, in the order of their changes. The cursor is Dataverse's."""
        table = watched.object or self._names.table
        id_field = watched.id_field or ID_FIELDS.get(table) or (self._names.id_field if not watched.object else None)
        if id_field is None:
            raise ConfigurationError(f"{self._name}: say the column of the own id of {table} (`id`), such as contactid")
        changed = watched.changed_field or _MODIFIED
        addresses = self._addresses(table, watched)
        asked = [name for names in addresses.values() for name in names]
        key = [self._names.key_field] if watched.is_keyed else []
        columns = list(dict.fromkeys((id_field, *key, *watched.fields, *asked, changed)))
        for name in (table, *columns):
            if not _NAME.fullmatch(name):
                raise ConfigurationError(f"{self._name}: {name!r} is no name of a column or table of Dataverse")
        query = cursor
        if query is None:
            order = quote(f"{changed} asc,{id_field} asc")
            where = f"&$filter={quote(f'{changed} ge {_shown(since)}')}" if since is not None else ""
            query = f"$select={','.join(columns)}{where}&$orderby={order}"
        rows, following = self._page(query, table=table, id_field=id_field)
        told = [self._changed(row, watched, addresses, id_field, changed) for row in rows]
        records = tuple(record for record in told if record is not None)
        return ChangesPage(records, following, len(rows) - len(records))

    def _addresses(self, table: str, watched: Watched) -> Mapping[str, Sequence[str]]:
        if watched.addresses:
            return watched.addresses
        if table not in _OF_PEOPLE:
            return {}
        return person_names(_ADDRESSES, self._fields if table == self._names.table else ())

    def _changed(
        self,
        row: Mapping[str, Any],
        watched: Watched,
        addresses: Mapping[str, Sequence[str]],
        id_field: str,
        changed: str,
    ) -> ChangedRecord | None:
        """None: a column of the company's own holds no moment; Dataverse's always does."""
        key = row.get(self._names.key_field) if watched.is_keyed else None
        try:
            changed_at = datetime.fromisoformat(str(row.get(changed))).astimezone(UTC)
        except (ValueError, OverflowError):
            if watched.changed_field is not None:
                return None
            raise TransientError(f"{self._name}: a row says not when it was changed") from None
        return ChangedRecord(
            str(row[id_field]),
            str(key) if key else None,
            changed_at,
            {name: row.get(name) for name in watched.fields},
            known_values(row, addresses),
        )

    @abstractmethod
    def _page(
        self, query: str, *, table: str | None = None, id_field: str | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Rows of a table, and the query of the next page."""


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
