"""Reading: one record, a table by a small part of OData's queries, who is asking, and what tables are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from connectors.sandbox.dialects.dataverse.addresses import Address, read_address
from connectors.sandbox.dialects.dataverse.errors import ODataError, bad_request, refusal
from connectors.sandbox.dialects.dataverse.operations import Answer, Operation, not_found, select
from connectors.sandbox.dialects.dataverse.rules import CHOICES, TABLES, Table, is_column
from connectors.sandbox.dialects.dataverse.tables import Changes, Row, row_of
from connectors.sandbox.records import SandboxRecords

_KNOWN = {"$select", "$filter", "$top", "$skiptoken", "$count"}
_FILTER = re.compile(r"(\w+) eq (null|true|false|-?\d+|'(?:[^']|'')*')")
_PAGE_SIZE = re.compile(r"odata\.maxpagesize=(\d{1,5})")
_MOST_ROWS = 5_000
_TABLE_OF = re.compile(r"LogicalName eq '(\w+)'")
_CHOICES_OF = re.compile(
    r"EntityDefinitions\(LogicalName='(\w+)'\)/Attributes/Microsoft\.Dynamics\.CRM\.PicklistAttributeMetadata"
)
_NOBODY = "00000000-0000-0000-0000-000000000001"


def read(operation: Operation, records: SandboxRecords) -> Answer:
    """Raises ODataError."""
    if operation.path == "WhoAmI":
        content = {"BusinessUnitId": _NOBODY, "UserId": _NOBODY, "OrganizationId": _NOBODY}
        return Answer(200, {"OData-Version": "4.0"}, content)
    if operation.path == "EntityDefinitions":
        return _read_tables(operation)
    if match := _CHOICES_OF.fullmatch(unquote(operation.path)):
        return _read_choices(match[1])
    address = read_address(operation.path)
    if address.is_record:
        return _read_row(operation, address, records)
    return _read_rows(operation, address.table, records)


def _read_row(operation: Operation, address: Address, records: SandboxRecords) -> Answer:
    changes = Changes(records)
    kept_as = changes.find(address)
    row = changes.read(address.table, kept_as) if kept_as is not None else None
    if row is None:
        raise not_found(address)
    context = f"{operation.root}$metadata#{address.table.name}/$entity"
    content = {"@odata.context": context, **select(address.table, row, operation.query)}
    return Answer(200, {"OData-Version": "4.0", "ETag": row.etag}, content)


def _read_rows(operation: Operation, table: Table, records: SandboxRecords) -> Answer:
    """A page; `$skiptoken` counts the rows before it."""
    query = operation.query
    unknown = sorted(name for name in query if name not in _KNOWN)
    if unknown:
        raise bad_request(f"The query parameter {unknown[0]} is not supported")
    if "$filter" in query and _FILTER.fullmatch(query["$filter"]) is None:
        raise bad_request("The sandbox knows filters such as lastname eq 'Brandt' only")
    select(table, Row(table, "", "", {}), query)  # a wrong name is told where there is no row too
    wanted = [row for row in _rows(table, records) if _fits(table, row, query)]
    asked = _PAGE_SIZE.search(operation.headers.get("prefer", ""))
    size = min(int(asked[1]), _MOST_ROWS) if asked else _MOST_ROWS
    begin, top = _whole(query.get("$skiptoken", "0")), _whole(query.get("$top", str(_MOST_ROWS)))
    end = min(begin + size, top)
    content: dict[str, Any] = {"@odata.context": f"{operation.root}$metadata#{table.name}"}
    if query.get("$count") == "true":
        content["@odata.count"] = len(wanted)
    content["value"] = [select(table, row, query) for row in wanted[begin:end]]
    if end < min(len(wanted), top):
        kept = "&".join(f"{name}={value}" for name, value in query.items() if name != "$skiptoken")
        content["@odata.nextLink"] = f"{operation.root}{table.name}?{kept}{'&' if kept else ''}$skiptoken={end}"
    return Answer(200, {"OData-Version": "4.0"}, content)


def _rows(table: Table, records: SandboxRecords) -> list[Row]:
    return [
        row_of(table, record["external_id"], record["id"], record["fields"])
        for record in records.stream()
        if record["object"] == table.name
    ]


def _fits(table: Table, row: Row, query: Mapping[str, str]) -> bool:
    match = _FILTER.fullmatch(query.get("$filter", ""))
    if match is None:
        return True
    name, literal = match[1], match[2]
    if not is_column(table, name):
        raise bad_request(f"Could not find a property named '{name}' on type '{table.logical_name}'.")
    value = row.values().get(name)
    if literal.startswith("'"):
        return isinstance(value, str) and value.casefold() == literal[1:-1].replace("''", "'").casefold()
    known: dict[str, Any] = {"null": None, "true": True, "false": False}
    return bool(value == (known[literal] if literal in known else int(literal)))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request("Bad Request - Error in query syntax.")
    return int(text)


def _read_tables(operation: Operation) -> Answer:
    """What a client asks that knows a table by its logical name."""
    match = _TABLE_OF.search(operation.query.get("$filter", ""))
    found = [table for table in TABLES.values() if match is None or table.logical_name == match[1]]
    if match is None and "$filter" in operation.query:
        raise ODataError(400, "0x80060888", "The sandbox finds tables by LogicalName only")
    value = [
        {
            "LogicalName": table.logical_name,
            "SchemaName": table.logical_name.capitalize(),
            "EntitySetName": table.name,
            "PrimaryIdAttribute": table.id_column,
        }
        for table in found
    ]
    return Answer(200, {"OData-Version": "4.0"}, {"value": value})


def _read_choices(logical_name: str) -> Answer:
    """The numbers of each choice; the sandbox has no words for them."""
    if logical_name not in {table.logical_name for table in TABLES.values()}:
        raise refusal("0x80060888", f"Could not find an entity with name {logical_name}.")
    value = [
        {"LogicalName": name, "OptionSet": {"Options": [{"Value": number, "Label": {}} for number in numbers]}}
        for name, numbers in CHOICES.items()
    ]
    return Answer(200, {"OData-Version": "4.0"}, {"value": value})
