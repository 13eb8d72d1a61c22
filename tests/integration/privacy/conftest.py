"""An installation whose ledger is its own."""

from __future__ import annotations

import pytest

from tests.support.own_ledger import Installation


@pytest.fixture
def installation(database, redis_url, tmp_path, monkeypatch) -> Installation:
    return Installation(tmp_path, monkeypatch)
