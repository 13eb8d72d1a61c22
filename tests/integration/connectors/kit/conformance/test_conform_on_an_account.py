"""The same checks on an account of afluente.yaml, seen by the writer's own eyes: each kind passes on its sandbox."""

from __future__ import annotations

import json

import pytest

from connectors.kit import destination_types
from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox
from pipeline.inspection.crm.conformance import check_conformance
from tests.support.services import forget_caches


@pytest.mark.long  # at the pace that an account bears
@pytest.mark.parametrize("kind", sorted(dialects()))
def test_a_kind_passes_on_its_sandbox_and_leaves_nobody_there(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect=kind) as sandbox:
        pace = {} if kind == "hubspot" else {"calls_per_second": 50, "burst": 50}  # whose sandbox has HubSpot's limits
        document = {"destinations": {"crm": {"kind": kind, "base_url": sandbox.address, **pace}}}
        (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
        forget_caches()
        outcomes = check_conformance("crm")
        assert [outcome for outcome in outcomes if outcome.problems] == []
        assert len([outcome for outcome in outcomes if outcome.skipped is None]) > len(outcomes) * 2 // 3
        if "deletes" in destination_types()[kind].abilities:
            assert list(sandbox.records.stream()) == []
    forget_caches()
