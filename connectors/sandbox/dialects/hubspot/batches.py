"""Batches of contacts: all or nothing, or each for itself where every input carries a trace id of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, json_reply
from connectors.sandbox.dialects.hubspot.contacts import Change, Contact, Contacts, Draft, Written
from connectors.sandbox.dialects.hubspot.errors import GONE, CallRefusedError, already_there, error, not_valid
from connectors.sandbox.dialects.hubspot.properties import Issue, Property, find_issues
from connectors.sandbox.faults import Faults, FaultSpec

MOST_INPUTS = 100
RECORD_ID = "hs_object_id"
_NAMES = ("email", "firstname", "lastname")
_STATUSES = {"CONFLICT": 409, "OBJECT_NOT_FOUND": 404}


@dataclass(frozen=True, slots=True)
class Input:
    """One entry of a call. `id_property` says what `id` is; it is the record's id if not said."""

    properties: dict[str, str]
    id: str | None = None
    id_property: str = RECORD_ID
    trace_id: str | None = None


class Batches:
    """Writes and reads of contacts, as HubSpot agrees to them. Not safe to share between threads."""

    def __init__(self, contacts: Contacts, properties: dict[str, Property], faults: Faults) -> None:
        self._contacts = contacts
        self._properties = properties
        self._faults = faults

    def write(self, body: bytes, *, makes: bool, finds: bool, faults: FaultSpec, route: str) -> Reply:
        """`makes`: contacts that are not there; `finds`: those that are. Raises CallRefusedError."""
        inputs = read_inputs(body, with_id=finds)
        self._refuse_ids(inputs)
        traces = Counter(entry.trace_id for entry in inputs)
        each_for_itself = None not in traces and max(traces.values(), default=1) == 1
        draft, agreed = Draft(), list[Input]()
        errors: list[dict[str, Any]] = []
        for entry in inputs:
            change, refusal = self.plan(entry, draft, makes=makes, finds=finds, faults=faults)
            if change is None:
                if not each_for_itself:
                    raise refused_whole(refusal)
                context = refusal.get("context") or {"objectWriteTraceId": [entry.trace_id]}
                errors.append({**refusal, "context": context, "errors": [], "links": {}})
                continue
            self._contacts.agree(change, draft)
            agreed.append(entry)
        written = self._contacts.make(draft)
        results = [
            shown_contact(one.contact, {**self._shown_values(one.contact), **change.properties})
            | ({"new": one.is_new} if makes and finds else {})
            | ({"objectWriteTraceId": entry.trace_id} if entry.trace_id else {})
            for one, change, entry in zip(written, draft.changes, agreed, strict=True)
        ]
        counts = counted(written, rejected=len(errors))
        return batch_reply(results, errors, route, status=201 if makes and not finds else 200, counts=counts)

    def read(self, body: bytes, route: str) -> Reply:
        call = read_object(body)
        entries = _entries(call)
        names = [str(name) for name in call.get("properties") or []]
        id_property = str(call.get("idProperty") or RECORD_ID)
        inputs = [Input({}, str(entry.get("id")), id_property) for entry in entries]
        self._refuse_ids(inputs)
        found = {entry.id: self._contacts.find(id_property, str(entry.id)) for entry in inputs}
        results = [
            shown_contact(contact, self._shown_values(contact, ["createdate", *names]))
            for contact in found.values()
            if contact is not None
        ]
        missing = [name for name, contact in found.items() if contact is None]
        gone = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": GONE, "context": {"ids": missing}}
        return batch_reply(results, [gone | {"errors": [], "links": {}}] if missing else [], route)

    def plan(
        self, entry: Input, draft: Draft, *, makes: bool, finds: bool, faults: FaultSpec
    ) -> tuple[Change | None, dict[str, Any]]:
        """What becomes of an input: a change, or the error that refuses it."""
        fault = faults.record_error
        if fault is not None and self._faults.strikes(fault.rate):
            issue = Issue(fault.code, fault.field or "", fault.message)
            return None, not_valid([issue]) if fault.field else error(fault.code, fault.message)
        contact = self._contacts.find(entry.id_property, entry.id) if finds and entry.id is not None else None
        properties = dict(entry.properties)
        if contact is None and finds:
            if not makes:
                return None, error("OBJECT_NOT_FOUND", GONE, context={"ids": [entry.id]})
            properties.setdefault(entry.id_property, str(entry.id))
        refusal = self._refusal(properties, contact, draft)
        return (None, refusal) if refusal else (Change(contact, properties), {})

    def _refusal(self, properties: dict[str, str], contact: Contact | None, draft: Draft) -> dict[str, Any] | None:
        issues = find_issues(self._properties, properties)
        if issues:
            return not_valid(issues)
        if contact is None and not any(properties.get(name) for name in _NAMES):
            return error("VALIDATION_ERROR", "A contact needs an email, a firstname or a lastname")
        for name in sorted(self._contacts.unique & properties.keys()):
            owner = self._contacts.owner_of(name, properties[name], contact, draft) if properties[name] else None
            if owner is not None and name == "email":
                return already_there(owner)
            if owner is not None:
                return not_valid([Issue("CONFLICTING_UNIQUE_VALUE", name, f"{owner} already has that value.")])
        return None

    def _refuse_ids(self, inputs: Sequence[Input]) -> None:
        """A batch has different ids, of the record's id or of one property with unique values."""
        names = {entry.id_property for entry in inputs if entry.id is not None}
        if len(names) > 1:
            raise CallRefusedError(400, "VALIDATION_ERROR", "All inputs must have the same idProperty")
        if names - self._contacts.unique - {RECORD_ID}:
            raise CallRefusedError(
                400, "VALIDATION_ERROR", "Unable to perform update/upsert by non-unique 0-1 property"
            )
        times = Counter(entry.id.lower() for entry in inputs if entry.id is not None)
        doubled = [name for name, count in times.items() if count > 1]
        if doubled:
            message = f"Duplicate IDs found in batch input: [{', '.join(doubled)}]. IDs must be unique"
            raise CallRefusedError(400, "VALIDATION_ERROR", message, context={"ids": doubled})

    def _shown_values(self, contact: Contact, names: Sequence[str] | None = None) -> dict[str, Any]:
        fixed = {
            "createdate": as_time(contact.created_at),
            RECORD_ID: contact.id,
            "lastmodifieddate": as_time(contact.updated_at),
        }
        if names is None:
            return fixed
        fields = self._contacts.fields(contact)
        return fixed | {name: fields.get(name) for name in names if name not in fixed}


