"""Each command that changes something, or shows a person, leaves one entry with who typed it; others leave none."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Callable

import pytest

from pipeline.cli.guard import action_of
from pipeline.permissions.doors import ACTS, CHANGES, COMMANDS, OPENS, READS, SHOWS
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from pipeline.store.audit.entries import AuditEntry, stream_entries
from pipeline.store.engine import transaction
from pipeline.webhooks.upkeep import sweep_webhooks
from tests.support.any_arguments import arguments_of
from tests.support.command_line import answer, capture, run, work
from tests.support.granting import OWNER
from tests.support.identity_rows import leads
from tests.support.services import forget_caches

# A person of whom nothing may stand in the log.
NEEDLE = "zebulon"
PERSON = {"full_name": "Zebulon Needleman", "email": "zebulon.needle@example.org", "phone": "+34 612 345 067"}
OTHER = {"full_name": "Bea Muster", "email": "bea@muster.example"}
SAME_PHONE = [
    {"full_name": "Zebulon Sample", "phone": "+34 612 345 001"},
    {"full_name": "Zebulon Muster", "phone": "+34 612 345 001"},
]
WHY = ("--why", "zebulon.needle@example.org asked for it")


@pytest.fixture(autouse=True)
def installation(database, redis_url, tmp_path, monkeypatch):
    path = tmp_path / "afluente.yaml"
    hook = {"url": "https://hooks.example.org/x", "secrets": {"signing": "env:SIGNING"}, "events": ["person.created"]}
    path.write_text(json.dumps({"brands": {"default": {}}, "webhooks": {"orders": hook}}))
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    monkeypatch.setenv("SIGNING", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    forget_caches()
    sweep_webhooks()


def entries() -> list[AuditEntry]:
    with transaction() as connection:
        return list(stream_entries(connection))


def parked() -> str:
    (event_id,) = capture({"message": "please call me", "first_name": "Zebulon"})
    work()
    return str(event_id)


def suppressed() -> str:
    links = " ".join(f"https://shop{number}.example/" for number in range(6))
    (event_id,) = capture({**PERSON, "message": links})
    work()
    return str(event_id)


def merged() -> str:
    one, other = map(str, leads(PERSON, OTHER))
    run("people", "merge", one, other)
    return one


def waiting_review() -> str:
    leads(*SAME_PHONE)
    with transaction() as connection:
        return str(connection.exec_driver_sql("SELECT review_id FROM identity_reviews").scalar_one())


def held() -> str:
    (placed,) = answer("privacy", "hold", "add", "--person", str(leads(PERSON)[0]), "--reason", "case 17")
    return placed["hold_id"]


def key_id() -> str:
    return create_key(settings(), "website", by=OWNER, role="ingest").key_id


CHANGING: dict[str, Callable[[], list[str]]] = {
    "leads release": lambda: [suppressed(), *WHY],
    "people merge": lambda: [*map(str, leads(PERSON, OTHER)), *WHY, "--by", "vera"],
    "people unmerge": lambda: [merged(), *WHY],
    "people review accept": lambda: [waiting_review(), *WHY],
    "people review reject": lambda: [waiting_review(), *WHY],
    "destination resume": lambda: ["sandbox"],
    "webhook replay": lambda: ["orders", "--from", "2026-01-01T00:00:00", "--to", "2026-01-02T00:00:00"],
    "webhook enable": lambda: ["orders"],
    "webhook disable": lambda: ["orders"],
    "quarantine fix": lambda: [parked(), "--set", "email=zebulon.needle@example.org"],
    "quarantine replay": lambda: ["--reason", parked() and "nothing_to_identify"],
    "quarantine discard": lambda: [parked(), *WHY],
    "privacy hold add": lambda: ["--person", str(leads(PERSON)[0]), "--reason", "case 17"],
    "privacy hold release": lambda: [held(), "--reason", "closed"],
    "privacy restrict": lambda: ["--person", str(leads(PERSON)[0]), "--reason", "disputed"],
    "privacy suppress": lambda: ["--email", str(PERSON["email"]), "--reason", "spam"],
    "privacy exposure": lambda: ["--source", leads(PERSON) and "api"],
    "consent show": lambda: [str(leads(PERSON)[0])],
    "consent export": list,
    "consent record": lambda: [str(leads(PERSON)[0]), "marketing.email", "--withdrawn", *WHY],
    "keys create": lambda: ["laptop", "--role", "viewer"],
    "keys revoke": lambda: [key_id(), *WHY],
    "keys reseal": list,
}
# Tried where there is a source to be let in at, a request that goes its whole way (tests/integration/privacy), a user
# who signs in (tests/integration/login).
ELSEWHERE = {
    *("consent link", "source disconnect", "privacy erase", "privacy approve", "privacy confirm", "privacy export"),
    *("users end-sessions", "users disable", "users enable", "users local-admin create"),
}
# What these begin need not succeed: the entry is there before anything is shown, or asked of another system.
BEGINNING: dict[str, Callable[[], list[str]]] = {
    "database roles": lambda: ["--apply"],
    "import": lambda: ["samples/datablist/typical.csv", "--source", "datablist"],
    "leads replay": lambda: ["--source", "api", "--settled"],
    "source connect": lambda: ["linkedin_lead_gen"],
}


def test_every_command_that_changes_something_is_tried_here():
    assert set(CHANGING) | ELSEWHERE == {path for path, door in COMMANDS.items() if door.does in (CHANGES, SHOWS)}


@pytest.mark.short(4)
@pytest.mark.parametrize("path", sorted(CHANGING))
def test_a_command_that_changes_something_leaves_one_entry(path):
    arguments = CHANGING[path]()
    before = len(entries())
    done = run(*path.split(), *arguments)
    assert done.returncode == 0, done.stderr
    assert len(entries()) == before + 1
    last = max(entries(), key=lambda entry: entry.at)
    assert (last.actor_kind, last.auth) == ("os_user", "os")
    assert last.actor_id == f"{getpass.getuser()}@{socket.gethostname()}"
    assert_no_needle()


@pytest.mark.short(3)
@pytest.mark.parametrize("path", sorted(path for path, door in COMMANDS.items() if door.does in (OPENS, ACTS)))
def test_a_command_that_shows_people_or_begins_much_leaves_one_entry_before_it_does(path):
    arguments = BEGINNING.get(path, lambda: arguments_of(path))()
    done = run(*path.split(), *arguments, stdin="\n")
    (entry,) = entries()
    assert (entry.action, entry.outcome, entry.actor_kind) == (action_of(path), "done", "os_user"), done.stderr


@pytest.mark.short(2)
@pytest.mark.parametrize("path", sorted(path for path, door in COMMANDS.items() if door.does == READS))
def test_a_command_that_shows_nobody_leaves_none(path):
    run(*path.split(), *arguments_of(path))
    assert entries() == []


@pytest.mark.parametrize(
    "typed",
    [
        ["people", "recompute", "--dry-run"],
        ["leads", "replay", "--source", "api", "--settled", "--dry-run"],
        ["quarantine", "replay", "--all", "--dry-run"],
        ["destination", "check", "sandbox", "--no-write"],
        ["source", "connect", "--status"],
    ],
    ids=" ".join,
)
def test_a_command_that_only_looks_this_time_leaves_none(typed):
    run(*typed)
    assert entries() == []


def test_what_was_looked_up_stands_there_as_a_keyed_digest():
    (event_id,) = capture(PERSON)
    work()
    for typed in (PERSON["email"], PERSON["email"], str(event_id)):
        assert run("explain", typed).returncode == 0
    first, second, third = entries()
    assert (first.object_kind, third.object_kind, third.object_id) == ("lookup", "id", str(event_id))
    assert first.object_id == second.object_id
    assert_no_needle()


def test_a_command_that_is_refused_by_its_own_reasons_changes_nothing_and_leaves_none():
    one, _ = map(str, leads(PERSON, OTHER))
    before = entries()
    assert run("people", "merge", one, one).returncode == 1
    assert run("quarantine", "discard", one, *WHY).returncode == 1
    assert entries() == before


def assert_no_needle() -> None:
    """Neither the person nor what was said of it."""
    with transaction() as connection:
        rows = list(connection.exec_driver_sql("SELECT row_to_json(a)::text FROM audit_log a").scalars())
    assert rows
    number = re.compile(r"612\D?345|612345")  # three digits alone stand in times and hashes too
    assert [row for row in rows if NEEDLE in row.lower() or number.search(row)] == []
