"""A stranger adds a CRM in a folder of their own, with nothing changed in the product: every check passes on it."""

from __future__ import annotations

import pytest

from connectors.kit.conformance.destinations import CHECKS
from pipeline.authoring.destination_checks import check_destination
from tests.support.strangers_crm import strangers_crm


@pytest.fixture
def heron(tmp_path, monkeypatch):
    yield from strangers_crm(tmp_path, monkeypatch)


def test_every_check_that_applies_passes_on_a_strangers_crm(heron):
    outcomes = check_destination("heron")
    assert [outcome.check for outcome in outcomes] == [check.__name__ for check in CHECKS]
    assert [outcome for outcome in outcomes if outcome.problems] == []
    assert {outcome.check: outcome.skipped for outcome in outcomes if outcome.skipped} == {
        "links_are_kept": "declares no objects beside the record of a person",
        "usage_is_read_from_every_answer": "says nothing of a day's quota in its answers",
    }
