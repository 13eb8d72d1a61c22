"""A stranger adds a CRM in a folder of their own, with nothing changed in the product: every check passes on it."""

from __future__ import annotations

import json
import shutil

import pytest

from connectors.kit import registry
from connectors.kit.conformance.destinations import CHECKS
from pipeline.errors import ConfigurationError, UsageError
from pipeline.inspection.crm.conformance import check_conformance
from tests.support.command_line import run
from tests.support.services import forget_caches
from tests.support.strangers_crm import strangers_crm

SAYS_NO_MORE = {
    "links_are_kept": "declares no objects beside the record of a person",
    "links_are_undone": "its workbench names no object that leads to another (linked)",
    "adoption_takes_over_and_makes_nobody": "its writer has no method adopt",
    "usage_is_read_from_every_answer": "its workbench knows no headers of a quota (usage_headers)",
    "setup_makes_what_is_missing_once": "its writer has no method setup",
    "changes_are_told_with_their_moment": "its writer has no method list_changes",
    "withdrawal_is_never_behind": "its workbench names no object that consents are told by (consents)",
}


@pytest.fixture
def heron(tmp_path, monkeypatch):
    yield from strangers_crm(tmp_path, monkeypatch)


@pytest.mark.long
def test_every_check_that_applies_passes_on_a_strangers_crm_and_nobody_is_left_in_it(heron):
    outcomes = check_conformance("heron")
    assert [outcome.check for outcome in outcomes] == [check.__name__ for check in CHECKS]
    assert [outcome for outcome in outcomes if outcome.problems] == []
    assert {outcome.check: outcome.skipped for outcome in outcomes if outcome.skipped} == SAYS_NO_MORE
    assert heron.people == {}


@pytest.mark.long
def test_the_command_says_what_the_checks_found_and_fails_where_one_falls_short(heron, tmp_path):
    said = json.loads(run("destination", "conform", "heron", "--json").stdout)
    assert (said["destination"], said["ok"], len(said["checks"])) == ("heron", True, len(CHECKS))
    connector = tmp_path / "connectors" / "destinations" / "heron.py"
    text = connector.read_text(encoding="utf-8")
    assert "        check_batch(records, BATCH_SIZE)\n" in text
    connector.write_text(text.replace("        check_batch(records, BATCH_SIZE)\n", ""), encoding="utf-8")
    shutil.rmtree(connector.parent / "__pycache__")  # it would pass for what is written within the second
    registry.forget()
    forgotten = run("destination", "conform", "heron")
    assert forgotten.returncode == 1
    shown = forgotten.stdout.splitlines()
    at = shown.index("too many records are a mistake of the caller: 3 to settle")
    assert "check_batch" in "".join(shown[at + 1 : at + 4])
    assert "links are kept: does not apply: declares no objects beside the record of a person" in shown


def test_an_account_elsewhere_gets_nobody_unless_it_is_said_to_be_for_tests(heron, tmp_path):
    settings = tmp_path / "afluente.yaml"
    text = settings.read_text(encoding="utf-8").replace(heron.url, "https://crm.example.org")
    settings.write_text(text, encoding="utf-8")
    forget_caches()
    with pytest.raises(UsageError, match="heron leads to another machine"):
        check_conformance("heron")
    with pytest.raises(ConfigurationError, match="no destination 'egret'; there are heron"):
        check_conformance("egret")
