"""Batches of one object, such as contacts: all or nothing, or each for itself where every input carries a trace id of
its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.dialects.dialect import Reply
from connectors.sandbox.dialects.hubspot.associations import Associations
from connectors.sandbox.dialects.hubspot.bodies import as_time, batch_reply, read_object
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError, already_there, error, gone, not_valid
from connectors.sandbox.dialects.hubspot.objects import ASSOCIATION_TYPES, OBJECTS, HubSpotObject
from connectors.sandbox.dialects.hubspot.properties import Issue, Property, find_issues
from connectors.sandbox.dialects.hubspot.rows import Change, Draft, Row, Rows, Written
from connectors.sandbox.faults import Faults, FaultSpec

MOST_INPUTS = 100
RECORD_ID = "hs_object_id"
_STATUSES = {"CONFLICT": 409, "OBJECT_NOT_FOUND": 404}


@dataclass(frozen=True, slots=True)
class Input:
    """One entry of a call. `id_property` says what `id` is; it is the record's id if not said."""

    properties: dict[str, str]
    id: str | None = None
    id_property: str = RECORD_ID
    trace_id: str | None = None
    associated: tuple[tuple[str, str], ...] = ()  # a new one's: name of an object and id


class Batches:
    """Writes and reads of one object, as HubSpot agrees to them. Not safe to share between threads."""

    def __init__(
        self,
        known: HubSpotObject,
        rows: Rows,
        properties: dict[str, Property],
        faults: Faults,
        associations: Associations,
    ) -> None:
        self._object = known
        self._associations = associations
        self._rows = rows
        self._properties = properties
        self._faults = faults

    def write(self, body: bytes, *, makes: bool, finds: bool, faults: FaultSpec, route: str) -> Reply:
        """`makes`: rows that are not there; `finds`: those that are. Raises CallRefusedError."""
        inputs = self._read_inputs(body, with_id=finds)
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
            self._rows.agree(change, draft)
            agreed.append(entry)
        written = self._rows.make(draft)
        for one, entry in zip(written, agreed, strict=True):
            for name, crm_id in entry.associated:
                self._associations.make((self._object.name, name), [(one.row.id, crm_id)])
        results = [
            shown_row(one.row, {**self._shown_values(one.row), **change.properties})
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
        found = {entry.id: self._rows.find(id_property, str(entry.id)) for entry in inputs}
        results = [
            shown_row(row, self._shown_values(row, ["createdate", *names])) for row in found.values() if row is not None
        ]
        missing = [name for name, row in found.items() if row is None]
        missed = error("OBJECT_NOT_FOUND", gone(self._object.kind), context={"ids": missing})
        return batch_reply(results, [{**missed, "errors": [], "links": {}}] if missing else [], route)

    def plan(
        self, entry: Input, draft: Draft, *, makes: bool, finds: bool, faults: FaultSpec
    ) -> tuple[Change | None, dict[str, Any]]:
        """What becomes of an input: a change, or the error that refuses it."""
        fault = faults.record_error
        if fault is not None and self._faults.strikes(fault.rate):
            issue = Issue(fault.code, fault.field or "", fault.message)
            return None, not_valid([issue]) if fault.field else error(fault.code, fault.message)
        row = self._rows.find(entry.id_property, entry.id) if finds and entry.id is not None else None
        properties = dict(entry.properties)
        if row is None and finds:
            if not makes:
                return None, error("OBJECT_NOT_FOUND", gone(self._object.kind), context={"ids": [entry.id]})
            properties.setdefault(entry.id_property, str(entry.id))
        for name, crm_id in entry.associated:
            if not self._associations.has(name, crm_id):
                return None, error("OBJECT_NOT_FOUND", gone(OBJECTS[name].kind))
        refusal = self._refusal(properties, row, draft)
        return (None, refusal) if refusal else (Change(row, properties), {})

    def _refusal(self, properties: dict[str, str], row: Row | None, draft: Draft) -> dict[str, Any] | None:
        issues = find_issues(self._properties, properties)
        if issues:
            return not_valid(issues)
        if row is None and not any(properties.get(name) for name in self._object.one_of):
            return error("VALIDATION_ERROR", f"A {self._object.kind} needs {' or '.join(self._object.one_of)}")
        for name in sorted(self._rows.unique & properties.keys()):
            owner = self._rows.owner_of(name, properties[name], row, draft) if properties[name] else None
            if owner is not None and name == "email":
                return already_there(owner)
            if owner is not None:
                return not_valid([Issue("CONFLICTING_UNIQUE_VALUE", name, f"{owner} already has that value.")])
        return None

    def _read_inputs(self, body: bytes, *, with_id: bool) -> list[Input]:
        inputs = []
        for number, entry in enumerate(_entries(read_object(body))):
            known_by = entry.get("id") if with_id else None
            if with_id and not isinstance(known_by, str):
                raise CallRefusedError(400, "VALIDATION_ERROR", f"Invalid input JSON: inputs[{number}].id is required")
            trace_id = entry.get("objectWriteTraceId")
            id_property = str(entry.get("idProperty") or RECORD_ID)
            associated = () if with_id else tuple(self._read_associated(entry.get("associations") or []))
            properties = read_properties(entry)
            inputs.append(Input(properties, known_by, id_property, str(trace_id) if trace_id else None, associated))
        return inputs

    def _read_associated(self, entries: Any) -> Iterator[tuple[str, str]]:
        """`[{"to": {"id"}, "types": [{"associationCategory", "associationTypeId"}]}]`"""
        names = {
            (type_id, "HUBSPOT_DEFINED"): to_name
            for (from_name, to_name), type_id in ASSOCIATION_TYPES.items()
            if from_name == self._object.name
        }
        try:
            for entry in entries:
                for wanted in entry["types"]:
                    yield names[wanted["associationTypeId"], wanted["associationCategory"]], str(entry["to"]["id"])
        except (KeyError, TypeError):
            message = "Invalid input JSON: an association needs `to` and types that lead from this object to another"
            raise CallRefusedError(400, "VALIDATION_ERROR", message) from None

    def _refuse_ids(self, inputs: Sequence[Input]) -> None:
        """A batch has different ids, of the record's id or of one property with unique values."""
        names = {entry.id_property for entry in inputs if entry.id is not None}
        if len(names) > 1:
            raise CallRefusedError(400, "VALIDATION_ERROR", "All inputs must have the same idProperty")
        if names - self._rows.unique - {RECORD_ID}:
            message = f"Unable to perform update/upsert by non-unique {self._object.type_id} property"
            raise CallRefusedError(400, "VALIDATION_ERROR", message)
        times = Counter(entry.id.lower() for entry in inputs if entry.id is not None)
        doubled = [name for name, count in times.items() if count > 1]
        if doubled:
            message = f"Duplicate IDs found in batch input: [{', '.join(doubled)}]. IDs must be unique"
            raise CallRefusedError(400, "VALIDATION_ERROR", message, context={"ids": doubled})

    def _shown_values(self, row: Row, names: Sequence[str] | None = None) -> dict[str, Any]:
        fixed = {
            "createdate": as_time(row.created_at),
            RECORD_ID: row.id,
            "lastmodifieddate": as_time(row.updated_at),
        }
        if names is None:
            return fixed
        fields = self._rows.fields(row)
        return fixed | {name: fields.get(name) for name in names if name not in fixed}


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


def shown_row(row: Row, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "properties": {
            name: value.lower() if name == "email" and isinstance(value, str) else value
            for name, value in properties.items()
        },
        "createdAt": as_time(row.created_at),
        "updatedAt": as_time(row.updated_at),
        "archived": False,
    }


def counted(written: Sequence[Written], *, rejected: int) -> dict[str, int]:
    created = sum(one.is_new for one in written)
    changed = sum(one.is_changed for one in written) - created
    return {
        "created": created,
        "changed": changed,
        "unchanged": len(written) - created - changed,
        "rejected": rejected,
    }


def _entries(call: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = call.get("inputs")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    if len(entries) > MOST_INPUTS:
        message = f"The maximum number of inputs supported in a batch request for this object type is {MOST_INPUTS}"
        raise CallRefusedError(400, "VALIDATION_ERROR", message)
    return entries
