"""What is sent to HubSpot: paths, inputs of a batch, and values, every one of which is a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.kit import ConfigurationError, Record


def batch_input(record: Record, key_property: str, contact: str | None = None) -> dict[str, Any]:
    """A record by our key, or by the id of a contact that gets it. Its trace id is our key."""
    properties = {name: property_text(value) for name, value in record.fields.items()}
    known_by = {"id": record.key, "idProperty": key_property} if contact is None else {"id": contact}
    if not record.update_only:
        properties[key_property] = record.key
    return {**known_by, "objectWriteTraceId": record.key, "properties": properties}


def property_text(value: Any) -> str:
    """As HubSpot takes every value; an empty text empties the property."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"  # 20.0 is 20, and nothing has an exponent
    if isinstance(value, date):  # times as well
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ";".join(property_text(entry) for entry in value)
    return str(value)


def read_body(
    ids: Sequence[str], key_property: str, *, id_property: str | None = None, more: Sequence[str] = ()
) -> dict[str, Any]:
    """Asks for the key and `more` properties."""
    names = list(dict.fromkeys((key_property, *more)))
    body = {"inputs": [{"id": name} for name in ids], "properties": names, "propertiesWithHistory": []}
    return body if id_property is None else {**body, "idProperty": id_property}


def object_path(destination: str, name: str, version: Any, *, part: str = "objects") -> str:
    """`part`: objects, or properties."""
    text = str(version)
    if re.fullmatch(r"v\d+", text):
        return f"/crm/{text}/{part}/{name}"
    if re.fullmatch(r"\d{4}-\d{2}", text):
        return f"/crm/{part}/{text}/{name}"
    raise ConfigurationError(
        f"destinations.{destination}.options.api_version is {text!r}; allowed: v3 or such as 2026-03"
    )
