"""Messages are signed as Standard Webhooks says, hold what the settings name, and follow what holds at that moment."""

from __future__ import annotations

import time

import pytest
import standardwebhooks

from pipeline import tasks
from pipeline.lanes import WEBHOOK_QUEUE
from pipeline.store.engine import transaction
from tests.support.command_line import capture, work
from tests.support.store_rows import write_person
from tests.support.webhook_receiver import OLD_SECRET, SECRET, Answer, endpoint, outbox

from .conftest import PERSON


def erase(*tables: str) -> None:
    """What an erasure leaves of everybody: nothing in these tables."""
    with transaction() as connection:
        for table in tables:
            connection.exec_driver_sql(f"DELETE FROM {table}")


def test_a_message_is_verified_by_the_library_of_standard_webhooks(installation, receiver):
    installation.webhooks(orders=endpoint(receiver))
    (event_id,) = installation.leads(PERSON)
    assert installation.send().delivered == 1
    (request,) = receiver.received
    content = request.verified()
    assert content["type"] == "lead.settled"
    assert content["data"]["event_id"] == event_id
    assert request.id.startswith("msg_")
    assert request.headers["content-type"] == "application/json"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        request.verified(OLD_SECRET)


def test_while_a_secret_is_replaced_both_verify(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, secrets={"signing": ["env:SIGNING", "env:SIGNING_BEFORE"]}))
    installation.leads(PERSON)
    installation.send()
    (request,) = receiver.received
    assert request.verified(SECRET) == request.verified(OLD_SECRET)


def test_a_message_holds_ids_and_of_the_person_only_the_fields_that_are_named(installation, receiver):
    installation.webhooks(
        bare=endpoint(receiver),
        named=endpoint(receiver, fields=["email", "company_domain", "original_channel", "city"]),
    )
    installation.leads(PERSON | {"website": "https://www.example.com", "utm_source": "news", "utm_medium": "email"})
    installation.send()
    bare, named = sorted((request.content for request in receiver.received), key=lambda content: len(str(content)))
    assert "fields" not in bare["data"]
    assert not any(word in str(bare).lower() for word in ("ada", "sample", "example"))
    assert named["data"]["fields"] == {
        "email": "ada.sample@example.org",
        "company_domain": "example.com",
        "original_channel": "Email",
        "city": None,
    }


def test_the_content_is_that_of_the_moment_of_sending(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, fields=["job_title"], events=["person.created"]))
    installation.leads(PERSON | {"job_title": "Clerk"})
    installation.leads(PERSON | {"job_title": "Head of Marketing", "occurred_at": "2030-01-01T00:00:00Z"})
    installation.send()
    (request,) = receiver.received
    assert request.content["data"]["fields"] == {"job_title": "Head of Marketing"}
    assert request.content["data"]["version"] == 4  # with those of its touches


def test_of_an_erased_person_nothing_is_told_and_the_message_says_why(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, events=["lead.settled", "person.created"], fields=["email"]))
    installation.leads(PERSON)
    erase("people")
    report = installation.send()
    assert (report.delivered, report.dropped) == (0, 2)
    assert receiver.received == []
    assert [(message.state, message.last_code) for message in outbox()] == [("dropped", "person_gone")] * 2


def test_the_sweep_wakes_a_sender_and_its_task_says_what_it_did(installation, receiver, redis_client):
    installation.webhooks(orders=endpoint(receiver))
    tasks.sweep()
    assert redis_client.llen(WEBHOOK_QUEUE) == 0
    installation.leads(PERSON)
    tasks.sweep()
    tasks.sweep()
    assert redis_client.llen(WEBHOOK_QUEUE) == 1
    assert tasks.send_webhooks() == {"delivered": 1, "retried": 0, "failed": 0, "dropped": 0}


def test_of_an_erased_lead_nothing_is_told(installation, receiver):
    installation.webhooks(orders=endpoint(receiver))
    installation.leads(PERSON)
    erase("events")
    assert installation.send().dropped == 1
    assert [message.last_code for message in outbox()] == ["lead_gone"]


def test_consent_is_asked_for_at_the_moment_of_sending(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, consent="marketing.email", fields=["email"]))
    consents = [{"purpose": "marketing", "channel": "email", "granted": True, "at": "2026-01-01T00:00:00Z"}]
    installation.leads(PERSON | {"consents": consents})
    withdrawn = [{**consents[0], "granted": False, "at": "2026-02-01T00:00:00Z"}]
    assert installation.send().delivered == 1
    installation.leads(PERSON | {"consents": consents, "submission_id": "2"})
    capture(PERSON | {"consents": withdrawn, "submission_id": "3"})  # before the message of the second lead went out
    work()
    assert installation.send().delivered == 0
    assert [message.last_code for message in outbox()] == ["http_204", "no_consent", "no_consent"]


def test_who_was_never_asked_is_not_told_of_where_consent_is_needed(installation, receiver):
    installation.webhooks(orders=endpoint(receiver, consent="marketing.email"))
    installation.leads(PERSON)
    assert installation.send().dropped == 1
    assert receiver.received == []


def test_an_endpoint_that_is_slow_holds_up_nobody_but_itself(installation, receiver):
    held = []

    def answer(request):
        if request.path == "/slow":
            held.append(request.id)
            while len(receiver.received) < 23 and len(held) < 20:  # all of the other's, and what may be under way here
                time.sleep(0.005)
        return Answer()

    receiver.answer = answer
    slow = endpoint(receiver, events=["person.created"], concurrent=3, url=receiver.url.replace("hook", "slow"))
    installation.webhooks(slow=slow, quick=endpoint(receiver, events=["person.created"]))
    for _ in range(20):
        write_person(first_name="Ada")
    report = installation.send()
    assert report.delivered == 40
    paths = [request.path for request in receiver.received]
    last_of_the_quick = max(place for place, path in enumerate(paths) if path == "/hook")
    assert paths[:last_of_the_quick].count("/slow") == 3


def test_a_redirect_is_not_followed_and_an_endless_body_is_not_read(installation, receiver):
    answers = iter(
        [
            Answer(302, {"Location": receiver.url.replace("hook", "elsewhere")}),
            Answer(200, {"Content-Length": "1000000000"}, b"x" * 100_000),
        ]
    )
    receiver.answer = lambda _: next(answers)
    installation.webhooks(orders=endpoint(receiver, timeout_seconds=3))
    installation.leads(PERSON)
    installation.send()
    while outbox()[0].state == "due":
        installation.send()
    assert [request.path for request in receiver.received] == ["/hook", "/hook"]
    assert [(message.state, message.attempts, message.last_code) for message in outbox()] == [
        ("delivered", 2, "http_200")
    ]
