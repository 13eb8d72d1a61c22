"""Statements of consent on their way: by the API, by hand, by a browser's signal; kept whole, and what holds then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.privacy.lapses import sweep_lapsed
from pipeline.privacy.person_consents import consent_state_of
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, lines, problem, run, work
from tests.support.identity_rows import owner, rows
from tests.support.intake_server import KEY, Receiver, running_receiver

pytestmark = pytest.mark.usefixtures("database")

MARKETING = ("marketing", "email")
ADA = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Sample"}
INGEST = "ingest-key"


@pytest.fixture
def receiver(database, monkeypatch) -> Iterator[Receiver]:
    monkeypatch.setenv("AFLUENTE_API_KEYS", f"a:admin:{KEY},i:ingest:{INGEST},v:viewer:view-key")
    with running_receiver(load_settings()) as running:
        yield running


def says(granted: bool | None = True, *, channel: str = "email", **more: Any) -> dict[str, Any]:
    return {"purpose": "marketing", "channel": channel, "granted": granted, **more}


def come(*leads: dict[str, Any]) -> list[UUID]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def state(person_id: UUID, question: tuple[str, str] = MARKETING) -> str | None:
    with transaction() as connection:
        return consent_state_of(connection, person_id).get(question)


def post(receiver: Receiver, *statements: Any, key: str = KEY, **options: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", **options}
    told = receiver.post("/v1/consents", json=list(statements), headers=headers)
    assert told.status_code == 202, told.text
    work()
    answered: dict[str, Any] = told.json()
    return answered


def withdraws(**who: Any) -> dict[str, Any]:
    return {**who, "consents": [says(granted=False, act="withdrawal", source="unsubscribe_page")]}


def test_a_withdrawal_that_is_posted_stands_against_a_later_tick(receiver):
    (ada,) = come({**ADA, "consents": [says()]})
    told = post(receiver, {"statement_id": "u-1", **withdraws(email="ADA@example.org")})
    assert (told["accepted"][0]["statement_id"], told["rejected"]) == ("u-1", [])
    assert state(ada) == "refused"
    come({**ADA, "external_id": "later", "consents": [says()]})
    assert state(ada) == "refused"
    assert rows("SELECT count(*) FROM people WHERE merged_into IS NULL") == [(1,)]


def test_a_statement_about_an_address_that_nobody_has_waits_for_whoever_comes_with_it(receiver):
    post(receiver, withdraws(email="ada@example.org"))
    assert rows("SELECT state, reason FROM events") == [("suppressed", "nobody_yet")]
    (ada,) = come({**ADA, "consents": [says()]})
    assert state(ada) == "refused"


def test_the_same_statement_twice_is_one(receiver):
    (ada,) = come({**ADA, "consents": [says()]})
    first = post(receiver, {"statement_id": "u-1", **withdraws(email="ada@example.org")})
    second = post(receiver, {"statement_id": "u-1", **withdraws(email="ada@example.org")})
    assert second["accepted"] == [{**first["accepted"][0], "repeated": True}]
    assert rows("SELECT count(*) FROM consents WHERE person_id = %s AND granted = false", ada) == [(1,)]


def test_who_only_sends_leads_cannot_say_that_somebody_confirmed(receiver):
    (ada,) = come({**ADA, "consents": [says(granted=False, act="withdrawal")]})
    confirmed = {"email": "ada@example.org", "consents": [says(act="confirmed")]}
    told = post(receiver, confirmed, key=INGEST)
    assert [(item["index"], item["field"]) for item in told["rejected"]] == [(0, "consents.act")]
    assert state(ada) == "refused"
    assert post(receiver, {**confirmed, "statement_id": "c-2"})["rejected"] == []
    assert state(ada) == "granted"


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ([], None),
        ({"consents": [says()]}, None),
        ({"email": 7, "consents": [says()]}, "email"),
        ({"person_id": "ada", "consents": [says()]}, "person_id"),
        ({"email": "ada@example.org"}, "consents"),
        ({"email": "ada@example.org", "consents": [{"channel": "email"}]}, "consents.purpose"),
        ({"email": "ada@example.org", "consents": [says(granted="maybe")]}, "consents.granted"),  # type: ignore[arg-type]
        ({"email": "ada@example.org", "consents": [says(act="withdrawal")]}, "consents.granted"),
        ({"email": "ada@example.org", "consents": [says(act="by_hand")]}, "consents.act"),
    ],
)
def test_what_is_no_statement_is_rejected_by_itself_and_the_others_are_taken(receiver, statement, field):
    told = post(receiver, statement, withdraws(email="bea@example.org"))
    assert [(item["index"], item["field"]) for item in told["rejected"]] == [(0, field)]
    assert len(told["accepted"]) == 1
    assert "ada" not in told["rejected"][0]["message"]


def test_statements_want_a_key_that_may_post_and_leads_do_not_come_this_way(receiver):
    assert receiver.post("/v1/consents", json=[]).status_code == 401
    viewer = receiver.post("/v1/consents", json=[], headers={"Authorization": "Bearer view-key"})
    assert viewer.status_code == 403
    lead = receiver.post("/v1/leads?source=consents", json=ADA, headers={"Authorization": f"Bearer {KEY}"})
    assert lead.status_code == 404


def test_a_lead_may_withdraw_and_never_says_that_it_was_confirmed():
    (ada,) = come({**ADA, "consents": [says(granted=False, act="objection")]})
    come({**ADA, "external_id": "2", "consents": [says(act="confirmed")]})
    come({**ADA, "external_id": "3", "consents": [says(act="by_hand")]})
    assert state(ada) == "refused"
    assert rows("SELECT act FROM consents ORDER BY at, act") == [("objection",), (None,), (None,)]


def test_of_two_statements_of_one_event_on_one_question_the_stricter_is_kept():
    (ada,) = come({**ADA, "consents": [says(), says(granted=False), says(), says(granted=False, act="withdrawal")]})
    assert rows("SELECT granted, act FROM consents") == [(False, "withdrawal")]
    assert state(ada) == "refused"


def test_nothing_was_said_after_it_arrived():
    year = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    (ada,) = come({**ADA, "consents": [says(at=year)]})
    ((at, received_at),) = rows("SELECT c.at, e.received_at FROM consents c JOIN events e USING (event_id)")
    assert at == received_at
    come({**ADA, "external_id": "later", "consents": [says(granted=False)]})
    assert state(ada) == "refused"
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    (bea,) = come({"email": "bea@example.org", "consents": [says(at=soon)]})
    assert rows("SELECT at FROM consents WHERE person_id = %s", bea) == [(datetime.fromisoformat(soon),)]


def test_all_that_was_said_is_kept_and_shown():
    facts = {
        "legal_basis": "consent",
        "method": "checkbox",
        "notice_id": "newsletter-2",
        "notice_hash": "sha256:9f2c",
        "language": "es",
        "jurisdiction": "ES",
        "policy_version": "2026-01",
        "source": "footer_form",
        "expires_at": "2099-01-01T00:00:00Z",
        "double_opt_in_sent_at": "2026-03-01T09:00:00Z",
        "double_opt_in_confirmed_at": "2026-03-01T09:05:00Z",
    }
    (ada,) = come({**ADA, "consents": [says(at="2026-03-01T09:00:00Z", **facts)]})
    shown = answer("consent", "show", str(ada))
    (kept,) = shown["statements"]
    assert {name: kept["said"][name] for name in facts} == facts
    assert kept["contact_points"] == ["ada@example.org"]
    assert [(held["contact_point"], held["state"]) for held in shown["holds"]] == [
        (None, "granted"),
        ("ada@example.org", "granted"),
    ]
    (row,) = lines("consent", "export")
    assert (row["person_id"], row["state"], row["legal_basis"]) == (str(ada), "granted", "consent")
    assert run("consent", "export", "--brand", "nobody").returncode == 2


def test_a_stop_is_about_the_number_that_sent_it():
    number, other = "+34600123123", "+34600456456"
    (ada,) = come({**ADA, "phone": number, "consents": [says(channel="sms"), says()]})
    come({**ADA, "external_id": "2", "phone": other, "consents": [says(channel="sms")]})
    capture({"says": "consent", "phone": number, "consents": [says(granted=False, channel="sms", act="withdrawal")]},
            source="consents")  # fmt: skip
    work()
    holds = {
        (held["channel"], held["contact_point"]): held["state"] for held in answer("consent", "show", str(ada))["holds"]
    }
    assert holds == {
        ("email", None): "granted",
        ("email", "ada@example.org"): "granted",
        ("sms", None): "refused",
        ("sms", number): "refused",
        ("sms", other): "granted",
    }


def test_a_humans_word_takes_a_withdrawal_back_and_is_kept_with_its_reason():
    (ada,) = come({**ADA, "consents": [says(granted=False, act="withdrawal")]})
    come({**ADA, "external_id": "2", "consents": [says()]})
    (for_person, _) = answer("consent", "show", str(ada))["holds"]
    assert (for_person["state"], for_person["note"]) == ("refused", "granted, but withdrawn before")
    done = answer(
        "consent", "record", str(ada), "marketing.E-Mail", "--granted", "--why", "asked on the phone", "--by", "vera"
    )
    assert (done["purpose"], done["channel"], done["act"]) == ("marketing", "email", "by_hand")
    work()
    assert state(ada) == "granted"
    told = answer("explain", done["event_id"])
    assert told["activity"]["details"] == {"person_id": str(ada), "by": "vera", "reason": "asked on the phone"}
    assert run("consent", "record", str(ada), "marketing.email", "--withdrawn", "--why", "wrote").returncode == 0
    work()
    assert state(ada) == "refused"


def test_an_objection_by_hand_is_about_every_channel_of_the_purpose():
    (ada,) = come({**ADA, "phone": "+34600123123", "consents": [says(), says(channel="sms")]})
    assert run("consent", "record", str(ada), "marketing.email", "--objection", "--why", "wrote").returncode == 0
    work()
    assert {state(ada), state(ada, ("marketing", "sms"))} == {"refused"}


def test_a_human_who_gives_no_reason_or_names_nobody_is_told():
    assert "why" in problem("consent", "record", "01930000-0000-7000-8000-000000000001", "marketing.email", "--granted",
                            "--why", " ", code=2)  # fmt: skip
    assert "no person has the id" in problem("consent", "show", "01930000-0000-7000-8000-000000000001", code=1)


def test_what_is_said_of_a_person_finds_them_behind_a_mailbox_of_several():
    (ada,) = come({"email": "info@acme.example.org", "first_name": "Ada", "last_name": "Sample", "consents": [says()]})
    (bea,) = come({"email": "info@acme.example.org", "first_name": "Bea", "last_name": "Other", "consents": [says()]})
    assert ada != bea
    assert run("consent", "record", str(bea), "marketing.email", "--withdrawn", "--why", "wrote").returncode == 0
    work()
    assert (state(ada), state(bea)) == ("granted", "refused")


def test_a_statement_about_a_person_of_another_brand_finds_nobody(receiver):
    (ada,) = come({**ADA, "consents": [says()]})
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE people SET brand = 'other'")
    post(receiver, withdraws(person_id=str(ada)))
    assert state(ada) == "granted"


def test_a_browser_that_says_so_is_a_refusal_of_sale_and_sharing(receiver):
    form = {"email": "ada@example.org", "elapsed_ms": 9000, "submission_id": "s-1"}
    signal = {"Sec-GPC": "1", "Origin": "https://www.example.org"}
    assert receiver.post("/in/default/web_form", json=form, headers=signal).status_code == 202
    work()
    ((person_id, granted, act, source),) = rows("SELECT person_id, granted, act, source FROM consents")
    assert (granted, act, source) == (False, "withdrawal", "gpc")
    assert state(person_id, ("sale_or_share", "any")) == "refused"
    receiver.post("/in/default/web_form", json={**form, "submission_id": "s-2"}, headers={"Sec-GPC": "0"})
    work()
    assert rows("SELECT count(*) FROM consents") == [(1,)]


def test_a_withdrawal_goes_along_with_its_address_when_people_come_together_and_apart():
    (ada,) = come({**ADA, "consents": [says()]})
    (bea,) = come(
        {"email": "bea@example.org", "first_name": "Bea", "consents": [says(granted=False, act="withdrawal")]}
    )
    assert run("people", "merge", str(ada), str(bea), "--why", "they are one").returncode == 0
    come({**ADA, "external_id": "2", "consents": [says()]}, {"email": "bea@example.org", "consents": [says()]})
    stays = answer("explain", str(ada))["merged_into"] or str(ada)
    assert state(UUID(stays)) == "refused"
    gone = next(person for person in (ada, bea) if str(person) != stays)
    assert run("people", "unmerge", str(gone), "--why", "they are two").returncode == 0
    assert (state(ada), state(bea)) == ("granted", "refused")


def test_what_was_granted_until_a_moment_that_is_past_is_told_once():
    (ada,) = come({**ADA, "consents": [says(expires_at="2099-01-01T00:00:00Z")]})
    assert (state(ada), sweep_lapsed()) == ("granted", 0)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consents SET expires_at = now() - interval '1 second'")
    assert state(ada) == "not_answered"
    assert (sweep_lapsed(), sweep_lapsed()) == (1, 0)
    (held, _) = answer("consent", "show", str(ada))["holds"]
    assert held["note"] == "granted until a moment that is past"
