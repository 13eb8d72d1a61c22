"""HubSpot's contacts over the sandbox's records: known by number, e-mail (in lower case) and unique properties.

The records keep what a contact holds; which contact has a unique value is kept here, and read from them at the start
and after a reset. A record's external id is the contact's `afluente_id`; one without gets a name of its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.dialects.hubspot.properties import KEY
from connectors.sandbox.records import SandboxRecords

KIND = "contact"
FIRST_ID = 70_000_000_000  # as long as HubSpot's are
_RECORD_ID = "hs_object_id"


@dataclass(slots=True)
class Contact:
    """`unique` are its values of unique properties; times are seconds since the epoch."""

    number: int
    external_id: str
    unique: dict[str, str]
    created_at: float
    updated_at: float

    @property
    def id(self) -> str:
        return str(FIRST_ID + self.number)


@dataclass(slots=True)
class Change:
    """What one input of a call wants of a contact, or of a new one."""

    contact: Contact | None
    properties: dict[str, str]


@dataclass(slots=True)
class Draft:
    """Changes that are agreed to, not made: whose unique values would be whose, contacts by the change's place."""

    changes: list[Change] = field(default_factory=list)
    owners: dict[tuple[str, str], int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    contact: Contact
    is_new: bool
    is_changed: bool


class Contacts:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(self, records: SandboxRecords, unique: set[str]) -> None:
        self._records = records
        self.unique = unique  # names of properties
        self._load()

    def refresh(self) -> None:
        """After a reset of the sandbox nothing is known any more."""
        if self._resets != self._records.resets:
            self._load()

    def find(self, name: str, value: str) -> Contact | None:
        """By the record's id or a unique property."""
        if name == _RECORD_ID:
            return self._by_number.get(int(value) - FIRST_ID) if value.isascii() and value.isdigit() else None
        return self._by_value.get((name, _folded(name, value)))

    def all(self) -> list[Contact]:
        return list(self._by_number.values())

    def fields(self, contact: Contact) -> dict[str, Any]:
        found = self._records.find(KIND, contact.external_id)
        return found[1] if found else {}

    def owner_of(self, name: str, value: str, contact: Contact | None, draft: Draft) -> str | None:
        """The id of another contact that has this unique value already ("" for one that this call makes), or None."""
        wanted = (name, _folded(name, value))
        mine = contact.number if contact else None
        if wanted in draft.owners:
            owner = draft.owners[wanted]
            return None if owner is None or owner == mine else "" if owner < 0 else str(FIRST_ID + owner)
        found = self._by_value.get(wanted)
        return None if found is None or found.number == mine else found.id

    def agree(self, change: Change, draft: Draft) -> None:
        number = change.contact.number if change.contact else -1 - len(draft.changes)
        for name, value in change.properties.items():
            if name in self.unique:
                if change.contact and name in change.contact.unique:
                    draft.owners.setdefault((name, change.contact.unique[name]), None)
                if value:
                    draft.owners[name, _folded(name, value)] = number
        draft.changes.append(change)

    def make(self, draft: Draft) -> list[Written]:
        """Make all agreed changes, in one transaction; one contact may be changed several times."""
        wanted: dict[str, dict[str, Any]] = {}
        names: list[str] = []
        for change in draft.changes:
            external_id = self._external_id(change)
            if change.contact and external_id != change.contact.external_id:
                self._records.rename(KIND, change.contact.external_id, external_id)
                change.contact.external_id = external_id
            names.append(external_id)
            values = {name: _folded(name, value) or None for name, value in change.properties.items()}
            wanted[external_id] = {**wanted.get(external_id, {}), **values}
        stored = self._records.upsert(KIND, wanted)
        now = time.time()
        written = []
        for change, external_id in zip(draft.changes, names, strict=True):
            record = stored[external_id]
            contact = self._by_number.get(record.number)
            if contact is None:
                contact = self._by_number[record.number] = Contact(record.number, external_id, {}, now, now)
            contact.updated_at = now
            self._index(contact, change.properties)
            written.append(Written(contact, record.is_created, record.is_changed))
        return written

    def remove(self, contact: Contact) -> None:
        self._records.delete(KIND, [contact.external_id])
        del self._by_number[contact.number]
        self._index(contact, dict.fromkeys(contact.unique, ""))

    def _load(self) -> None:
        self._resets = self._records.resets
        self._by_number: dict[int, Contact] = {}
        self._by_value: dict[tuple[str, str], Contact] = {}
        now = time.time()
        for record in self._records.stream():
            contact = Contact(record["id"], record["external_id"], {}, now, now)
            self._by_number[contact.number] = contact
            self._index(contact, record["fields"])

    def _index(self, contact: Contact, values: Mapping[str, str]) -> None:
        for name in self.unique & values.keys():
            former = contact.unique.pop(name, None)
            if former is not None and self._by_value.get((name, former)) is contact:
                del self._by_value[name, former]
            if value := _folded(name, values[name]):
                contact.unique[name] = value
                self._by_value[name, value] = contact

    @staticmethod
    def _external_id(change: Change) -> str:
        key = change.properties.get(KEY)
        if key:
            return key
        if change.contact and key is None:
            return change.contact.external_id
        return f"contact-{secrets.token_hex(8)}"


def _folded(name: str, value: str) -> str:
    return value.strip().lower() if name == "email" else value
