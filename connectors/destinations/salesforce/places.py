"""Where each record is to be written: by our key as ever, or by an id where Salesforce has made something else of it.

A lead may have been converted: its contact is what people work with from then on. Records may have been merged: the
survivor stands for both. They may have been deleted. And a person may be a contact before we ever heard of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.destinations.salesforce.api import Api
from connectors.destinations.salesforce.contacts import ContactFields
from connectors.kit import Connection, Record, WriteResult

MERGEABLE = ("Account", "Contact", "Lead")
_CONTACT_PREFIX = "003"
_MOST_MERGES = 5  # one after the other: a survivor may have been merged too
_CONVERTED = "the lead was converted"


@dataclass(frozen=True, slots=True)
class Place:
    """`crm_id`: None where the record is upserted by our key. `fields` are what is written there; `keeps_key`: the
    survivor of a merge is to be found by our key from now on. `code` and `message` say what was done otherwise."""

    kind: str
    crm_id: str | None
    fields: Mapping[str, Any]
    keeps_key: bool = False
    code: str | None = None
    message: str | None = None


Decided = Place | WriteResult


class Places:
    """Of one writer. Asks one question for records that were written before, and one or two more where something was
    converted, merged or deleted, or where contacts are looked for.

    `follows`: news of a converted lead go to its contact, whose fields `contacts` knows.
    """

    def __init__(self, connection: Connection, api: Api, kind: str, key_field: str) -> None:
        options = connection.options
        self._api, self._kind, self._key_field = api, kind, key_field
        is_lead = kind == "Lead"
        self._leaves_gone = options.get("gone") == "leave"
        self.follows = is_lead and options.get("converted", "contact") == "contact"
        self._finds = is_lead and bool(options.get("find_contacts")) and connection.subject == "person"
        self._emails = ["Email", *(field.name for field in connection.fields if field.kind == "email")]
        self.contacts = ContactFields(api)
        self._is_watched = kind in MERGEABLE or self._leaves_gone

    def find(self, records: Sequence[Record]) -> dict[str, Decided]:
        """A place for each record by its key, or the result where nothing is to be written."""
        known = [record for record in records if record.crm_id and self._is_watched]
        places: dict[str, Decided] = {record.key: self._by_key(record) for record in records}
        on_contact = [record for record in known if self._is_contact(record.crm_id)]
        if on_contact:
            places |= self._of_contacts({record.key: (record, str(record.crm_id)) for record in on_contact})
        others = [record for record in known if not self._is_contact(record.crm_id)]
        if others:
            places |= self._of_known(others)
        new = [record for record in records if not record.crm_id and not record.update_only]
        if self._finds and new:
            places |= self._of_new(new)
        return places

    def of_converted(self, records: Sequence[Record]) -> dict[str, Decided]:
        """For leads that Salesforce would not write, as they are converted."""
        rows = self._rows_by_key([record.key for record in records])
        return self._converted(
            {record.key: (record, rows[record.key]) for record in records if record.key in rows},
        )

    def _is_contact(self, crm_id: str | None) -> bool:
        return self._kind == "Lead" and crm_id is not None and crm_id.startswith(_CONTACT_PREFIX)

    def _by_key(self, record: Record) -> Place:
        return Place(self._kind, None, record.fields)

    def _rows_by_key(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        names = [self._key_field, *(("IsConverted", "ConvertedContactId") if self._kind == "Lead" else ())]
        before = f"SELECT Id, {', '.join(names)} FROM {self._kind} WHERE {self._key_field} IN ("  # noqa: S608
        return {str(row[self._key_field]): row for row in self._api.query_each(before, keys)}

    def _of_known(self, records: Sequence[Record]) -> dict[str, Decided]:
        rows = self._rows_by_key([record.key for record in records])
        converted = {
            record.key: (record, rows[record.key])
            for record in records
            if rows.get(record.key, {}).get("IsConverted") is True
        }
        places = self._converted(converted) if converted else {}
        lost = {record.key: record for record in records if record.key not in rows}
        return places | (self._lost(lost) if lost else {})

    def _lost(self, records: Mapping[str, Record]) -> dict[str, Decided]:
        """Of records that our key does not find any more."""
        if self._kind not in MERGEABLE:
            return {key: self._gone(record) for key, record in records.items()}
        ids = [str(record.crm_id) for record in records.values()]
        traced = self._trace(self._kind, ids, self._key_field)
        places: dict[str, Decided] = {}
        converted: dict[str, tuple[Record, dict[str, Any]]] = {}
        for key, record in records.items():
            row = traced.get(str(record.crm_id))
            if row is None:
                places[key] = self._gone(record)
            elif row.get(self._key_field) not in (None, "", key):
                places[key] = WriteResult(
                    key, "written", created=False, code="merged_in_crm",
                    message=f"merged there into {row['Id']}, which is the record of another person of ours: left so",
                )  # fmt: skip
            elif row.get("IsConverted") is True:
                converted[key] = (record, row)
            else:
                places[key] = self._at_survivor(record, str(row["Id"]))
        return places | (self._converted(converted) if converted else {})

    def _at_survivor(self, record: Record, crm_id: str) -> Place:
        if crm_id == record.crm_id:
            message = f"{crm_id} had lost our id in {self._key_field}: written by its own, and ours put back"
            return Place(self._kind, crm_id, record.fields, keeps_key=True, code="key_put_back", message=message)
        message = f"merged there into {crm_id}: written to that"
        return Place(self._kind, crm_id, record.fields, keeps_key=True, code="merged_in_crm", message=message)

    def _gone(self, record: Record) -> Decided:
        if self._leaves_gone:
            message = f"{record.crm_id} was deleted there: left so, as options.gone says"
            return WriteResult(record.key, "written", created=False, code="record_gone", message=message)
        return self._by_key(record)

    def _trace(self, kind: str, ids: Sequence[str], key_field: str | None) -> dict[str, dict[str, Any]]:
        """What each id leads to today: itself, or who survived it. Those that are gone are left out."""
        names = ["IsDeleted", "MasterRecordId", *([key_field] if key_field else [])]
        names += ["IsConverted", "ConvertedContactId"] if kind == "Lead" else []
        before = f"SELECT Id, {', '.join(names)} FROM {kind} WHERE Id IN ("  # noqa: S608
        ways = {crm_id: crm_id for crm_id in ids}  # where each began -> where it stands
        rows: dict[str, dict[str, Any]] = {}
        asked: set[str] = set()
        for _ in range(_MOST_MERGES):
            unknown = sorted(set(ways.values()) - asked)
            if not unknown:
                break
            asked.update(unknown)
            rows |= {str(row["Id"]): row for row in self._api.query_each(before, unknown, with_deleted=True)}
            for begin, at in ways.items():
                row = rows.get(at, {})
                if row.get("IsDeleted") and row.get("MasterRecordId"):
                    ways[begin] = str(row["MasterRecordId"])
        return {begin: rows[at] for begin, at in ways.items() if at in rows and not rows[at].get("IsDeleted")}

    def _converted(self, found: Mapping[str, tuple[Record, Mapping[str, Any]]]) -> dict[str, Decided]:
        contacts = {
            key: (record, str(row["ConvertedContactId"]))
            for key, (record, row) in found.items()
            if self.follows and row.get("ConvertedContactId")
        }
        places: dict[str, Decided] = {
            key: WriteResult(key, "written", created=False, code="converted_lead", message=self._left())
            for key in found
            if key not in contacts
        }
        return places | (self._at_contacts(contacts, because=_CONVERTED) if contacts else {})

    def _left(self) -> str:
        why = "its contact is gone" if self.follows else "as options.converted says"
        return f"{_CONVERTED}: left as it is, {why}"

    def _of_contacts(self, known: Mapping[str, tuple[Record, str]]) -> dict[str, Decided]:
        """Of persons whose record is a contact, that may have been merged or deleted since."""
        traced = self._trace("Contact", [crm_id for _, crm_id in known.values()], None)
        alive = {
            key: (record, str(traced[crm_id]["Id"])) for key, (record, crm_id) in known.items() if crm_id in traced
        }
        places: dict[str, Decided] = {key: self._gone(record) for key, (record, _) in known.items() if key not in alive}
        return places | (self._at_contacts(alive, because="the person is a contact") if alive else {})

    def _of_new(self, records: Sequence[Record]) -> dict[str, Decided]:
        """Of persons who may be contacts already."""
        emails = {record.key: self._emails_of(record) for record in records}
        asked = list(dict.fromkeys(email for found in emails.values() for email in found))
        if not asked:
            return {}
        rows = self._api.query_each("SELECT Id, Email FROM Contact WHERE Email IN (", asked)
        by_email: dict[str, set[str]] = {}
        for row in rows:
            by_email.setdefault(str(row.get("Email")).lower(), set()).add(str(row["Id"]))
        places: dict[str, Decided] = {}
        found: dict[str, tuple[Record, str]] = {}
        for record in records:
            ids = set().union(*(by_email.get(email, set()) for email in emails[record.key]))
            if len(ids) == 1:
                found[record.key] = (record, ids.pop())
            elif ids:
                message = f"{len(ids)} contacts have this address: which one was not guessed, a lead was written"
                places[record.key] = Place(self._kind, None, record.fields, code="several_contacts", message=message)
        return places | (self._at_contacts(found, because="a contact has this address") if found else {})

    def _emails_of(self, record: Record) -> list[str]:
        values = (record.fields.get(name) for name in self._emails)
        return list(dict.fromkeys(str(value).strip().lower() for value in values if value))

    def _at_contacts(self, found: Mapping[str, tuple[Record, str]], *, because: str) -> dict[str, Decided]:
        places: dict[str, Decided] = {}
        for key, (record, crm_id) in found.items():
            fields, left_out = self.contacts.of_lead(record.fields)
            told = f"; not on Contact: {', '.join(left_out)}" if left_out else ""
            message = f"{because}: written to the contact {crm_id}{told}"
            places[key] = Place("Contact", crm_id, fields, code="on_contact", message=message)
        return places
