"""Rows of the tables over the sandbox's records, and changes of them that happen together or not at all.

A row that has our id is kept under it; another is kept under `id=` and its own id, which then stands in its fields.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from connectors.sandbox.dialects.dataverse.addresses import Address
from connectors.sandbox.dialects.dataverse.errors import refusal
from connectors.sandbox.dialects.dataverse.rules import BIND, Table, bound_to
from connectors.sandbox.records import SandboxRecords

_ID_TAIL = "11f1-8000-0022482746b6"


def guid_of(number: int) -> str:
    """The id that Dataverse would have made for the sandbox's record number."""
    return f"{number >> 16:08x}-{number & 0xFFFF:04x}-{_ID_TAIL}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is stored: `fields` without its id and our key."""

    table: Table
    kept_as: str
    guid: str
    fields: Mapping[str, Any] = field(repr=False)
    changed_at: float = 0.0  # seconds of the epoch; 0: nobody looked

    @property
    def modified_on(self) -> str:
        return datetime.fromtimestamp(int(self.changed_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def key(self) -> str | None:
        return None if self.kept_as.startswith("id=") else self.kept_as

    @property
    def etag(self) -> str:
        return f'W/"{zlib.crc32(orjson.dumps(self.fields, option=orjson.OPT_SORT_KEYS))}"'

    def values(self) -> dict[str, Any]:
        keyed = {} if self.key is None else {self.table.key_column: self.key}
        modified = {"modifiedon": self.modified_on} if self.changed_at else {}
        references = {
            f"_{name.removesuffix(BIND).lower()}_value": bound_to(value)[1]
            for name, value in self.fields.items()
            if name.endswith(BIND) and value
        }
        return {
            "@odata.etag": self.etag,
            self.table.id_column: self.guid,
            **keyed,
            **modified,
            **references,
            **self.fields,
        }


@dataclass(slots=True)
class Outcome:
    """What became of one row; `row` is None where it was deleted."""

    row: Row | None
    is_created: bool = False
    is_changed: bool = False


class Changes:
    """Changes that are made together by `commit`. What is asked sees those that wait already."""

    def __init__(self, records: SandboxRecords) -> None:
        self._records = records
        self._wanted: dict[tuple[str, str], dict[str, Any] | None] = {}  # by table and place; None deletes

    def find(self, address: Address) -> str | None:
        """What the row is kept as, or None where there is none."""
        kept_as = self._place_of(address)
        if kept_as is None:
            return None
        waiting = (address.table.name, kept_as)
        if waiting in self._wanted:
            return None if self._wanted[waiting] is None else kept_as
        return kept_as if self._records.find(address.table.name, kept_as) else None

    def read(self, table: Table, kept_as: str) -> Row | None:
        """The row as it is stored."""
        stored = self._records.find(table.name, kept_as)
        if stored is None:
            return None
        return row_of(table, kept_as, *stored, changed_at=self._records.changed_at(table.name, kept_as))

    def new_place(self, address: Address) -> tuple[str, dict[str, Any]]:
        """What a new row is kept as, and the fields that it has for that."""
        if address.key is not None:
            return address.key, {}
        guid = address.guid or str(uuid4())
        return f"id={guid}", {address.table.id_column: guid}

    def write(self, table: Table, kept_as: str, fields: Mapping[str, Any]) -> None:
        waiting = self._wanted.get((table.name, kept_as)) or {}
        self._wanted[table.name, kept_as] = {**waiting, **fields}

    def give_key(self, table: Table, kept_as: str, key: str) -> str:
        """A row that somebody else made gets our key at once; gives what it is kept as. Raises ODataError."""
        stored = self.read(table, kept_as)
        if self._records.find(table.name, key) or stored is None:
            raise refusal("0x80060892", "A record with the same value for Afluente Id already exists.")
        self._records.rename(table.name, kept_as, key)
        own = {table.id_column: stored.guid}
        self._wanted[table.name, key] = {**own, **(self._wanted.pop((table.name, kept_as), None) or {})}
        return key

    def delete(self, table: Table, kept_as: str) -> None:
        self._wanted[table.name, kept_as] = None

    def commit(self) -> dict[tuple[str, str], Outcome]:
        """By table and place."""
        outcomes: dict[tuple[str, str], Outcome] = {}
        for name in {name for name, _ in self._wanted}:
            here = {kept_as: fields for (table, kept_as), fields in self._wanted.items() if table == name}
            self._records.delete(name, [kept_as for kept_as, fields in here.items() if fields is None])
            stored = self._records.upsert(name, {key: fields for key, fields in here.items() if fields is not None})
            for kept_as in here:
                done = stored.get(kept_as)
                outcomes[name, kept_as] = Outcome(
                    None, is_created=bool(done and done.is_created), is_changed=done is None or done.is_changed
                )
        return outcomes

    def _place_of(self, address: Address) -> str | None:
        if address.key is not None:
            return address.key
        if address.guid is None:
            return None
        number = int(address.guid[:8] + address.guid[9:13], 16)
        if guid_of(number) == address.guid:
            return self._records.find_number(address.table.name, number)
        kept_as = f"id={address.guid}"
        return kept_as if self._records.find(address.table.name, kept_as) else self._keyed(address) or kept_as

    def _keyed(self, address: Address) -> str | None:
        """Of a row that somebody else made and that got our key since."""
        table = address.table
        rows = (row for row in self._records.stream() if row["object"] == table.name)
        return next((row["external_id"] for row in rows if row["fields"].get(table.id_column) == address.guid), None)


def row_of(table: Table, kept_as: str, number: int, fields: Mapping[str, Any], *, changed_at: float) -> Row:
    own = fields.get(table.id_column)
    rest = {name: value for name, value in fields.items() if name != table.id_column}
    return Row(table, kept_as, own if isinstance(own, str) else guid_of(number), rest, changed_at)
