"""`afluente webhook …`, and what status, doctor and the metrics say of endpoints."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.health.doctor import run_checks
from pipeline.health.metrics import collect_gauges
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.webhooks.upkeep import purge_webhooks, sweep_webhooks
from tests.support.command_line import answer, problem, run
from tests.support.store_rows import write_person
from tests.support.webhook_receiver import Answer, endpoint, outbox

from .conftest import PERSON


def said(*arguments: str, code: int = 0) -> str:
    done: subprocess.CompletedProcess[str] = run(*arguments)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture
def told(installation, receiver) -> list[str]:
    """The ids of three messages that went out."""
    installation.webhooks(orders=endpoint(receiver, events=["person.created"]))
    for _ in range(3):
        write_person(first_name="Ada")
    installation.send()
    return receiver.ids()


def moment(*, minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_replay_of_a_time_sends_the_same_ids_again(told, installation, receiver):
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE webhook_messages SET created_at = created_at - interval '1 day' WHERE seq ="
            " (SELECT min(seq) FROM webhook_messages)"
        )
    again = ("webhook", "replay", "orders", "--from", moment(minutes=-60), "--to", moment(minutes=60))
    assert answer(*again, "--dry-run") == {"dry_run": True, "messages": {"delivered": 2}}
    installation.send()
    assert len(receiver.received) == 3
    assert said(*again) == "2 messages are due again\n  2 delivered before\n"
    installation.send()
    first = {request.content["data"]["person_id"]: request.id for request in receiver.received[:3]}
    repeated = {request.content["data"]["person_id"]: request.id for request in receiver.received[3:]}
    assert len(repeated) == 2
    assert repeated.items() <= first.items()


def test_a_replay_of_an_impossible_time_is_refused(told):
    assert "is not after --from" in problem(
        "webhook", "replay", "orders", "--from", "2026-03-02", "--to", "2026-03-01", code=2
    )


@pytest.mark.long
def test_a_test_message_is_signed_sent_at_once_and_stored_nowhere(told, receiver):
    assert "orders: taken (http_204), webhook-id msg_" in said("webhook", "test", "orders")
    assert receiver.received[-1].verified()["type"] == "webhook.test"
    assert len(outbox()) == 3
    receiver.answer = lambda _: Answer(500)
    assert "orders: not taken (http_500)" in said("webhook", "test", "orders", code=1)


def test_an_endpoint_is_switched_off_and_on_by_hand(told, installation, receiver):
    assert said("webhook", "disable", "orders").startswith("orders is off")
    write_person(first_name="Grace")
    sweep_webhooks()
    installation.send()
    assert len(receiver.received) == 3
    (row,) = answer("webhook", "list")
    assert (row["state"], row["backlog"]["held"], row["host"]) == ("off: by hand", 1, "127.0.0.1")
    assert said("webhook", "enable", "orders") == "orders is on; 1 message that was held go out\n"
    installation.send()
    assert len(receiver.received) == 4


def test_messages_are_listed_with_their_state_and_without_anything_of_a_person(installation, receiver):
    installation.webhooks(orders=endpoint(receiver))
    installation.leads(PERSON)
    installation.send()
    (row,) = answer("webhook", "messages", "orders")
    assert (row["webhook_id"], row["state"], row["last_code"]) == (receiver.ids()[0], "delivered", "http_204")
    assert answer("webhook", "messages", "orders", "--state", "failed") == []
    assert "ada" not in said("webhook", "messages", "orders").lower()


def test_an_unknown_endpoint_is_named_with_what_shows_the_known_ones(told):
    assert "`afluente webhook list` shows" in problem("webhook", "enable", "oders", code=1)


def test_status_doctor_and_metrics_tell_of_an_endpoint_that_was_switched_off(installation, receiver):
    receiver.answer = lambda _: Answer(410)
    installation.webhooks(orders=endpoint(receiver, events=["person.created"]))
    for _ in range(2):
        write_person(first_name="Ada")
    installation.send()
    sweep_webhooks()
    status = answer("status")
    assert status["webhooks"]["orders"]["state"] == "off: gone"
    assert "webhook orders: switched off, because it answered 410 (2 messages held)" in str(status["problems"])
    assert "webhook orders: off: gone; messages: 2 held" in said("status")
    checks = [check for check in run_checks(settings()) if check.name == "webhook orders"]
    assert [(check.ok, check.remedy) for check in checks if not check.ok] == [
        (False, "mend it, then `afluente webhook enable orders`")
    ]
    gauges = {
        (sample.name, sample.labels.get("state")): sample.value
        for gauge in collect_gauges(settings())
        for sample in gauge.samples
        if sample.labels.get("endpoint") == "orders"
    }
    assert gauges["afluente_webhook_off", None] == 1
    assert gauges["afluente_webhook_messages", "held"] == 2


def test_status_tells_of_messages_that_wait_for_long(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, events=["person.created"]))
    write_person(first_name="Ada")
    assert not any("orders" in line for line in answer("status")["problems"])
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_messages SET created_at = now() - interval '20 minutes'")
    assert any(
        line.startswith("webhook orders: the oldest of 1 message waits") for line in answer("status")["problems"]
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secrets": {"signing": "env:NOBODY_SET_IT"}}, "NOBODY_SET_IT is not set"),
        ({"secrets": {"signing": "env:PLAIN"}}, "is not whsec_ and base64"),
        ({"url": "env:ADDRESS"}, "must begin with https://"),
        ({"url": "https://nobody.invalid/x", "allow_private": False}, "cannot be found"),
    ],
)
def test_doctor_says_why_an_endpoint_cannot_be_called(installation, receiver, monkeypatch, change, said):
    monkeypatch.setenv("PLAIN", "no secret of the standard")
    monkeypatch.setenv("ADDRESS", "ftp://hooks.example.org/secret-part")
    installation.webhooks(orders=endpoint(receiver, **change))
    (check,) = [check for check in run_checks(settings()) if check.name == "webhook orders"]
    assert not check.ok
    assert said in check.detail
    assert "secret-part" not in check.detail + check.remedy


def test_an_address_that_is_a_secret_itself_may_be_a_reference(installation, receiver, monkeypatch):
    monkeypatch.setenv("ADDRESS", receiver.url)
    installation.webhooks(orders=endpoint(receiver, url="env:ADDRESS", events=["person.created"]))
    write_person(first_name="Ada")
    assert installation.send().delivered == 1


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(told, installation):
    write_person(first_name="Ada")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_messages SET created_at = now() - interval '31 days'")
    assert purge_webhooks() == 3
    assert [message.state for message in outbox()] == ["due"]


def test_what_went_out_about_who_is_held_is_kept(told, installation):
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_messages SET created_at = now() - interval '31 days'")
        connection.exec_driver_sql(
            "INSERT INTO legal_holds (hold_id, kind, person_id, brand, reason, placed_by)"
            " SELECT message_id, 'hold', person_id, 'default', 'case 17', 'vera' FROM webhook_messages LIMIT 1"
        )
    assert purge_webhooks() == 2
    assert len(outbox()) == 1
