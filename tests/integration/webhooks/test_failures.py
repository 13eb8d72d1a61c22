"""What endpoints and workers do wrong: nothing is lost, nothing gets another id, nobody is called for ever."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pipeline.store.engine import transaction
from pipeline.webhooks import operations
from pipeline.webhooks.upkeep import sweep_webhooks
from tests.support.paths import ROOT
from tests.support.side_by_side import beside
from tests.support.store_rows import write_person
from tests.support.webhook_receiver import Answer, endpoint, outbox

from .conftest import PERSON

_SENDER = "from pipeline.webhooks.sender import send_due; send_due(budget_seconds=30)"


def let_time_pass(column: str, *, table: str = "webhook_messages", days: float = 0, seconds: float = 0) -> None:
    """As if what a column of every row holds had been so much earlier."""
    with transaction() as connection:
        connection.exec_driver_sql(
            f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", (days * 86_400 + seconds,)
        )


def settle(installation) -> None:
    """Send until nothing is due any more."""
    while any(message.state in ("due", "in_flight") for message in outbox()):
        installation.send()


@pytest.mark.long
def test_a_sender_killed_after_posting_sends_again_under_the_same_id(installation, receiver):
    arrived, go_on = threading.Event(), threading.Event()

    def answer(_):
        if len(receiver.received) == 1:
            arrived.set()
            go_on.wait(20)
        return Answer()

    receiver.answer = answer
    installation.webhooks(orders=endpoint(receiver))
    installation.leads(PERSON)
    sender = subprocess.Popen([sys.executable, "-c", _SENDER], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert arrived.wait(60)
    finally:
        os.kill(sender.pid, signal.SIGKILL)
        sender.wait(20)
        go_on.set()
    assert installation.send().delivered == 0  # the lease still holds
    let_time_pass("lease_until", seconds=3600)
    assert sweep_webhooks()
    assert installation.send().delivered == 1
    first, second = receiver.received
    assert first.id == second.id
    assert [(message.state, message.attempts) for message in outbox()] == [("delivered", 2)]


@pytest.mark.long
def test_with_one_fault_in_ten_every_message_arrives_and_keeps_its_id(installation, receiver):
    faults = [Answer(500), Answer(429, {"Retry-After": "0"}), Answer(close_unanswered=True), Answer(404), Answer(302)]
    dice = random.Random(7)
    taken: list[str] = []

    def answer(request):
        if dice.random() < 0.1:
            return dice.choice(faults)
        taken.append(request.id)
        return Answer()

    receiver.answer = answer
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], concurrent=8))
    people = {str(write_person(first_name="Ada")) for _ in range(300)}
    settle(installation)
    assert len(receiver.received) > 300
    assert len(set(taken)) == len(set(receiver.ids())) == 300
    told = {request.id: request.content["data"]["person_id"] for request in receiver.received}
    assert set(told.values()) == people
    assert {message.state for message in outbox()} == {"delivered"}


def test_a_message_out_of_attempts_fails_and_the_next_about_the_same_person_goes_out(installation, receiver):
    receiver.answer = lambda request: Answer(500) if request.content["type"] == "person.created" else Answer()
    installation.webhooks(all=endpoint(receiver, events=["person.created", "lead.settled"], retry_seconds=[0.01, 0.01]))
    installation.leads(PERSON)
    settle(installation)
    assert receiver.events() == ["person.created"] * 3 + ["lead.settled"]
    assert [(message.state, message.last_code) for message in outbox()] == [
        ("failed", "http_500"),
        ("delivered", "http_204"),
    ]


def test_who_asks_for_time_gets_it(installation, receiver):
    receiver.answer = lambda _: Answer(503, {"Retry-After": "1800"})
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], concurrent=1))
    for _ in range(5):
        write_person(first_name="Ada")
    installation.send()
    installation.send()
    assert len(receiver.received) == 1  # the others of the endpoint wait too
    with transaction() as connection:
        waits = connection.exec_driver_sql(
            "SELECT extract(epoch FROM max(next_attempt_at) - now()) FROM webhook_messages"
        ).scalar_one()
    assert 1700 < waits <= 1800


def test_an_endpoint_that_answers_nobody_is_left_alone_for_a_while(installation, receiver):
    receiver.answer = lambda _: Answer(close_unanswered=True)
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], concurrent=1, retry_seconds=[3600] * 9))
    for _ in range(40):
        write_person(first_name="Ada")
    installation.send()
    assert 5 <= len(receiver.received) < 15
    assert operations.list_endpoints()[0].state == "paused"


def test_410_switches_an_endpoint_off_and_enable_goes_on_where_it_stopped(installation, receiver):
    receiver.answer = lambda _: Answer(410)
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], concurrent=1))
    for _ in range(3):
        write_person(first_name="Ada")
    installation.send()
    write_person(first_name="Ada")
    sweep_webhooks()
    installation.send()
    assert len(receiver.received) == 1
    assert {message.state for message in outbox()} == {"held"}
    assert operations.list_endpoints()[0].state == "off: gone"
    receiver.answer = lambda _: Answer()
    assert operations.enable_endpoint("orders") == 4
    settle(installation)
    assert len(set(receiver.ids())) == 4


@pytest.mark.parametrize(
    ("setting", "since_days"), [({"disable_after_days": 5}, 5.1), ({"disable_after_failed": 1}, 0.0)]
)
def test_an_endpoint_that_fails_for_long_is_switched_off(installation, receiver, setting, since_days):
    receiver.answer = lambda _: Answer(500)
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], retry_seconds=[3600], **setting))
    write_person(first_name="Ada")
    installation.send()
    let_time_pass("failing_since", table="webhook_endpoints", days=since_days)
    let_time_pass("next_attempt_at", days=1)
    installation.send()
    assert len(receiver.received) == 2
    write_person(first_name="Grace")
    sweep_webhooks()
    installation.send()
    assert len(receiver.received) == 2
    assert operations.list_endpoints()[0].state == "off: failing"
    assert [message.state for message in outbox()] == ["failed", "held"]


def test_a_success_ends_the_count_of_failures(installation, receiver):
    answers = iter([Answer(500), Answer(), Answer(500), Answer()])
    receiver.answer = lambda _: next(answers)
    installation.webhooks(orders=endpoint(receiver, events=["person.created"]))
    for _ in range(2):
        write_person(first_name="Ada")
        settle(installation)
    with transaction() as connection:
        row = connection.exec_driver_sql("SELECT failures, failing_since FROM webhook_endpoints").one()
    assert tuple(row) == (0, None)


def test_an_endpoint_without_its_secret_waits_and_costs_its_messages_no_attempt(installation, receiver, monkeypatch):
    installation.webhooks(orders=endpoint(receiver))
    installation.leads(PERSON)
    monkeypatch.delenv("SIGNING")
    installation.send()
    assert receiver.received == []
    assert [(message.state, message.attempts) for message in outbox()] == [("due", 0)]


def test_many_senders_together_keep_the_bound_of_an_endpoint(installation, receiver):
    guard, now, most = threading.Lock(), 0, 0

    def answer(_):
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with guard:
            now -= 1
        return Answer()

    receiver.answer = answer
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], concurrent=2))
    for _ in range(40):
        write_person(first_name="Ada")
    senders = [threading.Thread(target=installation.send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert (len(receiver.ids()), len(set(receiver.ids())), most) == (40, 40, 2)


def test_a_person_that_cannot_be_read_costs_its_own_message_an_attempt_and_no_other(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, events=["person.created"], fields=["first_name"]))
    broken, sound = write_person(first_name="Ada"), write_person(first_name="Grace")
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE people SET profile = overlay(profile placing 'x' from 30) WHERE person_id = %s", (broken,)
        )
    installation.send(seconds=1)
    assert [request.content["data"]["person_id"] for request in receiver.received] == [str(sound)]
    states = [(message.state, message.last_code) for message in outbox()]
    assert states[0][1] == "bug"
    assert states[1] == ("delivered", "http_204")


def test_an_endpoint_is_enabled_while_people_change_whose_messages_are_held(installation, receiver):
    """Who changes people holds the messages that will tell of it, in any order."""
    installation.webhooks(orders=endpoint(receiver, events=["person.created", "person.updated"]))
    people = [write_person(first_name=name) for name in ("Ada", "Grace")]
    operations.disable_endpoint("orders")
    sweep_webhooks()
    beside(
        lambda: operations.enable_endpoint("orders"),
        lambda connection: _change(connection, people[1]),
        lambda connection: _change(connection, people[0]),
    )
    sweep_webhooks()
    assert installation.send().delivered == 2


def _change(connection: Connection, person_id: UUID) -> None:
    connection.exec_driver_sql("UPDATE people SET version = version + 1 WHERE person_id = %s", (person_id,))
