"""Whoever may see the shape of people's values sees that at every door behind which values are, and never a value; the
audit log says which of the two was shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from uuid import UUID

import pytest

from pipeline.permissions.doors import COMMANDS, OPENS, ROUTES
from pipeline.permissions.roles import KEY_ROLES, permissions_of
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from tests.support.command_line import capture, deliver, run, work
from tests.support.granting import OWNER
from tests.support.identity_rows import owner, rows
from tests.support.intake_server import running_receiver
from tests.support.watching import wait_until

ADA = {
    "full_name": "Zebulon Needleman",
    "email": "zebulon@needlecompany.example",
    "phone": "+34 612 345 067",
    "company": "Needleworks",
    "job_title": "Haystacker",
    "city": "Villanueva",
    "street": "Calle Quijote 12",
    "message": "please ring at Dulcinea",
    "shoe_model": "Rocinante",
    "external_id": "zebulon.private@needlecompany.example",
    "utm_source": "amadis",
    "utm_campaign": "letter to sancho",
    "page_url": "https://www.example.org/barataria",
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "source": "tobosoform"}],
}
TWIN = {"full_name": "Zebulon Montiel", "phone": "+34 612 345 067"}
NEEDLES = (
    *("zebulon", "needle", "612345067", "612 345 067", "haystack", "villanueva", "quijote", "dulcinea"),
    *("rocinante", "amadis", "sancho", "barataria", "toboso", "montiel", "34612"),
)
# Each door with what makes it show this person. Those of `people.read` must all be here.
SHOWING: dict[str, Callable[[dict[str, str]], list[str]]] = {
    "leads export": lambda _: ["--format", "jsonl"],
    "people export": lambda _: ["--format", "jsonl"],
    "people find": lambda ids: [ids["email"], "--json"],
    "people review list": lambda _: [],
    "deliveries preview": lambda ids: [ids["person"], "--json"],
    "explain": lambda ids: [ids["event"], "--json"],
}
# The same in other forms, and doors that show a human's words or a file's name beside ids.
FORMS = {
    "explain, as text": lambda ids: ["explain", ids["event"]],
    "explain, a person": lambda ids: ["explain", ids["person"], "--json"],
    "explain, a person as text": lambda ids: ["explain", ids["person"]],
    "explain, a pair": lambda ids: ["explain", ids["event"], ids["twin"], "--json"],
    "explain, a pair as text": lambda ids: ["explain", ids["event"], ids["twin"]],
    "preview as text": lambda ids: ["deliveries", "preview", ids["person"]],
    "found as text": lambda ids: ["people", "find", ids["email"]],
    "leads as CSV": lambda _: ["leads", "export"],
    "people as CSV": lambda _: ["people", "export"],
    "reviews as JSON": lambda _: ["people", "review", "list", "--json"],
    "log of people": lambda _: ["people", "log", "--json"],
    "quarantine": lambda ids: ["quarantine", "show", ids["parked"], "--json"],
    "explain what is parked": lambda ids: ["explain", ids["parked"], "--json"],
}


@pytest.fixture(scope="module")
def keys(module_database) -> dict[str, str]:
    return {role: create_key(settings(), role, by=OWNER, role=role).key for role in KEY_ROLES}


@pytest.fixture(scope="module")
def ids(keys) -> dict[str, str]:
    """A person in every place in which something of one is shown."""
    (event_id,) = capture(ADA)
    work()
    (twin_id,) = capture(TWIN)
    (parked_id,) = capture({"message": "please ring at Dulcinea", "company": "Needleworks"})
    work()
    deliver()
    done = run("quarantine", "discard", str(parked_id), "--why", "Zebulon rang from +34 612 345 067")
    assert done.returncode == 0, done.stderr
    one, other = owner(event_id), owner(twin_id)
    done = run("people", "merge", str(one), str(other), "--why", "Zebulon said so", "--by", "vera")
    assert done.returncode == 0, done.stderr
    done = run("people", "unmerge", str(one), "--why", "Montiel is the brother", "--by", "vera")
    assert done.returncode == 0, done.stderr
    return {
        "event": str(event_id),
        "twin": str(twin_id),
        "parked": str(parked_id),
        "person": str(one),
        "email": ADA["email"],
    }


def needles_in(shown: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in shown.lower()]


def test_every_command_that_opens_people_is_tried_here():
    assert {path for path, door in COMMANDS.items() if door.does == OPENS} == set(SHOWING)
    assert all(COMMANDS[path].masked == "people.read_masked" for path in SHOWING)
    assert [route for route, door in ROUTES.items() if door.masked] == ["GET /v1/people/{person_id}"]


@pytest.mark.parametrize("path", sorted(SHOWING))
def test_a_command_shows_values_shapes_or_nothing_as_the_role_may_see_and_the_audit_log_says_which(path, keys, ids):
    for role, key in keys.items():
        before = rows("SELECT coalesce(max(number), 0) FROM audit_log")[0][0]
        done = run(*path.split(), *SHOWING[path](ids), environment={"AFLUENTE_TOKEN": key})
        held = permissions_of(role)
        if "people.read" in held:
            expected = "done"
            assert done.returncode == 0, done.stderr
            assert needles_in(done.stdout) or path == "people review list"
        elif "people.read_masked" in held:
            expected = "masked"
            assert done.returncode == 0, done.stderr
            assert needles_in(done.stdout + done.stderr) == []
            assert done.stdout.strip()
        else:
            expected = "refused"
            assert (done.returncode, done.stdout) == (1, "")
        assert rows("SELECT outcome FROM audit_log WHERE number > %s", before) == [(expected,)]


@pytest.mark.parametrize("form", sorted(FORMS))
def test_an_engineer_sees_no_value_in_any_form_of_what_is_shown(form, keys, ids):
    done = run(*FORMS[form](ids), environment={"AFLUENTE_TOKEN": keys["engineer"]})
    assert done.returncode == 0, done.stderr
    assert needles_in(done.stdout + done.stderr) == []
    assert needles_in(run(*FORMS[form](ids)).stdout) or form in ("reviews as JSON",)


def test_what_a_mapping_is_mended_by_stays(keys, ids):
    environment = {"AFLUENTE_TOKEN": keys["engineer"]}
    told = json.loads(run("explain", ids["event"], "--json", environment=environment).stdout)
    assert (told["state"], told["source"], told["person_id"]) == ("settled", "api", ids["person"])
    assert json.loads(told["request"]["body"])["full_name"] == "Xxxxxxx Xxxxxxxxx"
    fields = {row["field"]: row for row in told["fields"]}
    assert fields["phone"]["raw"] == "+99 999 999 999"
    assert fields["phone"]["normalized"] == "+99999999999"
    assert fields["email"]["path"] == "email"
    (lead,) = [
        row
        for row in csv.DictReader(run("leads", "export", environment=environment).stdout.splitlines())
        if row["event_id"] == ids["event"]
    ]
    assert (lead["state"], lead["email"]) == ("settled", "xxxxxxx@xxxxxxxxxxxxx.xxxxxxx")


def test_whoever_may_see_no_value_sees_no_human_words_about_people_either(keys, ids):
    done = run("people", "log", "--json", environment={"AFLUENTE_TOKEN": keys["viewer"]})
    assert done.returncode == 0, done.stderr
    assert needles_in(done.stdout) == []


def test_the_api_shows_a_key_shapes_where_it_may_see_no_values(keys, ids):
    with running_receiver() as receiver:
        path = f"/v1/people/{ids['person']}"

        def asked(role: str):
            return receiver.get(path, headers={"Authorization": f"Bearer {keys[role]}"})

        assert wait_until(lambda: asked("viewer").status_code != 401, seconds=20)
        clear, masked = asked("operator"), asked("engineer")
        assert {role: asked(role).status_code for role in ("viewer", "admin", "ingest")} == dict.fromkeys(
            ("viewer", "admin", "ingest"), 403
        )
    assert needles_in(clear.text)
    assert needles_in(masked.text) == []
    (person,) = masked.json()["tables"]["people"]
    assert UUID(person["person_id"]) == UUID(ids["person"])
    assert person["profile"]["email"]["value"] == "xxxxxxx@xxxxxxxxxxxxx.xxxxxxx"
    assert rows("SELECT outcome FROM audit_log WHERE action = 'person.read' ORDER BY number") == [
        ("done",),
        ("masked",),
    ]
