"""What Salesforce accepts in its standard objects: types, names, required fields and lengths, which field leads to
records of which objects, and how it describes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Refusal = tuple[str, str, list[str]]  # statusCode, message, fields

_REQUIRED = {"Lead": ("LastName", "Company"), "Contact": ("LastName",), "Account": ("Name",), "Campaign": ("Name",),
             "CampaignMember": ("CampaignId",)}  # fmt: skip
REFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "Contact": {"AccountId": ("Account",)},
    "Task": {"WhoId": ("Lead", "Contact"), "WhatId": ("Account", "Campaign")},
    "CampaignMember": {"CampaignId": ("Campaign",), "LeadId": ("Lead",), "ContactId": ("Contact",)},
}
FIXED = {"CampaignMember": ("CampaignId", "LeadId", "ContactId")}  # said when a record is made, and never again
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LENGTHS = {
    "City": 40, "Company": 255, "Country": 80, "CountryCode": 10, "Description": 32_000, "Email": 80,
    "EmailBouncedReason": 255, "Fax": 40, "FirstName": 40, "Industry": 40, "LastName": 80, "LeadSource": 255,
    "MiddleName": 40, "MobilePhone": 40, "OwnerId": 18, "Phone": 40, "PostalCode": 20, "Rating": 40, "Salutation": 40,
    "State": 80, "StateCode": 10, "Status": 40, "Street": 255, "Suffix": 40, "Title": 128, "Website": 255,
    "AccountId": 18, "ActivityDate": 10, "BillingCity": 40, "BillingCountry": 80, "BillingState": 80, "Name": 255,
    "Priority": 40, "Subject": 255, "Type": 255, "WhatId": 18, "WhoId": 18, "CampaignId": 18, "ContactId": 18,
    "LeadId": 18,
    "MailingCity": 40, "MailingCountry": 80, "MailingPostalCode": 20, "MailingState": 80, "MailingStreet": 255,
}  # fmt: skip
_CUSTOM_LENGTH = 32_000  # a long text area; in a real org each custom field has its own
_NUMBERS = {"AnnualRevenue", "Latitude", "Longitude", "NumberOfEmployees"}
_BOOLEANS = {"DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax", "IsUnreadByOwner"}
KEY = "Afluente_Id__c"
# By Salesforce itself.
_KEPT = (
    "Id",
    "IsConverted",
    "IsDeleted",
    "CreatedDate",
    "LastModifiedDate",
    "MasterRecordId",
    "ConvertedContactId",
    "SystemModstamp",
)
_NAMED_BY_PARTS = ("Lead", "Contact")  # whose Name is made of first and last name
_OF_TOUCHES = {"ActivityDate", "CampaignId", "ContactId", "LeadId", "Priority", "Subject", "Type", "WhatId", "WhoId"}
_MAILING = {"MailingCity", "MailingCountry", "MailingPostalCode", "MailingState", "MailingStreet"}
_BILLING = {"BillingCity", "BillingCountry", "BillingState"}
_OF_OTHERS = {
    "Lead": {"AccountId"} | _OF_TOUCHES | _MAILING | _BILLING,
    "Contact": {"AnnualRevenue", "City", "Company", "ConvertedContactId", "Country", "CountryCode", "Industry",
                "IsConverted", "IsUnreadByOwner", "Latitude", "Longitude", "NumberOfEmployees", "PostalCode", "Rating",
                "State", "StateCode", "Status", "Street", "Website"} | _OF_TOUCHES | _BILLING,
}  # fmt: skip
_KINDS = {
    "Description": "textarea", "Email": "email", "Fax": "phone", "Industry": "picklist", "LeadSource": "picklist",
    "MobilePhone": "phone", "NumberOfEmployees": "int", "OwnerId": "reference", "Phone": "phone", "Rating": "picklist",
    "Salutation": "picklist", "Status": "picklist", "Street": "textarea", "Website": "url", "Id": "id",
    "CreatedDate": "datetime", "LastModifiedDate": "datetime", "SystemModstamp": "datetime",
    "IsConverted": "boolean", "IsDeleted": "boolean",
    "AnnualRevenue": "currency", "Latitude": "double", "Longitude": "double",
}  # fmt: skip
_PICKLISTS = {
    "Industry": ("Agriculture", "Banking", "Construction", "Education", "Retail", "Technology"),
    "LeadSource": ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    "Rating": ("Hot", "Warm", "Cold"),
    "Salutation": ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof."),
    "Status": ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
}
_RESTRICTED = {("Lead", "Status")}  # the others take any text
_CUSTOM = {
    KEY: "string", "Afluente_Merged_Into__c": "string", "Afluente_Rerouted_At__c": "datetime",
    "Original_Source__c": "string", "Original_Channel__c": "string", "Original_Campaign__c": "string",
    "Latest_Source__c": "string", "Latest_Channel__c": "string", "Latest_Campaign__c": "string",
}  # fmt: skip
_CUSTOM_TEXT = 255


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
    kept = [name for name in entry if _is_kept(kind, name)]
    if kept:
        return "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {', '.join(kept)}.", kept
    for name, value in entry.items():
        if (kind, name) in _RESTRICTED and value and value not in _PICKLISTS[name]:
            message = f"{name}: bad value for restricted picklist field: {value}"
            return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [name]
        limit = _CUSTOM_TEXT if _CUSTOM.get(name) == "string" else _LENGTHS.get(name, _CUSTOM_LENGTH)
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
    if name in _KEPT:
        return (str, bool)
    return (str, int, float, bool, dict, list) if name.endswith("__c") else None


def read_cell(name: str, cell: str) -> Any:
    """A cell of a CSV file, by the type of its field; as it stands where it is not of that type."""
    if name in _BOOLEANS and cell in ("true", "false"):
        return cell == "true"
    if name in _NUMBERS:
        try:
            return float(cell)
        except ValueError:
            return cell
    return cell


def is_field(kind: str, name: str) -> bool:
    """Whether a query may name it. As in writing, any custom field goes."""
    return name in _names(kind) or name.endswith("__c")


def describe(kind: str) -> dict[str, Any]:
    """As `sobjects/Lead/describe` does: the fields that Salesforce brings, and those that docs/salesforce.md has an
    admin make."""
    fields = [_described(kind, name) for name in _names(kind)]
    return {
        "name": kind,
        "label": kind,
        "keyPrefix": "00Q" if kind == "Lead" else "003",
        "createable": True,
        "updateable": True,
        "deletable": True,
        "queryable": True,
        "fields": fields,
    }


def _names(kind: str) -> list[str]:
    names = [*_KEPT, *_LENGTHS, *sorted(_NUMBERS), *sorted(_BOOLEANS), *_CUSTOM]
    return [name for name in names if name not in _OF_OTHERS.get(kind, ())]


def _is_kept(kind: str, name: str) -> bool:
    return name in _KEPT or (name == "Name" and kind in _NAMED_BY_PARTS)


def _described(kind: str, name: str) -> dict[str, Any]:
    word = _KINDS.get(name) or _CUSTOM.get(name) or ("boolean" if name in _BOOLEANS else "string")
    is_text = word in ("string", "textarea", "email", "phone", "url", "picklist")
    values = [{"active": True, "label": value, "value": value} for value in _PICKLISTS.get(name, ())]
    is_writable = not _is_kept(kind, name)
    return {
        "name": name,
        "label": name,
        "type": word,
        "length": (_LENGTHS.get(name) or (_CUSTOM_TEXT if name in _CUSTOM else 255)) if is_text else 0,
        "nillable": name not in _REQUIRED.get(kind, ()) and word != "boolean" and name not in ("OwnerId", "Status"),
        "defaultedOnCreate": word == "boolean" or name in ("OwnerId", "Status"),
        "createable": is_writable,
        "updateable": is_writable,
        "custom": name.endswith("__c"),
        "externalId": name == KEY,
        "unique": name == KEY,
        "restrictedPicklist": (kind, name) in _RESTRICTED,
        "picklistValues": values,
    }
