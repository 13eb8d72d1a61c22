"""Columns of a Dataverse table: as Dataverse describes them, and as it is told to make one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.kit import DescribedField, SentField

_KINDS = {
    "String": "text",
    "Memo": "text",
    "Integer": "integer",
    "BigInt": "integer",
    "Decimal": "number",
    "Double": "number",
    "Money": "number",
    "Boolean": "boolean",
    "DateTime": "datetime",
    "Picklist": "integer",  # values are numbers
    "State": "integer",
    "Status": "integer",
}
_FORMATS = {"Email": "email", "Phone": "phone", "Url": "url"}
_REFERENCES = ("Lookup", "Owner", "Customer")
_LONGEST_LINE, _LONGEST_TEXT = 4_000, 1_048_576
_USUAL_LINE = 255
_LANGUAGE = 1033  # of names on forms: English
_PREFIX = "Microsoft.Dynamics.CRM."


def described_columns(
    attributes: Iterable[Mapping[str, Any]], choices: Mapping[str, tuple[str, ...]], key: str | None
) -> tuple[DescribedField, ...]:
    """`choices`: the numbers of each; `key`: the column of our id, if it is an alternate key that is ready."""
    found: list[DescribedField] = []
    for attribute in attributes:
        name, word = str(attribute.get("LogicalName")), str(attribute.get("AttributeType"))
        if attribute.get("AttributeOf") or word == "Virtual":
            continue  # a part of another column, made by Dataverse
        is_writable = bool(attribute.get("IsValidForCreate")) and bool(attribute.get("IsValidForUpdate"))
        is_required = _value(attribute.get("RequiredLevel")) == "ApplicationRequired"
        if word in _REFERENCES:
            names = dict.fromkeys((name, str(attribute.get("SchemaName") or name)))
            found += [DescribedField(f"{bound}@odata.bind", "reference", is_writable=is_writable) for bound in names]
        length = attribute.get("MaxLength")
        found.append(
            DescribedField(
                name,
                _kind(attribute, word),
                max_length=length if isinstance(length, int) and word in ("String", "Memo") else None,
                is_required=is_required and is_writable,
                is_writable=is_writable and word not in _REFERENCES,
                values=choices.get(name),
                is_key=name == key,
            )
        )
    return tuple(found)


def column_to_make(field: SentField) -> dict[str, Any]:
    """What Dataverse is told."""
    kind, more = _made_as(field)
    return {
        "@odata.type": f"{_PREFIX}{kind}AttributeMetadata",
        "SchemaName": field.name,
        "DisplayName": label(_display_name(field.name)),
        "RequiredLevel": {"Value": "None"},
        **more,
    }


def kind_of(column: Mapping[str, Any]) -> str:
    """What a column to make is, in Dataverse's word."""
    return str(column["@odata.type"]).rpartition(".")[2].removesuffix("AttributeMetadata")


def key_to_make(column: str) -> dict[str, Any]:
    return {"SchemaName": f"{column}_key", "DisplayName": label(_display_name(column)), "KeyAttributes": [column]}


def label(text: str) -> dict[str, Any]:
    localized = {"@odata.type": f"{_PREFIX}LocalizedLabel", "Label": text, "LanguageCode": _LANGUAGE}
    return {"@odata.type": f"{_PREFIX}Label", "LocalizedLabels": [localized]}


def _made_as(field: SentField) -> tuple[str, dict[str, Any]]:
    if field.kind == "integer":
        return "Integer", {"MinValue": -2_147_483_648, "MaxValue": 2_147_483_647, "Format": "None"}
    if field.kind == "number":
        return "Double", {"MinValue": -100_000_000_000.0, "MaxValue": 100_000_000_000.0, "Precision": 5}
    if field.kind == "boolean":
        options = {"TrueOption": {"Value": 1, "Label": label("Yes")}, "FalseOption": {"Value": 0, "Label": label("No")}}
        option_set = {"@odata.type": f"{_PREFIX}BooleanOptionSetMetadata", "OptionSetType": "Boolean", **options}
        return "Boolean", {"DefaultValue": False, "OptionSet": option_set}
    if field.kind in ("date", "datetime"):
        is_date = field.kind == "date"
        behavior = {"Value": "DateOnly" if is_date else "UserLocal"}
        return "DateTime", {"Format": "DateOnly" if is_date else "DateAndTime", "DateTimeBehavior": behavior}
    most = field.max_length or (_LONGEST_TEXT if field.kind in ("text", "list") else _USUAL_LINE)
    if most > _LONGEST_LINE:
        return "Memo", {"MaxLength": min(most, _LONGEST_TEXT), "Format": "TextArea"}
    return "String", {"MaxLength": most, "FormatName": {"Value": "Text"}}


def _kind(attribute: Mapping[str, Any], word: str) -> str:
    if word == "String":
        return _FORMATS.get(str(_value(attribute.get("FormatName"))), "text")
    if word == "DateTime" and attribute.get("Format") == "DateOnly":
        return "date"
    return _KINDS.get(word, word)


def _value(managed: Any) -> Any:
    return managed.get("Value") if isinstance(managed, dict) else None


def _display_name(name: str) -> str:
    return name.partition("_")[2].replace("_", " ").title() or name
