"""An installation whose ledger is its own, and leads that go their whole way in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.command_line import capture, work
from tests.support.identity_rows import owner
from tests.support.services import forget_caches

ADA = {"email": "ada.sample@example.org", "full_name": "Ada Sample", "company": "Example Ltd"}
BEA = {"email": "bea.sample@example.com", "full_name": "Bea Other", "company": "Other Ltd"}


class Installation:
    """`ledger`: its file. `config`: what its afluente.yaml says besides."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = folder / "elsewhere" / "ledger.jsonl"
        self._path = folder / "afluente.yaml"
        monkeypatch.setenv("AFLUENTE_CONFIG", str(self._path))
        self.configure()

    def configure(self, **config: Any) -> None:
        """Settings in force from now on."""
        privacy = {"ledger": str(self.ledger)} | config.pop("privacy", {})
        self._path.write_text(json.dumps({"privacy": privacy, **config}))
        forget_caches()

    def person(self, record: dict[str, Any] = ADA, **more: Any) -> UUID:
        """Whose a lead is that came in, was worked on and settled."""
        (event_id,) = capture({**record, **more})
        work()
        return owner(event_id)
