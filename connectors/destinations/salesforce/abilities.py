"""What is asked of Salesforce beside writing: records read and deleted, the object described, people listed, found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.destinations.salesforce.answers import GONE
from connectors.destinations.salesforce.api import BATCH_SIZE, MOST_CHARACTERS, Api, escaped, listed
from connectors.destinations.salesforce.places import Places
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
from connectors.kit.destinations.people import (
    asked_of_fields,
    known_values,
    parts_of,
    people_by_lookup,
    person_names,
)

CONTACT_PREFIX = "003"
_NAME = re.compile(r"[A-Za-z]\w*")
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
    """A part of the writer."""

    _api: Api
    _object: str
    _key_field: str
    _fields: tuple[SentField, ...]
    _places: Places

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """One call, and another for each page where Salesforce gives fewer records at once than were asked for. Where a
        lead was converted its contact is what is written to, and read: that takes one more."""
        if not keys:
            return {}
        names = [field.name for field in self._fields if _NAME.fullmatch(field.name) and not field.name.endswith("__r")]
        more = ["ConvertedContactId"] if self._places.follows else []
        asked = self._select([self._key_field, *names, *more], f"{self._key_field} IN ({listed(keys)})")
        rows = {str(row[self._key_field]): row for row in self._api.query(asked)}
        found = {
            key: FoundRecord(str(row["Id"]), key, {name: row.get(name) for name in names}) for key, row in rows.items()
        }
        contacts = {key: str(row["ConvertedContactId"]) for key, row in rows.items() if row.get("ConvertedContactId")}
        return found | (self._read_contacts(contacts, names) if contacts else {})

    def _read_contacts(self, contacts: Mapping[str, str], names: Sequence[str]) -> dict[str, FoundRecord]:
        """Values of contacts by the names that a lead's fields have; `contacts`: ids by our key."""
        named = self._places.contacts.named(names)
        asked = ", ".join(dict.fromkeys(("Id", *named.values())))
        before = f"SELECT {asked} FROM Contact WHERE Id IN ("  # noqa: S608 - SOQL reads only
        rows = {str(row["Id"]): row for row in self._api.query_each(before, list(dict.fromkeys(contacts.values())))}
        return {
            key: FoundRecord(crm_id, key, {name: rows[crm_id].get(there) for name, there in named.items()})
            for key, crm_id in contacts.items()
            if crm_id in rows
        }

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call, and one before it that looks for the ids of records whose `crm_id` is not known, or is that of the
        contact which a lead became: then both go. What is deleted lies in Salesforce's recycle bin for fifteen days."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        contacts = {record.key: record.crm_id for record in records if self._is_contact_of_lead(record.crm_id)}
        ids = {record.key: record.crm_id for record in records if record.crm_id and record.key not in contacts}
        unknown = [record.key for record in records if record.key not in ids]
        if unknown:
            ids |= self._read_ids(unknown)
        answers: dict[str, Mapping[str, Any]] = {}
        for found in (ids, contacts):
            wanted = list(dict.fromkeys(crm_id for crm_id in found.values() if crm_id))
            answers |= self._api.delete(wanted) if wanted else {}
        results = []
        for record in records:
            gone = [
                _deleted(record.key, found[record.key], answers) for found in (contacts, ids) if record.key in found
            ]
            left = next((result for result in gone if result.state != "written"), None)
            results.append(left or (gone[0] if gone else _deleted(record.key, None, answers)))
        return results

    def _is_contact_of_lead(self, crm_id: str | None) -> bool:
        return self._object == "Lead" and crm_id is not None and crm_id.startswith(CONTACT_PREFIX)

    def describe(self) -> tuple[DescribedField, ...]:
        """One call."""
        return tuple(self._described(field) for field in self._api.describe(self._object))

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """One call for 200 people, those whose lead was converted left out: Salesforce lets nobody change them.

        In the order of Salesforce's ids, which grow; the cursor is the last one.
        """
        after = f"Id > '{escaped(cursor)}'" if cursor else ""
        where = " AND ".join(part for part in (after, self._open_only()) if part)
        soql = self._select([*self._person_fields(), self._key_field], where, f"ORDER BY Id LIMIT {BATCH_SIZE}")
        people = tuple(map(self._person, self._api.query(soql)))
        return PeoplePage(people, people[-1].crm_id if len(people) == BATCH_SIZE else None)

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """One call for e-mails and one for phones; one more where they are too many for an
        address."""
        people: list[KnownPerson] = []
        names = person_names(self._standard(), self._fields)
        for fields, values in asked_of_fields(lookups, names):
            most = MOST_CHARACTERS // (2 * max(1, len(fields)))  # each stands once for a field, percent-encoded
            for part in parts_of(values, most=len(values), most_characters=most, around=7):
                where = " OR ".join(f"{field} IN ({listed(part)})" for field in fields)
                where = f"({where}) AND {self._open_only()}" if self._open_only() else where
                people += map(
                    self._person, self._api.query(self._select([*self._person_fields(), self._key_field], where))
                )
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
        rows = self._api.query(self._select([self._key_field], f"{self._key_field} IN ({listed(keys)})"))
        return {str(row[self._key_field]): str(row["Id"]) for row in rows}

    def _select(self, fields: Sequence[str], where: str, rest: str = "") -> str:
        names = ", ".join(dict.fromkeys(("Id", *fields)))
        question = f"SELECT {names} FROM {self._object}"  # noqa: S608 - SOQL reads only, and values are escaped
        return " ".join(part for part in (question, f"WHERE {where}" if where else "", rest) if part)


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