def read_object(body: bytes) -> dict[str, Any]:
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        call = None
    if not isinstance(call, dict):
        raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1")
    return call


def read_inputs(body: bytes, *, with_id: bool) -> list[Input]:
    inputs = []
    for number, entry in enumerate(_entries(read_object(body))):
        known_by = entry.get("id") if with_id else None
        if with_id and not isinstance(known_by, str):
            raise CallRefusedError(400, "VALIDATION_ERROR", f"Invalid input JSON: inputs[{number}].id is required")
        trace_id = entry.get("objectWriteTraceId")
        id_property = str(entry.get("idProperty") or RECORD_ID)
        inputs.append(Input(read_properties(entry), known_by, id_property, str(trace_id) if trace_id else None))
    return inputs


def read_properties(entry: Mapping[str, Any]) -> dict[str, str]:
    properties = entry.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise CallRefusedError(
            400, "VALIDATION_ERROR", "Invalid input JSON: Cannot deserialize value of type `java.lang.String`"
        )
    return properties


def refused_whole(refusal: dict[str, Any]) -> CallRefusedError:
    refused = CallRefusedError(_STATUSES.get(refusal["category"], 400), refusal["category"], refusal["message"])
    refused.body = refusal
    return refused


def shown_contact(contact: Contact, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": contact.id,
        "properties": {
            name: value.lower() if name == "email" and isinstance(value, str) else value
            for name, value in properties.items()
        },
        "createdAt": as_time(contact.created_at),
        "updatedAt": as_time(contact.updated_at),
        "archived": False,
    }


def batch_reply(
    results: list[dict[str, Any]],
    errors: list[dict[str, Any]],
    route: str,
    *,
    status: int = 200,
    counts: Mapping[str, int] | None = None,
) -> Reply:
    """Results in any order, as HubSpot gives them."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    random.shuffle(results)
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return json_reply(207 if errors else status, body, route, counts=counts or {})


def counted(written: Sequence[Written], *, rejected: int) -> dict[str, int]:
    created = sum(one.is_new for one in written)
    changed = sum(one.is_changed for one in written) - created
    return {
        "created": created,
        "changed": changed,
        "unchanged": len(written) - created - changed,
        "rejected": rejected,
    }


def as_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entries(call: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = call.get("inputs")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    if len(entries) > MOST_INPUTS:
        message = f"The maximum number of inputs supported in a batch request for this object type is {MOST_INPUTS}"
        raise CallRefusedError(400, "VALIDATION_ERROR", message)
    return entries
