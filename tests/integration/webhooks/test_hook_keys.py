"""A subscription lives as long as the API key that made it: without the key nothing is told, with it what was held."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pipeline.health.doctor import run_checks
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.webhooks.operations import list_endpoints
from pipeline.webhooks.upkeep import sweep_webhooks
from tests.support.command_line import problem, run
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches
from tests.support.store_rows import write_person
from tests.support.watching import wait_until
from tests.support.webhook_receiver import outbox

KEY = "k" * 16
ZAPIER = f"zapier:operator:{KEY}"
OTHER = f"other:admin:{'o' * 16}"


@pytest.fixture
def keys(installation, monkeypatch) -> Callable[[str], None]:
    """A receiver that is told these keys, started and stopped; gives what is subscribed by then."""

    def told(text: str, *, subscribes: str | None = None) -> Any:
        monkeypatch.setenv("AFLUENTE_API_KEYS", text)
        forget_caches()
        with running_receiver() as running:
            if subscribes is not None:
                body = {"event": "person.created", "target_url": subscribes}
                headers = {"Authorization": f"Bearer {KEY}"}
                answer = requests.post(f"{running.address}/v1/hooks", json=body, headers=headers, timeout=20)
                assert answer.status_code == 201
            assert wait_until(lambda: "hook-keys" not in {thread.name for thread in threading.enumerate()}, seconds=20)
        sweep_webhooks()
        return [row.state for row in list_endpoints()]

    installation.webhooks(brands=("default", "casa"), hooks={"allow_private": True, "retry_seconds": [0.01] * 9})
    return told


def test_a_key_that_is_gone_takes_its_subscriptions_along_and_brings_them_back(keys, installation, receiver):
    assert keys(f"{ZAPIER},{OTHER}", subscribes=receiver.url) == ["on"]
    assert keys(OTHER) == ["off: its API key zapier is gone, or may not subscribe for its brands any more"]
    write_person(first_name="Ada")
    installation.send()
    sweep_webhooks()
    assert (receiver.received, [message.state for message in outbox()]) == ([], ["held"])
    assert keys(ZAPIER) == ["on"]
    assert installation.send().delivered == 1
    assert len(receiver.received) == 1


def test_a_key_with_another_secret_is_the_same_key(keys, receiver):
    keys(ZAPIER, subscribes=receiver.url)
    assert keys(f"zapier:admin:{'n' * 16}") == ["on"]


@pytest.mark.short(3)
@pytest.mark.parametrize(
    ("before", "after", "is_on"),
    [
        (ZAPIER, f"{ZAPIER}:casa", False),  # it was told of all brands
        (f"{ZAPIER}:casa", f"{ZAPIER}:default", False),
        (f"{ZAPIER}:casa", f"{ZAPIER}:default+casa", True),
        (f"{ZAPIER}:casa", ZAPIER, True),
        (ZAPIER, f"zapier:ingest:{KEY}", False),
        (ZAPIER, f"zapier:ingest:{KEY},{ZAPIER}", True),
        (f"{ZAPIER}:casa", f"{ZAPIER}:casa,{ZAPIER}", True),  # two of one name: one of some brands, one of all
    ],
)
def test_a_key_stands_for_what_it_may_still_be_told(keys, receiver, before, after, is_on):
    assert keys(before, subscribes=receiver.url) == ["on"]
    (state,) = keys(after)
    assert (state == "on") is is_on


def test_status_and_doctor_say_which_key_is_gone_and_what_to_do(keys, receiver):
    keys(ZAPIER, subscribes=receiver.url)
    keys(OTHER)
    write_person(first_name="Ada")
    sweep_webhooks()
    (check,) = [check for check in run_checks(settings()) if check.name.startswith("webhook ") and not check.ok]
    (name,) = [row.name for row in list_endpoints()]
    assert (check.name, "its API key zapier is gone" in check.detail) == (f"webhook {name}", True)
    assert f"DELETE /v1/hooks/{name}" in check.remedy
    said = run("status").stdout
    assert f"webhook {name}: its API key zapier is gone" in said
    assert "(1 message held)" in said
    assert "set it again, then restart the receiver" in problem("webhook", "enable", name, code=1)


def test_a_process_that_is_told_no_keys_stops_nobody(keys, installation, receiver, monkeypatch):
    """In compose only the receiver is told them."""
    keys(ZAPIER, subscribes=receiver.url)
    monkeypatch.delenv("AFLUENTE_API_KEYS")
    forget_caches()
    sweep_webhooks()
    write_person(first_name="Ada")
    assert installation.send().delivered == 1
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT is_enabled FROM webhook_endpoints").scalar_one() is True
