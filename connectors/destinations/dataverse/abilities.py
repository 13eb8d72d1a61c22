"""What is asked of Dataverse beside writing: rows read and deleted, the table described and extended, people listed and
found.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import orjson
import requests

from connectors.destinations.dataverse.answers import Answer, Names, answers_by_record, deletion_of
from connectors.destinations.dataverse.metadata import column_to_make, described_columns, key_to_make, kind_of
from connectors.kit import (
    DescribedField,
    FoundRecord,
    KnownPerson,
    Lookup,
    PeoplePage,
    Record,
    SentField,
    TerminalError,
    TransientError,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.destinations.people import (
    asked_of_fields,
    known_values,
    parts_of,
    people_by_lookup,
    person_names,
)
from connectors.kit.multipart import Part, write_message, write_parts

_MOST_PARTS = 1_000
_PAGE = 500
_MOST_CHARACTERS = 20_000  # of values in a question; an address may have 32,768
_CHOICES = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options)"
_COLUMN = re.compile(r"[A-Za-z_]\w*")
_PERSON = {
    "email": "emailaddress1",
    "phone": "telephone1",
    "mobile_phone": "mobilephone",
    "first_name": "firstname",
    "last_name": "lastname",
}
_STANDARD = {"leads": {**_PERSON, "company": "companyname"}, "contacts": _PERSON}


class DataverseAbilities(ABC):
    """A part of the writer, which has the account's calls."""

    _name: str
    _names: Names
    _object: str | None
    _root: str
    _fields: tuple[SentField, ...]
    _calls: AuthorizedCalls

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """One call. References to other records (`@odata.bind`) are not read."""
        if not keys:
            return {}
        columns = [field.name for field in self._fields if _COLUMN.fullmatch(field.name)]
        names = self._names
        rows, _ = self._rows([names.key_field, *columns], _is_one_of(names.key_field, keys))
        return {
            str(row[names.key_field]): FoundRecord(
                str(row[names.id_field]), str(row[names.key_field]), {name: row.get(name) for name in columns}
            )
            for row in rows
            if row.get(names.key_field)
        }

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call. What hangs on a row (notes, tasks) goes or stays as the table's relations say."""
        check_batch(records, _MOST_PARTS)
        if not records:
            return []
        answers = self._send_batch(records, self._deletion)
        return [deletion_of(record, answer) for record, answer in zip(records, answers, strict=True)]

    def describe(self) -> tuple[DescribedField, ...]:
        """Three calls: which table it is, its columns, and the numbers of its choices."""
        table, keys = self._table()
        attributes = self._values(f"{table}/Attributes")
        choices = {}
        of_choices = (
            "Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options)"
        )
        for attribute in self._values(f"{table}/Attributes/{of_choices}"):
            options = (attribute.get("OptionSet") or {}).get("Options") or []
            choices[str(attribute.get("LogicalName"))] = tuple(str(option.get("Value")) for option in options)
        key = self._names.key_field
        return described_columns(attributes, choices, key if keys.get(key) == "Active" else None)

    def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
        """Makes columns of the mapping that are missing and have a publisher's prefix, the one that holds our id, and
        its alternate key. Four calls, and one for each of them. Dataverse builds the key's index in its own time.

        Raises TerminalError where the user may not change the table.
        """
        there = {described.name for described in self.describe()}
        of_table = f" of {self._object}" if self._object else ""
        table, keys = self._table()
        key = SentField(self._names.key_field, max_length=100)
        made = []
        for field in (key, *self._fields):
            if field.name in there or not (_COLUMN.fullmatch(field.name) and "_" in field.name):
                continue
            body = column_to_make(field)
            if not dry_run:
                self._make(f"{table}/Attributes", body)
            made.append(f"column {field.name} ({kind_of(body)}){of_table}")
        if key.name not in keys:
            if not dry_run:
                self._make(f"{table}/Keys", key_to_make(key.name))
            made.append(f"alternate key of {key.name}{of_table}")
        return tuple(made)

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """One call for 500 people in the order in which they were made; of leads only those that are open, as nobody
        may change the others. The cursor is Dataverse's."""
        if cursor is None:
            where = "statecode eq 0" if self._names.table == "leads" else ""
            query = self._query(self._person_columns(), where, order=f"createdon asc,{self._names.id_field} asc")
        else:
            query = cursor
        rows, following = self._page(query)
        return PeoplePage(tuple(map(self._person, rows)), following)

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """One call for addresses and one for numbers; one more where they are too many for an address. Of leads only
        those that are open."""
        people: list[KnownPerson] = []
        names = person_names(_STANDARD.get(self._names.table, {}), self._fields)
        for columns, values in asked_of_fields(lookups, names):
            most = _MOST_CHARACTERS // (2 * max(1, len(columns)))
            for part in parts_of(values if columns else [], most=400 // len(columns or "-"), most_characters=most):
                where = " or ".join(_is_one_of(column, part) for column in columns)
                if self._names.table == "leads":
                    where = f"({where}) and statecode eq 0"
                rows, _ = self._rows(self._person_columns(), where)
                people += map(self._person, rows)
        return people_by_lookup(lookups, people)

    def _person_columns(self) -> list[str]:
        names = person_names(_STANDARD.get(self._names.table, {}), self._fields)
        return list(dict.fromkeys((self._names.key_field, *(name for several in names.values() for name in several))))

    def _person(self, row: Mapping[str, Any]) -> KnownPerson:
        values = known_values(row, person_names(_STANDARD.get(self._names.table, {}), self._fields))
        key = row.get(self._names.key_field)
        return KnownPerson(str(row[self._names.id_field]), str(key) if key else None, values)

    def _deletion(self, place: int, record: Record) -> Part:
        literal = record.key.replace("'", "''")
        row = quote(record.crm_id or f"{self._names.key_field}='{literal}'", safe="='")
        line = f"DELETE {self._root}/{self._names.table}({row}) HTTP/1.1"
        return Part(
            {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary", "Content-ID": str(place)},
            write_message(line, {"Accept": "application/json"}, b""),
        )

    def _table(self) -> tuple[str, dict[str, str]]:
        """Address of the table's description, and the state of the alternate key that a column is by itself."""
        wanted = quote(f"EntitySetName eq '{self._names.table}'")
        of_keys = "$expand=Keys($select=KeyAttributes,EntityKeyIndexStatus)"
        found = self._values(f"EntityDefinitions?$select=LogicalName&$filter={wanted}&{of_keys}")
        if not found:
            raise TerminalError(
                f"{self._name}: there is no table {self._names.table}: options.table is an entity set name, as leads"
            )
        keys = {}
        for key in found[0].get("Keys") or []:
            columns = key.get("KeyAttributes") or []
            if len(columns) == 1:
                keys[str(columns[0])] = str(key.get("EntityKeyIndexStatus"))
        return f"EntityDefinitions(LogicalName='{found[0].get('LogicalName')}')", keys

    def _make(self, path: str, body: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        self._raise_for(self._calls.request("POST", f"{self._root}/{path}", orjson.dumps(body), headers))

    def _rows(self, columns: Sequence[str], where: str) -> tuple[list[dict[str, Any]], str | None]:
        """All pages."""
        rows, following = self._page(self._query(columns, where))
        while following is not None:
            more, following = self._page(following)
            rows += more
        return rows, None

    def _query(self, columns: Sequence[str], where: str, *, order: str = "") -> str:
        selected = ",".join(dict.fromkeys((self._names.id_field, *columns)))
        parts = [f"$select={selected}"]
        parts += [f"$filter={quote(where)}"] if where else []
        return "&".join(parts + ([f"$orderby={quote(order)}"] if order else []))

    def _page(
        self, query: str, *, table: str | None = None, id_field: str | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Rows, and the query of the next page; of the writer's own table if not of another."""
        table, id_field = table or self._names.table, id_field or self._names.id_field
        headers = {"Prefer": f"odata.maxpagesize={_PAGE}"}
        response = self._calls.request("GET", f"{self._root}/{table}?{query}", headers=headers)
        self._raise_for(response)
        body = _object(response)
        rows = body.get("value")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get(id_field) for row in rows):
            raise TransientError(f"{self._name}: answered {response.status_code} with something else than rows")
        following = body.get("@odata.nextLink")
        return rows, urlsplit(following).query if isinstance(following, str) else None

    def _values(self, path: str) -> list[dict[str, Any]]:
        response = self._calls.request("GET", f"{self._root}/{path}")
        self._raise_for(response)
        found = _object(response).get("value")
        if not isinstance(found, list):
            raise TransientError(f"{self._name}: answered {response.status_code} with something else than a list")
        return [entry for entry in found if isinstance(entry, dict)]

    def _send_batch(self, records: Sequence[Record], part: Callable[[int, Record], Part]) -> list[Answer | None]:
        """One call; what Dataverse says of each record, in order. `part`: of the record's place, from 1, and itself.
        Raises QuotaError, without a call, while Dataverse's time to wait is not over."""
        self._require_time_to_call()
        boundary = f"batch_{uuid4()}"
        headers = {"Content-Type": f'multipart/mixed; boundary="{boundary}"', "Prefer": "odata.continue-on-error"}
        parts = [part(place, record) for place, record in enumerate(records, start=1)]
        response = self._calls.request("POST", f"{self._root}/$batch", write_parts(parts, boundary), headers)
        answers = answers_by_record(response, records, self._names)
        if answers is None:
            self._raise_for(response, records)
            raise TransientError(f"{self._name}: answered {response.status_code} with something else than a batch")
        self._note_limits(answers)
        return answers

    @abstractmethod
    def _raise_for(self, response: requests.Response, records: Sequence[Record] = ()) -> None:
        """What an answer of a whole call comes to, if not success."""

    @abstractmethod
    def _require_time_to_call(self) -> None:
        """Raises QuotaError while calls are held back."""

    @abstractmethod
    def _note_limits(self, answers: Sequence[Answer | None]) -> None:
        """Hold calls back where a record was refused for want of a limit."""


def _is_one_of(column: str, values: Sequence[str]) -> str:
    listed = ",".join("'{}'".format(value.replace("'", "''")) for value in values)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues=[{listed}])"


def _object(response: requests.Response) -> dict[str, Any]:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
