"""What Dataverse accepts in a lead or contact: names of columns, types and lengths. The Web API asks for no column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.sandbox.dialects.dataverse.errors import ODataError, refusal, unreadable

_CUSTOM = re.compile(r"new_[a-z0-9_]+")
_MADE = [f"new_{which}{what}" for which in ("original", "latest") for what in ("source", "channel", "campaign")]
_OURS = 255
_LONG = 2_000
_CUSTOM_LENGTH = 4_000  # the most of a line of text; in a real environment each column has its own
_BIND = re.compile(r"/?(?:\w+)\([^()]+\)")


@dataclass(frozen=True, slots=True)
class Table:
    """`key_column` is that of the one alternate key."""

    name: str  # the entity set's
    logical_name: str
    id_column: str
    key_column: str = "new_afluenteid"


TABLES = {
    "leads": Table("leads", "lead", "leadid"),
    "contacts": Table("contacts", "contact", "contactid"),
}
_LENGTHS = {
    "address1_city": 80, "address1_country": 80, "address1_line1": 250, "address1_line2": 250, "address1_line3": 250,
    "address1_postalcode": 20, "address1_stateorprovince": 50, "companyname": 100, "description": 2_000,
    "emailaddress1": 100, "emailaddress2": 100, "emailaddress3": 100, "fax": 50, "firstname": 50, "jobtitle": 100,
    "lastname": 50, "middlename": 50, "mobilephone": 20, "new_afluenteid": 100, "new_afluentemergedinto": 100,
    "pager": 20, "qualificationcomments": 2_000, "salutation": 100, "sic": 20, "subject": 300, "telephone1": 50,
    "telephone2": 50, "telephone3": 50, "websiteurl": 200,
}  # fmt: skip
_INTEGERS = {"numberofemployees": range(1_000_001)}
CHOICES = {
    "industrycode": range(1, 34),
    "leadqualitycode": range(1, 4),
    "leadsourcecode": range(1, 11),
    "statecode": range(3),
    "statuscode": range(1, 8),
}
_BOOLEANS = {"donotbulkemail", "donotemail", "donotphone", "msdyn_gdproptout"}
_DATES = {"new_reroutedat"}
_KEPT = {
    "createdon": "DateTime",
    "modifiedon": "DateTime",
    "statecode": "State",
}  # by Dataverse; as every table has them


def is_column(table: Table, name: str) -> bool:
    known = (table.id_column, *_LENGTHS, *_INTEGERS, *CHOICES, *_BOOLEANS, *_DATES)
    return name in known or bool(_CUSTOM.fullmatch(name))


def standard_columns(table: Table) -> list[dict[str, Any]]:
    """As `EntityDefinitions(LogicalName='lead')/Attributes` tells them: those that Dynamics brings, and those that
    docs/dataverse.md has an admin make."""
    shown = [_shown(table.id_column, "Uniqueidentifier", is_kept=True)]
    shown += [_shown(name, word, is_kept=True) for name, word in _KEPT.items()]
    for name, length in _LENGTHS.items():
        word = "Memo" if length >= _LONG else "String"
        required = "ApplicationRequired" if table.name == "leads" and name in ("lastname", "subject") else "None"
        form = "Email" if name.startswith("emailaddress") else "Url" if name == "websiteurl" else "Text"
        shown.append(_shown(name, word, required=required, MaxLength=length, FormatName={"Value": form}))
    shown += [_shown(name, "Integer") for name in _INTEGERS]
    shown += [_shown(name, "Picklist") for name in CHOICES if name != "statecode"]
    shown += [_shown(name, "Boolean") for name in sorted(_BOOLEANS)]
    shown += [_shown(name, "DateTime", Format="DateAndTime") for name in sorted(_DATES)]
    shown += [_shown(name, "String", MaxLength=_OURS, FormatName={"Value": "Text"}) for name in _MADE]
    return [*shown, _shown("ownerid", "Owner")]


def _shown(name: str, word: str, *, is_kept: bool = False, required: str = "None", **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{word}AttributeMetadata",
        "LogicalName": name,
        "SchemaName": name,
        "AttributeType": word,
        "AttributeOf": None,
        "IsValidForCreate": not is_kept,
        "IsValidForUpdate": not is_kept,
        "RequiredLevel": {"Value": required, "CanBeChanged": True},
        **more,
    }


def check_fields(table: Table, fields: Mapping[str, Any]) -> None:
    """Raises ODataError for the first value that does not fit."""
    for name, value in fields.items():
        if name.endswith("@odata.bind"):
            if not isinstance(value, str) or not _BIND.fullmatch(value):
                raise unreadable(f"The value of '{name}' is no reference to a record.")
            continue
        if not is_column(table, name):
            raise unreadable(
                f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table.logical_name}'."
            )
        problem = _problem(table, name, value)
        if value is not None and problem is not None:
            raise problem


def _problem(table: Table, name: str, value: Any) -> ODataError | None:
    if name in _INTEGERS or name in CHOICES:
        return _problem_of_number(table, name, value)
    if name in _BOOLEANS:
        return None if isinstance(value, bool) else _wrong_type(value, "Edm.Boolean")
    if name in _DATES:
        return None if _is_time(value) else _wrong_type(value, "Edm.DateTimeOffset")
    return _problem_of_text(table, name, value)


def _problem_of_number(table: Table, name: str, value: Any) -> ODataError | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _wrong_type(value, "Edm.Int32")
    if value in (_INTEGERS.get(name) or CHOICES[name]):
        return None
    return refusal(
        "0x8004432f" if name in _INTEGERS else "0x8004431a",
        f"A validation error occurred.  The value of '{name}' on record of type '{table.logical_name}' is outside the"
        " valid range.",
    )


def _problem_of_text(table: Table, name: str, value: Any) -> ODataError | None:
    if name not in _LENGTHS and name not in _MADE and isinstance(value, bool | int | float):
        return None  # a column of one's own is of any type
    if not isinstance(value, str):
        return _wrong_type(value, "Edm.String")
    most = _OURS if name in _MADE else _LENGTHS.get(name, _CUSTOM_LENGTH)
    if len(value) <= most:
        return None
    return refusal(
        "0x80044331",
        f"A validation error occurred.  The length of the '{name}' attribute of the '{table.logical_name}' entity"
        f" exceeded the maximum allowed length of '{most}'.",
    )


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _wrong_type(value: Any, wanted: str) -> ODataError:
    return unreadable(f"Cannot convert the literal '{value}' to the expected type '{wanted}'.")
