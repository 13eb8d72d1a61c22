"""What the tables are made of, as programs ask and tell: columns, choices, alternate keys. What is made is forgotten
when the sandbox ends.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote
from uuid import NAMESPACE_OID, uuid5

import orjson

from connectors.sandbox.dialects.dataverse.errors import ODataError, bad_request, refusal, unreadable
from connectors.sandbox.dialects.dataverse.operations import Answer, Operation
from connectors.sandbox.dialects.dataverse.rules import CHOICES, TABLES, Table, standard_columns

_ONE = re.compile(
    r"EntityDefinitions\((?:LogicalName='(\w+)'|([0-9a-f-]{36}))\)(?:/(Attributes|Keys)(?:/Microsoft\.Dynamics\.CRM\.(\w+))?)?"
)
_TABLE_OF = re.compile(r"(LogicalName|EntitySetName) eq '(\w+)'")
_KEY = "new_afluenteid"
_HEADERS = {"OData-Version": "4.0"}


class Metadata:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(self) -> None:
        self.may_customize = True  # whether the user has the right to change tables
        self._made: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self._keys: dict[str, list[list[str]]] = {name: [[_KEY]] for name in TABLES}

    def answer(self, operation: Operation) -> Answer | None:
        """None where it is about something else. Raises ODataError."""
        path = unquote(operation.path)
        if path == "EntityDefinitions" and operation.method == "GET":
            return self._tables(operation)
        match = _ONE.fullmatch(path)
        if match is None:
            return None
        called = (match[1], match[2])
        table = next(
            (table for table in TABLES.values() if called in ((table.logical_name, None), (None, _id(table)))), None
        )
        if table is None:
            raise refusal("0x80060888", f"Could not find an entity with name {match[1] or match[2]}.")
        if operation.method == "GET":
            return self._read(table, match[3], match[4])
        if operation.method == "POST" and match[3] and not match[4]:
            return self._make(table, match[3], operation)
        raise ODataError(405, "0x80060888", "The requested resource does not support http method.")

    def _tables(self, operation: Operation) -> Answer:
        asked = operation.query.get("$filter")
        match = _TABLE_OF.search(asked or "")
        if asked is not None and match is None:
            raise ODataError(400, "0x80060888", "The sandbox finds tables by LogicalName or EntitySetName only")
        found = [self._table(table) for table in TABLES.values()]
        found = [table for table in found if match is None or table[match[1]] == match[2]]
        if "Keys" in operation.query.get("$expand", ""):
            found = [{**table, "Keys": self._shown_keys(str(table["EntitySetName"]))} for table in found]
        return Answer(200, _HEADERS, {"value": found})

    def _read(self, table: Table, part: str | None, cast: str | None) -> Answer:
        if part is None:
            return Answer(200, _HEADERS, self._table(table))
        if part == "Keys":
            return Answer(200, _HEADERS, {"value": self._shown_keys(table.name)})
        columns = [*standard_columns(table), *self._made[table.name]]
        if cast is not None:
            columns = [column for column in columns if column["@odata.type"].endswith(f".{cast}")]
        if cast == "PicklistAttributeMetadata":
            columns = [
                {
                    "LogicalName": column["LogicalName"],
                    "OptionSet": {
                        "Options": [{"Value": number, "Label": {}} for number in CHOICES[column["LogicalName"]]]
                    },
                }
                for column in columns
            ]
        return Answer(200, _HEADERS, {"value": columns})

    def _make(self, table: Table, part: str, operation: Operation) -> Answer:
        if not self.may_customize:
            message = "Principal user is missing prvCreateAttribute privilege."
            raise refusal("0x80040220", message)
        try:
            wanted = orjson.loads(operation.body)
        except orjson.JSONDecodeError:
            wanted = None
        if not isinstance(wanted, dict) or not isinstance(wanted.get("SchemaName"), str):
            raise unreadable("An object with a SchemaName was expected.")
        _check_label(wanted)
        if part == "Keys":
            self._keys[table.name].append([str(name) for name in wanted.get("KeyAttributes") or []])
        else:
            self._make_column(table, wanted)
        place = f"{operation.root}EntityDefinitions({table.logical_name})/{part}({wanted['SchemaName'].lower()})"
        return Answer(204, {**_HEADERS, "OData-EntityId": place})

    def _make_column(self, table: Table, wanted: dict[str, Any]) -> None:
        name = wanted["SchemaName"].lower()
        kind = str(wanted.get("@odata.type")).rpartition(".")[2]
        if not re.fullmatch(r"[a-z]{2,8}_[a-z0-9_]+", name):
            raise refusal("0x80044363", "The name must begin with a prefix of a publisher.")
        if not kind.endswith("AttributeMetadata"):
            raise unreadable("A type name was not found for the attribute; it needs '@odata.type'.")
        if name in {column["LogicalName"] for column in [*standard_columns(table), *self._made[table.name]]}:
            raise refusal("0x80047013", f"An attribute with the specified name {name} already exists")
        word = kind.removesuffix("AttributeMetadata")
        if word in ("String", "Memo") and not isinstance(wanted.get("MaxLength"), int):
            raise bad_request("MaxLength is required")
        usual = {"LogicalName": name, "AttributeType": word, "AttributeOf": None}
        rights = {"IsValidForCreate": True, "IsValidForUpdate": True}
        self._made[table.name].append({**wanted, **usual, **rights, "@odata.type": f"#Microsoft.Dynamics.CRM.{kind}"})

    def _shown_keys(self, name: str) -> list[dict[str, Any]]:
        return [{"KeyAttributes": columns, "EntityKeyIndexStatus": "Active"} for columns in self._keys[name]]

    @staticmethod
    def _table(table: Table) -> dict[str, Any]:
        return {
            "MetadataId": _id(table),
            "LogicalName": table.logical_name,
            "SchemaName": table.logical_name.capitalize(),
            "EntitySetName": table.name,
            "PrimaryIdAttribute": table.id_column,
        }


def _id(table: Table) -> str:
    return str(uuid5(NAMESPACE_OID, table.logical_name))


def _check_label(wanted: dict[str, Any]) -> None:
    shown = wanted.get("DisplayName")
    labels = shown.get("LocalizedLabels") if isinstance(shown, dict) else None
    if not isinstance(labels, list) or not labels or not labels[0].get("Label"):
        raise bad_request("DisplayName needs a LocalizedLabel")
