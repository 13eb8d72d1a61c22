"""The tables that a mapping's `objects:` may name, and by which navigation property a row leads to another."""

from __future__ import annotations

from connectors.kit import Link, ObjectType

OBJECTS = (
    ObjectType("leads", ("person",), links=("parentaccountid",)),
    ObjectType("contacts", ("person",), links=("parentcustomerid_account",)),
    ObjectType("accounts", ("company",)),
    # A task has one row that it is about: a person. Dynamics shows it with the person's company too.
    ObjectType("tasks", ("touch",), links=("regardingobjectid_contact_task", "regardingobjectid_lead_task")),
)
ID_FIELDS = {
    "accounts": "accountid",
    "contacts": "contactid",
    "leads": "leadid",
    "msdynmkt_contactpointconsent4s": "msdynmkt_contactpointconsent4id",
    "tasks": "activityid",
}


def reference_of(link: Link) -> tuple[str, str | None]:
    """Name and value by which an upsert makes the link, or undoes it."""
    return f"{link.role}@odata.bind", None if link.crm_id is None else f"/{link.object}({link.crm_id})"
