"""A withdrawal holds for the address or number that it names: for everybody who has it, now and later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.withdrawn_points import sweep_withdrawn
from pipeline.intake.own_consents import choose
from pipeline.privacy.gates import lacking_consent
from pipeline.privacy.person_consents import consent_states_of
from pipeline.recompute.former_withdrawals import note_former_withdrawals
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.keyring import key_number
from pipeline.store.people.withdrawn_points import WithdrawnPoint, link_withdrawn, note_withdrawn
from tests.support.command_line import answer, capture, run, work
from tests.support.identity_rows import owner, rows

pytestmark = pytest.mark.usefixtures("database")

INFO, NUMBER = "info@acme.example.org", "+34600123123"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LETTERS, MESSAGES = ("marketing", "email"), ("marketing", "sms")
ADA, BEA = {"first_name": "Ada", "last_name": "Sample"}, {"first_name": "Bea", "last_name": "Other"}


def says(granted: bool | None = True, *, channel: str = "email", **more: Any) -> dict[str, Any]:
    return {"purpose": "marketing", "channel": channel, "granted": granted, **more}


def come(*leads: dict[str, Any]) -> list[UUID]:
    events = capture(*leads)
    work()
    return [owner(event_id) for event_id in events]


def withdraw(channel: str = "email", *, at: str | None = None, act: str = "withdrawal", **who: Any) -> None:
    said = says(granted=False, channel=channel, act=act) | ({"at": at} if at else {})
    capture({"says": "consent", "statement_id": str(new_id()), **who, "consents": [said]}, source="consents")
    work()


def states(question: tuple[str, str], *people: UUID) -> list[str | None]:
    with transaction() as connection:
        known = consent_states_of(connection, people)
        lacking = lacking_consent(connection, dict.fromkeys(people, question))
    found = [known.get(person_id, {}).get(question) for person_id in people]
    assert [state == "granted" for state in found] == [person_id not in lacking for person_id in people]
    return found


def two_at(**point: str) -> tuple[UUID, UUID]:
    """Two people with one address or number, who both agreed to everything."""
    agreed = [says(), says(channel="sms")]
    ada, bea = come({**ADA, **point, "consents": agreed}, {**BEA, **point, "consents": agreed})
    assert ada != bea
    return ada, bea


def test_a_withdrawal_of_a_mailbox_of_several_holds_for_each_of_them():
    ada, bea = two_at(email=INFO)
    withdraw(email=INFO)
    assert states(LETTERS, ada, bea) == ["refused", "refused"]
    assert states(MESSAGES, ada, bea) == ["granted", "granted"]


def test_a_stop_of_a_number_that_two_people_share_holds_for_both():
    ada, bea = two_at(phone=NUMBER)
    withdraw("sms", phone=NUMBER)
    assert states(MESSAGES, ada, bea) == ["refused", "refused"]
    assert states(LETTERS, ada, bea) == ["granted", "granted"]


def test_a_withdrawal_in_a_lead_holds_for_whoever_else_has_the_number():
    ada, bea = two_at(phone=NUMBER)
    come({**ADA, "external_id": "2", "phone": NUMBER,
          "consents": [says(granted=False, channel="sms", act="withdrawal")]})  # fmt: skip
    assert states(MESSAGES, ada, bea) == ["refused", "refused"]


def test_whoever_comes_with_a_withdrawn_address_later_is_not_written_to_until_they_confirm():
    (ada,) = come({**ADA, "email": INFO, "consents": [says()]})
    withdraw(email=INFO)
    (bea,) = come({**BEA, "email": INFO, "consents": [says()]})
    assert states(LETTERS, ada, bea) == ["refused", "refused"]
    (shown, *_) = [held for held in answer("consent", "show", str(bea))["holds"] if held["channel"] == "email"]
    assert (shown["state"], shown["act"]) == ("refused", "withdrawal")


def test_a_later_number_of_somebody_who_is_known_brings_its_withdrawal_along():
    withdraw("sms", phone=NUMBER)
    (ada,) = come({**ADA, "email": "ada@example.org", "consents": [says(channel="sms")]})
    assert states(MESSAGES, ada) == ["granted"]
    come({**ADA, "external_id": "2", "email": "ada@example.org", "phone": NUMBER})
    assert states(MESSAGES, ada) == ["refused"]


def test_a_humans_word_takes_it_back_for_that_person_alone():
    ada, bea = two_at(email=INFO)
    withdraw(email=INFO)
    assert run("consent", "record", str(ada), "marketing.email", "--granted", "--why", "asked").returncode == 0
    work()
    assert states(LETTERS, ada, bea) == ["granted", "refused"]
    withdraw(email=INFO)
    assert states(LETTERS, ada, bea) == ["refused", "refused"]


def test_a_confirmed_opt_in_with_the_same_address_takes_it_back_for_who_confirmed():
    ada, bea = two_at(email=INFO)
    withdraw(email=INFO)
    said = says(act="confirmed")
    capture({"says": "consent", "person_id": str(bea), "email": INFO, "consents": [said]}, source="consents")
    work()
    assert states(LETTERS, ada, bea) == ["refused", "granted"]


def test_a_withdrawal_of_another_address_or_of_another_brand_concerns_nobody_here():
    ada, bea = two_at(email=INFO)
    withdraw(email="info@other.example.org")
    with transaction() as connection:
        note_withdrawn(
            connection,
            [WithdrawnPoint(key_number("other", "email", INFO), "other", *LETTERS, "withdrawal", NOON, ada)],
        )
        assert link_withdrawn(connection, [key_number("other", "email", INFO)]) == set()
    assert states(LETTERS, ada, bea) == ["granted", "granted"]


def test_it_goes_along_with_the_address_when_people_come_together_and_apart():
    ada, bea = two_at(email=INFO)
    (cem,) = come({"first_name": "Cem", "last_name": "Third", "email": "cem@example.org", "consents": [says()]})
    withdraw(email=INFO)
    assert run("people", "merge", str(bea), str(cem), "--why", "they are one").returncode == 0
    stays = UUID(answer("explain", str(bea))["merged_into"] or str(bea))
    assert states(LETTERS, stays) == ["refused"]
    gone = cem if stays == bea else bea
    assert run("people", "unmerge", str(gone), "--why", "they are two").returncode == 0
    assert states(LETTERS, ada, bea, cem) == ["refused", "refused", "granted"]


def test_of_many_withdrawals_of_one_address_one_row_is_kept_with_the_latest_time():
    for at in ("2026-03-02T09:00:00Z", "2026-03-05T09:00:00Z", "2026-03-03T09:00:00Z"):
        withdraw(email=INFO, at=at)
    assert rows("SELECT count(*), max(at)::date::text FROM withdrawn_points") == [(1, "2026-03-05")]


def test_what_was_withdrawn_before_the_update_is_noted_once():
    ada, bea = two_at(email=INFO)
    withdraw(email=INFO)
    come({**ADA, "external_id": "2", "phone": NUMBER,
          "consents": [says(granted=False, channel="sms", act="withdrawal")]})  # fmt: skip
    assert run("consent", "record", str(bea), "marketing.phone", "--withdrawn", "--why", "wrote").returncode == 0
    work()
    kept = rows("SELECT key, purpose, channel, act, at, event_id FROM withdrawn_points ORDER BY key")
    with transaction() as connection:
        connection.exec_driver_sql("TRUNCATE withdrawn_points, withdrawn_evidence")
        connection.exec_driver_sql("INSERT INTO filed_versions (name, version) VALUES ('withdrawn_points', 0)")
    assert states(LETTERS, ada, bea) == ["granted", "granted"]
    assert (note_former_withdrawals(at_once=1), note_former_withdrawals()) == (2, 0)
    assert rows("SELECT key, purpose, channel, act, at, event_id FROM withdrawn_points ORDER BY key") == kept
    assert states(LETTERS, ada, bea) == ["refused", "refused"]


def test_what_a_killed_worker_left_unlinked_is_linked_by_the_sweep():
    ada, bea = two_at(email=INFO)
    with transaction() as connection:
        key = key_number("default", "email", INFO)
        note_withdrawn(connection, [WithdrawnPoint(key, "default", *LETTERS, "withdrawal", NOON, ada)])
    assert sweep_withdrawn() == 0, "its worker may still be at it"
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE withdrawn_points SET created_at = now() - interval '2 minutes'")
    assert (sweep_withdrawn(), sweep_withdrawn()) == (1, 0)
    assert states(LETTERS, ada, bea) == ["refused", "refused"]


@pytest.mark.parametrize("by", ["link", "hand"])
@pytest.mark.parametrize("who", [0, 1])
def test_who_is_named_by_an_id_withdraws_for_that_part_of_whom_they_are_one_with(who, by):
    people = come(
        {**ADA, "email": "ada@example.org", "consents": [says()]},
        {**BEA, "email": "bea@example.org", "consents": [says()]},
    )
    named, other = people[who], people[1 - who]
    assert run("people", "merge", str(named), str(other), "--why", "they are one").returncode == 0
    if by == "link":
        choose(named, {LETTERS: False}, method="preference_link")
    else:
        assert run("consent", "record", str(named), "marketing.email", "--withdrawn", "--why", "wrote").returncode == 0
    work()
    gone = next(person for person in people if answer("explain", str(person))["merged_into"])
    stays = other if gone == named else named
    assert states(LETTERS, stays) == ["refused"]
    assert run("people", "unmerge", str(gone), "--why", "they are two").returncode == 0
    work()
    assert states(LETTERS, named) == ["refused"]


def test_a_withdrawal_and_a_lead_with_its_address_that_meet_at_once_miss_each_other_never():
    def go(lane: str, start: Barrier) -> None:
        claim = flow.claim_batch(lane)
        assert claim is not None
        batch = flow.normalize_batch(flow.map_claim(claim))
        start.wait(10)
        flow.load_batch(flow.attribute_batch(flow.deduplicate_batch(batch)))

    come({**ADA, "email": INFO, "consents": [says()]})
    for number in range(6):
        mailbox = f"info@acme{number}.example.org"
        (lead,) = capture({**BEA, "last_name": f"Other{chr(97 + number)}", "email": mailbox, "consents": [says()]})
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE events SET lane = 'bulk' WHERE state = 'pending'")
        said = says(granted=False, act="withdrawal")
        capture({"says": "consent", "email": mailbox, "consents": [said]}, source="consents")
        start = Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(go, ("hot", "bulk"), (start, start)))
        assert states(LETTERS, owner(lead)) == ["refused"]
