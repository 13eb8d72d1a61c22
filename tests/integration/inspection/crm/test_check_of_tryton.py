"""The whole check on a CRM that is not ours, a real Tryton."""

from __future__ import annotations

import pytest

from tests.support.command_line import answer
from tests.support.tryton import PASSWORD, USER, needs_tryton, running_tryton


@pytest.mark.long
@needs_tryton
def test_with_the_shipped_mapping_all_steps_hold_and_neither_party_nor_lead_is_left(configured, tmp_path, monkeypatch):
    monkeypatch.setenv("TRYTON_PASSWORD", PASSWORD)
    monkeypatch.setenv("TRYTON_USER", USER)
    secrets = {"user": "env:TRYTON_USER", "password": "env:TRYTON_PASSWORD"}
    with running_tryton(tmp_path / "tryton") as tryton:
        before = len(tryton.all("party.party", "name"))
        configured(
            kind="tryton", base_url=tryton.url, options={"database": "crm"}, secrets=secrets, timeout_seconds=60.0
        )
        told = answer("destination", "check", "crm", code=None)
        assert [(made["name"], made["detail"], made["remedy"]) for made in told["checks"] if not made["ok"]] == []
        assert len(told["checks"]) == 7
        assert "as they were sent" in told["checks"][5]["detail"]
        assert tryton.all("sale.opportunity", "reference") == []
        assert len(tryton.all("party.party", "name")) == before
        wrong = {
            "last_name": {"from": "last_name"},
            "zodiac": {"from": "city"},
            "start_date": {"from": "latest_at", "as": "date"},
        }
        configured(
            wrong,
            kind="tryton",
            base_url=tryton.url,
            options={"database": "crm"},
            secrets=secrets,
            timeout_seconds=60.0,
        )
        told = answer("destination", "check", "crm", code=1)
        assert [made["detail"].partition(": ")[2] for made in told["checks"] if not made["ok"]] == [
            "fields.zodiac: the CRM has no such field",
            "fields.start_date: the CRM does not let us write it",
        ]
