"""`afluente destination`: a CRM that was named after people came gets them, and nobody takes them for lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.sandbox.server import Sandbox
from pipeline.delivery import sender
from pipeline.lanes import LANES
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, lines, problem, run, work
from tests.support.crm import order, records
from tests.support.services import forget_caches

PEOPLE = [{"email": f"person{number}@example.com", "full_name": f"Ada Sample{number}"} for number in range(3)]
REVISED = [
    {
        "id": "r-1",
        "updated_at": f"2026-03-0{day}T09:00:00Z",
        "person": {"full_name": name, "email": "ada@sample.example"},
    }
    for day, name in ((1, "Ada Sample"), (2, "Ada Brandt"))
]
LATER = {"email": "later@example.org", "last_name": "Later"}


class Installation:
    """Settings, and the workers that go by them since they were last written."""

    def __init__(self, folder, crm: Sandbox, other: Sandbox, monkeypatch) -> None:
        self.folder, self.crm, self.other = folder, crm, other
        monkeypatch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))

    def destinations(self, brands: Sequence[str] = ("default",), **named: dict[str, Any]) -> None:
        document = {
            "brands": {brand: {} for brand in brands},
            "destinations": {name: {"kind": "salesforce", "batch_size": 200} | more for name, more in named.items()},
            "tuning": {"delivery_linger_seconds": 0.0},
        }
        (self.folder / "afluente.yaml").write_text(json.dumps(document))
        forget_caches()

    def at(self, sandbox: Sandbox, **more: Any) -> dict[str, Any]:
        return {"base_url": sandbox.address, **more}

    def send(self, *names: str) -> None:
        for name in names:
            for lane in LANES:
                sender.deliver(name, lane, budget_seconds=2.0)


@pytest.fixture
def installation(database, redis_url, tmp_path, monkeypatch):
    with (
        Sandbox(port=0, state=tmp_path / "crm.sqlite") as crm,
        Sandbox(port=0, state=tmp_path / "other.sqlite") as other,
    ):
        made = Installation(tmp_path, crm, other, monkeypatch)
        made.destinations(first=made.at(crm))
        yield made


def settle(*leads: dict[str, Any]) -> None:
    capture(*leads)
    work()


def test_who_came_before_a_destination_was_named_is_counted_then_wanted_then_sent(installation):
    settle(*PEOPLE)
    installation.send("first")
    installation.destinations(first=installation.at(installation.crm), second=installation.at(installation.other))
    tried = answer("destination", "backfill", "second", "--dry-run")
    assert (tried["lacking"], tried["wanted"]) == (3, 3)
    assert {row["destination"] for row in lines("deliveries", "export")} == {"first"}
    assert answer("destination", "backfill", "second")["wanted"] == 3
    installation.send("second")
    assert len(records(installation.other)) == 3
    again = answer("destination", "backfill", "second")
    assert (again["lacking"], again["wanted"]) == (0, 0)
    assert len(records(installation.crm)) == 3


def test_whose_touch_is_of_an_event_that_a_revision_replaced_before_it_settled_is_wanted_as_well(installation):
    first, later = capture(*REVISED, source="json_feed")
    work()
    states = {row["event_id"]: row["state"] for row in lines("leads", "export")}
    assert states == {str(first): "suppressed", str(later): "settled"}
    installation.send("first")
    installation.destinations(first=installation.at(installation.crm), second=installation.at(installation.other))
    assert answer("balance")["not_wanted_yet"] == {"second": 1}
    assert answer("destination", "backfill", "second")["wanted"] == 1
    assert answer("balance")["not_wanted_yet"] == {}


def test_the_balance_tells_who_is_not_wanted_yet_from_a_delivery_that_is_lost(installation):
    settle(*PEOPLE)
    installation.destinations(second=installation.at(installation.other))
    found = answer("balance")
    assert (found["not_wanted_yet"], found["missing_deliveries"]) == ({"second": 3}, 0)
    text = run("balance").stdout
    assert "afluente destination backfill second" in text
    assert "The balance holds." in text
    settle(LATER)
    assert answer("balance")["not_wanted_yet"] == {"second": 3}
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries WHERE destination = 'second'")
    lost = answer("balance", code=1)
    assert (lost["missing_deliveries"], lost["missing_at"]) == (1, {"second": 1})
    assert answer("destination", "backfill", "second")["wanted"] == 4
    whole = answer("balance")
    assert (whole["not_wanted_yet"], whole["missing_deliveries"], whole["deliveries_waiting"]) == ({}, 0, 7)
    assert "7 deliveries are still due" in run("balance").stdout


def test_who_came_while_a_destination_was_disabled_is_wanted_when_it_is_enabled_again(installation):
    both = {"first": installation.at(installation.crm), "second": installation.at(installation.other)}
    installation.destinations(**both)
    settle(PEOPLE[0])
    installation.destinations(first=both["first"], second=both["second"] | {"enabled": False})
    settle(PEOPLE[1])
    assert "is disabled" in problem("destination", "backfill", "second", code=1)
    installation.destinations(**both)
    settle(PEOPLE[2])
    assert answer("balance")["not_wanted_yet"] == {"second": 1}
    assert answer("destination", "backfill", "second")["wanted"] == 1
    assert answer("balance")["not_wanted_yet"] == {}


def test_only_people_of_the_brands_that_a_destination_is_for_are_wanted(installation):
    brands = ["casa", "default"]
    installation.destinations(brands, first=installation.at(installation.crm))
    capture(PEOPLE[0], source="api", brand="casa")
    capture(PEOPLE[1], source="api", brand="default")
    work()
    second = installation.at(installation.other, brands=["casa"])
    installation.destinations(brands, first=installation.at(installation.crm), second=second)
    assert "is for casa" in problem("destination", "backfill", "second", "--brand", "default", code=2)
    assert answer("destination", "backfill", "second")["wanted"] == 1
    installation.send("second")
    assert [kept["fields"]["Email"] for kept in records(installation.other)] == [PEOPLE[0]["email"]]


def test_people_who_are_one_with_another_are_no_reason_to_backfill_for_ever(installation):
    settle(*PEOPLE[:2])
    one, other = (row["person_id"] for row in lines("people", "export"))
    run("people", "merge", one, other, "--why", "a test", "--by", "carl")
    installation.destinations(second=installation.at(installation.other))
    assert answer("destination", "backfill", "second")["wanted"] == 1
    assert answer("balance")["not_wanted_yet"] == {}


def test_status_tells_who_lacks_a_delivery_until_they_are_wanted(installation):
    settle(*PEOPLE)
    installation.destinations(second=installation.at(installation.other))
    told = [problem for problem in answer("status", code=None)["problems"] if "backfill second" in problem]
    assert len(told) == 1
    assert "3 people" in told[0]
    answer("destination", "backfill", "second")
    assert not [problem for problem in answer("status", code=None)["problems"] if "backfill" in problem]


def test_only_people_of_late_are_wanted_if_it_is_asked_for(installation):
    settle({**PEOPLE[0], "occurred_at": "2024-01-01T10:00:00Z"}, PEOPLE[1])
    installation.destinations(second=installation.at(installation.other))
    assert answer("destination", "backfill", "second", "--since", "2025-01-01")["wanted"] == 1
    assert answer("destination", "backfill", "second")["wanted"] == 1


@pytest.fixture
def own_mapping(installation, tmp_path, monkeypatch):
    """A mapping in a company's folder, and a way to write it anew."""
    (tmp_path / "mappings" / "destinations").mkdir(parents=True)
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    fields = {
        "LastName": {"from": "last_name", "as": "text", "required": True, "default": "Unknown"},
        "Company": {"from": "company", "as": "text", "required": True, "default": "Unknown"},
        "Email": {"from": "email", "as": "email"},
    }

    def write(**more):
        document = {"destination": "own", "version": 1, "fields": fields | more}
        (tmp_path / "mappings" / "destinations" / "own.yaml").write_text(json.dumps(document))
        installation.destinations(first=installation.at(installation.crm, mapping="own"))

    write()
    return write


