"""Zapier, Make and the like subscribe by the API, are told, and end their subscriptions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pipeline.intake.receiver import receiver as receiving
from pipeline.records.webhooks import WEBHOOK_EVENTS
from pipeline.store.engine import transaction
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches
from tests.support.store_rows import write_person
from tests.support.webhook_receiver import Answer, outbox

from .conftest import PERSON

ADMIN, INGEST, VIEWER, OF_CASA = "k" * 16, "i" * 16, "v" * 16, "c" * 16
KEYS = f"a:admin:{ADMIN},i:ingest:{INGEST},v:viewer:{VIEWER},c:admin:{OF_CASA}:casa"


class Api:
    def __init__(self, running: Receiver) -> None:
        self._running = running

    def ask(self, method: str, path: str, *, key: str | None = ADMIN, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.request(method, self._running.address + path, headers=headers, timeout=20, **options)

    def subscribe(self, url: str, event: str = "lead.settled", *, key: str = ADMIN) -> requests.Response:
        return self.ask("POST", "/v1/hooks", key=key, json={"event": event, "target_url": url})

    def hooks(self, *, key: str = ADMIN) -> list[dict[str, Any]]:
        return self.ask("GET", "/v1/hooks", key=key).json()["hooks"]


@pytest.fixture
def private(installation, monkeypatch) -> None:
    """Subscribers may be in this machine's network, as those of the tests are."""
    monkeypatch.setenv("AFLUENTE_API_KEYS", KEYS)
    installation.webhooks(
        brands=("default", "casa"), hooks={"allow_private": True, "fields": ["email"], "retry_seconds": [0.01] * 9}
    )


@pytest.fixture
def api(private) -> Iterator[Api]:
    with running_receiver() as running:
        yield Api(running)


def test_a_subscriber_is_told_signed_with_the_secret_that_it_was_given_once(api, installation, receiver):
    installation.leads(PERSON | {"email": "before@example.org"})
    answer = api.subscribe(receiver.url)
    made = answer.json()
    assert (answer.status_code, made["event"]) == (201, "lead.settled")
    (event_id,) = installation.leads(PERSON)
    assert installation.send().delivered == 1
    (request,) = receiver.received
    content = request.verified(made["secret"])
    assert (content["data"]["event_id"], content["data"]["fields"]) == (event_id, {"email": "ada.sample@example.org"})
    (hook,) = api.hooks()
    assert (hook["id"], hook["state"], hook["key"], hook["host"]) == (made["id"], "on", "a", "127.0.0.1")
    assert made["secret"] not in str(api.hooks())


def test_a_subscription_that_ended_is_told_nothing_more(api, installation, receiver):
    hook_id = api.subscribe(receiver.url, "person.created").json()["id"]
    write_person(first_name="Ada")
    assert api.ask("DELETE", f"/v1/hooks/{hook_id}").status_code == 204
    assert api.ask("DELETE", f"/v1/hooks/{hook_id}").status_code == 404
    write_person(first_name="Grace")
    installation.send()
    assert receiver.received == []
    assert [(message.state, message.last_code) for message in outbox()] == [("dropped", "unsubscribed")]


def test_a_subscriber_that_answers_410_is_one_no_more(api, installation, receiver):
    receiver.answer = lambda _: Answer(410)
    api.subscribe(receiver.url, "person.created")
    write_person(first_name="Ada")
    installation.send()
    assert (len(receiver.received), api.hooks()) == (1, [])


def test_address_and_secret_are_stored_sealed(api, receiver):
    made = api.subscribe(receiver.url).json()
    with transaction() as connection:
        (row,) = connection.exec_driver_sql("SELECT to_jsonb(e)::text FROM webhook_endpoints e").scalars().all()
        sealed = bytes(connection.exec_driver_sql("SELECT sealed FROM webhook_endpoints").scalar_one())
    assert str(receiver.port) not in row
    assert made["secret"].encode() not in sealed
    assert b"127.0.0.1" not in sealed


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), (INGEST, 403), (VIEWER, 403)])
def test_only_who_operates_may_subscribe_look_or_end(api, receiver, key, status):
    body = {"event": "lead.settled", "target_url": receiver.url}
    assert api.ask("POST", "/v1/hooks", key=key, json=body).status_code == status
    assert api.ask("GET", "/v1/hooks", key=key).status_code == status
    assert api.ask("DELETE", "/v1/hooks/hook_1", key=key).status_code == status
    assert api.ask("GET", "/v1/hooks/sample/lead.settled", key=key).status_code == status


