"""`--brand` of commands that look at everything: a brand that never was is a slip, not an empty answer."""

from __future__ import annotations

import json

import pytest

from pipeline.audit.entries import record_action
from pipeline.store.engine import transaction
from tests.support.command_line import answer, lines, problem
from tests.support.identity_rows import leads, rows

pytestmark = pytest.mark.usefixtures("database")

COMMANDS = [
    ("leads", "export"),
    ("people", "export"),
    ("people", "export", "--merged"),
    ("people", "recompute"),
    ("people", "renew"),
    ("report", "attribution"),
    ("audit", "export"),
    ("privacy", "status"),
]


def two_brands(folder) -> dict[str, str]:
    config = folder / "afluente.yaml"
    config.write_text(json.dumps({"brands": {"casa": {"region": "ES"}, "haus": {"region": "DE"}}}))
    return {"AFLUENTE_CONFIG": str(config)}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_brand_that_nobody_knows_is_refused_with_those_that_are_known(command, tmp_path):
    said = problem(*command, "--brand", "nix", code=2, environment=two_brands(tmp_path))
    assert said == "afluente: there is no brand 'nix'; known: casa, haus\n"


def test_a_crm_that_never_was_is_a_slip_and_no_empty_answer(tmp_path):
    for command in (("deliveries", "export"), ("quarantine", "list"), ("quarantine", "replay")):
        said = problem(*command, "--destination", "nix", code=2, environment=two_brands(tmp_path))
        assert said == "afluente: there is no destination 'nix'; known: sandbox\n", command


def test_entries_about_a_brand_are_found_though_it_is_set_up_no_longer(database, tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_CONFIG", two_brands(tmp_path)["AFLUENTE_CONFIG"])
    with transaction() as connection:
        record_action(connection, "sources.poll", object_kind="source", object_id="api", brand="lang-vorbei")
    (entry,) = lines("audit", "export", "--brand", "lang-vorbei")
    assert entry["action"] == "sources.poll"


def test_a_brand_without_leads_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_CONFIG", two_brands(tmp_path)["AFLUENTE_CONFIG"])
    assert lines("leads", "export", "--brand", "haus") == []
    assert lines("people", "export", "--brand", "haus") == []
    assert answer("people", "recompute", "--brand", "haus")["evidence"] == 0
    assert answer("people", "renew", "--brand", "haus")["people"] == 0


@pytest.mark.long
def test_a_brand_that_is_set_up_no_longer_keeps_its_leads(tmp_path, monkeypatch):
    (ada,) = leads({"full_name": "Ada Sample", "email": "ada@example.com"})
    monkeypatch.setenv("AFLUENTE_CONFIG", two_brands(tmp_path)["AFLUENTE_CONFIG"])
    assert [row["person_id"] for row in lines("leads", "export", "--brand", "default")] == [str(ada)]
    assert [row["person_id"] for row in lines("people", "export", "--brand", "default")] == [str(ada)]
    assert answer("people", "recompute", "--brand", "default")["evidence"] == len(rows("SELECT 1 FROM evidence")) == 1
