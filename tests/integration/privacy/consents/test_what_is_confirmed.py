"""A confirmation confirms what it was asked for: an address and a question. It undoes nothing that came later."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pipeline.privacy.asking.confirmation_mails import send_confirmations
from pipeline.privacy.person_consents import consent_state_of
from pipeline.records import new_id
from pipeline.store.engine import transaction
from tests.integration.privacy.test_confirmations import (
    ADA,
    ask,
    come,
    configure,
    link_in,
    mails,
    receiver,
    says,
    state,
)
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows

__all__ = ["configure", "mails", "receiver"]

NUMBER = "+34600123123"
MESSAGES = ("marketing", "sms")


def withdraw(channel: str = "email", **who: Any) -> None:
    said = says(granted=False, channel=channel, act="withdrawal")
    capture({"says": "consent", "statement_id": str(new_id()), **who, "consents": [said]}, source="consents")
    work()


def of_messages(person_id: UUID) -> str | None:
    with transaction() as connection:
        return consent_state_of(connection, person_id).get(MESSAGES)


def press(receiver: Any, link: str) -> str:
    page: str = receiver.post(link).text
    work()
    return page


def test_a_link_in_a_mail_takes_back_no_stop_of_the_number_that_stood_in_the_form(receiver, mails):
    withdraw("sms", phone=NUMBER)
    ada, link = ask(mails, {**ADA, "phone": NUMBER, "consents": [says(channel="sms")]})
    assert "is confirmed" in press(receiver, link)
    assert of_messages(ada) == "refused"


def test_a_link_in_a_mail_makes_the_tick_of_a_number_a_grant(receiver, mails):
    ada, link = ask(mails, {**ADA, "phone": NUMBER, "consents": [says(channel="sms")]})
    assert of_messages(ada) == "not_answered"
    press(receiver, link)
    assert of_messages(ada) == "granted"


def test_a_link_takes_back_no_withdrawal_that_came_after_it_was_asked_for(receiver, mails):
    ada, link = ask(mails, {**ADA, "external_id": "1", "consents": [says()]})
    withdraw(email=ADA["email"])
    press(receiver, link)
    assert state(ada) == "refused"


def test_whoever_ticks_again_after_a_withdrawal_is_asked_anew_but_once_a_day_at_most(receiver, mails):
    ada, link = ask(mails, {**ADA, "external_id": "1", "consents": [says()]})
    withdraw(email=ADA["email"])
    come({**ADA, "external_id": "2", "consents": [says()]})
    assert send_confirmations() == 0, "a form that anybody fills in sends no flood of mails"
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consent_confirmations SET created_at = created_at - interval '25 hours'")
        connection.exec_driver_sql("UPDATE consents SET at = at - interval '24 hours'")
        connection.exec_driver_sql("UPDATE withdrawn_points SET at = at - interval '24 hours'")
    come({**ADA, "external_id": "3", "consents": [says()]})
    assert send_confirmations() == 1
    press(receiver, link_in(mails.letters[-1]))
    assert state(ada) == "granted"
    press(receiver, link)
    assert state(ada) == "granted"


def test_a_link_confirms_its_question_alone(receiver, mails):
    ada, link = ask(mails, {**ADA, "consents": [says(), says(purpose="newsletter", act="withdrawal", granted=False)]})
    press(receiver, link)
    with transaction() as connection:
        assert consent_state_of(connection, ada) == {
            ("marketing", "email"): "granted",
            ("newsletter", "email"): "refused",
        }
    assert rows("SELECT count(*) FROM consents WHERE act = 'confirmed'") == [(1,)]
