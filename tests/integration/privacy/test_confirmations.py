"""A tick that is to be confirmed is none until its person presses the button that a link leads to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import requests

from pipeline.errors import ConfigurationError
from pipeline.privacy.asking.confirmation_mails import send_confirmations
from pipeline.privacy.person_consents import consent_state_of
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, work
from tests.support.identity_rows import owner, rows
from tests.support.intake_server import Receiver, running_receiver
from tests.support.mail_taker import MailTaker, taking_mails
from tests.support.services import forget_caches

MARKETING = ("marketing", "email")
ADA = {"email": "Ada.Sample@example.org", "first_name": "Ada", "last_name": "Sample"}
BASE = "https://leads.example.org"


@pytest.fixture
def mails() -> Iterator[MailTaker]:
    with taking_mails() as taker:
        yield taker


@pytest.fixture
def configure(database, tmp_path, monkeypatch, mails):
    def write(asks: Any = "mail", **more: Any) -> None:
        server = {"host": "127.0.0.1", "port": mails.port, "security": "none", "sender": "news@example.org"}
        document = {
            "sources": {"api": {"double_opt_in": asks}},
            "receiver": {"public_url": BASE},
            "consent": {"mail": server, "questions": {"marketing.email": {"en": "Our letter", "es": "Nuestra carta"}}},
        }
        (tmp_path / "afluente.yaml").write_text(json.dumps({**document, **more}), encoding="utf-8")
        forget_caches()

    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    write()
    return write


@pytest.fixture
def receiver(configure) -> Iterator[Receiver]:
    with running_receiver(load_settings()) as running:
        yield running


def says(granted: bool | None = True, **more: Any) -> dict[str, Any]:
    return {"purpose": "marketing", "channel": "email", "granted": granted, **more}


def come(*leads: dict[str, Any]) -> list[UUID]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def state(person_id: UUID) -> str | None:
    with transaction() as connection:
        return consent_state_of(connection, person_id).get(MARKETING)


def link_in(letter: Any) -> str:
    """The path of the link that a mail holds."""
    text = letter.get_payload(decode=True).decode()
    return re.search(rf"{BASE}(/consent/confirm/\S+)", text)[1]  # type: ignore[index]


def ask(mails: MailTaker, lead: dict[str, Any]) -> tuple[UUID, str]:
    """Somebody ticks, and gets a mail: who it is, and the path of their link."""
    (person_id,) = come(lead)
    assert send_confirmations() == 1
    return person_id, link_in(mails.letters[-1])


def test_a_tick_is_pending_until_its_person_presses_the_button(receiver, mails):
    ada, link = ask(mails, {**ADA, "consents": [says(policy_version="2026-01", language="es")]})
    assert state(ada) == "not_answered"
    (letter,) = mails.letters
    assert (letter["To"], letter["From"], letter["Auto-Submitted"]) == (
        "ada.sample@example.org", "news@example.org", "auto-generated",
    )  # fmt: skip
    assert "Nuestra carta" in letter.get_payload(decode=True).decode()
    for look in (receiver.get, receiver.http.head, receiver.get):  # as programs do that look at each link of a mail
        shown = look(link if look == receiver.get else receiver.address + link)
        assert shown.status_code == 200
    assert "<form method=post>" in shown.text
    work()
    assert state(ada) == "not_answered"
    pressed = receiver.post(link)
    assert (pressed.status_code, "confirmado" in pressed.text) == (200, True)
    work()
    assert state(ada) == "granted"
    confirmed = next(
        one["said"]
        for one in answer("consent", "show", str(ada))["statements"]
        if one["said"].get("act") == "confirmed"
    )
    assert (confirmed["policy_version"], confirmed["method"]) == ("2026-01", "double_opt_in")
    assert confirmed["double_opt_in_sent_at"] < confirmed["double_opt_in_confirmed_at"]
    again = receiver.post(link)
    assert (again.status_code, "Ya estaba confirmado" in again.text) == (200, True)
    assert rows("SELECT count(*) FROM events WHERE source = 'consents'") == [(1,)]


def test_pressing_it_many_times_at_once_confirms_once(receiver, mails):
    ada, link = ask(mails, {**ADA, "consents": [says()]})
    with ThreadPoolExecutor(8) as threads:
        pages = list(threads.map(lambda _: requests.post(receiver.address + link, timeout=30), range(8)))
    assert {page.status_code for page in pages} == {200}
    assert sum("is confirmed." in page.text for page in pages) == 1
    work()
    assert (state(ada), rows("SELECT count(*) FROM events WHERE source = 'consents'")) == ("granted", [(1,)])


def test_a_confirmed_tick_takes_a_withdrawal_back_and_an_unconfirmed_one_does_not(receiver, mails):
    come({**ADA, "external_id": "1", "consents": [says(granted=False, act="withdrawal")]})
    ada, link = ask(mails, {**ADA, "external_id": "2", "consents": [says()]})
    assert state(ada) == "refused"
    receiver.post(link)
    work()
    assert state(ada) == "granted"


def test_a_link_that_nobody_has_or_that_expired_confirms_nothing(receiver, mails):
    ada, link = ask(mails, {**ADA, "consents": [says()]})
    stranger = link.replace(link.rpartition("/")[2][:6], "AAAAAA")
    assert [receiver.post(stranger).status_code, receiver.get(stranger).status_code] == [404, 404]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consent_confirmations SET expires_at = now()")
    expired = receiver.post(link)
    assert (expired.status_code, "expired" in expired.text or "caducado" in expired.text) == (404, True)
    work()
    assert state(ada) == "not_answered"


def test_of_a_link_a_digest_is_kept_and_it_holds_for_seven_days(configure, mails):
    _, link = ask(mails, {**ADA, "consents": [says()]})
    token = link.rpartition("/")[2].partition("?")[0]
    ((digest, days),) = rows("SELECT digest, expires_at - created_at FROM consent_confirmations")
    assert (bytes(digest), days.days) == (hashlib.sha256(token.encode()).digest(), 7)
    assert len(token) == 22  # 128 bits


def test_nobody_is_asked_twice_for_one_question_nor_for_what_they_granted(receiver, mails):
    ada, link = ask(mails, {**ADA, "external_id": "1", "consents": [says()]})
    come({**ADA, "external_id": "2", "consents": [says()]})
    assert send_confirmations() == 0
    receiver.post(link)
    work()
    come({**ADA, "external_id": "3", "consents": [says()]})
    assert (send_confirmations(), len(mails.letters), state(ada)) == (0, 1, "granted")


def test_a_refusal_needs_no_second_word(configure):
    (ada,) = come({**ADA, "consents": [says(granted=False)]})
    assert state(ada) == "refused"
    assert rows("SELECT count(*) FROM consent_confirmations") == [(0,)]


def test_a_mail_server_that_is_away_or_refuses_is_asked_again_and_the_mail_goes_out_once(configure, mails):
    mails.refusal = "451 later"
    come({**ADA, "consents": [says()]})
    assert send_confirmations() == 0
    assert rows("SELECT last_error, asked_at FROM consent_confirmations") == [("refused_451", None)]
    assert send_confirmations() == 0, "it is left alone for five minutes"
    assert len(mails.letters) == 0
    mails.refusal = None
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consent_confirmations SET next_attempt_at = now()")
    assert (send_confirmations(), send_confirmations(), len(mails.letters)) == (1, 0, 1)


def test_a_tick_without_an_address_asks_nobody(configure, mails):
    come({"phone": "+34600123123", "consents": [says(channel="sms")]})
    assert (send_confirmations(), mails.letters) == (0, [])
    assert rows("SELECT last_error FROM consent_confirmations") == [("no_address",)]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"sources": {"api": {"double_opt_in": "mail"}}, "receiver": {"public_url": BASE}}, "consent.mail"),
        ({"sources": {"api": {"double_opt_in": True}}}, "receiver.public_url"),
        ({"sources": {"api": {"double_opt_in": "letter"}}, "receiver": {"public_url": BASE}}, "no way to ask"),
        ({"consent": {"questions": {"marketing": {}}}}, "names no question"),
        ({"consent": {"questions": {"marketing.email": {"xx": "x"}}}}, "not a language"),
    ],
)
def test_settings_that_could_ask_nobody_are_refused(document, said, tmp_path, monkeypatch):
    (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    forget_caches()
    with pytest.raises(ConfigurationError, match=said):
        load_settings()
