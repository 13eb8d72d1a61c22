"""Rows of one object of HubSpot, such as contacts, over the sandbox's records: known by number, e-mail (in lower case)
and unique properties.

The records keep what a row holds; which row has a unique value is kept here, and read from them at the start and
after a reset. A record's external id is the row's `afluente_id`; one without, or where two may have the same, gets a
name of its own. What a row is associated with stands in its record too, below `associations.` and the object's name.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.dialects.hubspot.properties import KEY
from connectors.sandbox.records import SandboxRecords

ASSOCIATED = "associations."
FIRST_ID = 70_000_000_000  # as long as HubSpot's are
_RECORD_ID = "hs_object_id"


@dataclass(slots=True)
class Row:
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
    """What one input of a call wants of a row, or of a new one."""

    row: Row | None
    properties: dict[str, str]


@dataclass(slots=True)
class Draft:
    """Changes that are agreed to, not made: whose unique values would be whose, rows by the change's place."""

    changes: list[Change] = field(default_factory=list)
    owners: dict[tuple[str, str], int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    row: Row
    is_new: bool
    is_changed: bool


class Rows:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(self, records: SandboxRecords, kind: str, unique: set[str]) -> None:
        self._records = records
        self._kind = kind
        self.unique = unique  # names of properties
        self._load()

    def refresh(self) -> None:
        """After a reset of the sandbox nothing is known any more."""
        if self._resets != self._records.resets:
            self._load()

    def find(self, name: str, value: str) -> Row | None:
        """By the record's id or a unique property."""
        if name == _RECORD_ID:
            return self._by_number.get(int(value) - FIRST_ID) if value.isascii() and value.isdigit() else None
        return self._by_value.get((name, _folded(name, value)))

    def all(self) -> list[Row]:
        return list(self._by_number.values())

    def fields(self, row: Row) -> dict[str, Any]:
        found = self._records.find(self._kind, row.external_id)
        return found[1] if found else {}

    def owner_of(self, name: str, value: str, row: Row | None, draft: Draft) -> str | None:
        """The id of another row that has this unique value already ("" for one that this call makes), or None."""
        wanted = (name, _folded(name, value))
        mine = row.number if row else None
        if wanted in draft.owners:
            owner = draft.owners[wanted]
            return None if owner is None or owner == mine else "" if owner < 0 else str(FIRST_ID + owner)
        found = self._by_value.get(wanted)
        return None if found is None or found.number == mine else found.id

    def agree(self, change: Change, draft: Draft) -> None:
        number = change.row.number if change.row else -1 - len(draft.changes)
        for name, value in change.properties.items():
            if name in self.unique:
                if change.row and name in change.row.unique:
                    draft.owners.setdefault((name, change.row.unique[name]), None)
                if value:
                    draft.owners[name, _folded(name, value)] = number
        draft.changes.append(change)

    def make(self, draft: Draft) -> list[Written]:
        """Make all agreed changes, in one transaction; one row may be changed several times."""
        wanted: dict[str, dict[str, Any]] = {}
        names: list[str] = []
        for change in draft.changes:
            external_id = self._external_id(change)
            if change.row and external_id != change.row.external_id:
                self._records.rename(self._kind, change.row.external_id, external_id)
                change.row.external_id = external_id
            names.append(external_id)
            values = {name: _folded(name, value) or None for name, value in change.properties.items()}
            wanted[external_id] = {**wanted.get(external_id, {}), **values}
        stored = self._records.upsert(self._kind, wanted)
        now = time.time()
        written = []
        for change, external_id in zip(draft.changes, names, strict=True):
            record = stored[external_id]
            row = self._by_number.get(record.number)
            if row is None:
                row = self._by_number[record.number] = Row(record.number, external_id, {}, now, now)
            row.updated_at = now
            self._index(row, change.properties)
            written.append(Written(row, record.is_created, record.is_changed))
        return written

    def remove(self, row: Row) -> None:
        self._records.delete(self._kind, [row.external_id])
        del self._by_number[row.number]
        self._index(row, dict.fromkeys(row.unique, ""))

    def associated(self, row: Row, name: str) -> list[str]:
        """Ids of rows of the object `name`."""
        found: list[str] = self.fields(row).get(f"{ASSOCIATED}{name}") or []
        return found

    def associate(self, wanted: Mapping[str, Mapping[str, list[str]]]) -> None:
        """Ids that each row, named by its id, is associated with from now on, by the other object's name."""
        fields = {
            row.external_id: {f"{ASSOCIATED}{name}": ids or None for name, ids in lists.items()}
            for crm_id, lists in wanted.items()
            if (row := self.find(_RECORD_ID, crm_id)) is not None
        }
        if fields:
            self._records.upsert(self._kind, fields)

    def _load(self) -> None:
        self._resets = self._records.resets
        self._by_number: dict[int, Row] = {}
        self._by_value: dict[tuple[str, str], Row] = {}
        now = time.time()
        for record in self._records.stream():
            if record["object"] != self._kind:
                continue
            row = Row(record["id"], record["external_id"], {}, now, now)
            self._by_number[row.number] = row
            self._index(row, record["fields"])

    def _index(self, row: Row, values: Mapping[str, str]) -> None:
        for name in self.unique & values.keys():
            former = row.unique.pop(name, None)
            if former is not None and self._by_value.get((name, former)) is row:
                del self._by_value[name, former]
            if value := _folded(name, values[name]):
                row.unique[name] = value
                self._by_value[name, value] = row

    def _external_id(self, change: Change) -> str:
        key = change.properties.get(KEY) if KEY in self.unique else None
        if key:
            return key
        if change.row and key is None:
            return change.row.external_id
        return f"{self._kind}-{secrets.token_hex(8)}"


def _folded(name: str, value: str) -> str:
    return value.strip().lower() if name == "email" else value
