"""The objects of HubSpot that the sandbox has: what each needs, its properties, and how they may be associated."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.sandbox.dialects.hubspot.properties import KEY, Property, standard_properties


@dataclass(frozen=True, slots=True)
class HubSpotObject:
    """`name` as paths have it, `kind` that of the sandbox's records. A new one needs a value in one of `one_of`."""

    name: str
    kind: str
    type_id: str
    one_of: tuple[str, ...]

    @property
    def is_activity(self) -> bool:
        return self.one_of == (_TIME,)


_TIME = "hs_timestamp"
OBJECTS = {
    known.name: known
    for known in (
        HubSpotObject("contacts", "contact", "0-1", ("email", "firstname", "lastname")),
        HubSpotObject("companies", "company", "0-2", ("name", "domain")),
        HubSpotObject("notes", "note", "0-46", (_TIME,)),
        HubSpotObject("tasks", "task", "0-27", (_TIME,)),
    )
}
# The type of an association without a label, from one object to the other.
ASSOCIATION_TYPES = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("notes", "companies"): 190,
    ("companies", "notes"): 189,
    ("notes", "contacts"): 202,
    ("contacts", "notes"): 201,
    ("tasks", "companies"): 192,
    ("companies", "tasks"): 191,
    ("tasks", "contacts"): 204,
    ("contacts", "tasks"): 203,
}
_STATUSES = ("NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED")
_INDUSTRIES = ("COMPUTER_SOFTWARE", "CONSTRUCTION", "FINANCIAL_SERVICES", "MACHINERY", "RETAIL")
_KEPT = {"createdate": "Create Date", "lastmodifieddate": "Last Modified Date"}


def properties_of(name: str) -> dict[str, Property]:
    """Those that HubSpot brings, and those that docs/hubspot.md has an admin make."""
    if name == "contacts":
        return standard_properties()
    group = {"companies": "companyinformation", "notes": "note", "tasks": "task"}[name]
    own = {"companies": _of_companies, "notes": _of_notes, "tasks": _of_tasks}[name]()
    kept = [Property(known, label, "datetime", "date", group, is_read_only=True) for known, label in _KEPT.items()]
    made = [
        *own,
        *kept,
        Property("hs_object_id", "Record ID", "number", "number", group, is_read_only=True),
        Property("hubspot_owner_id", "Owner", "enumeration", "select", group),
        Property(KEY, "Afluente ID", group=group, has_unique_value=True),
    ]
    return {known.name: known for known in made}


def _of_companies() -> list[Property]:
    texts = {
        "name": "Company Name", "domain": "Company Domain Name", "website": "Website URL", "phone": "Phone Number",
        "address": "Street Address", "city": "City", "state": "State/Region", "zip": "Postal Code",
        "country": "Country/Region", "description": "Description",
    }  # fmt: skip
    group = "companyinformation"
    made = [Property(name, label, group=group) for name, label in texts.items()]
    made.append(Property("industry", "Industry", "enumeration", "select", group, options=_INDUSTRIES))
    return [*made, Property("numberofemployees", "Number of Employees", "number", "number", group)]


def _of_notes() -> list[Property]:
    return [
        Property(_TIME, "Activity Date", "datetime", "date", "note"),
        Property("hs_note_body", "Note Body", field_type="html", group="note"),
    ]


def _of_tasks() -> list[Property]:
    return [
        Property(_TIME, "Due Date", "datetime", "date", "task"),
        Property("hs_task_subject", "Task Title", group="task"),
        Property("hs_task_body", "Notes", field_type="html", group="task"),
        Property("hs_task_status", "Task Status", "enumeration", "radio", "task", options=_STATUSES),
        Property("hs_task_priority", "Priority", "enumeration", "radio", "task", options=("LOW", "MEDIUM", "HIGH")),
        Property("hs_task_type", "Task Type", "enumeration", "radio", "task", options=("TODO", "CALL", "EMAIL")),
    ]
