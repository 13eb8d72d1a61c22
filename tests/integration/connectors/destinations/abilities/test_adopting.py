"""Records that were in a CRM before us are taken over: each writer on the sandbox of its kind, or on a real table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from connectors.destinations.dataverse import DESTINATION as DATAVERSE
from connectors.destinations.hubspot import DESTINATION as HUBSPOT
from connectors.destinations.salesforce import DESTINATION as SALESFORCE
from connectors.kit import Connection, Record, SentField
from connectors.sandbox.server import Sandbox
from tests.support import crm as salesforce
from tests.support import dataverse, hubspot_crm
from tests.support.target_database import TABLE, Target

KINDS = ("dataverse", "hubspot", "salesforce", "sql")
NAMES = {  # the fields of a name, an address and a city
    "dataverse": ("lastname", "emailaddress1", "address1_city"),
    "hubspot": ("lastname", "email", "city"),
    "salesforce": ("LastName", "Email", "City"),
    "sql": ("last_name", "email", "city"),
}
REQUIRED = {"dataverse": {"subject": "Demo"}, "salesforce": {"Company": "Brandt GmbH"}}


class Crm(NamedTuple):
    """`make` gives the id of a record that somebody else made."""

    kind: str
    writer: Any
    make: Callable[..., str]
    drop: Callable[[str], None]

    def record(self, key: str, crm_id: str, name: str = "Brandt", email: str = "ada@example.org") -> Record:
        return Record(key, {**REQUIRED.get(self.kind, {}), **self.fields(name, email)}, crm_id=crm_id)

    def fields(self, name: str, email: str) -> dict[str, str]:
        return dict(zip(NAMES[self.kind], (name, email, "Bonn"), strict=True))

    def people(self) -> dict[str, tuple[str | None, str]]:
        """Our key and the name in each record, by the CRM's id."""
        return {person.crm_id: (person.key, person.values["last_name"]) for person in self.writer.list_people().people}


@pytest.fixture(params=KINDS)
def crm(request, tmp_path) -> Iterator[Crm]:
    if request.param == "sql":
        target = Target(request.getfixturevalue("empty_database"))
        target.make_table()
        writer = target.writer()
        yield Crm("sql", writer, lambda email: _row(target, email), lambda key: _drop_row(target, key))
        writer.close()
        return
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect=request.param) as sandbox:
        kind = {"dataverse": DATAVERSE, "hubspot": HUBSPOT, "salesforce": SALESFORCE}[request.param]
        sent = tuple(SentField(name) for name in NAMES[request.param])
        writer = kind.connect(Connection("crm", sandbox.address, timeout_seconds=5.0, fields=sent))
        yield Crm(request.param, writer, *_others(request.param, sandbox))
        writer.close()


def _row(target: Target, email: str) -> str:
    key = f"old-{email}"
    target.execute(
        f"INSERT INTO {TABLE} (afluente_id, last_name, email, first_written_at, updated_at)"
        f" VALUES ('{key}', 'Old', '{email}', now(), now())"
    )
    return key


def _drop_row(target: Target, key: str) -> None:
    target.execute(f"DELETE FROM {TABLE} WHERE afluente_id = '{key}'")


def _others(kind: str, sandbox: Sandbox) -> tuple[Callable[..., str], Callable[[str], None]]:
    if kind == "hubspot":
        return (
            lambda email: hubspot_crm.make_contact(sandbox, email=email, lastname="Old"),
            lambda crm_id: hubspot_crm.by_hand(sandbox, "DELETE", f"{hubspot_crm.CONTACTS}/{crm_id}"),
        )
    if kind == "salesforce":
        leads = "/services/data/v67.0/sobjects/Lead"
        made = {"LastName": "Old", "Company": "Old GmbH"}
        return (
            lambda email: salesforce.call(sandbox, "POST", leads, json={**made, "Email": email}).json()["id"],
            lambda crm_id: salesforce.call(sandbox, "DELETE", f"{leads}/{crm_id}"),
        )

    def make(email: str) -> str:
        fields = {"lastname": "Old", "subject": "Demo", "emailaddress1": email}
        answer = dataverse.call(sandbox, "POST", "leads", json=fields)
        return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")

    return make, lambda crm_id: dataverse.call(sandbox, "DELETE", f"leads({crm_id})")


def test_a_record_that_is_taken_over_has_our_key_and_fields_and_stays_one(crm):
    ids = [crm.make(f"{name}@example.org") for name in ("ada", "ben")]
    told = crm.writer.adopt([crm.record("key-a", ids[0]), crm.record("key-b", ids[1], "Mora", "ben@example.org")])
    assert [(result.state, result.created) for result in told] == [("written", False)] * 2
    assert sorted(crm.people().values()) == [("key-a", "Brandt"), ("key-b", "Mora")]
    (again,) = crm.writer.write([crm.record("key-a", told[0].crm_id, "Brandt Sol")])
    assert (again.state, again.created, again.crm_id) == ("written", False, told[0].crm_id)
    assert sorted(crm.people().values()) == [("key-a", "Brandt Sol"), ("key-b", "Mora")]


def test_taking_over_twice_changes_nothing(crm):
    record = crm.record("key-a", crm.make("ada@example.org"))
    first, second = crm.writer.adopt([record]), crm.writer.adopt([record])
    assert first == second
    assert list(crm.people().values()) == [("key-a", "Brandt")]


def test_one_that_is_gone_is_told_and_none_is_made_in_its_place(crm):
    gone, there = crm.make("ada@example.org"), crm.make("ben@example.org")
    crm.drop(gone)
    told = crm.writer.adopt([crm.record("key-a", gone), crm.record("key-b", there, email="ben@example.org")])
    assert [(result.state, result.code) for result in told] == [("retry", "record_gone"), ("written", None)]
    assert list(crm.people().values()) == [("key-b", "Brandt")]


def test_our_key_in_another_record_is_told(crm):
    other = crm.make("other@example.org")
    crm.writer.write([crm.record("key-a", "", email="ada@example.org")])
    told = crm.writer.adopt([crm.record("key-a", other)])
    assert [(result.state, result.code) for result in told] == [("retry", "key_taken")]
    assert sorted(crm.people().values(), key=str) == sorted(
        [("key-a", "Brandt"), (_own_key(crm, other), "Old")], key=str
    )


def _own_key(crm: Crm, crm_id: str) -> str | None:
    return crm_id if crm.kind == "sql" else None


@pytest.mark.parametrize("crm", ["hubspot"], indirect=True)
def test_an_address_that_is_another_contacts_waits_for_a_human_with_all_else_written(crm):
    mine, other = crm.make("ada@example.org"), crm.make("work@example.org")
    (told,) = crm.writer.adopt([crm.record("key-a", mine, email="work@example.org")])
    assert (told.state, told.code, told.field) == ("rejected", "CONFLICT", "email")
    assert crm.people() == {mine: ("key-a", "Brandt"), other: (None, "Old")}
