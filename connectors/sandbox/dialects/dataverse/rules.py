"""What Dataverse accepts in a lead, contact, account, task or contact point consent: names of columns, types, lengths
and references. The Web API asks for no column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.sandbox.dialects.dataverse.errors import ODataError, refusal, unreadable

_CUSTOM = re.compile(r"new_[a-z0-9_]+")
_MADE = [f"new_{which}{what}" for which in ("original", "latest") for what in ("source", "channel", "campaign")]
_OURS = 255
_LONG = 2_000
_CUSTOM_LENGTH = 4_000  # the most of a line of text; in a real environment each column has its own
BIND = "@odata.bind"
_REFERENCE_ID = re.compile(r"_\w+_value")  # how a question calls the id of what a column leads to
_BOUND = re.compile(r"/?(\w+)\(([^()]+)\)")


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
    "accounts": Table("accounts", "account", "accountid"),
    "tasks": Table("tasks", "task", "activityid"),
    "msdynmkt_contactpointconsent4s": Table(
        "msdynmkt_contactpointconsent4s", "msdynmkt_contactpointconsent4", "msdynmkt_contactpointconsent4id"
    ),
}
_REFERENCES = {
    "leads": {"parentaccountid": "accounts", "parentcontactid": "contacts"},
    "contacts": {"parentcustomerid_account": "accounts", "parentcustomerid_contact": "contacts"},
    "accounts": {"parentaccountid": "accounts", "primarycontactid": "contacts"},
    "tasks": {
        "regardingobjectid_account_task": "accounts",
        "regardingobjectid_contact_task": "contacts",
        "regardingobjectid_lead_task": "leads",
    },
    "msdynmkt_contactpointconsent4s": {},
}
_OF_OTHERS = ("ownerid", "campaignid", "msdynmkt_purposeId", "msdynmkt_topicId", "transactioncurrencyid")
# to tables that the sandbox has not
_ONE_OF = (
    "regardingobjectid_",
    "parentcustomerid_",
)  # one of these at a time: a new one takes its place
_PERSON_LENGTHS = {
    "address1_city": 80, "address1_country": 80, "address1_line1": 250, "address1_line2": 250, "address1_line3": 250,
    "address1_postalcode": 20, "address1_stateorprovince": 50, "companyname": 100, "description": 2_000,
    "emailaddress1": 100, "emailaddress2": 100, "emailaddress3": 100, "fax": 50, "firstname": 50, "jobtitle": 100,
    "lastname": 50, "middlename": 50, "mobilephone": 20, "new_afluenteid": 100, "new_afluentemergedinto": 100,
    "pager": 20, "qualificationcomments": 2_000, "salutation": 100, "sic": 20, "subject": 300, "telephone1": 50,
    "telephone2": 50, "telephone3": 50, "websiteurl": 200,
}  # fmt: skip
_LENGTHS = {
    "leads": _PERSON_LENGTHS,
    "contacts": _PERSON_LENGTHS,
    "accounts": {
        "accountnumber": 20, "address1_city": 80, "address1_country": 80, "address1_line1": 250,
        "address1_postalcode": 20, "address1_stateorprovince": 50, "description": 2_000, "emailaddress1": 100,
        "name": 160, "new_afluenteid": 100, "sic": 20, "telephone1": 50, "websiteurl": 200,
    },
    "tasks": {"category": 250, "description": 2_000, "new_afluenteid": 100, "subcategory": 250, "subject": 200},
    "msdynmkt_contactpointconsent4s": {
        "msdynmkt_contactpointvalue": 100, "msdynmkt_reason": 2_000, "msdynmkt_source": 100, "new_afluenteid": 100,
    },
}  # fmt: skip
_REQUIRED = {"leads": ("lastname", "subject"), "accounts": ("name",), "tasks": ("subject",)}  # on forms
_INTEGERS = {"numberofemployees": range(1_000_001)}
CHOICES = {
    "industrycode": range(1, 34),
    "leadqualitycode": range(1, 4),
    "leadsourcecode": range(1, 11),
    "statecode": range(3),
    "statuscode": range(1, 8),
}
_OF_CONSENTS = {"msdynmkt_contactpointtype": range(534_120_000, 534_120_003),
                "msdynmkt_value": range(534_120_000, 534_120_003)}  # fmt: skip
_BOOLEANS = {"donotbulkemail", "donotemail", "donotphone", "msdyn_gdproptout"}
_DATES = {"new_reroutedat"}
_OF_A_TASK = {"scheduledstart", "scheduledend"}
_KEPT = {
    "createdon": "DateTime",
    "modifiedon": "DateTime",
    "statecode": "State",
}  # by Dataverse; as every table has them


def is_column(table: Table, name: str) -> bool:
    known = (table.id_column, *_LENGTHS[table.name], *_INTEGERS, *_choices(table), *_BOOLEANS, *_dates(table))
    return name in known or bool(_CUSTOM.fullmatch(name))


def is_readable(table: Table, name: str) -> bool:
    """Whether a question may name it."""
    return is_column(table, name) or name in _KEPT or bool(_REFERENCE_ID.fullmatch(name))


def _choices(table: Table) -> Mapping[str, range]:
    return {**CHOICES, **_OF_CONSENTS} if table.name == "msdynmkt_contactpointconsent4s" else CHOICES


def standard_columns(table: Table) -> list[dict[str, Any]]:
    """As `EntityDefinitions(LogicalName='lead')/Attributes` tells them: those that Dynamics brings, and those that
    docs/dataverse.md has an admin make."""
    shown = [_shown(table.id_column, "Uniqueidentifier", is_kept=True)]
    shown += [_shown(name, word, is_kept=True) for name, word in _KEPT.items()]
    for name, length in _LENGTHS[table.name].items():
        word = "Memo" if length >= _LONG else "String"
        required = "ApplicationRequired" if name in _REQUIRED.get(table.name, ()) else "None"
        form = "Email" if name.startswith("emailaddress") else "Url" if name == "websiteurl" else "Text"
        shown.append(_shown(name, word, required=required, MaxLength=length, FormatName={"Value": form}))
    shown += [_shown(name, "Integer") for name in _INTEGERS]
    shown += [_shown(name, "Picklist") for name in _choices(table) if name != "statecode"]
    shown += [_shown(name, "Boolean") for name in sorted(_BOOLEANS)]
    shown += [_shown(name, "DateTime", Format="DateAndTime") for name in sorted(_dates(table))]
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
        if name.endswith(BIND):
            _check_reference(table, name.removesuffix(BIND), value)
            continue
        if not is_column(table, name):
            raise unreadable(
                f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table.logical_name}'."
            )
        problem = _problem(table, name, value)
        if value is not None and problem is not None:
            raise problem


def bound_to(value: str) -> tuple[str, str]:
    """Entity set and what stands in the parentheses, of a reference that was checked."""
    match = _BOUND.fullmatch(value)
    return (match[1], match[2]) if match else ("", "")


def replaced_by(names: Iterable[str]) -> dict[str, None]:
    """The references that are gone where these are given: a task is about one row, a contact has one parent."""
    given = set(names)
    known = {f"{name}{BIND}" for references in _REFERENCES.values() for name in references}
    groups = {group for group in _ONE_OF for name in given & known if name.startswith(group)}
    return dict.fromkeys(name for name in known - given if any(name.startswith(group) for group in groups))


def _check_reference(table: Table, name: str, value: Any) -> None:
    wanted = _REFERENCES[table.name].get(name)
    if wanted is None and name not in _OF_OTHERS and not _CUSTOM.fullmatch(name.lower()):
        raise unreadable(
            f"An undeclared property '{name}' which only has property annotations in the payload but no property value"
            " was found in the payload."
        )
    if value is None:  # it leads nowhere any more
        return
    match = _BOUND.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise unreadable(f"The value of '{name}' is no reference to a record.")
    if wanted is not None and match[1] != wanted:
        raise unreadable(f"The reference of '{name}' leads to {match[1]}; {wanted} was expected.")


def _problem(table: Table, name: str, value: Any) -> ODataError | None:
    if name in _INTEGERS or name in _choices(table):
        return _problem_of_number(table, name, value)
    if name in _BOOLEANS:
        return None if isinstance(value, bool) else _wrong_type(value, "Edm.Boolean")
    if name in _dates(table):
        return None if _is_time(value) else _wrong_type(value, "Edm.DateTimeOffset")
    return _problem_of_text(table, name, value)


def _problem_of_number(table: Table, name: str, value: Any) -> ODataError | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _wrong_type(value, "Edm.Int32")
    if value in (_INTEGERS.get(name) or _choices(table)[name]):
        return None
    return refusal(
        "0x8004432f" if name in _INTEGERS else "0x8004431a",
        f"A validation error occurred.  The value of '{name}' on record of type '{table.logical_name}' is outside the"
        " valid range.",
    )


def _problem_of_text(table: Table, name: str, value: Any) -> ODataError | None:
    lengths = _LENGTHS[table.name]
    if name not in lengths and name not in _MADE and isinstance(value, bool | int | float):
        return None  # a column of one's own is of any type
    if not isinstance(value, str):
        return _wrong_type(value, "Edm.String")
    most = _OURS if name in _MADE else lengths.get(name, _CUSTOM_LENGTH)
    if len(value) <= most:
        return None
    return refusal(
        "0x80044331",
        f"A validation error occurred.  The length of the '{name}' attribute of the '{table.logical_name}' entity"
        f" exceeded the maximum allowed length of '{most}'.",
    )


def _dates(table: Table) -> set[str]:
    return _DATES | (_OF_A_TASK if table.name == "tasks" else set())


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _wrong_type(value: Any, wanted: str) -> ODataError:
    return unreadable(f"Cannot convert the literal '{value}' to the expected type '{wanted}'.")