def test_a_corrected_mapping_is_applied_to_those_of_whom_it_makes_something_else(installation, own_mapping):
    settle({**PEOPLE[0], "city": "Bonn"}, PEOPLE[1])
    installation.send("first")
    own_mapping(City={"from": "city", "as": "text"})
    tried = answer("destination", "backfill", "first", "--dry-run")
    assert (tried["lacking"], tried["remapped"], tried["wanted"]) == (0, 1, 1)
    assert answer("destination", "backfill", "first")["wanted"] == 1
    installation.send("first")
    assert [kept["fields"].get("City") for kept in records(installation.crm) if "City" in kept["fields"]] == ["Bonn"]
    assert answer("destination", "backfill", "first")["remapped"] == 0


def test_a_crm_that_was_emptied_gets_everybody_again_if_it_is_said_so(installation):
    settle(*PEOPLE)
    installation.send("first")
    installation.destinations(first=installation.at(installation.other))
    assert answer("destination", "backfill", "first")["wanted"] == 0
    assert answer("destination", "backfill", "first", "--everyone")["wanted"] == 3
    installation.send("first")
    assert len(records(installation.other)) == 3
    (row, *_) = lines("deliveries", "export")
    story = answer("explain", row["person_id"])
    assert story["deliveries"][0]["calls"][-1]["code"] == "made_again"


