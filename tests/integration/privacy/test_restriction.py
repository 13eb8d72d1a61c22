"""Whose data is restricted is kept and not sent, neither to a CRM nor by a webhook, until that is lifted."""

from __future__ import annotations

import json

import pytest

from pipeline.delivery.sender import deliver
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.privacy import holds
from pipeline.store.deliveries.deliveries import due_counts, linger_left
from pipeline.store.engine import count_statements, transaction
from pipeline.webhooks.sender import send_due
from pipeline.webhooks.upkeep import sweep_webhooks
from tests.support import command_line
from tests.support.command_line import answer, problem, run
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA
from tests.support.webhook_receiver import SECRET, webhook_receiver


def restrict(person_id):
    with transaction() as connection:
        holds.restrict(connection, person_id, reason="disputes it", by="vera")


def lift(person_id):
    with transaction() as connection:
        holds.lift(connection, person_id, reason="settled", by="vera")


def due():
    with transaction() as connection:
        return sum(count for lanes in due_counts(connection).values() for count, _ in lanes.values())


def test_nothing_of_somebody_restricted_goes_to_a_crm_until_it_is_lifted(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    restrict(ada)
    assert due() == 1
    assert command_line.deliver() == 1
    assert rows("SELECT person_id, sent_version > 0 FROM deliveries ORDER BY 2") == [(ada, False), (bea, True)]
    lift(ada)
    assert (due(), command_line.deliver()) == (1, 1)


def test_who_is_one_with_somebody_restricted_is_not_sent_either(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    restrict(bea)
    merge_people(ada, bea, Decision("vera"))
    assert (due(), command_line.deliver()) == (0, 0)


def test_a_sender_does_not_wait_for_somebody_restricted(installation):
    ada = installation.person()
    restrict(ada)
    with transaction() as connection:
        (lane,) = rows("SELECT lane FROM deliveries")[0]
        assert linger_left(connection, "sandbox", lane, linger_seconds=5) == 0
    report = deliver("sandbox", lane, budget_seconds=1.0)
    assert (report.sent, report.more_due, report.wait_seconds) == (0, False, 0)


def test_the_check_costs_a_claim_no_statement(installation):
    installation.person()
    with count_statements() as seen:
        command_line.deliver()
    free = seen.count
    restrict(installation.person(BEA))
    installation.person(ADA, message="news")
    with count_statements() as seen:
        assert command_line.deliver() == 1
    assert seen.count <= free + 1  # what the CRM knew is forgotten by a commit that waits for the disk


def test_that_a_record_is_to_go_and_that_consent_is_taken_back_is_sent_all_the_same(installation):
    ada = installation.person()
    command_line.deliver()
    restrict(ada)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET wanted = 'absent', state = 'due', next_attempt_at = now()")
    assert due() == 1
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET wanted = 'present'")
    assert due() == 0
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO person_consents (consent_id, person_id, owner_id, brand, purpose, channel, person_version,"
            " owner_version, is_withdrawn) SELECT gen_random_uuid(), %(p)s, %(p)s, 'default', 'marketing', 'email', 1,"
            " 1, true",
            {"p": ada},
        )
        connection.exec_driver_sql(
            "INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, state, parent_id)"
            " SELECT 'sandbox/consents', consent_id, brand, 'hot', 1, 'due', person_id FROM person_consents"
        )
    assert due() == 1


def test_no_webhook_tells_of_somebody_restricted(installation, monkeypatch):
    monkeypatch.setenv("SIGNING", SECRET)
    with webhook_receiver() as receiver:
        endpoint = {"url": receiver.url, "secrets": {"signing": "env:SIGNING"}, "events": ["lead.settled"]}
        installation.configure(webhooks={"orders": {**endpoint, "allow_private": True, "fields": ["email"]}})
        sweep_webhooks()
        restrict(installation.person(ADA))
        installation.person(ADA, message="again")
        installation.person(BEA)
        send_due(budget_seconds=20.0)
        told = [json.loads(call.body)["data"]["fields"]["email"] for call in receiver.received]
    assert told.count(BEA["email"]) == 1
    assert ADA["email"] not in told
    assert rows("SELECT DISTINCT last_code FROM webhook_messages WHERE state = 'dropped'") == [("restricted",)]


def test_restrictions_by_command(installation):
    ada = installation.person()
    assert answer("privacy", "restrict", "--person", str(ada), "--reason", "disputes")[0]["person_id"] == str(ada)
    assert [one["person_id"] for one in answer("privacy", "restrict", "--list")] == [str(ada)]
    assert run("privacy", "restrict", "--email", ADA["email"], "--lift", "--reason", "settled").returncode == 0
    assert answer("privacy", "restrict", "--list") == []
    again = problem("privacy", "restrict", "--person", str(ada), "--lift", "--reason", "settled", code=1)
    assert "is not restricted" in again


def test_a_restriction_of_somebody_who_was_erased_since_is_lifted_in_their_brand_and_in_no_other(installation):
    ada = installation.person()
    restrict(ada)
    assert run("privacy", "erase", "--person", str(ada), "--yes", "--no-wait").returncode == 0
    assert rows("SELECT FROM people WHERE person_id = %s", ada) == []
    lifting = ("privacy", "restrict", "--person", str(ada), "--lift", "--reason", "settled", "--brand")
    assert "no person has the id" in problem(*lifting, "another", code=1)
    assert run(*lifting, "default").returncode == 0
    assert answer("privacy", "restrict", "--list") == []


@pytest.mark.parametrize("kind", [holds.HOLD, holds.RESTRICTION])
def test_what_is_restricted_is_kept_and_so_is_what_is_held(installation, kind):
    ada = installation.person()
    with transaction() as connection:
        holds.place(connection, kind, ada, reason="case", by="vera")
    assert rows("SELECT person_id FROM people_kept") == [(ada,)]
    assert rows("SELECT person_id FROM people_held") == ([(ada,)] if kind == holds.HOLD else [])
