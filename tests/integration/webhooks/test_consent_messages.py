"""What somebody says of consent is told, a refusal before anything else."""

from __future__ import annotations

from typing import Any

from pipeline.store.engine import transaction
from tests.support.identity_rows import rows
from tests.support.webhook_receiver import endpoint, outbox

from .conftest import PERSON

AT = "2026-03-01T09:00:00Z"
CONSENT_EVENTS = ["consent.granted", "consent.refused"]


def says(granted: bool | None, at: str = AT, **more: Any) -> dict[str, Any]:
    said = {"purpose": "marketing", "channel": "email", "granted": granted, "at": at, **more}
    return {**PERSON, "occurred_at": at, "consents": [said]}


def told(receiver) -> list[tuple[str, Any]]:
    return [(request.content["type"], request.content["data"]) for request in receiver.received]


def test_what_is_granted_and_what_is_taken_back_is_told_with_what_holds(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=CONSENT_EVENTS, fields=["email"]))
    (granted,) = installation.leads(says(True, policy_version="2026-01"))
    installation.send()
    installation.leads(says(False, "2026-03-02T09:00:00Z"))
    installation.send()
    (first, said), (second, taken_back) = told(receiver)
    assert (first, second) == ("consent.granted", "consent.refused")
    assert (said["event_id"], said["fields"]) == (granted, {"email": "ada.sample@example.org"})
    (answer,) = said["consents"]
    assert {name: answer[name] for name in ("purpose", "channel", "policy_version", "state")} == {
        "purpose": "marketing",
        "channel": "email",
        "policy_version": "2026-01",
        "state": "granted",
    }
    assert taken_back["consents"][0]["state"] == "withdrawn"


def test_a_refusal_goes_out_before_all_that_waits_of_the_same_person_and_of_others(installation, receiver):
    installation.webhooks(
        all=endpoint(receiver, events=[*CONSENT_EVENTS, "person.updated", "lead.settled"], concurrent=1)
    )
    installation.leads(says(True))
    installation.send()
    receiver.received.clear()
    installation.leads(
        {"email": "other@example.org", "full_name": "Grace Other"}, PERSON | {"job_title": "Head of Sales"}
    )
    installation.leads(says(False, "2026-03-02T09:00:00Z"))
    installation.send()
    assert next(event for event, _ in told(receiver)) == "consent.refused"
    assert len(told(receiver)) > 3


def test_what_was_granted_before_is_told_before_what_is_taken_back(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=CONSENT_EVENTS))
    installation.leads(says(True))
    installation.leads(says(False, "2026-03-02T09:00:00Z"))
    installation.send()
    assert [event for event, _ in told(receiver)] == CONSENT_EVENTS
    assert {data["consents"][0]["state"] for _, data in told(receiver)} == {"withdrawn"}  # what holds when it is sent


def test_an_endpoint_for_those_who_consent_hears_of_a_refusal_and_of_nothing_else_then(installation, receiver):
    installation.webhooks(
        all=endpoint(receiver, events=[*CONSENT_EVENTS, "lead.settled"], consent="marketing.email", fields=["email"])
    )
    installation.leads(says(False))
    installation.send()
    ((event, data),) = told(receiver)
    assert (event, "fields" in data) == ("consent.refused", False)
    assert {message.event: message.last_code for message in outbox()}["lead.settled"] == "no_consent"


def test_what_was_left_open_is_told_nobody_and_what_is_not_there_any_more_neither(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=CONSENT_EVENTS))
    installation.leads(says(None))
    assert outbox() == []
    installation.leads(says(True))
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM consents WHERE granted")
    installation.send()
    assert rows("SELECT state, last_code FROM webhook_messages") == [("dropped", "consent_gone")]
