"""An installation with endpoints, and leads that go their whole way in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.webhooks.sender import SendReport, send_due
from pipeline.webhooks.upkeep import sweep_webhooks
from tests.support.command_line import capture, work
from tests.support.services import forget_caches
from tests.support.webhook_receiver import OLD_SECRET, SECRET, WebhookReceiver, webhook_receiver

PERSON = {"email": "ada.sample@example.org", "full_name": "Ada Sample", "company": "Example Ltd"}


class Installation:
    def __init__(self, path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path / "afluente.yaml"
        monkeypatch.setenv("AFLUENTE_CONFIG", str(self._path))
        monkeypatch.setenv("SIGNING", SECRET)
        monkeypatch.setenv("SIGNING_BEFORE", OLD_SECRET)
        self.webhooks()

    def webhooks(self, *, brands: tuple[str, ...] = ("default",), hooks: Any = None, **webhooks: Any) -> None:
        """Settings with these endpoints, in force from now on."""
        document = {"brands": {brand: {} for brand in brands}, "webhooks": webhooks, "hooks": hooks or {}}
        self._path.write_text(json.dumps(document))
        forget_caches()
        sweep_webhooks()

    def leads(self, *people: dict[str, Any]) -> list[str]:
        """Leads stored, mapped, resolved and settled; gives their ids."""
        ids = [str(event_id) for event_id in capture(*people)]
        work()
        return ids

    def send(self, *, seconds: float = 20.0) -> SendReport:
        """What the worker of webhooks does, until nothing is due."""
        return send_due(budget_seconds=seconds)


@pytest.fixture
def installation(database, redis_url, tmp_path, monkeypatch) -> Installation:
    return Installation(tmp_path, monkeypatch)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running
