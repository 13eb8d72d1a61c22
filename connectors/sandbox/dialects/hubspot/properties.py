"""What HubSpot's contacts are made of, and which values each property takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

KEY = "afluente_id"
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_MOST_CHARACTERS = 65_536
_STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "other")


@dataclass(frozen=True, slots=True)
class Property:
    """`options` are the internal names of an enumeration."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = "contactinformation"
    has_unique_value: bool = False
    is_read_only: bool = False
    options: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": self.group,
            "description": "",
            "hasUniqueValue": self.has_unique_value,
            "options": [{"label": name, "value": name, "hidden": False, "displayOrder": -1} for name in self.options],
            "modificationMetadata": {
                "archivable": True,
                "readOnlyDefinition": False,
                "readOnlyValue": self.is_read_only,
            },
        }


@dataclass(frozen=True, slots=True)
class Issue:
    """Why a value is not taken."""

    code: str
    name: str
    message: str

    def shown(self) -> dict[str, Any]:
        return {"isValid": False, "message": self.message, "error": self.code, "name": self.name}


def standard_properties() -> dict[str, Property]:
    """Those that HubSpot brings, and those that docs/hubspot.md has an admin make."""
    texts = {
        "firstname": "First Name", "lastname": "Last Name", "email": "Email", "phone": "Phone Number",
        "mobilephone": "Mobile Phone Number", "company": "Company Name", "jobtitle": "Job Title",
        "website": "Website URL", "address": "Street Address", "city": "City", "state": "State/Region",
        "zip": "Postal Code", "country": "Country/Region", "industry": "Industry", "salutation": "Salutation",
    }  # fmt: skip
    made = [Property(name, label) for name, label in texts.items()]
    made += [
        Property("message", "Message", field_type="textarea"),
        Property("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", options=_STAGES),
        Property("hs_object_id", "Record ID", "number", "number", is_read_only=True),
        Property("createdate", "Create Date", "datetime", "date", is_read_only=True),
        Property("lastmodifieddate", "Last Modified Date", "datetime", "date", is_read_only=True),
        Property(KEY, "Afluente ID", has_unique_value=True),
        Property("afluente_employee_count", "Employees", "number", "number"),
        Property("afluente_rerouted_at", "Rerouted At", "datetime", "date"),
        Property("afluente_merged_into", "Merged Into"),
    ]
    for which in ("original", "latest"):
        for what in ("source", "channel", "campaign"):
            made.append(Property(f"afluente_{which}_{what}", f"{which} {what}".title()))
    return {known.name: known for known in made}


def find_issues(known: Mapping[str, Property], values: Mapping[str, str]) -> list[Issue]:
    """Every value that would not be taken; an empty text empties a property and is always taken."""
    issues = []
    for name, value in values.items():
        if name not in known:
            issues.append(Issue("PROPERTY_DOESNT_EXIST", name, f'Property "{name}" does not exist'))
        elif known[name].is_read_only:
            issues.append(Issue("READ_ONLY_VALUE", name, f'"{name}" is a read only property; its value cannot be set.'))
        elif value and (code := _code(known[name], value)):
            issues.append(Issue(code, name, f"{value} was not valid for {name}"))
    return issues


def _code(known: Property, value: str) -> str | None:
    if known.name == "email":
        return None if _EMAIL.fullmatch(value) and value.isascii() else "INVALID_EMAIL"
    if known.type == "number":
        return None if re.fullmatch(r"-?\d+(\.\d+)?", value) else "INVALID_INTEGER"
    if known.type in ("date", "datetime"):
        return None if _is_time(value) else "INVALID_DATE"
    if known.options:
        return None if value in known.options else "INVALID_OPTION"
    if known.type == "bool":
        return None if value in ("true", "false") else "INVALID_OPTION"
    return "PROPERTY_VALUE_TOO_LONG" if len(value) > _MOST_CHARACTERS else None


def _is_time(value: str) -> bool:
    if value.isascii() and value.isdigit():
        return len(value) >= 11  # milliseconds
    for read in (datetime.fromisoformat, date.fromisoformat):
        try:
            read(value)
        except ValueError:
            continue
        return True
    return False