def test_a_key_of_one_brand_hears_of_that_brand_and_sees_only_its_own(api, installation, receiver):
    of_all = api.subscribe(receiver.url, "person.created").json()["id"]
    of_casa = api.subscribe(receiver.url, "person.created", key=OF_CASA).json()["id"]
    write_person(first_name="Ada")
    installation.send()
    assert len(receiver.received) == 1
    assert {hook["id"] for hook in api.hooks()} == {of_all, of_casa}
    assert [hook["id"] for hook in api.hooks(key=OF_CASA)] == [of_casa]
    assert api.ask("DELETE", f"/v1/hooks/{of_all}", key=OF_CASA).status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"event": "lead.setled", "target_url": "https://hooks.example.org/x"}, "event", "did you mean lead.settled?"),
        ({"event": "lead.settled"}, "target_url", "must be a text"),
        ({"event": "lead.settled", "target_url": 7}, "target_url", "must be a text"),
        ({"event": "lead.settled", "target_url": "https://u:p@example.org/"}, "target_url", "credentials"),
        ({"event": "lead.settled", "target_url": "https://example.org/" + "x" * 2000}, "target_url", "2000 characters"),
        ({"event": "lead.settled", "target_url": "https://nobody.invalid/x"}, "target_url", "cannot be found"),
        ([], None, "JSON object"),
    ],
)
def test_what_cannot_be_subscribed_says_why(api, body, field, said):
    answer = api.ask("POST", "/v1/hooks", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert answer.json().get("field") == field
    assert api.hooks() == []


def test_a_name_server_that_hangs_is_in_the_way_of_no_other_question(api, monkeypatch):
    real, is_over = socket.getaddrinfo, threading.Event()

    def hang(host, *rest, **more):
        if host == "slow.example.org":
            is_over.wait(20)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(receiving, "_ANSWER_SECONDS", 0.3)
    try:
        for _ in range(3):
            body = {"event": "lead.settled", "target_url": "https://slow.example.org/x"}
            answer = api.ask("POST", "/v1/hooks", json=body)
            assert (answer.status_code, answer.json()["field"]) == (400, "target_url")
            assert "in time" in answer.json()["message"]
        assert api.hooks() == []
    finally:
        is_over.set()


def test_by_default_nobody_subscribes_this_machines_own_network(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_API_KEYS", KEYS)
    forget_caches()
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *rest, **more: real(
            "10.0.0.1" if host == "inside.example.org" else host, port, *rest, **more
        ),
    )
    with running_receiver() as running:
        api = Api(running)
        for url in ("https://127.0.0.1/x", "https://169.254.169.254/latest", "https://inside.example.org/x"):
            answer = api.subscribe(url)
            assert answer.status_code == 400, url
            assert "private network" in answer.json()["message"]
        assert api.subscribe("http://hooks.example.org/x").status_code == 400


def test_a_name_that_led_elsewhere_when_it_was_subscribed_is_not_called_inside(installation, receiver, monkeypatch):
    monkeypatch.setenv("AFLUENTE_API_KEYS", KEYS)
    forget_caches()
    real, addresses = socket.getaddrinfo, iter(["8.8.8.8"])

    def look_up(host, port, *rest, **more):
        return real(next(addresses, "127.0.0.1") if host == "hooks.example.org" else host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with running_receiver() as running:
        made = Api(running).subscribe(f"https://hooks.example.org:{receiver.port}/x", "person.created")
    assert made.status_code == 201
    write_person(first_name="Ada")
    installation.send()
    assert receiver.received == []
    assert [(message.state, message.last_code) for message in outbox()] == [("due", "address_refused")]


def test_there_are_at_most_as_many_subscriptions_as_are_set(installation, receiver, monkeypatch):
    monkeypatch.setenv("AFLUENTE_API_KEYS", KEYS)
    installation.webhooks(hooks={"allow_private": True, "most": 2})
    with running_receiver() as running:
        statuses = [Api(running).subscribe(receiver.url).status_code for _ in range(3)]
    assert statuses == [201, 201, 409]


def test_hooks_may_be_switched_off(installation, receiver, monkeypatch):
    monkeypatch.setenv("AFLUENTE_API_KEYS", KEYS)
    installation.webhooks(hooks={"enabled": False})
    with running_receiver() as running:
        answer = Api(running).subscribe(receiver.url)
    assert (answer.status_code, answer.json()["error"]) == (403, "hooks_disabled")


@pytest.mark.short(3)
@pytest.mark.parametrize("event", WEBHOOK_EVENTS)
def test_a_sample_has_the_form_of_what_is_sent(api, event):
    (sample,) = api.ask("GET", f"/v1/hooks/sample/{event}").json()
    assert sample["type"] == event
    assert {"id", "type", "timestamp", "data"} == sample.keys()


def test_the_sample_of_a_settled_lead_has_the_keys_of_a_real_one(api, installation, receiver):
    api.subscribe(receiver.url)
    installation.leads(PERSON)
    installation.send()
    (sample,) = api.ask("GET", "/v1/hooks/sample/lead.settled").json()
    assert receiver.received[0].content["data"].keys() == sample["data"].keys()


def test_a_sample_names_no_brand_that_the_key_may_not_see(api):
    (of_one,) = api.ask("GET", "/v1/hooks/sample/person.created", key=OF_CASA).json()
    assert of_one["data"]["brand"] == "casa"


def test_a_subscription_whose_address_cannot_be_opened_hides_no_other(api, receiver):
    first, second = (api.subscribe(receiver.url).json()["id"] for _ in range(2))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_endpoints SET sealed = '\\x00' WHERE name = %s", (first,))
    assert {hook["id"]: hook["host"] for hook in api.hooks()} == {first: "", second: "127.0.0.1"}


def test_an_event_that_is_none_has_no_sample(api):
    assert api.ask("GET", "/v1/hooks/sample/lead.lost").status_code == 404


def test_the_routes_stand_in_the_api_description(api):
    paths = api.ask("GET", "/openapi.json", key=None).json()["paths"]
    assert {"/v1/hooks", "/v1/hooks/{hook_id}", "/v1/hooks/sample/{event}"} <= paths.keys()
