"""What Salesforce accepts in its standard objects: types, names, required fields and lengths, and which field leads to
records of which objects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Refusal = tuple[str, str, list[str]]  # statusCode, message, fields

_REQUIRED = {"Lead": ("LastName", "Company"), "Contact": ("LastName",), "Account": ("Name",)}
REFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "Contact": {"AccountId": ("Account",)},
    "Task": {"WhoId": ("Lead", "Contact"), "WhatId": ("Account",)},
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LENGTHS = {
    "City": 40, "Company": 255, "Country": 80, "CountryCode": 10, "Description": 32_000, "Email": 80,
    "EmailBouncedReason": 255, "Fax": 40, "FirstName": 40, "Industry": 40, "LastName": 80, "LeadSource": 255,
    "MiddleName": 40, "MobilePhone": 40, "OwnerId": 18, "Phone": 40, "PostalCode": 20, "Rating": 40, "Salutation": 40,
    "State": 80, "StateCode": 10, "Status": 40, "Street": 255, "Suffix": 40, "Title": 128, "Website": 255,
    "AccountId": 18, "ActivityDate": 10, "BillingCity": 40, "BillingCountry": 80, "BillingState": 80, "Name": 255,
    "Priority": 40, "Subject": 255, "Type": 255, "WhatId": 18, "WhoId": 18,
}  # fmt: skip
_CUSTOM_LENGTH = 32_000  # a long text area; in a real org each custom field has its own
_NUMBERS = {"AnnualRevenue", "Latitude", "Longitude", "NumberOfEmployees"}
_BOOLEANS = {"DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax", "IsUnreadByOwner"}


def find_unreadable(entry: Any, kind: str, key_field: str) -> tuple[str, str] | None:
    """What makes a whole call fail: errorCode and message. Types and names are read before any record is looked at."""
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict) or attributes.get("type") != kind:
        return "INVALID_TYPE", f"every record needs attributes.type {kind}"
    for name, value in entry.items():
        if name in ("attributes", key_field) or value is None:
            continue
        if name == "Id":
            return "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an upsert by external id"
        wanted = _type_of(name)
        if wanted is None or (name.endswith("__c") and isinstance(value, dict | list)):
            return "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}"
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            return "JSON_PARSER_ERROR", f"Cannot deserialize instance of {wanted[0].__name__} from value {value}"
    return None


def find_refusal(entry: Mapping[str, Any], kind: str, *, is_new: bool) -> Refusal | None:
    """Why one record cannot be written."""
    missing = [name for name in _REQUIRED.get(kind, ()) if not entry.get(name) and (is_new or name in entry)]
    if missing:
        return "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
    for name, value in entry.items():
        limit = _LENGTHS.get(name, _CUSTOM_LENGTH)
        if isinstance(value, str) and len(value) > limit:
            return "STRING_TOO_LONG", f"{name}: data value too large: {value[:80]} (max length={limit})", [name]
    email = entry.get("Email")
    if email and not _EMAIL.fullmatch(email):
        return "INVALID_EMAIL_ADDRESS", f"Email: invalid email address: {email}", ["Email"]
    return None


def _type_of(name: str) -> tuple[type, ...] | None:
    if name in _NUMBERS:
        return (float, int)
    if name in _BOOLEANS:
        return (bool,)
    if name in _LENGTHS:
        return (str,)
    return (str, int, float, bool, dict, list) if name.endswith("__c") else None
