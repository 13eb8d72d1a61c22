"""One request to a record or a table: what it asks for, and what Dataverse answers when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.sandbox.dialects.dataverse.addresses import Address, read_address
from connectors.sandbox.dialects.dataverse.errors import ODataError, bad_request, refusal, unreadable
from connectors.sandbox.dialects.dataverse.rules import (
    BIND,
    TABLES,
    Table,
    bound_to,
    check_fields,
    is_readable,
    replaced_by,
)
from connectors.sandbox.dialects.dataverse.tables import Changes, Outcome, Row


@dataclass(frozen=True, slots=True)
class Operation:
    """A request, alone or inside a batch. `root` is the address of the Web API, `path` what stands behind it; names of
    `headers` are lower case."""

    method: str
    root: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def wants_record(self) -> bool:
        return "return=representation" in self.headers.get("prefer", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """`counts` are created, changed, unchanged and rejected records."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    counts: Mapping[str, int] = field(default_factory=dict)


Finish = Callable[[Mapping[tuple[str, str], Outcome]], Answer]


def failed(error: ODataError) -> Answer:
    return Answer(error.status, content=error.body(), counts={"rejected": 1})


def plan(operation: Operation, changes: Changes) -> Finish:
    """Puts what is asked for among `changes`; what it gives tells the answer, once they are committed.

    Raises ODataError.
    """
    address = read_address(operation.path)
    if operation.method == "POST" and address.action in ("CreateMultiple", "UpsertMultiple") and not address.is_record:
        return _plan_many(operation, address, changes)
    if address.action is not None:
        raise ODataError(404, "0x80060888", f"Resource not found for the segment '{address.action}'.")
    if operation.method == "POST" and not address.is_record:
        return _plan_creation(operation, address.table, changes)
    if operation.method == "PATCH" and address.is_record:
        return _plan_upsert(operation, address, changes)
    if operation.method == "DELETE" and address.is_record:
        kept_as = changes.find(address)
        if kept_as is None:
            raise not_found(address)
        changes.delete(address.table, kept_as)
        return lambda _: Answer(204, {"OData-Version": "4.0"})
    raise ODataError(405, "0x80060888", "The requested resource does not support http method.")


def not_found(address: Address) -> ODataError:
    name = address.table.logical_name
    if address.key is not None:
        return refusal("0x80060891", f"A record with the specified key values does not exist in {name} entity")
    return refusal("0x80040217", f"Entity '{name}' With Id = {address.guid} Does Not Exist")


def select(table: Table, row: Row, query: Mapping[str, str]) -> dict[str, Any]:
    """The row's columns that are asked for, its id always among them. Raises ODataError for one that is not there."""
    values = row.values()
    asked = [name.strip() for name in query.get("$select", "").split(",") if name.strip()]
    for name in asked:
        if not is_readable(table, name):
            raise bad_request(
                f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.logical_name}'."
            )
    if not asked:
        return values
    return {name: values.get(name) for name in ("@odata.etag", table.id_column, *asked)}


def _plan_upsert(operation: Operation, address: Address, changes: Changes) -> Finish:
    table = address.table
    kept_as = changes.find(address)
    _check_conditions(operation, address, changes, kept_as)
    fields = _read_fields(operation.body)
    check_fields(table, {name: value for name, value in fields.items() if name != table.id_column})
    key = kept_as if address.guid is not None and kept_as and not kept_as.startswith("id=") else address.key
    wanted = fields.get(table.key_column, key)
    # By its own id a row may get a key, or another one; by its key it keeps that.
    if wanted not in (None, key) and kept_as is not None and address.guid is not None:
        kept_as = changes.give_key(table, kept_as, str(wanted))
    elif wanted != key:
        raise refusal("0x80040203", f"The value of '{table.key_column}' differs from the key of the address.")
    if kept_as is None:
        kept_as, own = changes.new_place(address)
        fields = {**fields, **own}
    _check_targets(fields, changes)
    changes.write(table, kept_as, {**_without_keys(table, fields), **replaced_by(fields)})
    return _finish(operation, table, kept_as, changes)


def _plan_creation(operation: Operation, table: Table, changes: Changes) -> Finish:
    fields = _read_fields(operation.body)
    kept_as = _create(table, fields, changes)
    return _finish(operation, table, kept_as, changes, is_new=True)


