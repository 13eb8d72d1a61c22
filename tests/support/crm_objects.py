"""Contacts, companies and touches at each kind of CRM: a mapping of all three, and the records under our names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.services import forget_caches
from tests.support.target_database import Target

PERSON, COMPANY, TOUCH = "person", "company", "touch"
_GUID = re.compile(r"\((.*)\)")


@dataclass(frozen=True)
class Spelling:
    """`objects`: what each is called in records; `fields`: what ours are called; `calls_of_touch`: of a new one."""

    mapping: str
    objects: Mapping[str, str]
    fields: Mapping[str, str]
    links: Mapping[str, tuple[str, str]]  # "person.company" -> field and kind of its value
    calls_of_touch: int = 1

    def seen(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record: `subject`, `id`, `external_id`, `fields` by our names, and ids of the `company` and `person`."""
        subject = next(name for name, called in self.objects.items() if called == record["object"])
        fields = {ours: record["fields"].get(theirs) for ours, theirs in self.fields.items()}
        linked = {
            link.partition(".")[2]: _READ[kind](record["fields"].get(field))
            for link, (field, kind) in self.links.items()
            if link.startswith(f"{subject}.")
        }
        known = {"id": record["id"], "external_id": record["external_id"]}
        return {COMPANY: None, PERSON: None, **known, **fields, **linked, "subject": subject}


def _only(ids: list[str] | None) -> str | None:
    (found,) = ids or [None]
    return found


def _bound(reference: str | None) -> str | None:
    found = _GUID.search(reference or "")
    return found[1] if found else None


_READ: dict[str, Callable[[Any], str | None]] = {"id": lambda value: value, "list": _only, "reference": _bound}

SALESFORCE = Spelling(
    """
destination: whole
version: 1
objects:
  Contact:
    of: person
    links: {AccountId: company}
    fields:
      LastName: {from: [last_name, full_name, email], required: true}
      Email: {from: email, as: email}
  Account:
    of: company
    fields:
      Name: {from: [company, company_domain], required: true, max: 160}
      Website: {from: website}
      Industry: {from: industry}
  Task:
    of: touch
    links: {WhoId: person, WhatId: company}
    fields:
      Subject: {from: summary, max: 255, too_long: truncate}
      ActivityDate: {from: occurred_at, as: date}
      Status: {constant: Completed}
      Event__c: {from: event_id}
""",
    {PERSON: "Contact", COMPANY: "Account", TOUCH: "Task"},
    {"email": "Email", "last_name": "LastName", "name": "Name"},
    {"person.company": ("AccountId", "id"), "touch.person": ("WhoId", "id"), "touch.company": ("WhatId", "id")},
)
HUBSPOT = Spelling(
    """
destination: whole
version: 1
objects:
  contacts:
    of: person
    links: {companies: company}
    fields:
      lastname: {from: [last_name, full_name, email], required: true}
      email: {from: email, as: email}
  companies:
    of: company
    fields:
      name: {from: [company, company_domain], required: true, max: 160}
      website: {from: website}
  notes:
    of: touch
    links: {contacts: person, companies: company}
    fields:
      hs_timestamp: {from: occurred_at, as: datetime}
      hs_note_body: {from: summary}
""",
    {PERSON: "contact", COMPANY: "company", TOUCH: "note"},
    {"email": "email", "last_name": "lastname", "name": "name"},
    {
        "person.company": ("associations.companies", "list"),
        "touch.person": ("associations.contacts", "list"),
        "touch.company": ("associations.companies", "list"),
    },
    calls_of_touch=3,
)
DATAVERSE = Spelling(
    """
destination: whole
version: 1
objects:
  contacts:
    of: person
    links: {parentcustomerid_account: company}
    fields:
      lastname: {from: [last_name, full_name, email], required: true}
      emailaddress1: {from: email, as: email}
  accounts:
    of: company
    fields:
      name: {from: [company, company_domain], required: true, max: 160}
      websiteurl: {from: website}
  tasks:
    of: touch
    links: {regardingobjectid_contact_task: person}
    fields:
      subject: {from: summary, max: 200, too_long: truncate}
      scheduledend: {from: occurred_at, as: datetime}
""",
    {PERSON: "contacts", COMPANY: "accounts", TOUCH: "tasks"},
    {"email": "emailaddress1", "last_name": "lastname", "name": "name"},
    {
        "person.company": ("parentcustomerid_account@odata.bind", "reference"),
        "touch.person": ("regardingobjectid_contact_task@odata.bind", "reference"),
    },
)
SQL = Spelling(
    """
destination: whole
version: 1
objects:
  contacts:
    of: person
    links: {company_id: company}
    fields:
      last_name: {from: [last_name, full_name, email], required: true}
      email: {from: email, as: email}
  companies:
    of: company
    fields:
      name: {from: [company, company_domain], required: true, max: 160}
      website: {from: website}
  touches:
    of: touch
    links: {contact_id: person, company_id: company}
    fields:
      summary: {from: summary}
      occurred_at: {from: occurred_at, as: datetime}
""",
    {PERSON: "contacts", COMPANY: "companies", TOUCH: "touches"},
    {"email": "email", "last_name": "last_name", "name": "name"},
    {
        "person.company": ("company_id", "id"),
        "touch.person": ("contact_id", "id"),
        "touch.company": ("company_id", "id"),
    },
)
SPELLINGS = {"salesforce": SALESFORCE, "hubspot": HUBSPOT, "dataverse": DATAVERSE, "sql": SQL}


def people_alone(mapping: str) -> str:
    """The mapping with its persons only, and without what they are linked to."""
    persons = mapping[: mapping.index("    of: company")].rpartition("\n")[0].rpartition("\n")[0]
    alone = re.sub(r"    links: .*\n", "", persons)
    return alone.replace("destination: whole", "destination: alone") + "\n"


class TargetCrm:
    """Tables of a database with the ways of a sandbox: what was written is looked up, faults cannot be ordered."""

    def __init__(self, target: Target, config: Path) -> None:
        self.target = target
        self._config = config

    def configure(self, *, kind: str = "sql", **destination: Any) -> None:
        known = {"kind": kind, "base_url": self.target.url, "secrets": {"user": "env:WAREHOUSE_USER"}}
        known |= {"calls_per_second": 200, "burst": 50, "options": {"create_tables": True}}
        document = {"destinations": {"crm": known | destination}, "tuning": {"delivery_linger_seconds": 0.0}}
        self._config.write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    def records(self) -> list[dict[str, Any]]:
        there = self.target.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'afluente'")
        return [
            {"object": name, "id": row["afluente_id"], "external_id": row["afluente_id"], "fields": row}
            for (name,) in there
            for (row,) in self.target.execute(f"SELECT to_jsonb(t) FROM afluente.{name} t")
        ]
