"""HubSpot's properties as a mapping sees them, and those that a mapping wants made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.kit import DescribedField, SentField

_KINDS = {
    "string": "text",
    "phone_number": "phone",
    "number": "number",
    "bool": "boolean",
    "date": "date",
    "datetime": "datetime",
    "enumeration": "picklist",
}
_MOST_CHARACTERS = 65_536
_ONE_LINE = 255
_USUAL_GROUP = "contactinformation"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES = {
    "number": ("number", "number"),
    "integer": ("number", "number"),
    "boolean": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "picklist": ("enumeration", "select"),
}


def described_property(entry: Mapping[str, Any], key_property: str, *, is_mark_enough: bool = False) -> DescribedField:
    """No text says how long it may be, and none of them is required. Values go as texts, so a text takes any type.

    `is_mark_enough`: our key may stand in a property whose values are not unique.
    """
    word = str(entry.get("type"))
    kind = "list" if word == "enumeration" and entry.get("fieldType") == "checkbox" else _KINDS.get(word, word)
    rights = entry.get("modificationMetadata")
    is_read_only = bool(rights.get("readOnlyValue")) if isinstance(rights, dict) else False
    options = entry.get("options")
    values = tuple(
        str(option.get("value"))
        for option in (options if isinstance(options, list) else [])
        if isinstance(option, dict) and not option.get("hidden")
    )
    name = str(entry.get("name"))
    return DescribedField(
        name,
        kind,
        max_length=_MOST_CHARACTERS if kind in ("text", "phone") else None,
        is_writable=not (is_read_only or entry.get("calculated")),
        values=values if word == "enumeration" and values else None,
        converts=kind in ("text", "phone"),
        is_key=name == key_property and (is_mark_enough or bool(entry.get("hasUniqueValue"))),
    )


def missing_properties(
    known: Iterable[Mapping[str, Any]], fields: Sequence[SentField], key_property: str, *, beside: str
) -> list[dict[str, Any]]:
    """What to make, as HubSpot is told, the key first, in the group that the property `beside` is in. Names that
    HubSpot cannot have are left out. `known`: as HubSpot describes what there is."""
    groups = {str(entry.get("name")): entry.get("groupName") for entry in known}
    key = SentField(key_property, max_length=_ONE_LINE)
    wanted = [] if key_property in groups else [{**_text(key), "hasUniqueValue": True}]
    wanted += [_property(field) for field in fields if field.name not in groups and _NAME.fullmatch(field.name)]
    return [{**made, "groupName": groups.get(beside) or _USUAL_GROUP} for made in wanted]


def _property(field: SentField) -> dict[str, Any]:
    type_name, field_type = _TYPES.get(field.kind, ("", ""))
    if not type_name or (field.kind == "picklist" and not field.values):
        return _text(field)
    made = {**_text(field), "type": type_name, "fieldType": field_type}
    if field.kind == "picklist":
        made["options"] = [_option(value, value, place) for place, value in enumerate(field.values or ())]
    if field.kind == "boolean":
        made["options"] = [_option("Yes", "true", 0), _option("No", "false", 1)]
    return made


def _text(field: SentField) -> dict[str, Any]:
    is_long = field.kind in ("text", "list") and (field.max_length is None or field.max_length > _ONE_LINE)
    return {
        "name": field.name,
        "label": field.name.removeprefix("afluente_").replace("_", " ").title(),
        "type": "string",
        "fieldType": "textarea" if is_long else "text",
    }


def _option(label: str, value: str, place: int) -> dict[str, Any]:
    return {"label": label, "value": value, "displayOrder": place, "hidden": False}
