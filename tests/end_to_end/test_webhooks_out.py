"""The whole house tells another system what happens, also when the workers that post are killed in the middle."""

from __future__ import annotations

import json
import time

import psutil
import pytest
import requests

from tests.support.system import API_KEY, System
from tests.support.watching import wait_until
from tests.support.webhook_receiver import SECRET, Answer, Received, WebhookReceiver, endpoint, webhook_receiver

pytestmark = pytest.mark.long  # a whole system, and the leases of killed senders

LEADS = 60


def senders(system: System) -> psutil.Process:
    """The node that posts."""
    (node,) = [process["pid"] for process in system.json("status")["processes"] if process["name"] == "pull"]
    return psutil.Process(node)


def kill(node: psutil.Process) -> None:
    """It and its children, at once."""
    for process in (*node.children(recursive=True), node):
        process.kill()


def told(receiver: WebhookReceiver) -> dict[str, set[str]]:
    """The ids under which each lead was told of."""
    ids: dict[str, set[str]] = {}
    for request in list(receiver.received):
        ids.setdefault(request.verified()["data"]["event_id"], set()).add(request.id)
    return ids


def test_every_lead_is_told_of_under_one_id_though_the_senders_are_killed(tmp_path):
    def answer(_: Received) -> Answer:
        time.sleep(0.2)  # so that some are under way when the senders are killed
        return Answer()

    with webhook_receiver(answer) as receiver:
        (tmp_path / "data").mkdir()
        settings = {"webhooks": {"orders": endpoint(receiver, concurrent=8, timeout_seconds=1)}}
        (tmp_path / "data" / "afluente.yaml").write_text(json.dumps(settings))
        with System(tmp_path / "data", environment={"SIGNING": SECRET}, workers=1) as system:
            assert wait_until(lambda: system.json("status")["webhooks"], seconds=60)
            node = senders(system)
            people = [{"email": f"person{number}@example.org"} for number in range(LEADS)]
            key = {"Authorization": f"Bearer {API_KEY}"}
            answered = requests.post(f"{system.address}/v1/leads", json=people, headers=key, timeout=20).json()
            leads = {accepted["event_id"] for accepted in answered["accepted"]}
            assert wait_until(lambda: len(receiver.received) >= 5, seconds=60)
            kill(node)
            system.wait_until_ended()
            deadline = time.monotonic() + 120
            while any(system.json("webhook", "list")[0]["backlog"].values()):
                assert time.monotonic() < deadline, system.json("status")
                time.sleep(0.5)

    ids = told(receiver)
    assert ids.keys() == leads
    assert {len(of_lead) for of_lead in ids.values()} == {1}
    assert len(set(receiver.ids())) == LEADS < len(receiver.received)
