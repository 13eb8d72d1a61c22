"""Providers that lose, double and shuffle what they post to a whole system that is down for a while: asked once for
their lists, nothing is missing and nobody is there twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.kit import sources
from connectors.kit.sources.handshakes import secrets_of_webhook
from connectors.kit.sources.reconciling.declared import reconcile_of
from connectors.sandbox.providers.greeting import greet
from connectors.sandbox.providers.holding import hold
from connectors.sandbox.providers.invented import Inventor, Lead
from connectors.sandbox.providers.posting import Address, Dice, Played, Sender
from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.retries import retries_of
from connectors.sandbox.providers.server import ProviderServer
from tests.support.door import Door
from tests.support.system import System

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # a whole system
SECRET, TOKENS = "a-secret-of-both-sides", ("the-first-token", "the-second-token")
LEADS = {"typeform": 120, "meta_lead_ads": 200, "linkedin_lead_gen": 80}
BATCHES = {"meta_lead_ads": 5}
SPEED = 60.0  # a minute of theirs is a second of ours
OVER_SECONDS = 600.0


class PlayedSource:
    """A provider, what it has, and the API that it is asked by."""

    def __init__(self, source: str, count: int) -> None:
        self.source, self.connector = source, sources()[source]
        self.inventor = Inventor(self.connector)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.day = today - timedelta(days=1)
        step = timedelta(days=1) / count
        self.leads: list[Lead] = [self.inventor.lead(number, self.day + number * step) for number in range(count)]
        self.provider = Provider(source, tokens=set(TOKENS))
        hold(self.provider, self.inventor, [])
        self.server = ProviderServer(self.provider)
        self.secrets = {secret.name: SECRET for secret in secrets_of_webhook(self.connector.intake)}
        self.sender: Sender | None = None

    @property
    def setup(self) -> dict[str, object]:
        """Of afluente.yaml."""
        reconcile = reconcile_of(self.connector)
        options = {name: self.inventor.options[name] for name in reconcile.required}
        fetch = {"options": {"calls_per_second": 200}} if self.connector.intake.fetch is not None else {}
        tokens = [f"env:TOKEN_{number}" for number in range(len(TOKENS))]
        often = {"every_seconds": 86_400, "calls_per_second": 100}  # once, as it starts; then by hand
        return {"url": self.server.address, "token": tokens, "reconcile": {**options, **often}, **fetch}

    def post(self, receiver: str) -> Played:
        address = Address(f"{receiver}/in/default/{self.source}", self.connector.intake, self.secrets)
        self.sender = Sender(self.inventor, address, retries_of(self.source), speed=SPEED)
        batch = BATCHES.get(self.source, 1)
        return self.sender.play(self.leads, Dice(lose=0.05, double=0.05, batch=batch, over_seconds=OVER_SECONDS))


@pytest.fixture
def played() -> Iterator[list[PlayedSource]]:
    made = [PlayedSource(source, count) for source, count in LEADS.items()]
    with ExitStack() as servers:
        for source in made:
            servers.enter_context(source.server)
        yield made


@pytest.fixture
def system(played: list[PlayedSource], tmp_path: Path) -> Iterator[System]:
    data = tmp_path / "data"
    data.mkdir()
    setup = {"sources": {source.source: source.setup for source in played}}
    (data / "afluente.yaml").write_text(json.dumps(setup))
    secrets = {name: value for source in played for name, value in source.secrets.items()}
    tokens = {f"TOKEN_{number}": token for number, token in enumerate(TOKENS)}
    with System(data, environment={**secrets, **tokens}, asks_here=True) as running:
        yield running


def test_after_one_look_at_the_lists_every_lead_is_settled_and_nobody_is_there_twice(
    system: System, played: list[PlayedSource]
) -> None:
    wait_until_asked(system, played)
    for source in played:
        hold(source.provider, source.inventor, source.leads, page_size=25)
        greet(source.connector.intake, f"{system.address}/in/default/{source.source}", source.secrets)
    with Door(system.address) as door:
        done = post_all(system, played, door)
    lost = {source.source: done[source.source].missing for source in played}
    assert all(lost.values())
    assert sum(done[source.source].retries for source in played)  # while nobody was let in
    system.wait_until_ended(timeout=180)
    for source in played:
        source.provider.lives = {TOKENS[0]: 2}
        reconciled = system.json("source", "reconcile", source.source)
        assert (reconciled["error"], reconciled["accepted"]) == (None, len(lost[source.source])), source.source
        assert source.provider.count(401) + source.provider.count(400), source.source
    balance = system.wait_until_ended(timeout=180)
    total = sum(LEADS.values())
    assert (balance["accepted"], balance["settled"], balance["difference"]) == (total, total, 0)
    addresses = [person["email"] for person in system.lines("people", "export")]
    assert len(set(addresses)) == len(addresses) == len(system.sandbox("/_records")) == total
    days = [row for row in system.json("source", "completeness") if row["expected"]]
    assert {row["source"]: (row["expected"], row["received"], row["recovered"]) for row in days} == {
        source: (count, count - len(lost[source]), len(lost[source])) for source, count in LEADS.items()
    }


def wait_until_asked(system: System, played: list[PlayedSource]) -> None:
    """Each source was asked once, as the system started; then not before tomorrow."""
    deadline = time.monotonic() + 120
    while {row["source"] for row in system.json("source", "completeness")} != {source.source for source in played}:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def post_all(system: System, played: list[PlayedSource], door: Door) -> dict[str, Played]:
    """All at once; meanwhile nobody is let in for a minute of theirs, and the receiver is killed."""
    done: dict[str, Played] = {}

    def post(source: PlayedSource) -> None:
        done[source.source] = source.post(door.address)

    threads = [threading.Thread(target=post, args=(source,)) for source in played]
    for thread in threads:
        thread.start()
    time.sleep(3)
    door.close()
    time.sleep(60 / SPEED)
    door.open()
    time.sleep(2)
    (pid,) = [process["pid"] for process in system.json("status")["processes"] if process["name"] == "receiver"]
    os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join(300)
    assert len(done) == len(played)
    return done
