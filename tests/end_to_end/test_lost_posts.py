"""Posts get lost before a whole system: it asks their source by itself, and each lead comes in once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.intake_server import Receiver
from tests.support.listed_posts import TOKEN, TypeformApi, days_ago
from tests.support.paged_api import serving_api
from tests.support.posted_sources import SECRET, post
from tests.support.system import System

pytestmark = pytest.mark.long  # a whole system
SOURCE = "typeform"
_ALL, _LOST = 60, 20


@pytest.fixture
def typeform() -> Iterator[TypeformApi]:
    with serving_api(TypeformApi(most=10)) as api:
        api.url = api.url.removesuffix("/leads")
        yield api


@pytest.fixture
def system(typeform: TypeformApi, tmp_path: Path) -> Iterator[System]:
    data = tmp_path / "data"
    data.mkdir()
    source = {"url": typeform.url, "reconcile": {"every_seconds": 60, "calls_per_second": 5}}
    (data / "afluente.yaml").write_text(json.dumps({"sources": {SOURCE: source}}))
    secrets = {"TYPEFORM_SECRET": SECRET, "TYPEFORM_TOKEN": TOKEN}
    with System(data, environment=secrets, asks_here=True) as running:
        yield running


def kill_reader(system: System) -> None:
    (pid,) = [process["pid"] for process in system.json("status")["processes"] if process["name"] == "pull"]
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def test_what_got_lost_comes_in_by_itself_though_its_source_fails_and_workers_are_killed(
    system: System, typeform: TypeformApi
) -> None:
    receiver = Receiver(system.address)
    listed = [typeform.respond() for _ in range(_ALL)]
    typeform.responses.clear()  # a reading while they are posted must not find what is not posted yet
    for response in listed[_LOST:]:
        assert post(receiver, SOURCE, typeform.post_of(response)).status_code == 200
    typeform.answers = [(500, {}, b""), (429, {"Retry-After": "1"}, b"")]
    typeform.responses["f-1"] = listed
    deadline, before = time.monotonic() + 150, len(typeform.asked)
    while not any(asked.path.endswith("/responses") for asked in typeform.asked[before:]):
        assert time.monotonic() < deadline, "nobody asked"
        time.sleep(0.05)
    kill_reader(system)
    # A killed reading is waited for as long as it held the source; by hand it is asked when that is over.
    deadline = time.monotonic() + 300
    day = days_ago(1).date().isoformat()
    while not (rows := [row for row in system.json("source", "completeness") if row["day"] == day and row["expected"]]):
        assert time.monotonic() < deadline, system.json("source", "status", SOURCE)
        time.sleep(1.0)
    assert (rows[0]["expected"], rows[0]["received"] + rows[0]["recovered"]) == (_ALL, _ALL)
    assert rows[0]["recovered"] == _LOST
    balance = system.wait_until_ended(timeout=120)
    assert (balance["accepted"], balance["settled"], balance["difference"]) == (_ALL, _ALL, 0)
    assert len(system.sandbox("/_records")) == _ALL
