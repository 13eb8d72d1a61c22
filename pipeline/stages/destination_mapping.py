"""Destination mappings: a person's golden values become the CRM's fields, checked before any call is made."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from pipeline.errors import ConfigurationError, RecordError
from pipeline.stages.mapping_language import DestinationDeclaration, DestinationRule, read_destination
from pipeline.stages.text import fold
from pipeline.stages.values import is_empty
from pipeline.stages.vocabularies import MAPPINGS, shown


class DestinationMapping:
    """One CRM's mapping, checked. `version` is `<name>@<version>+<hash of the content>`."""

    def __init__(self, declaration: DestinationDeclaration) -> None:
        self.declaration = declaration
        self.destination = declaration.destination
        self.version = declaration.version
        self.tables = {
            rule.name: {fold(key): value for key, value in rule.values.items()} for rule in declaration.fields
        }


@cache
def load_destination_mapping(name: str) -> DestinationMapping:
    """The mapping of a kind of CRM, read once per process. Raises ConfigurationError saying what is wrong and where."""
    path = MAPPINGS / "destinations" / f"{name}.yaml"
    if not name.isidentifier() or not path.is_file():
        known = ", ".join(sorted(found.stem for found in (MAPPINGS / "destinations").glob("*.yaml")))
        raise ConfigurationError(f"no mapping for {name!r}: {shown(path)} does not exist; there are {known}")
    return read_destination_mapping(path)


def read_destination_mapping(path: Path) -> DestinationMapping:
    """The mapping in this file. Raises ConfigurationError."""
    return DestinationMapping(read_destination(path))


def map_person(
    mapping: DestinationMapping, person_id: UUID, values: dict[str, Any], attribution: dict[str, Any]
) -> dict[str, Any]:
    """The CRM's fields of one person, from golden `values` and `attribution` (`canonical.ATTRIBUTION_NAMES`).

    Both may lack any name. Empty values are left out: they never clear what the CRM holds. Raises
    RecordError (`too_long`, `missing_required`, `wrong_type`) for what the CRM would refuse, before any call.
    """
    known = {**values, **attribution, "person_id": str(person_id)}
    email = values.get("email")
    if isinstance(email, str):
        known["email_local_part"] = email.rpartition("@")[0]
    fields: dict[str, Any] = {}
    for rule in mapping.declaration.fields:
        value = _first(rule, known)
        table = mapping.tables[rule.name]
        if table and isinstance(value, str):
            value = table.get(fold(value), value)
        if is_empty(value):
            if rule.required:
                raise RecordError(
                    "missing_required", field=rule.name, message=f"{rule.name} has neither value nor default"
                )
            continue
        fields[rule.name] = _fitted(rule, value)
    return fields


def _first(rule: DestinationRule, known: dict[str, Any]) -> Any:
    if rule.constant is not None:
        return rule.constant
    for source in rule.sources:
        value = known.get(source)
        if not is_empty(value):
            return value
    return rule.default


def _fitted(rule: DestinationRule, value: Any) -> Any:
    if rule.kind in ("number", "boolean"):
        wanted = bool if rule.kind == "boolean" else (int, float)
        if not isinstance(value, wanted) or (rule.kind == "number" and isinstance(value, bool)):
            raise RecordError("wrong_type", field=rule.name, message=f"{rule.name} must be a {rule.kind}")
        if rule.max_length is not None and len(str(value)) > rule.max_length:
            raise RecordError("too_long", field=rule.name, message=f"{rule.name} takes {rule.max_length} digits")
        return value
    text = "; ".join(str(item) for item in value) if isinstance(value, list) else _text(value)
    if rule.max_length is None or len(text) <= rule.max_length:
        return text
    if not rule.truncates:
        raise RecordError(
            "too_long",
            field=rule.name,
            message=f"{rule.name} takes {rule.max_length} characters, there are {len(text)}",
        )
    return text[: rule.max_length].rstrip()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)
