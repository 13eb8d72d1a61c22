"""What is asked of Salesforce beside writing: records read and deleted, the object described, people listed and found.

Questions are SOQL in the address of a GET, which may have 16,384 characters: long lists are asked for in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
import requests

from connectors.kit import (
    DescribedField,
    FoundRecord,
    KnownPerson,
    Lookup,
    PeoplePage,
    Record,
    SentField,
    TransientError,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.destinations.people import (
    emails_of,
    known_values,
    parts_of,
    people_by_lookup,
    person_names,
    phones_of,
)

BATCH_SIZE = 200
_MOST_CHARACTERS = 11_000  # of values in a question, percent-encoded; the rest is for its other words
_NAME = re.compile(r"[A-Za-z]\w*")
GONE = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"}  # codes of an id that nothing has
_PERSON = {
    "email": "Email",
    "phone": "Phone",
    "mobile_phone": "MobilePhone",
    "first_name": "FirstName",
    "last_name": "LastName",
    "full_name": "Name",
}
_KINDS = {
    "string": "text",
    "textarea": "text",
    "encryptedstring": "text",
    "id": "text",
    "combobox": "text",
    "email": "email",
    "phone": "phone",
    "url": "url",
    "picklist": "picklist",
    "multipicklist": "list",
    "int": "integer",
    "double": "number",
    "currency": "number",
    "percent": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
}


class SalesforceAbilities:
    """A part of the writer, which has the account's calls."""

    _name: str
    _base_url: str
    _root: str
    _object: str
    _key_field: str
    _fields: tuple[SentField, ...]
    _calls: AuthorizedCalls

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """One call, and another for each page where Salesforce gives fewer records at once than were asked for."""
        if not keys:
            return {}
        names = [field.name for field in self._fields if _NAME.fullmatch(field.name) and not field.name.endswith("__r")]
        rows = self._query(self._select([self._key_field, *names], f"{self._key_field} IN ({_listed(keys)})"))
        return {
            str(row[self._key_field]): FoundRecord(
                str(row["Id"]), str(row[self._key_field]), {name: row.get(name) for name in names}
            )
            for row in rows
        }

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call, and one before it that looks for the ids of records whose `crm_id` is not known. What is deleted
        lies in Salesforce's recycle bin for fifteen days."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        ids = {record.key: record.crm_id for record in records if record.crm_id}
        unknown = [record.key for record in records if record.key not in ids]
        if unknown:
            ids |= self._read_ids(unknown)
        wanted = [ids[record.key] for record in records if record.key in ids]
        answers = self._delete(wanted) if wanted else {}
        return [_deleted(record.key, ids.get(record.key), answers) for record in records]

    def describe(self) -> tuple[DescribedField, ...]:
        """One call."""
        described = _object_of(self._get(f"{self._root}/sobjects/{quote(self._object)}/describe"))
        fields = described.get("fields")
        if not isinstance(fields, list):
            raise TransientError(f"{self._name}: the description of {self._object} cannot be read")
        return tuple(self._described(field) for field in fields if isinstance(field, dict) and field.get("name"))

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """One call for 200 people, those whose lead was converted left out: Salesforce lets nobody change them.

        In the order of Salesforce's ids, which grow; the cursor is the last one.
        """
        after = f"Id > '{_escaped(cursor)}'" if cursor else ""
        where = " AND ".join(part for part in (after, self._open_only()) if part)
        soql = self._select([*self._person_fields(), self._key_field], where, f"ORDER BY Id LIMIT {BATCH_SIZE}")
        people = tuple(map(self._person, self._query(soql)))
        return PeoplePage(people, people[-1].crm_id if len(people) == BATCH_SIZE else None)

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """One call for e-mails and one for phones; one more where they are too many for an
        address."""
        people: list[KnownPerson] = []
        names = person_names(self._standard(), self._fields)
        for canonical, values in (("email", emails_of(lookups)), ("phone", phones_of(lookups))):
            fields = [field for name in (canonical, f"mobile_{canonical}") for field in names.get(name, ())]
            most = _MOST_CHARACTERS // (2 * max(1, len(fields)))  # each stands once for a field, percent-encoded
            for part in parts_of(values, most=len(values), most_characters=most, around=7):
                where = " OR ".join(f"{field} IN ({_listed(part)})" for field in fields)
                where = f"({where}) AND {self._open_only()}" if self._open_only() else where
                people += map(self._person, self._query(self._select([*self._person_fields(), self._key_field], where)))
        return people_by_lookup(lookups, people)

    def _standard(self) -> dict[str, str]:
        return _PERSON | ({"company": "Company"} if self._object == "Lead" else {})

    def _open_only(self) -> str:
        return "IsConverted = false" if self._object == "Lead" else ""

    def _person_fields(self) -> list[str]:
        names = person_names(self._standard(), self._fields)
        return list(dict.fromkeys(field for fields in names.values() for field in fields))

    def _person(self, row: Mapping[str, Any]) -> KnownPerson:
        key = row.get(self._key_field)
        values = known_values(row, person_names(self._standard(), self._fields))
        return KnownPerson(str(row["Id"]), str(key) if key else None, values)

    def _described(self, field: Mapping[str, Any]) -> DescribedField:
        values = field.get("picklistValues")
        active = tuple(
            str(value.get("value"))
            for value in (values if isinstance(values, list) else [])
            if isinstance(value, dict) and value.get("active", True)
        )
        is_writable = bool(field.get("createable")) and bool(field.get("updateable"))
        word = str(field.get("type"))
        length = field.get("length")
        return DescribedField(
            str(field["name"]),
            _KINDS.get(word, word),
            max_length=length if isinstance(length, int) and length > 0 else None,
            is_required=is_writable and not field.get("nillable", True) and not field.get("defaultedOnCreate"),
            is_writable=is_writable,
            values=active if field.get("restrictedPicklist") and active else None,
            is_key=field["name"] == self._key_field and bool(field.get("externalId")) and bool(field.get("unique")),
        )

    def _read_ids(self, keys: Sequence[str]) -> dict[str, str]:
        rows = self._query(self._select([self._key_field], f"{self._key_field} IN ({_listed(keys)})"))
        return {str(row[self._key_field]): str(row["Id"]) for row in rows}

    def _delete(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Salesforce's answer for each id."""
        listed = quote(",".join(ids), safe=",")
        response = self._calls.request("DELETE", f"{self._root}/composite/sobjects?ids={listed}&allOrNone=false")
        self._raise_for(response)
        answers = _json(response)
        if not isinstance(answers, list) or len(answers) != len(ids):
            raise TransientError(f"{self._name}: answered with something else than one result for each record")
        return {crm_id: answer for crm_id, answer in zip(ids, answers, strict=True) if isinstance(answer, dict)}

    def _select(self, fields: Sequence[str], where: str, rest: str = "") -> str:
        names = ", ".join(dict.fromkeys(("Id", *fields)))
        question = f"SELECT {names} FROM {self._object}"  # noqa: S608 - SOQL reads only, and values are escaped
        return " ".join(part for part in (question, f"WHERE {where}" if where else "", rest) if part)

    def _query(self, soql: str) -> list[dict[str, Any]]:
        return [row for page in self._pages(f"{self._root}/query?q={quote(soql)}") for row in page]

    def _pages(self, url: str) -> Iterator[list[dict[str, Any]]]:
        while True:
            answer = _object_of(self._get(url))
            rows = answer.get("records")
            if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("Id") for row in rows):
                raise TransientError(f"{self._name}: the answer to a query cannot be read")
            yield rows
            more = answer.get("nextRecordsUrl")
            if answer.get("done") is not False or not isinstance(more, str) or not more.startswith("/"):
                return
            url = self._base_url + more

    def _get(self, url: str) -> Any:
        response = self._calls.request("GET", url)
        self._raise_for(response)
        return _json(response)

    def _raise_for(self, response: requests.Response) -> None:
        raise NotImplementedError


def _deleted(key: str, crm_id: str | None, answers: Mapping[str, Mapping[str, Any]]) -> WriteResult:
    if crm_id is None:
        return WriteResult(key, "written", code="record_gone", message="nothing to delete")
    answer = answers.get(crm_id)
    if answer is None or not isinstance(answer.get("success"), bool):
        return WriteResult(key, "retry", crm_id=crm_id, code="no_result", message="the answer says nothing of it")
    if answer["success"]:
        return WriteResult(key, "written", crm_id=crm_id)
    errors = [error for error in answer.get("errors") or [] if isinstance(error, dict)]
    code = str((errors[0] if errors else {}).get("statusCode") or "no_reason_given")
    if code in GONE:
        return WriteResult(key, "written", crm_id=crm_id, code="record_gone", message="nothing to delete")
    state = "retry" if code == "UNABLE_TO_LOCK_ROW" else "rejected"
    return WriteResult(key, state, crm_id=crm_id, code=code, message="Salesforce did not delete it")


def _listed(values: Sequence[str]) -> str:
    return ",".join(f"'{_escaped(value)}'" for value in values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _json(response: requests.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def _object_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
