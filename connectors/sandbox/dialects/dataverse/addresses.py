"""Addresses below `/api/data/v9.2/`: a table, a record by its id or by the alternate key, an action of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.sandbox.dialects.dataverse.errors import ODataError, bad_request
from connectors.sandbox.dialects.dataverse.rules import TABLES, Table

ROOT = re.compile(r"/api/data/v9\.\d/")
_PATH = re.compile(r"(\w+)(?:\((.*)\))?(?:/Microsoft\.Dynamics\.CRM\.(\w+))?", re.DOTALL)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEY = re.compile(r"(\w+)='((?:[^']|'')*)'", re.DOTALL)
_BREAKS_ADDRESSES = frozenset("/<>*%&:\\?+")


@dataclass(frozen=True, slots=True)
class Address:
    """`key` is our id, `guid` the table's own; none of them names the whole table."""

    table: Table
    key: str | None = None
    guid: str | None = None
    action: str | None = None

    @property
    def is_record(self) -> bool:
        return self.key is not None or self.guid is not None


def read_address(path: str) -> Address:
    """From what stands behind the root, percent-encoded. Raises ODataError."""
    match = _PATH.fullmatch(unquote(path))
    if match is None:
        raise bad_request("Bad Request - Error in query syntax.")
    table = TABLES.get(match[1])
    if table is None:
        raise ODataError(404, "0x8006088a", f"Resource not found for the segment '{match[1]}'.")
    if match[2] is None:
        return Address(table, action=match[3])
    guid = match[2].removeprefix(f"{table.id_column}=")
    if _GUID.fullmatch(guid):
        return Address(table, guid=guid.lower(), action=match[3])
    return Address(table, key=_read_key(table, match[2]), action=match[3])


def _read_key(table: Table, text: str) -> str:
    named = _KEY.fullmatch(text)
    if named is None or named[1] != table.key_column:
        resource = f"Microsoft.Dynamics.CRM.{table.logical_name}"
        raise bad_request(
            f"The key in the request URI is not valid for resource '{resource}'. Ensure that the names and number of"
            f" key properties match the declared or alternate key properties for the resource '{resource}'."
        )
    key = named[2].replace("''", "'")
    if not key or _BREAKS_ADDRESSES & set(key):
        raise bad_request("Bad Request - Error in query syntax.")
    return key


def split_address(url: str) -> tuple[str, Mapping[str, str]]:
    """Path behind the root and query of an address inside a batch: whole, from the host's root on, or relative."""
    address = urlsplit(url)
    path = address.path
    if path.startswith("/"):
        root = ROOT.match(path)
        if root is None:
            raise ODataError(404, "0x8006088a", "Resource not found for the segment.")
        path = path[root.end() :]
    return path, dict(parse_qsl(address.query))
