"""Another system may ask people to confirm what they ticked: it is told a link, and no more than the settings name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.privacy.person_consents import consent_state_of
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.support.command_line import work
from tests.support.identity_rows import rows
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches
from tests.support.webhook_receiver import endpoint, outbox

from .conftest import PERSON

EVENT = "consent.confirmation_requested"
BASE = "https://leads.example.org"
TICK = {**PERSON, "consents": [{"purpose": "marketing", "channel": "email", "granted": True}]}


@pytest.fixture
def asking(installation, receiver, tmp_path) -> Callable[..., None]:
    """Sets the endpoint up, with what is to be set of it, where ticks of the API are to be confirmed."""

    def configure(**settings: Any) -> None:
        installation.webhooks(mailer=endpoint(receiver, events=[EVENT], **settings))
        config = tmp_path / "afluente.yaml"
        document = json.loads(config.read_text(encoding="utf-8"))
        document |= {"receiver": {"public_url": BASE}, "sources": {"api": {"double_opt_in": True}}}
        config.write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    return configure


def test_the_message_holds_ids_and_the_link_and_the_link_confirms(asking, installation, receiver):
    asking()
    (event_id,) = installation.leads(TICK)
    installation.send()
    (request,) = receiver.received
    data = request.content["data"]
    ((person_id,),) = rows("SELECT person_id FROM people")
    assert (request.content["type"], data["person_id"], data["event_id"]) == (EVENT, str(person_id), str(event_id))
    assert data.keys() == {"brand", "person_id", "event_id", "confirmations"}
    (asked,) = data["confirmations"]
    assert (asked["purpose"], asked["channel"]) == ("marketing", "email")
    with running_receiver(load_settings()) as door:
        assert door.post(asked["link"].removeprefix(BASE)).status_code == 200
    work()
    with transaction() as connection:
        assert consent_state_of(connection, person_id) == {("marketing", "email"): "granted"}


def test_an_endpoint_for_those_who_consent_is_asked_all_the_same_and_gets_the_fields_that_are_named(
    asking, installation, receiver
):
    asking(consent="marketing.email", fields=["email"])
    installation.leads(TICK)
    installation.send()
    (request,) = receiver.received
    assert request.content["data"]["fields"] == {"email": "ada.sample@example.org"}


def test_what_expired_before_it_was_told_is_not_told(asking, installation, receiver):
    asking()
    installation.leads(TICK)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consent_confirmations SET expires_at = now()")
    installation.send()
    assert receiver.received == []
    assert {message.event: message.last_code for message in outbox()} == {EVENT: "consent_gone"}
