"""Reading: one record, a table by a small part of OData's queries, and who is asking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.sandbox.dialects.dataverse.addresses import Address, read_address
from connectors.sandbox.dialects.dataverse.errors import bad_request
from connectors.sandbox.dialects.dataverse.filters import read_filter
from connectors.sandbox.dialects.dataverse.operations import Answer, Operation, not_found, select
from connectors.sandbox.dialects.dataverse.rules import Table, is_readable
from connectors.sandbox.dialects.dataverse.tables import Changes, Row, row_of
from connectors.sandbox.records import SandboxRecords

_KNOWN = {"$select", "$filter", "$top", "$skiptoken", "$count", "$orderby"}
_ORDER = re.compile(r"(createdon|modifiedon|new_\w+)(?: asc)?(?:,\w+(?: asc)?)?")
_PAGE_SIZE = re.compile(r"odata\.maxpagesize=(\d{1,5})")
_MOST_ROWS = 5_000
_NOBODY = "00000000-0000-0000-0000-000000000001"


def read(operation: Operation, records: SandboxRecords) -> Answer:
    """Raises ODataError."""
    if operation.path == "WhoAmI":
        content = {"BusinessUnitId": _NOBODY, "UserId": _NOBODY, "OrganizationId": _NOBODY}
        return Answer(200, {"OData-Version": "4.0"}, content)
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
    """A page, in the order in which rows were made or changed; `$skiptoken` says where the last row before it stood."""
    query = operation.query
    unknown = sorted(name for name in query if name not in _KNOWN)
    if unknown:
        raise bad_request(f"The query parameter {unknown[0]} is not supported")
    order = _ORDER.fullmatch(query.get("$orderby", "createdon"))
    if order is None:
        raise bad_request("The sandbox orders by createdon, modifiedon or a column of moments that somebody added")
    select(table, Row(table, "", "", {}), query)  # a wrong name is told where there is no row too
    wanted = _wanted(table, records, query, order=order[1])
    wanted.sort(key=lambda placed: placed[0])
    asked = _PAGE_SIZE.search(operation.headers.get("prefer", ""))
    size = min(int(asked[1]), _MOST_ROWS) if asked else _MOST_ROWS
    top = _whole(query.get("$top", str(_MOST_ROWS)))
    changed, _, number = query.get("$skiptoken", "0-0").partition("-")
    after = (_whole(changed), _whole(number))
    left = [(place, row) for place, row in wanted if place > after]
    page = left[: min(size, top)]
    content: dict[str, Any] = {"@odata.context": f"{operation.root}$metadata#{table.name}"}
    if query.get("$count") == "true":
        content["@odata.count"] = len(wanted)
    content["value"] = [select(table, row, query) for _, row in page]
    if len(page) < len(left) and len(page) < top:
        kept = "".join(f"{name}={quote(value)}&" for name, value in query.items() if name != "$skiptoken")
        last = page[-1][0]
        content["@odata.nextLink"] = f"{operation.root}{table.name}?{kept}$skiptoken={last[0]}-{last[1]}"
    return Answer(200, {"OData-Version": "4.0"}, content)


def _wanted(
    table: Table, records: SandboxRecords, query: Mapping[str, str], *, order: str
) -> list[tuple[tuple[int, int], Row]]:
    """Rows with their places: the second of the moment that orders them, or 0 without one, and their number."""
    holds, names = read_filter(query["$filter"]) if "$filter" in query else (lambda _row: True, set())
    for name in sorted(names):
        if not is_readable(table, name):
            raise bad_request(f"Could not find a property named '{name}' on type '{table.logical_name}'.")
    return [
        ((_second(record, order), record["id"]), row)
        for record in records.stream()
        if record["object"] == table.name and (row := _row(table, record)) and holds({"statecode": 0, **row.values()})
    ]


def _second(record: Mapping[str, Any], order: str) -> int:
    if order == "createdon":
        return 0  # their numbers are in that order
    if order == "modifiedon":
        return int(record["changed_at"])
    try:
        return int(datetime.fromisoformat(str(record["fields"].get(order))).timestamp())
    except ValueError:
        return 0


def _row(table: Table, record: Mapping[str, Any]) -> Row:
    return row_of(table, record["external_id"], record["id"], record["fields"], changed_at=record["changed_at"])


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise bad_request("Bad Request - Error in query syntax.")
    return int(text)
