"""The whole house, started by its own command, used by its own command line and over HTTP."""

from __future__ import annotations

import concurrent.futures
import json
import re

import pytest
import requests

from tests.support.paths import DATABLIST
from tests.support.system import API_KEY, System

pytestmark = pytest.mark.long  # a whole system, for a minute


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with System(folder / "data", asks_here=True) as running:
        yield running


def post(system: System, lead: dict, **headers) -> requests.Response:
    return requests.post(
        f"{system.address}/v1/leads",
        json=lead,
        headers={"Authorization": f"Bearer {API_KEY}", **headers},
        timeout=30,
    )


def test_a_second_import_of_the_same_file_changes_nothing(system):
    first = system.json("import", str(DATABLIST), "--source", "datablist", "--wait")
    assert first["accepted"] == 1000
    assert first["repeated"] == 0
    people = system.lines("people", "export")
    before = system.sandbox("/_calls")

    second = system.json("import", str(DATABLIST), "--source", "datablist", "--wait")

    assert (second["accepted"], second["repeated"]) == (0, 1000)
    balance = system.json("balance")["sources"]["datablist"]
    assert balance["accepted"] == 1000
    assert balance["repeated"] == 1000
    assert balance["difference"] == balance["pending"] == balance["in_flight"] == 0
    assert len(system.lines("people", "export")) == len(people)
    assert system.sandbox("/_calls") == before, "a repeated row reached the CRM"
    assert len(system.sandbox("/_records")) == len(people)


def test_one_person_posted_by_many_clients_at_once_is_one_person(system):
    known = {person["person_id"] for person in system.lines("people", "export")}

    def capture(number: int) -> None:
        national = f"030 {2345000 + number}"
        forms = [
            {"email": f"Person.{number}@Example.ORG", "phone": national, "region": "DE", "last_name": "Brandt"},
            {"email": f"person.{number}@example.org", "phone": f"+49 30 {2345000 + number}", "first_name": "Ada"},
        ]
        for place, lead in enumerate(forms):
            answer = post(system, {**lead, "external_id": f"p{number}-{place}"})
            assert answer.status_code == 202, answer.text

    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        list(clients.map(capture, [number for number in range(200) for _ in range(2)]))
    balance = system.wait_until_ended()

    assert balance["difference"] == 0
    people = [person for person in system.lines("people", "export") if person["person_id"] not in known]
    assert len(people) == 200
    assert {person["phone"] for person in people} == {f"+49302{345000 + number}" for number in range(200)}
    keys = [record["external_id"] for record in system.sandbox("/_records")]
    assert len(keys) == len(set(keys))
    assert {person["person_id"] for person in people} <= set(keys)


def test_no_personal_data_lies_readable_on_disk_or_in_flower(system):
    post(
        system,
        {
            "external_id": "needle-1",
            "email": "needle.haystack@example.com",
            "phone": "+34 612 345 678",
            "first_name": "Needleforename",
            "last_name": "Haystacksurname",
            "message": "Needlemessage text",
        },
    )
    post(system, {"external_id": "needle-2", "email": "not an address needle.broken", "first_name": "Needleforename"})
    system.wait_until_ended()
    needles = re.compile(
        rb"needle\.haystack|612345678|612 345 678|Needleforename|Haystacksurname|Needlemessage|needle\.broken",
        re.IGNORECASE,
    )

    looked_at = 0
    for path in system.data.rglob("*"):
        if not path.is_file() or "sandbox" in path.relative_to(system.data).as_posix():
            continue  # the sandbox stands in for the customer's CRM, which of course knows the person
        looked_at += 1
        assert not needles.search(path.read_bytes()), f"personal data in {path.relative_to(system.data)}"
    assert looked_at > 500, "the data folder of PostgreSQL was not searched"

    flower = system.json("status")["addresses"]["flower"]
    password = json.loads((system.data / "credentials.json").read_text())["flower_password"]
    texts = [
        requests.get(f"{flower}/{page}", auth=("afluente", password), timeout=20).text
        for page in ("api/tasks?limit=2000", "api/workers", "metrics", "tasks")
    ]
    assert "leads.map_fields" in texts[0]
    assert not any(needles.search(text.encode()) for text in texts)


def test_flower_asks_for_a_password_and_shows_named_queues_and_workers(system):
    flower = system.json("status")["addresses"]["flower"]
    assert requests.get(f"{flower}/api/workers", timeout=20).status_code == 401
    password = json.loads((system.data / "credentials.json").read_text())["flower_password"]
    workers = requests.get(f"{flower}/api/workers?refresh=1", auth=("afluente", password), timeout=20).json()
    assert {name.partition("@")[0] for name in workers} == {"hot", "bulk", "deliver", "pull", "ops"}
    queues = {queue["name"] for worker in workers.values() for queue in worker["active_queues"]}
    assert queues == {"hot", "bulk", "deliver_hot", "deliver", "pull", "webhooks", "fetch", "ops"}


def test_the_metrics_page_counts_what_was_accepted(system):
    text = requests.get(f"{system.address}/metrics", timeout=20).text
    assert re.search(r'afluente_intake_events_total\{outcome="accepted",source="api"\} [1-9]', text), text[:2000]
