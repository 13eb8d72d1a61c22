"""A workbench for each kind of CRM that comes along: its sandbox where there is one, else what is declared here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from connectors.kit import Connection, DestinationType, Record, SentField, destination_types
from connectors.kit.conformance.destinations import Consents, Linked, SeenRecord, Workbench
from connectors.kit.conformance.destinations.line import Line, Pace
from connectors.kit.conformance.destinations.workbenches import TIMEOUT_SECONDS
from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox
from pipeline.inspection.crm.conformance import fields_by
from pipeline.stages.destination_mapping.mapping import DestinationMapping, load_destination_mapping
from tests.support.sql_workbench import sql_workbench

_SHORT_SECONDS = 300

FACTS: dict[str, dict[str, Any]] = {
    "salesforce": {
        "usage_headers": lambda used, limit: {"Sforce-Limit-Info": f"api-usage={used}/{limit}"},
        "linked": Linked("Contact", {"LastName": "Quillfeather"}, "AccountId", "Account", {"Name": "Bramblewick"}),
    },
    "hubspot": {
        "usage_headers": lambda used, limit: {
            "X-HubSpot-RateLimit-Daily": str(limit),
            "X-HubSpot-RateLimit-Daily-Remaining": str(limit - used),
        },
        "linked": Linked(
            "contacts",
            {"lastname": "Quillfeather"},
            "companies",
            "companies",
            {"name": "Bramblewick"},
            linked_id=lambda fields: "".join(fields.get("associations.companies", [])),
        ),
    },
    "dataverse": {
        "linked": Linked(
            "contacts",
            {"lastname": "Quillfeather"},
            "parentcustomerid_account",
            "accounts",
            {"name": "Bramblewick"},
            linked_id=lambda fields: re.sub(r".*\(|\)", "", fields.get("parentcustomerid_account@odata.bind", "")),
        )
    },
}
"""What a workbench of a kind with a sandbox has to know beyond what all have."""

RECORDED_AS = {"hubspot": {"contacts": "contact", "companies": "company"}}
"""What objects are called in the sandbox's records where that is not their name in the API."""

PEOPLE_IN = {"salesforce": "Lead", "dataverse": "leads"}
"""Tables of sandboxes that take a record without our key as it is."""


def subscriptions(sandbox: Sandbox) -> Consents:
    """HubSpot knows them by the address."""
    return Consents(
        "subscriptions",
        lambda number: {
            "subscriberIdString": f"vera{number}.{uuid4().hex[:8]}@example.org",
            "subscriptionId": "371111",
            "channel": "EMAIL",
        },
        {"statusState": "SUBSCRIBED"},
        {"statusState": "UNSUBSCRIBED"},
        seen=lambda record: [
            row["fields"]
            for row in sandbox.records.stream()
            if row["object"] == "subscription"
            and row["fields"]["subscriberIdString"] == record.fields["subscriberIdString"]
        ],
    )


def records_of_salesforce(_sandbox: Sandbox) -> Consents:
    return Consents(
        "Consent__c",
        lambda number: {"Question__c": f"marketing.email of {number}"},
        {"State__c": "granted"},
        {"State__c": "withdrawn"},
        (SentField("Question__c"), SentField("State__c")),
    )


def contact_point_consents(_sandbox: Sandbox) -> Consents:
    return Consents(
        "msdynmkt_contactpointconsent4s",
        lambda number: {
            "msdynmkt_contactpointvalue": f"vera{number}.{uuid4().hex[:8]}@example.org",
            "msdynmkt_contactpointtype": 534120000,
        },
        {"msdynmkt_value": 534120001},
        {"msdynmkt_value": 534120002},
        tuple(map(SentField, ("msdynmkt_contactpointvalue", "msdynmkt_contactpointtype", "msdynmkt_value"))),
    )


CONSENTS = {
    "hubspot": subscriptions,
    "salesforce": records_of_salesforce,
    "dataverse": contact_point_consents,
}
"""What consents are told by at each sandbox."""

OTHERS: dict[str, Callable[..., contextlib.AbstractContextManager[Workbench]]] = {"sql": sql_workbench}
"""Workbenches of kinds without a sandbox: given the kind's mapping, a folder, and the URL of an empty database."""

ELSEWHERE = {"tryton": "a server of its own answers for it: test_tryton_conforms.py"}
"""Kinds without a workbench, and why."""


def sent_fields(mapping: DestinationMapping) -> tuple[SentField, ...]:
    return tuple(SentField(rule.name, rule.kind, rule.max_length, rule.picklist) for rule in mapping.declaration.fields)


def pace_of(destination: DestinationType) -> Pace | None:
    """What its sandbox takes: the short windows of the kind are kept there too."""
    short = [window.calls / window.seconds for window in destination.windows if window.seconds <= _SHORT_SECONDS]
    return Pace(min(short) * 0.9, 8) if short else None


@contextlib.contextmanager
def sandbox_workbench(kind: str, folder: Path) -> Iterator[Workbench]:
    """Its sandbox behind a line."""
    mapping = load_destination_mapping(kind)
    with contextlib.ExitStack() as opened:
        sandbox = opened.enter_context(Sandbox(port=0, state=folder / "crm.sqlite", dialect=kind))
        destination = destination_types()[kind]
        recorded_as = RECORDED_AS.get(kind, {})
        line = opened.enter_context(Line(sandbox.address, keeps_host=True, pace=pace_of(destination)))
        yield Workbench(
            destination,
            Connection("crm", line.url, timeout_seconds=TIMEOUT_SECONDS, fields=sent_fields(mapping)),
            fields_by(mapping),
            lambda _keys, name: seen_in(sandbox, recorded_as.get(name or "", name)),
            line,
            consents=CONSENTS[kind](sandbox) if kind in CONSENTS else None,
            unkeyed=partial(put_by_others, sandbox, PEOPLE_IN[kind]) if kind in PEOPLE_IN else None,
            **FACTS.get(kind, {}),
        )


def put_by_others(sandbox: Sandbox, table: str, record: Record) -> str:
    """A record without our key; gives its id."""
    place = f"id={uuid4()}"
    sandbox.records.upsert(table, {place: dict(record.fields)})
    [row] = [row for row in sandbox.records.stream() if row["external_id"] == place]
    return sandbox.dialect.record_id(row["id"], row["object"])


def seen_in(sandbox: Sandbox, name: str | None) -> list[SeenRecord]:
    records = list(sandbox.records.stream())
    return [
        SeenRecord(
            record["external_id"], sandbox.dialect.record_id(record["id"], record["object"]), dict(record["fields"])
        )
        for record in records
        if name is None or record["object"] == name
    ]


@contextlib.contextmanager
def workbench_of(kind: str, folder: Path, database_url: Callable[[], str]) -> Iterator[Workbench]:
    """Raises LookupError for a kind that nobody declared one for."""
    if kind in dialects():
        with sandbox_workbench(kind, folder) as bench:
            yield bench
        return
    if kind not in OTHERS:
        raise LookupError(
            f"{kind} has no workbench: give it a dialect of the sandbox, or an entry in OTHERS of {__name__}"
        )
    mapping = load_destination_mapping(kind)
    with OTHERS[kind](database_url()) as bench:
        bench.fields_of = fields_by(mapping)
        bench.connection = replace(bench.connection, fields=sent_fields(mapping))
        yield bench