def _create(table: Table, fields: Mapping[str, Any], changes: Changes) -> str:
    check_fields(table, fields)
    key, guid = fields.get(table.key_column), fields.get(table.id_column)
    address = Address(table, key=key, guid=None if key else guid)
    if address.is_record and changes.find(address) is not None:
        if guid and not key:
            raise refusal("0x80040237", "Cannot insert duplicate key.")
        raise refusal(
            "0x80060892",
            "Entity Key Afluente Id violated. A record with the same value for Afluente Id already exists. A duplicate"
            " record cannot be created. Select one or more unique values and try again.",
        )
    kept_as, own = changes.new_place(address)
    _check_targets(fields, changes)
    changes.write(table, kept_as, {**_without_keys(table, fields), **own})
    return kept_as


def _check_targets(fields: Mapping[str, Any], changes: Changes) -> None:
    """Raises ODataError for a reference to a row that is not there, of a table that the sandbox has."""
    for name, value in fields.items():
        if name.endswith(BIND) and value is not None and bound_to(value)[0] in TABLES:
            address = read_address(value.removeprefix("/"))
            if changes.find(address) is None:
                raise not_found(address)


def _plan_many(operation: Operation, address: Address, changes: Changes) -> Finish:
    """All of the targets or none: the error is that of the first one, and says not whose it is."""
    targets = _read_fields(operation.body).get("Targets")
    if not isinstance(targets, list) or not all(isinstance(target, dict) for target in targets):
        raise unreadable("The parameter 'Targets' is no collection of records.")
    table = address.table
    places: list[str] = []
    for target in targets:
        if target.get("@odata.type", "").removeprefix("#") != f"Microsoft.Dynamics.CRM.{table.logical_name}":
            raise unreadable("A type name was not found for the record; it needs '@odata.type'.")
        fields = {name: value for name, value in target.items() if not name.startswith("@odata.")}
        if address.action == "CreateMultiple":
            places.append(_create(table, fields, changes))
            continue
        named = read_address(target.get("@odata.id") or f"{table.name}({fields.get(table.id_column)})")
        single = Operation("PATCH", operation.root, "", {}, {}, orjson.dumps(fields))
        _plan_upsert(single, named, changes)
        places.append(changes.find(named) or "")
    if address.action == "UpsertMultiple":
        return lambda outcomes: Answer(204, {"OData-Version": "4.0"}, counts=count(outcomes.values()))
    return lambda outcomes: Answer(
        200,
        {"OData-Version": "4.0"},
        {"Ids": [row.guid for kept_as in places if (row := changes.read(table, kept_as))]},
        count(outcomes.values()),
    )


def _finish(operation: Operation, table: Table, kept_as: str, changes: Changes, *, is_new: bool = False) -> Finish:
    if operation.wants_record:  # a wrong name is told before anything is written
        select(table, Row(table, "", "", {}), operation.query)

    def finish(outcomes: Mapping[tuple[str, str], Outcome]) -> Answer:
        outcome = outcomes[table.name, kept_as]
        row = changes.read(table, kept_as)
        if row is None:  # deleted by a later request of the same change set
            return Answer(204, {"OData-Version": "4.0"})
        location = f"{operation.root}{table.name}({row.guid})"
        headers = {"OData-Version": "4.0", "Location": location, "OData-EntityId": location}
        counts = count([outcome])
        if not operation.wants_record:
            return Answer(204, headers, counts=counts)
        context = f"{operation.root}$metadata#{table.name}/$entity"
        content = {"@odata.context": context, **select(table, row, operation.query)}
        return Answer(201 if outcome.is_created or is_new else 200, headers, content, counts)

    return finish


def _check_conditions(operation: Operation, address: Address, changes: Changes, kept_as: str | None) -> None:
    wanted = operation.headers.get("if-match")
    if wanted is not None:
        if kept_as is None:
            raise not_found(address)
        row = changes.read(address.table, kept_as)
        if wanted != "*" and row is not None and row.etag != wanted:
            raise refusal(
                "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."
            )
    if operation.headers.get("if-none-match") == "*" and kept_as is not None:
        raise refusal("0x80040237", "A record with matching key values already exists.")


def _read_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise unreadable("Invalid JSON.") from None
    if not isinstance(fields, dict):
        raise unreadable("An object was expected.")
    return fields


def _without_keys(table: Table, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != table.key_column}


def count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    done = list(outcomes)
    created = sum(outcome.is_created for outcome in done)
    changed = sum(outcome.is_changed for outcome in done) - created
    return {"created": created, "changed": changed, "unchanged": len(done) - created - changed, "rejected": 0}
