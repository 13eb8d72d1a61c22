"""`afluente source play`: the provider of a source as a process of its own, until it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import requests

from tests.support.command_line import problem
from tests.support.intake_server import count_events, running_receiver
from tests.support.posted_sources import SECRET, set_secrets
from tests.support.services import forget_caches
from tests.support.system import AFLUENTE

PLAY = (sys.executable, AFLUENTE, "source", "play")


@pytest.fixture
def receiver(database, monkeypatch):
    set_secrets(monkeypatch, ["typeform"])
    forget_caches()
    with running_receiver() as running:
        yield running


def test_it_posts_what_is_not_lost_and_lists_all_until_it_is_stopped(receiver):
    told = ("--many", "40", "--lose", "10", "--double", "5", "--seed", "7", "--port", "0", "--url", receiver.address)
    command = [*PLAY, "typeform", *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            address = process.stdout.readline().removeprefix("ready ").strip()
            played = json.loads(process.stdout.readline())
            assert (played["leads"], played["lost"], played["doubled"], played["missing"]) == (40, 4, 2, 4)
            assert played["answers"] == {"200": 38}
            assert (played["tries_for_hours"], played["schedule_is_published"]) == (10.0, False)
            assert count_events("typeform") == 36
            bearer = {"Authorization": "Bearer anything"}
            (form,) = requests.get(f"{address}/forms", headers=bearer, timeout=20).json()["items"]
            everything = f"{address}/forms/{form['id']}/responses?since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z"
            listed = requests.get(everything, headers=bearer, timeout=20).json()["items"]
            assert len(listed) == 40
            assert {response["token"] for response in listed} >= set(played["missing_ids"])
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_a_receiver_with_another_secret_is_told_of_by_its_answers(receiver):
    command = [*PLAY, "typeform", "--many", "3", "--port", "0", "--url", receiver.address]
    environment = {**os.environ, "TYPEFORM_SECRET": SECRET + "-another"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            process.stdout.readline()
            played = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
    assert (played["answers"], played["given_up"], played["missing"]) == ({"401": 3}, 3, 3)
    assert count_events("typeform") == 0


def test_what_cannot_be_played_is_refused_with_the_reason(database, monkeypatch):
    assert "json_feed does not post" in problem("source", "play", "json_feed", "--url", "http://127.0.0.1:9", code=2)
    monkeypatch.delenv("TYPEFORM_SECRET", raising=False)
    forget_caches()
    told = problem("source", "play", "typeform", "--url", "http://127.0.0.1:9", code=1)
    assert "set TYPEFORM_SECRET" in told