def test_the_list_of_destinations_says_how_each_stands(installation):
    settle(*PEOPLE)
    installation.send("first")
    installation.destinations(
        second=installation.at(installation.other), third=installation.at(installation.other, enabled=False)
    )
    found = {row["name"]: row for row in answer("destination", "list")}
    assert {name: row["state"] for name, row in found.items()} == {
        "first": "gone", "second": "ready", "third": "disabled"
    }  # fmt: skip
    assert (found["first"]["sent"], found["second"]["lacking"], found["second"]["due"]) == (3, 3, 0)
    assert "lacking" in run("destination", "list").stdout
    assert "known: second, third" in problem("destination", "backfill", "crm", code=2)


def test_a_changed_key_makes_no_second_record_and_is_told(installation):
    settle(PEOPLE[0])
    installation.send("first")
    changed = {"options": {"external_id_field": "Ext2__c"}}
    installation.destinations(first=installation.at(installation.crm, **changed))
    settle({**PEOPLE[0], "city": "Bonn"}, PEOPLE[1])
    installation.send("first")
    assert len(records(installation.crm)) == 2, "the new person alone is made under the new key"
    (row,) = answer("quarantine", "list")["rows"]
    assert (row["code"], row["destination"]) == ("key_changed", "first")
    assert "--rekeyed" in row["message"]
    assert answer("destination", "backfill", "first", "--rekeyed") == {"released": 1}
    installation.send("first")
    cities = [kept["fields"].get("City") for kept in records(installation.crm)]
    assert cities == ["Bonn", None], "to the sandbox every field is the same key, as if it had been copied"


def test_a_record_refused_for_rights_ends_in_quarantine_and_holds_nobody_up(installation):
    installation.destinations(first=installation.at(installation.crm))
    settle(PEOPLE[0])
    order(installation.crm, record_error={"code": "INSUFFICIENT_ACCESS_OR_READONLY"})
    for _ in range(12):
        installation.send("first")
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET next_attempt_at = now() WHERE state = 'due'")
    (row,) = answer("quarantine", "list")["rows"]
    assert row["code"] == "INSUFFICIENT_ACCESS_OR_READONLY"
    order(installation.crm)
    settle(PEOPLE[1])
    installation.send("first")
    assert len(records(installation.crm)) == 1, "the destination was never halted"
