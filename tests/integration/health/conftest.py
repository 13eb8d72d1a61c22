"""An installation for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox.server import Sandbox
from tests.support.installation_rows import configure


@pytest.fixture
def installation(database, redis_url, tmp_path, monkeypatch) -> Iterator[Sandbox]:
    """A database, a Redis, a sandbox CRM and a data folder of their own."""
    with Sandbox(port=0, state=tmp_path / "crm.sqlite") as sandbox:
        monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
        monkeypatch.setenv("CRM_TOKEN", "secret-of-the-crm")
        configure(tmp_path, sandbox.address)
        yield sandbox
