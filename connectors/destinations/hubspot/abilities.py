"""What is asked of HubSpot beside writing: contacts read and erased, properties described and made, people listed and
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import requests

from connectors.destinations.hubspot.answers import raise_for, read_json, read_refusal
from connectors.destinations.hubspot.inputs import read_body
from connectors.destinations.hubspot.objects import CONTACTS, ObjectFacts
from connectors.destinations.hubspot.properties import described_property, missing_properties
from connectors.kit import (
    DescribedField,
    FoundRecord,
    KnownPerson,
    Lookup,
    PeoplePage,
    QuotaError,
    Record,
    SentField,
    TerminalError,
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

BATCH_SIZE = 100
_PAGE = 100
_MOST_FOUND = 200  # in a page of a search
_GONE = "OBJECT_NOT_FOUND"
_OTHER_EMAILS = "hs_additional_emails"  # of a contact that was merged, with a ; between them
_PERSON = {
    "email": "email",
    "phone": "phone",
    "mobile_phone": "mobilephone",
    "first_name": "firstname",
    "last_name": "lastname",
    "company": "company",
}


class HubSpotAbilities:
    """A part of the writer, which has the account's calls."""

    _name: str
    _root: str
    _properties: str
    _key_property: str
    _object: ObjectFacts
    _is_named: bool  # by the mapping
    _fields: tuple[SentField, ...]
    _calls: AuthorizedCalls

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """One call."""
        names = [field.name for field in self._fields]
        found = {}
        for contact in self._read(keys, self._key_property, names):
            properties = contact["properties"]
            key = str(properties.get(self._key_property) or "")
            if key in keys:
                found[key] = FoundRecord(str(contact["id"]), key, {name: properties.get(name) for name in names})
        return found

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """Erases contacts as privacy law asks for it (`gdpr-delete`), which cannot be undone: one call for each record.
        HubSpot does not let an erased address in again. Other objects are archived, all of them by one call.

        One call before them for the ids of those whose `crm_id` is not known.
        """
        check_batch(records, BATCH_SIZE)
        unknown = [record.key for record in records if not record.crm_id]
        ids = {record.key: record.crm_id for record in records if record.crm_id}
        if unknown:
            ids |= {key: found.crm_id for key, found in self.read(unknown).items()}
        if self._object.name != CONTACTS:
            return self._archive(records, ids)
        results: list[WriteResult] = []
        for record in records:
            try:
                results.append(self._erase(record.key, ids.get(record.key)))
            except (TransientError, QuotaError) as error:
                if not results:
                    raise
                waiting = [
                    WriteResult(left.key, "retry", code="not_reached", message=str(error))
                    for left in records[len(results) :]
                ]
                return results + waiting
        return results

    def describe(self) -> tuple[DescribedField, ...]:
        """One call."""
        is_mark_enough = self._object.is_activity
        return tuple(
            described_property(entry, self._key_property, is_mark_enough=is_mark_enough)
            for entry in self._known_properties()
        )

    def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
        """Makes the properties of the mapping that are missing, and the unique one that holds our id: two calls.

        One more for notes and tasks, and another where HubSpot takes no unique one there: it is made without.
        """
        wanted = missing_properties(
            self._known_properties(), self._fields, self._key_property, beside=self._object.named_by
        )
        if wanted and not dry_run:
            key = next((entry for entry in wanted if entry.get("hasUniqueValue")), None)
            if self._object.is_activity and key is not None:
                self._make_key(key)
                wanted_now = [entry for entry in wanted if entry is not key]
            else:
                wanted_now = wanted
            if wanted_now:
                self._make_properties(wanted_now)
        of_object = f" of {self._object.name}" if self._is_named else ""
        return tuple(
            f"property {entry['name']} ({entry['type']}{', unique' if entry.get('hasUniqueValue') else ''}){of_object}"
            for entry in wanted
        )

    def _known_properties(self) -> list[dict[str, Any]]:
        response = self._calls.request("GET", self._properties)
        raise_for(response, self._name)
        found = read_json(response).get("results")
        if not isinstance(found, list):
            raise TransientError(f"{self._name}: the list of properties cannot be read")
        return [entry for entry in found if isinstance(entry, dict)]

    def _make_key(self, key: dict[str, Any]) -> None:
        """With unique values where HubSpot has such properties of this object; `key` says afterwards what was made."""
        headers = {"Content-Type": "application/json"}
        response = self._calls.request("POST", self._properties, orjson.dumps(key), headers)
        if response.status_code == 400:
            del key["hasUniqueValue"]
            self._make_properties([key])
        else:
            raise_for(response, self._name)

    def _make_properties(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        body = orjson.dumps({"inputs": list(wanted)})
        headers = {"Content-Type": "application/json"}
        response = self._calls.request("POST", f"{self._properties}/batch/create", body, headers)
        refusal = read_refusal(read_json(response))
        if response.status_code in (400, 409):
            raise TerminalError(f"{self._name}: HubSpot does not make the properties ({refusal.code})")
        raise_for(response, self._name)
        if errors := read_json(response).get("errors"):
            codes = {read_refusal(error).code for error in errors if isinstance(error, dict)}
            raise TerminalError(f"{self._name}: HubSpot made not all properties ({', '.join(sorted(codes))})")

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """One call for 100 contacts, in the order of their ids, which grow."""
        names = ",".join(self._person_properties())
        after = f"&after={cursor}" if cursor and cursor.isdecimal() else ""
        response = self._calls.request("GET", f"{self._root}?limit={_PAGE}&properties={names}{after}")
        raise_for(response, self._name)
        body = read_json(response)
        return PeoplePage(tuple(map(self._person, self._contacts(response))), _next_page(body))

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """One call for each hundred addresses, one for each hundred spellings of numbers, and one more for each further
        200 contacts that have one of these.

        Addresses are compared with what HubSpot has now, those of merged contacts too; numbers with what its search
        knows, some seconds late.
        """
        contacts: list[dict[str, Any]] = []
        emails, phones = emails_of(lookups), phones_of(lookups)
        for part in parts_of(emails, most=BATCH_SIZE, most_characters=100_000):
            contacts += self._read(part, "email", [*self._person_properties(), _OTHER_EMAILS])
        for part in parts_of(phones, most=BATCH_SIZE, most_characters=100_000):
            contacts += self._search(part)
        others = {
            str(contact["id"]): str(contact["properties"].get(_OTHER_EMAILS) or "").split(";") for contact in contacts
        }
        return people_by_lookup(lookups, map(self._person, contacts), others)

    def _archive(self, records: Sequence[Record], ids: Mapping[str, str]) -> list[WriteResult]:
        """HubSpot says nothing of each: what is not there any more is archived as well."""
        if ids:
            raise_for(self._post("batch/archive", {"inputs": [{"id": crm_id} for crm_id in ids.values()]}), self._name)
        return [
            WriteResult(record.key, "written", crm_id=ids[record.key])
            if record.key in ids
            else WriteResult(record.key, "written", code="record_gone", message="nothing to delete")
            for record in records
        ]

    def _erase(self, key: str, crm_id: str | None) -> WriteResult:
        if crm_id is None:
            return WriteResult(key, "written", code="record_gone", message="nothing to delete")
        response = self._post("gdpr-delete", {"objectId": crm_id})
        if response.status_code == 404 and read_refusal(read_json(response)).code == _GONE:
            return WriteResult(key, "written", crm_id=crm_id, code="record_gone", message="nothing to delete")
        if response.status_code == 400:
            code = read_refusal(read_json(response)).code
            return WriteResult(key, "rejected", crm_id=crm_id, code=code, message="HubSpot did not erase it")
        raise_for(response, self._name)
        return WriteResult(key, "written", crm_id=crm_id)

    def _read(self, ids: Sequence[str], id_property: str, names: Sequence[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        body = read_body(ids, self._key_property, id_property=id_property, more=names)
        response = self._post("batch/read", body)
        if response.status_code == 404 and read_refusal(read_json(response)).code == _GONE:
            return []
        if response.status_code == 400 and self._object.is_activity:
            return self._search_marks(ids, names)
        raise_for(response, self._name)
        return self._contacts(response)

    def _search_marks(self, keys: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
        """Where our key is no unique property nothing is read by it; HubSpot's search knows it, some seconds late."""
        filters = [{"propertyName": self._key_property, "operator": "IN", "values": list(keys)}]
        asked = {"filterGroups": [{"filters": filters}], "properties": [self._key_property, *names]}
        response = self._post("search", {**asked, "limit": _MOST_FOUND, "after": "0", "sorts": []})
        raise_for(response, self._name)
        return self._contacts(response)

    def _search(self, phones: Sequence[str]) -> list[dict[str, Any]]:
        names = person_names(_PERSON, self._fields)
        fields = dict.fromkeys((*names["phone"], *names["mobile_phone"]))
        groups = [
            {"filters": [{"propertyName": name, "operator": "IN", "values": list(phones)}]} for name in list(fields)[:5]
        ]
        contacts: list[dict[str, Any]] = []
        after: str | None = "0"
        while after is not None:
            body = {"filterGroups": groups, "properties": self._person_properties(), "limit": _MOST_FOUND}
            response = self._post("search", {**body, "after": after, "sorts": []})
            raise_for(response, self._name)
            contacts += self._contacts(response)
            after = _next_page(read_json(response))
        return contacts

    def _contacts(self, response: requests.Response) -> list[dict[str, Any]]:
        found = read_json(response).get("results")
        if not isinstance(found, list) or not all(map(_is_contact, found)):
            raise TransientError(f"{self._name}: answered {response.status_code} with something else than contacts")
        return found

    def _person_properties(self) -> list[str]:
        names: Iterable[Sequence[str]] = person_names(_PERSON, self._fields).values()
        return list(dict.fromkeys((*(name for several in names for name in several), self._key_property)))

    def _person(self, contact: Mapping[str, Any]) -> KnownPerson:
        properties = contact["properties"]
        values = known_values(properties, person_names(_PERSON, self._fields))
        return KnownPerson(str(contact["id"]), str(properties.get(self._key_property) or "") or None, values)

    def _post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        return self._calls.request("POST", f"{self._root}/{path}", orjson.dumps(body), headers)


def _is_contact(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(entry.get("id")) and isinstance(entry.get("properties"), dict)


def _next_page(body: Mapping[str, Any]) -> str | None:
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if after else None
