"""Collections of records: upserted by an external id, or updated by Salesforce's own; and what one record of them is
refused for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.salesforce.rows import PREFIXES, RefusedError, Rows, kind_of, number_of, record_id
from connectors.sandbox.dialects.salesforce.rules import (
    FIXED,
    REFERENCES,
    Refusal,
    find_refusal,
    find_unreadable,
)
from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords, Stored

MAX_RECORDS = 200
_UPDATE = "PATCH composite/sobjects"
_ROLLED_BACK: Refusal = (
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
    [],
)


class Writes:
    """Safe to share between threads."""

    def __init__(self, records: SandboxRecords, faults: Faults, rows: Rows) -> None:
        self._records, self._faults, self._rows = records, faults, rows

    def upsert(self, request: Request, kind: str, key_field: str, faults: FaultSpec) -> Reply:
        """Raises RefusedError."""
        route = f"PATCH composite/sobjects/{kind}"
        entries, is_all_or_none = _entries(request.body, route)
        keys = [str(entry[key_field]) if entry.get(key_field) is not None else "" for entry in entries]
        for entry in entries:
            refusal = find_unreadable(entry, kind, key_field)
            if refusal is not None:
                raise RefusedError(400, *refusal, route)
        results, counts = self.upsert_entries(entries, keys, kind, key_field, faults, is_all_or_none=is_all_or_none)
        return json_reply(200, results, route, counts=counts)

    def upsert_entries(
        self,
        entries: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        kind: str,
        key_field: str,
        faults: FaultSpec,
        *,
        is_all_or_none: bool = False,
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """A result for each entry, and how many were created, changed and so on."""
        self._rows.key_fields[kind] = key_field
        errors = self._refusals(entries, keys, kind, key_field, faults)
        if is_all_or_none and any(errors):
            errors = [error or _ROLLED_BACK for error in errors]
        wanted = {
            key: {name: value for name, value in entry.items() if name not in ("attributes", key_field)}
            for entry, key, error in zip(entries, keys, errors, strict=True)
            if error is None
        }
        stored = self._records.upsert(kind, wanted)
        results = [
            _failed(*error)
            if error
            else {
                "id": record_id(stored[key].number, kind),
                "success": True,
                "created": stored[key].is_created,
                "errors": [],
            }
            for key, error in zip(keys, errors, strict=True)
        ]
        return results, _counts(list(stored.values()), len(results))

    def update(self, request: Request, faults: FaultSpec) -> Reply:
        """By Salesforce's own ids. Raises RefusedError."""
        entries, _ = _entries(request.body, _UPDATE)
        for entry in entries:
            attributes = entry.get("attributes")
            kind = str(attributes.get("type")) if isinstance(attributes, dict) else ""
            fields = {name: value for name, value in entry.items() if name.lower() != "id"}
            refusal = find_unreadable(fields, kind, self._rows.key_field(kind))
            if refusal is not None:
                raise RefusedError(400, *refusal, _UPDATE)
        times = Counter(str(entry.get("id")) for entry in entries)
        strikes = self._faults.strikes_record(faults, len(entries))
        results: list[dict[str, Any]] = []
        stored: list[Stored] = []
        for entry, is_struck in zip(entries, strikes, strict=True):
            crm_id = str(entry.get("id") or "")
            if times[crm_id] > 1:
                results.append(_failed("DUPLICATE_VALUE", f"duplicate id specified: {crm_id}", ["Id"]))
                continue
            if is_struck and faults.record_error is not None:
                results.append(_fault(faults))
                continue
            done = self._update_one(crm_id, entry)
            if isinstance(done, Stored):
                stored.append(done)
                results.append({"id": crm_id, "success": True, "errors": []})
            else:
                results.append(_failed(*done))
        return json_reply(200, results, _UPDATE, counts=_counts(stored, len(results)))

    def _update_one(self, crm_id: str, entry: Mapping[str, Any]) -> Stored | Refusal:
        kind = kind_of(crm_id)
        key = self._rows.key_of(kind, crm_id)
        if key is None:
            missing = self._rows.missing(crm_id)
            return missing.code, missing.message, []
        fields = {name: value for name, value in entry.items() if name not in ("attributes", "id", "Id")}
        refusal = find_refusal(fields, kind, is_new=False) or self._dangling(fields, kind)
        refusal = refusal or self._frozen(kind, self._records.find_many(kind, [key])[key][1], fields)
        if refusal is not None:
            return refusal
        wanted = fields.pop(self._rows.key_field(kind), None)
        if wanted and wanted != key:
            if self._records.find(kind, str(wanted)):
                return "DUPLICATE_VALUE", f"duplicate value found: {self._rows.key_field(kind)}", []
            self._records.rename(kind, key, str(wanted))
            key = str(wanted)
        return self._records.upsert(kind, {key: fields})[key]

    def _refusals(
        self,
        entries: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        kind: str,
        key_field: str,
        faults: FaultSpec,
    ) -> list[Refusal | None]:
        times = Counter(keys)
        known = self._records.find_many(kind, keys)
        strikes = self._faults.strikes_record(faults, len(entries))
        fault = faults.record_error
        refusals: list[Refusal | None] = []
        for entry, key, is_struck in zip(entries, keys, strikes, strict=True):
            refusal: Refusal | None
            if not key:
                refusal = ("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{key_field}]", [key_field])
            elif times[key] > 1:
                refusal = ("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", [key_field])
            elif is_struck and fault is not None:
                refusal = (fault.code, fault.message, [fault.field] if fault.field else [])
            elif key in known:
                fields = {name: value for name, value in entry.items() if name not in ("attributes", key_field)}
                refusal = self._frozen(kind, known[key][1], fields) or find_refusal(entry, kind, is_new=False)
            else:
                refusal = find_refusal(entry, kind, is_new=True) or self._second_membership(kind, entry)
            refusals.append(refusal or self._dangling(entry, kind))
        return refusals

    @staticmethod
    def _frozen(kind: str, stored: Mapping[str, Any], fields: Mapping[str, Any]) -> Refusal | None:
        """A converted lead can be changed no more; some fields are said only when a record is made."""
        if stored.get("IsConverted"):
            return "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", []
        fixed = [name for name in FIXED.get(kind, ()) if name in fields]
        if fixed:
            return "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {', '.join(fixed)}.", fixed
        return None

    def _second_membership(self, kind: str, entry: Mapping[str, Any]) -> Refusal | None:
        if kind != "CampaignMember":
            return None
        person = entry.get("LeadId") or entry.get("ContactId")
        campaign = entry.get("CampaignId")
        members = [record["fields"] for record in self._records.stream() if record["object"] == kind]
        if any(
            member.get("CampaignId") == campaign and person in (member.get("LeadId"), member.get("ContactId"))
            for member in members
        ):
            message = f"Attempted to add an entity '{person}' to a campaign '{campaign}' more than once."
            return "DUPLICATE_VALUE", message, []
        return None

    def _dangling(self, entry: Mapping[str, Any], kind: str) -> Refusal | None:
        """A reference to a record that is not there, or of another object."""
        for name, objects in REFERENCES.get(kind, {}).items():
            value = entry.get(name)
            if value is None:
                continue
            target = next((target for target in objects if str(value).startswith(PREFIXES[target])), None)
            if target is None or self._records.find_number(target, number_of(str(value))) is None:
                return "INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {value}", [name]
        return None


def _entries(body: bytes, route: str) -> tuple[list[dict[str, Any]], bool]:
    try:
        call = orjson.loads(body)
        entries = call["records"]
        is_readable = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    except (ValueError, TypeError, KeyError):
        is_readable = False
    if not is_readable:
        raise RefusedError(400, "JSON_PARSER_ERROR", "The body cannot be read as a list of records", route)
    if len(entries) > MAX_RECORDS:
        message = f"record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        raise RefusedError(400, "EXCEEDED_ID_LIMIT", message, route)
    return entries, bool(call.get("allOrNone"))


def _counts(stored: Sequence[Stored], asked: int) -> dict[str, int]:
    created = sum(record.is_created for record in stored)
    changed = sum(record.is_changed for record in stored) - created
    unchanged = len(stored) - created - changed
    return {"created": created, "changed": changed, "unchanged": unchanged, "rejected": asked - len(stored)}


def _fault(faults: FaultSpec) -> dict[str, Any]:
    fault = faults.record_error
    assert fault is not None  # noqa: S101 - who asks has looked
    return _failed(fault.code, fault.message, [fault.field] if fault.field else [])


def _failed(code: str, message: str, fields: list[str]) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": fields}]}
