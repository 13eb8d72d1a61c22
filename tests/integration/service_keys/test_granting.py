"""Nobody gives to another more than they have: no permission, brand, source or time."""

from __future__ import annotations

import json

import pytest

from tests.support.command_line import answer, problem, run
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("module_database")
NOT_YOURS = "nobody gives more than they may themselves"
SETTINGS = "brands: {casa: {}, ocio: {}}\nsources: {shop: {connector: api}, fair: {connector: api}}\n"


@pytest.fixture(autouse=True)
def two_brands(tmp_path, monkeypatch):
    path = tmp_path / "afluente.yaml"
    path.write_text(SETTINGS)
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    forget_caches()
    return path


def key_with(*rights: str) -> dict[str, str]:
    """The environment of whoever types with a key of these rights, which the machine's account made."""
    return {"AFLUENTE_TOKEN": answer("keys", "create", "somebody", *rights)["key"]}


@pytest.mark.parametrize(
    "rights",
    [
        ("--role", "privacy"),
        ("--role", "operator"),
        ("--role", "engineer"),
        ("--scope", "people:read"),
        ("--scope", "people:read", "--brand", "casa"),
        ("--scope", "people:read_masked"),
        ("--scope", "privacy:export"),
        ("--scope", "consents:read"),
        ("--scope", "hooks:subscribe"),
        ("--role", "admin", "--scope", "people:read"),
    ],
)
def test_an_administrator_makes_no_key_that_may_what_he_may_not(rights):
    said = problem("keys", "create", "reader", *rights, code=1, environment=key_with("--role", "admin"))
    assert NOT_YOURS in said
    assert "reader" not in [key["name"] for key in answer("keys", "list")]


@pytest.mark.parametrize("rights", [("--role", "admin"), ("--role", "viewer"), ("--role", "ingest", "--brand", "casa")])
def test_an_administrator_gives_what_he_has_and_keys_that_let_leads_in(rights):
    done = run("keys", "create", "reports", *rights, environment=key_with("--role", "admin"))
    assert done.returncode == 0, done.stderr


def test_who_reads_people_and_manages_keys_makes_a_key_that_reads_people():
    both = key_with("--role", "operator", "--scope", "keys:manage")
    assert run("keys", "create", "desk", "--scope", "people:read", environment=both).returncode == 0
    assert NOT_YOURS in problem("keys", "create", "desk", "--role", "privacy", code=1, environment=both)


def test_a_scope_of_keys_alone_makes_no_administrator_neither_as_a_key_nor_as_an_account():
    only_keys = key_with("--scope", "keys:manage", "--scope", "users:manage")
    assert NOT_YOURS in problem("keys", "create", "chief", "--role", "admin", code=1, environment=only_keys)
    said = problem("users", "local-admin", "create", "rescue", code=1, environment=only_keys)
    assert NOT_YOURS in said
    assert answer("users", "list") == []


def test_a_key_that_ends_gives_nothing_that_ends_later():
    short = key_with("--role", "admin", "--expires", "30d")
    for rights in (("--role", "viewer"), ("--role", "viewer", "--expires", "60d")):
        said = problem("keys", "create", "later", *rights, code=1, environment=short)
        assert "ends no later than the key" in said
    assert run("keys", "create", "sooner", "--role", "viewer", "--expires", "7d", environment=short).returncode == 0
    assert "ends no later" in problem("users", "local-admin", "create", "rescue", code=1, environment=short)


def test_what_was_refused_is_an_entry_that_says_who_tried():
    admin = key_with("--role", "admin")
    problem("keys", "create", "reader", "--role", "privacy", code=1, environment=admin)
    problem("users", "local-admin", "create", "x", code=1, environment=key_with("--scope", "users:manage"))
    done = run("audit", "export", "--format", "jsonl")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    refused = {(row["action"], row["actor_kind"]) for row in rows if row["outcome"] == "refused"}
    assert refused == {("key.create", "key"), ("local_admin.create", "key")}


def test_where_the_settings_want_an_end_no_key_is_made_without_one(two_brands):
    two_brands.write_text(SETTINGS + "access: {longest_key_days: 90}\n")
    forget_caches()
    for rights in ((), ("--expires", "91d")):
        assert "access.longest_key_days" in problem("keys", "create", "x", "--role", "viewer", *rights, code=2)
    assert run("keys", "create", "x", "--role", "viewer", "--expires", "90d").returncode == 0
