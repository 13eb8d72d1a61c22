"""Ids arrive at a whole system while its source fails and its workers are killed: each lead comes in once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.server import ProviderServer
from tests.support.fetched_leads import META_SECRETS, SOURCE, TOKEN, lead, post_ids
from tests.support.intake_server import Receiver
from tests.support.system import System

pytestmark = pytest.mark.long  # whole systems
_LEADS = 120


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer(Provider(SOURCE, tokens={TOKEN})) as server:
        yield server


@pytest.fixture
def system(provider: ProviderServer, tmp_path: Path) -> Iterator[System]:
    data = tmp_path / "data"
    data.mkdir()
    source = {"url": provider.address, "options": {"calls_per_second": 100}}
    tuning = {"lease_seconds": 4, "sweep_seconds": 0.5}
    (data / "afluente.yaml").write_text(json.dumps({"sources": {SOURCE: source}, "tuning": tuning}))
    with System(data, environment=META_SECRETS, asks_here=True) as running:
        yield running


def post_leads(system: System, provider: Provider, count: int) -> set[str]:
    receiver = Receiver(system.address)
    ids = [lead(provider, f"lead{number}@example.org") for number in range(count)]
    for start in range(0, count, 10):
        assert post_ids(receiver, *ids[start : start + 10]).status_code == 200
    return set(ids)


def kill_reader(system: System) -> bool:
    """SIGKILL to a process that reads records, in the middle of it."""
    (pid,) = [process["pid"] for process in system.json("status")["processes"] if process["name"] == "pull"]
    children = psutil.Process(pid).children()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    return bool(children)


def test_workers_killed_between_reading_and_storing_lose_nothing_and_double_nothing(
    system: System, provider: ProviderServer
) -> None:
    played = provider.provider
    played.latency_seconds = 0.05
    played.fails, played.retry_after = [500, 429, 503], "1"
    ids = post_leads(system, played, _LEADS)
    kills = 0
    for _ in range(4):
        time.sleep(1.0)
        kills += kill_reader(system)
    assert kills
    balance = system.wait_until_ended(timeout=180)
    assert (balance["accepted"], balance["settled"], balance["difference"]) == (_LEADS, _LEADS, 0)
    rows = system.lines("leads", "export")
    assert {row["external_id"] for row in rows} == ids
    people = system.lines("people", "export")
    assert len(people) == _LEADS
    assert len(system.sandbox("/_records")) == _LEADS


def test_leads_whose_token_had_expired_come_in_by_themselves_when_it_works_again(
    system: System, provider: ProviderServer
) -> None:
    played = provider.provider
    played.tokens = set()
    post_leads(system, played, 20)
    deadline = time.monotonic() + 30
    while not any(state["is_terminal"] for state in system.json("status")["fetches"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    balance = system.json("balance")["all"]
    assert (balance["pending"], balance["difference"]) == (20, 0)
    assert any("token" in problem for problem in system.json("status")["problems"])
    played.tokens = {TOKEN}
    balance = system.wait_until_ended(timeout=120)
    assert balance["settled"] == 20
    assert system.json("status")["fetches"] == []
