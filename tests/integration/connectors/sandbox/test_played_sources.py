"""Every source that posts, played against a real receiver: what its provider invents comes in as people apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.kit import Webhook, sources
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.handshakes import secrets_of_webhook
from connectors.sandbox.providers.greeting import greet
from connectors.sandbox.providers.holding import hold
from connectors.sandbox.providers.invented import Inventor
from connectors.sandbox.providers.posting import Address, Dice, Sender
from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.retries import retries_of
from connectors.sandbox.providers.server import ProviderServer
from tests.support.command_line import run, work
from tests.support.intake_server import running_receiver
from tests.support.posted_sources import ends, people
from tests.support.services import forget_caches

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXRlc3Rz"
POSTED = sorted(slug for slug, connector in sources().items() if isinstance(connector.intake, Webhook))
AT = datetime(2026, 4, 7, tzinfo=UTC)


@pytest.mark.short(6)
@pytest.mark.parametrize("source", POSTED)
def test_three_invented_leads_are_three_people_however_often_they_come(source, database, tmp_path, monkeypatch):
    connector = sources()[source]
    secrets = {secret.name: SECRET for secret in secrets_of_webhook(connector.intake)}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    inventor, provider = Inventor(connector), Provider(source)
    leads = [inventor.lead(number, AT + timedelta(hours=number)) for number in range(3)]
    hold(provider, inventor, leads)
    with ProviderServer(provider) as server, running(source, server.address, tmp_path, monkeypatch) as receiver:
        url = f"{receiver.address}/in/default/{source}"
        greet(connector.intake, url, secrets)
        sender = Sender(inventor, Address(url, connector.intake, secrets), retries_of(source), speed=1e6)
        played = sender.play(leads, Dice(double=0.5))
        assert not played.missing
        if fetch_of(connector) is not None:
            run("source", "fetch", source)
        work()
    assert [state for state, _ in ends()] == ["settled"] * 3, ends()
    assert len(people()) == 3


def running(source, provider, folder, monkeypatch):
    """A receiver of an installation that reads ids at the provider."""
    reads = fetch_of(sources()[source]) is not None
    config = (
        {"sources": {source: {"url": provider, "token": "env:PLAYED_TOKEN", "options": {"calls_per_second": 100}}}}
        if reads
        else {}
    )
    (folder / "afluente.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("PLAYED_TOKEN", "any")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
    forget_caches()
    return running_receiver()
