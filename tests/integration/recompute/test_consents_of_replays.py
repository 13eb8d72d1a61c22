"""A replay changes what people agree to only where the mapping reads another answer: never by a rule of today."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.privacy.person_consents import consent_states_of
from pipeline.recompute.settled_leads import replay_settled
from pipeline.store.engine import transaction
from tests.support.command_line import capture, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows
from tests.support.mail_taker import taking_mails
from tests.support.services import forget_caches

SOURCES = ("forms", "fairs")
SAID = 'intake=Webhook(signature=StandardWebhooks(secret=Secret("META_SECRET"))), event_id="id", occurred_at="at"'
MAPPING = """
lead: {submission_id: id, full_name: name, email: email}
consent:
  news: {purpose: marketing, channel: email, from: news, withdrawal: [stop]}
kept: [at]
"""
Ask = Callable[..., None]


@pytest.fixture
def ask(database, tmp_path, monkeypatch) -> Iterator[Ask]:
    """Lets these sources ask for a second word from now on, and no others."""
    with taking_mails() as mails:

        def write(*sources: str) -> None:
            server = {"host": "127.0.0.1", "port": mails.port, "security": "none", "sender": "news@example.org"}
            document = {
                "sources": {name: {"double_opt_in": "mail" if name in sources else False} for name in SOURCES},
                "receiver": {"public_url": "https://leads.example.org"},
                "consent": {"mail": server},
            }
            (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
            forget_caches()

        monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
        write()
        yield write


@pytest.fixture
def company(ask, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        for name in SOURCES:
            sources.declare(name, SAID, MAPPING)
        yield sources


def form(number: int, news: str | None, *, day: int = 1, person: int | None = None) -> dict[str, Any]:
    who = f"ada{person or number}"
    return {"id": f"f-{number}", "at": f"2026-03-{day:02}T09:00:00Z", "name": who, "email": f"{who}@example.org"} | (
        {"news": news} if news else {}
    )


def states() -> dict[Any, Any]:
    people = [person_id for (person_id,) in rows("SELECT person_id FROM people WHERE merged_into IS NULL")]
    with transaction() as connection:
        return consent_states_of(connection, people)


def kept() -> list[tuple[Any, ...]]:
    return rows("SELECT event_id, purpose, channel, granted, act, at FROM consents ORDER BY event_id, purpose")


def test_a_second_word_that_is_asked_for_from_now_on_takes_no_older_grant_back(company, ask):
    capture(form(1, "yes"), form(2, "no"), source="forms")
    work()
    before = states(), kept()
    ask("forms")
    assert replay_settled(source="forms").consents == 0
    assert (states(), kept()) == before
    assert set(before[0].popitem()[1].values()) <= {"granted", "refused"}
    assert rows("SELECT count(*) FROM consent_confirmations") == [(0,)]


def test_a_tick_that_was_to_be_confirmed_is_no_grant_when_nobody_is_asked_any_more(company, ask):
    ask("forms")
    capture(form(1, "yes"), source="forms")
    work()
    before = states(), kept()
    assert list(before[0].values()) == [{("marketing", "email"): "not_answered"}]
    ask()
    assert replay_settled(source="forms").consents == 0
    assert (states(), kept()) == before


def test_a_record_that_is_told_anew_and_ticked_as_before_keeps_its_grant(company, ask):
    capture(form(1, "yes"), source="forms")
    work()
    ask("forms")
    capture({**form(1, "yes"), "name": "Ada Brandt"}, source="forms")
    work()
    assert rows("SELECT count(*) FROM events WHERE superseded_by IS NOT NULL") == [(1,)]
    assert list(states().values()) == [{("marketing", "email"): "granted"}]
    capture({**form(1, "no"), "name": "Ada Brandt"}, source="forms")
    work()
    assert list(states().values()) == [{("marketing", "email"): "refused"}]


def test_whatever_is_replayed_in_whatever_order_comes_to_the_same(company, ask):
    dice = random.Random(7)
    for batch in range(4):
        ask(*(name for name in SOURCES if dice.random() < 0.5))
        for name in SOURCES:
            said = [dice.choice(["yes", "yes", "yes", "no", "stop", None]) for _ in range(5)]
            forms = [
                form(100 * batch + number, answer, day=dice.randint(1, 28), person=dice.randint(1, 15))
                for number, answer in enumerate(said)
            ]
            capture(*forms, source=name)
            work()
    before = states(), kept()
    assert {state for held in before[0].values() for state in held.values()} >= {"granted", "refused"}
    for _ in range(6):
        ask(*(name for name in SOURCES if dice.random() < 0.5))
        replay_settled(source=dice.choice(SOURCES), events_at_once=dice.randint(1, 9))
        assert (states(), kept()) == before
