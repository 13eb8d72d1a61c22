"""A person's own link: signed, without a login, in their language; it shows by GET and acts by POST alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from pipeline.privacy.person_consents import consent_state_of
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, problem, run, work
from tests.support.identity_rows import owner, rows
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches

BASE = "https://leads.example.org"
ADA = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Sample"}
TITLES = {"marketing.email": {"en": "Letters & <news>", "es": "Cartas"}, "marketing.sms": {"en": "Short messages"}}


@pytest.fixture
def receiver(database, tmp_path, monkeypatch) -> Iterator[Receiver]:
    document = {"receiver": {"public_url": BASE}, "consent": {"questions": TITLES}}
    (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    forget_caches()
    with running_receiver(load_settings()) as running:
        yield running


def says(granted: bool | None = True, *, channel: str = "email", **more: Any) -> dict[str, Any]:
    return {"purpose": "marketing", "channel": channel, "granted": granted, **more}


def come(*leads: dict[str, Any]) -> list[UUID]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def link_of(person_id: UUID, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = answer("consent", "link", str(person_id), *options)
    return found


def path_of(person_id: UUID) -> str:
    path: str = link_of(person_id)["url"].removeprefix(BASE)
    return path


def states(person_id: UUID) -> dict[str, str]:
    work()
    with transaction() as connection:
        return {".".join(question): held for question, held in consent_state_of(connection, person_id).items()}


def test_the_page_shows_each_question_and_looking_at_it_changes_nothing(receiver):
    (ada,) = come({**ADA, "consents": [says(), {"purpose": "profiling", "channel": "any", "granted": False}]})
    link = path_of(ada)
    shown = receiver.get(link)
    assert shown.status_code == 200
    assert "Letters &amp; &lt;news&gt;" in shown.text
    assert "<legend>Short messages</legend>" in shown.text
    assert "name='profiling.any' value=no checked" in shown.text
    assert "name='marketing.email' value=yes checked" in shown.text
    assert "ada@example.org" not in shown.text
    assert rows("SELECT object_id FROM audit_log WHERE action = 'consent.link'") == [(str(ada),)]
    assert "no-store" in shown.headers["Cache-Control"]
    receiver.http.head(receiver.address + link, timeout=20)
    receiver.get(f"{link}?stop=marketing.email&List-Unsubscribe=One-Click")
    assert rows("SELECT count(*) FROM events WHERE source = 'consents'") == [(0,)]


@pytest.mark.parametrize(
    ("asked", "lang", "said"),
    [
        ("", "es-MX,en;q=0.5", "Lo que aceptas"),
        ("", "pt-BR", "O que você aceita"),
        ("", "de,fr;q=0.8", "What you agree to"),
        ("", "de,pt;q=0.4,es;q=0.6", "Lo que aceptas"),
        ("?lang=pt", "es", "O que você aceita"),
    ],
)
def test_the_page_is_in_the_language_of_whoever_looks(receiver, asked, lang, said):
    (ada,) = come({**ADA, "consents": [says()]})
    shown = receiver.get(path_of(ada) + asked, headers={"Accept-Language": lang})
    assert said in shown.text


def test_what_is_chosen_holds_and_what_was_not_touched_is_not_said_again(receiver):
    (ada,) = come({**ADA, "phone": "+34600123123", "consents": [says(), says(channel="sms")]})
    link = path_of(ada)
    form = {"marketing.email": "yes", "marketing.sms": "no", "secret.thing": "yes"}
    assert receiver.post(link, data=form).status_code == 200
    assert states(ada) == {"marketing.email": "granted", "marketing.sms": "refused"}
    assert rows("SELECT channel, granted, act, method FROM consents WHERE source = 'preference_page'") == [
        ("sms", False, "withdrawal", "preference_link")
    ]
    come({**ADA, "external_id": "2", "phone": "+34600123123", "consents": [says(channel="sms")]})
    assert states(ada)["marketing.sms"] == "refused"
    receiver.post(link, data={"marketing.sms": "yes"})
    assert states(ada)["marketing.sms"] == "granted"


def test_everything_can_be_stopped_at_once(receiver):
    (ada,) = come({**ADA, "consents": [says()]})
    assert receiver.post(path_of(ada), data={"stop_all": "yes", "marketing.email": "yes"}).status_code == 200
    assert states(ada) == {"marketing.email": "refused", "marketing.sms": "refused"}


@pytest.mark.parametrize("kind", ["form", "multipart"])
def test_one_click_in_a_mail_program_takes_back_what_the_mail_was_about(receiver, kind):
    (ada,) = come({**ADA, "consents": [says(), {"purpose": "newsletter", "channel": "email", "granted": True}]})
    headers = link_of(ada, "--stop", "newsletter.email")["headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = headers["List-Unsubscribe"].strip("<>").removeprefix(BASE)
    said = {"List-Unsubscribe": "One-Click"}
    done = receiver.post(link, data=said) if kind == "form" else receiver.post(
        link, files={name: (None, value) for name, value in said.items()}
    )  # fmt: skip
    assert (done.status_code, done.text) == (200, "")
    assert states(ada) == {"marketing.email": "granted", "newsletter.email": "refused"}


def test_a_link_that_was_altered_is_nobodys(receiver):
    (ada,) = come({**ADA, "consents": [says()]})
    link = path_of(ada)
    other = link[:-1] + ("A" if link[-1] != "A" else "Q")
    for wrong in (other, link[:-2], link + "AAAA", "/consent/preferences/" + "A" * 200, "/consent/preferences/%00"):
        assert receiver.get(wrong).status_code == 404
        assert receiver.post(wrong, data={"stop_all": "yes"}).status_code == 404
    assert states(ada) == {"marketing.email": "granted"}


def test_the_link_of_somebody_who_is_one_with_another_leads_to_both(receiver):
    (ada,), (bea,) = come({**ADA, "consents": [says()]}), come({"email": "bea@example.org", "consents": [says()]})
    links = {person: path_of(person) for person in (ada, bea)}
    assert run("people", "merge", str(ada), str(bea), "--why", "they are one").returncode == 0
    stays = UUID(answer("explain", str(ada))["merged_into"] or str(ada))
    gone = bea if stays == ada else ada
    receiver.post(links[gone], data={"marketing.email": "no"})
    assert states(stays)["marketing.email"] == "refused"


def test_who_has_no_address_of_the_receiver_or_of_the_person_is_told(database, receiver, tmp_path):
    assert "no person has the id" in problem("consent", "link", "01930000-0000-7000-8000-000000000001", code=1)
    (ada,) = come(ADA)
    assert "PURPOSE.CHANNEL" in problem("consent", "link", str(ada), "--stop", "marketing", code=2)
    (tmp_path / "afluente.yaml").write_text("{}", encoding="utf-8")
    forget_caches()
    assert "receiver.public_url" in problem("consent", "link", str(ada), code=2)
