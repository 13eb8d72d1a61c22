"""What is asked of Tryton beside writing: opportunities read and deleted with their parties, fields described, parties
listed and found. A call is a request; where a session has to be opened, it is two more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from connectors.destinations.tryton import records as made
from connectors.destinations.tryton.rpc import TrytonAccount
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
from connectors.kit.destinations.people import emails_of, people_by_lookup, phones_of

BATCH_SIZE = 100
_PAGE = 500
_KINDS = {
    "char": "text",
    "text": "text",
    "integer": "integer",
    "float": "number",
    "numeric": "number",
    "boolean": "boolean",
    "selection": "picklist",
}
_NOT_WRITTEN = {"date", "datetime", "timestamp", "time", "timedelta", "binary", "one2many", "many2many", "dict"}
_MECHANISM_KINDS = {"email": "email", "website": "url", "phone": "phone", "mobile": "phone", "fax": "phone"}
_ADDRESSES = {"email": "email", "phone": "phone", "mobile": "mobile_phone"}


class TrytonAbilities:
    """A part of the writer, which has the account."""

    _name: str
    _account: TrytonAccount
    _fields: tuple[SentField, ...]

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """One call. Tryton has one name for a party: its first word counts as the first name, where the mapping sends
        first and last names."""
        if not keys:
            return {}
        names = [field.name for field in self._fields]
        wanted = made.sort_fields(Record("", dict.fromkeys(names)))
        self._account.start(names)
        rows = self._search(
            "sale.opportunity", [["reference", "in", list(keys)]], made.fields_of_opportunities([wanted])
        )
        found: dict[str, FoundRecord] = {}
        for row in rows:
            key = str(row.get("reference"))
            if key in keys and key not in found:  # the eldest counts, as in writing
                found[key] = FoundRecord(str(row["id"]), key, made.read_fields(names, row))
        return found

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """Opportunities, and the parties whose code is our id. Five calls: which opportunities; these cancelled, as
        Tryton wants it, and deleted; which parties; these deleted.

        An opportunity that is converted, won or lost is no lead any more: it stays, and so does its party ("rejected",
        `opportunity_closed`). Where Tryton keeps one for another reason, nothing of the call is done: RecordError.
        """
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        keys = [record.key for record in records]
        self._account.start()
        opportunities = self._search("sale.opportunity", [["reference", "in", keys]], ["reference", "state"])
        closed = {row["reference"] for row in opportunities if row.get("state") not in (*made.OPEN_STATES, "cancelled")}
        going = [row for row in opportunities if row.get("reference") not in closed]
        self._write("sale.opportunity.cancel", [row["id"] for row in going if row["state"] != "cancelled"], keys)
        self._write("sale.opportunity.delete", [row["id"] for row in going], keys)
        left = [key for key in keys if key not in closed]
        parties = self._search("party.party", [["code", "in", left]], ["code"]) if left else []
        self._write("party.party.delete", [row["id"] for row in parties], keys)
        there = {row.get("reference") for row in going} | {row.get("code") for row in parties}
        return [_deleted(record, is_closed=record.key in closed, was_there=record.key in there) for record in records]

    def describe(self) -> tuple[DescribedField, ...]:
        """Three calls: the fields of opportunities, which of them Tryton fills itself, and the fields of parties.

        By the names that a mapping uses (docs/tryton.md). Which field of a party is required Tryton says at the write.
        """
        self._account.start()
        own = self._described("sale.opportunity")
        filled = self._account.read("sale.opportunity.default_get", list(own))
        filled = {name for name, value in (filled if isinstance(filled, dict) else {}).items() if value is not None}
        theirs = self._described("party.party")
        fields = [
            DescribedField("name", "text"),
            DescribedField("first_name", "text"),
            DescribedField("last_name", "text"),
        ]
        fields += [DescribedField(name, _MECHANISM_KINDS.get(name, "text")) for name in made.MECHANISMS]
        fields += [DescribedField(field.name, "text") for field in self._fields if field.name.startswith("comment.")]
        fields += [
            _field(name, facts, is_filled=name in filled)
            for name, facts in own.items()
            if name not in made.SET_BY_WRITER or name == "reference"
        ]
        fields += [
            _field(f"party.{name}", facts, is_filled=True)
            for name, facts in theirs.items()
            if f"party.{name}" not in made.SET_BY_WRITER
        ]
        return tuple({field.name: field for field in reversed(fields)}.values())

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """One call for 500 parties, in the order of their ids; `crm_id` is the party's. Who was erased or merged in
        Tryton is left out."""
        self._account.start()
        after = [["id", ">", int(cursor)]] if cursor and cursor.isdecimal() else []
        fields = ["code", "name", "active", "replaced_by", "contact_mechanisms.type", "contact_mechanisms.value"]
        rows = self._search("party.party", after, fields, limit=_PAGE)
        people = tuple(
            _person(row, row.get("contact_mechanisms.") or [])
            for row in rows
            if not made.is_erased(row) and not row.get("replaced_by")
        )
        return PeoplePage(people, str(rows[-1]["id"]) if len(rows) == _PAGE else None)

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """One call. Addresses whatever their case; numbers as they stand in Tryton, or without blanks where its server
        has Python's `phonenumbers`. `crm_id` is the party's."""
        emails, phones = emails_of(lookups), phones_of(lookups)
        if not emails and not phones:
            return {}
        domain: list[Any] = ["OR", *(["value", "ilike", _literal(email)] for email in emails)]
        domain += [[name, "in", phones] for name in ("value", "value_compact") if phones]
        fields = ["type", "value", "party", "party.code", "party.name", "party.active", "party.replaced_by"]
        self._account.start()
        mechanisms: dict[int, list[dict[str, Any]]] = {}
        parties: dict[int, dict[str, Any]] = {}
        for row in self._search("party.contact_mechanism", domain, fields):
            party = row.get("party.")
            if isinstance(party, dict) and not party.get("replaced_by") and not made.is_erased(party):
                parties[party["id"]] = party
                mechanisms.setdefault(party["id"], []).append(row)
        return people_by_lookup(lookups, [_person(party, mechanisms[party_id]) for party_id, party in parties.items()])

    def _described(self, model: str) -> dict[str, Mapping[str, Any]]:
        facts = self._account.read(f"{model}.fields_get", [])
        if not isinstance(facts, dict):
            raise TransientError(f"{self._name}: the description of {model} cannot be read")
        return {name: fact for name, fact in facts.items() if isinstance(fact, dict)}

    def _search(
        self, model: str, domain: list[Any], fields: list[str], *, limit: int | None = None
    ) -> list[dict[str, Any]]:
        found = self._account.read(f"{model}.search_read", domain, 0, limit, [["id", "ASC"]], fields)
        rows: list[Any] = found if isinstance(found, list) else [None]
        if not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in rows):
            raise TransientError(f"{self._name}: the answer to a search of {model} cannot be read")
        return rows

    def _write(self, method: str, ids: Sequence[int], values: Sequence[Any]) -> None:
        if ids:
            self._account.write(method, list(ids), values=values)


def _field(name: str, facts: Mapping[str, Any], *, is_filled: bool) -> DescribedField:
    word = str(facts.get("type"))
    selection, size = facts.get("selection"), facts.get("size")
    values = tuple(str(value[0]) for value in selection if value and value[0]) if isinstance(selection, list) else None
    is_writable = not facts.get("readonly") and word not in _NOT_WRITTEN
    return DescribedField(
        name,
        _KINDS.get(word, word),
        max_length=size if isinstance(size, int) else None,
        is_required=bool(facts.get("required")) and is_writable and not is_filled,
        is_writable=is_writable and name != "reference",
        values=values or None,
        is_key=name == "reference",
    )


def _person(party: Mapping[str, Any], mechanisms: Sequence[Mapping[str, Any]]) -> KnownPerson:
    values: dict[str, str] = {"full_name": str(party["name"])} if party.get("name") else {}
    for mechanism in mechanisms:
        canonical, value = _ADDRESSES.get(str(mechanism.get("type"))), mechanism.get("value")
        if canonical and value:
            count = sum(name.startswith(canonical) for name in values)
            values[canonical if not count else f"{canonical}_{count + 1}"] = str(value)
    code = str(party.get("code") or "")
    return KnownPerson(str(party["id"]), code if _is_ours(code) else None, values)


def _is_ours(code: str) -> bool:
    """Tryton numbers parties itself; ours have the id of a person."""
    try:
        return str(UUID(code)) == code
    except ValueError:
        return False


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _deleted(record: Record, *, is_closed: bool, was_there: bool) -> WriteResult:
    if is_closed:
        message = "the opportunity is closed in Tryton: it stays, and so does the party"
        return WriteResult(record.key, "rejected", code="opportunity_closed", message=message)
    if not was_there:
        return WriteResult(record.key, "written", code="record_gone", message="nothing to delete")
    return WriteResult(record.key, "written", crm_id=record.crm_id)
