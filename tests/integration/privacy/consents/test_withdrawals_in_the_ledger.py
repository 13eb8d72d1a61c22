"""A restored backup forgets no withdrawal: the ledger has each, by keyed digests alone."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from pipeline.privacy.ledger import ledger_path, read_ledger
from pipeline.privacy.person_consents import consent_states_of
from pipeline.privacy.replaying import replay_ledger
from pipeline.privacy.withdrawals import ledger_withdrawals
from pipeline.records import new_id
from pipeline.store.engine import transaction
from tests.integration.privacy.test_replay import backup
from tests.support.command_line import capture, run, work
from tests.support.identity_rows import owner, rows

__all__ = ["backup"]
LETTERS = ("marketing", "email")


def says(granted: bool | None = True, **more: Any) -> dict[str, Any]:
    return {"purpose": "marketing", "channel": "email", "granted": granted, **more}


def come(*emails: str) -> list[UUID]:
    events = capture(
        *({"email": email, "full_name": email.partition("@")[0], "consents": [says()]} for email in emails)
    )
    work()
    return [owner(event_id) for event_id in events]


def withdraw(email: str, act: str = "withdrawal") -> None:
    said = says(granted=False, act=act)
    capture({"says": "consent", "statement_id": str(new_id()), "email": email, "consents": [said]}, source="consents")
    work()


def states(*people: UUID) -> list[str | None]:
    with transaction() as connection:
        known = consent_states_of(connection, people)
    return [known.get(person_id, {}).get(LETTERS) for person_id in people]


@pytest.fixture(autouse=True)
def _own_installation(installation):
    return installation


def test_what_was_withdrawn_and_objected_to_since_the_backup_is_so_again(backup):
    ada, bea, cem, dan = come("ada@example.org", "bea@example.org", "cem@example.org", "dan@example.org")
    restore = backup()
    withdraw("ada@example.org")
    withdraw("bea@example.org", act="objection")
    assert run("consent", "record", str(cem), "marketing.email", "--withdrawn", "--why", "wrote").returncode == 0
    work()
    assert (ledger_withdrawals(), ledger_withdrawals(seconds=0), ledger_withdrawals(seconds=0)) == (0, 1, 0)
    restore()
    assert states(ada, bea, cem, dan) == ["granted"] * 4
    assert replay_ledger().counts == {"withdraw": 1}
    assert states(ada, bea, cem, dan) == ["refused", "refused", "refused", "granted"]
    assert replay_ledger().counts == {}
    assert ledger_withdrawals(seconds=0) == 0, "it has them already"


def test_the_ledger_names_digests_questions_and_times_and_no_address():
    come("ada@example.org")
    withdraw("ada@example.org")
    ledger_withdrawals(seconds=0)
    (line,) = read_ledger().lines
    assert (line.entry.kind, line.entry.brand, len(line.entry.digests)) == ("withdraw", "default", 1)
    ((purpose, channel, act, _),) = json.loads(line.entry.details["said"])
    assert (purpose, channel, act) == ("marketing", "email", "withdrawal")
    assert b"ada" not in ledger_path().read_bytes()


def test_a_ledger_that_cannot_be_written_stops_no_withdrawal_and_hears_of_it_later():
    (ada,) = come("ada@example.org")
    ledger_path().parent.mkdir(parents=True, exist_ok=True)
    ledger_path().mkdir()
    withdraw("ada@example.org")
    assert (ledger_withdrawals(seconds=0), states(ada)) == (0, ["refused"])
    assert rows("SELECT count(*) FROM withdrawals_to_ledger") == [(1,)]
    ledger_path().rmdir()
    assert ledger_withdrawals(seconds=0) == 1
    assert rows("SELECT count(*) FROM withdrawals_to_ledger") == [(0,)]


def test_an_address_that_was_suppressed_by_hand_since_the_backup_is_so_again_unless_that_was_taken_back(backup):
    restore = backup()
    for email in ("ada@example.org", "bea@example.org"):
        assert run("privacy", "suppress", "--email", email, "--reason", "objection").returncode == 0
    assert run("privacy", "suppress", "--email", "bea@example.org", "--reason", "objection", "--lift").returncode == 0
    kept = rows("SELECT digest, reason FROM suppressions")
    assert len(kept) == 1
    restore()
    assert rows("SELECT count(*) FROM suppressions") == [(0,)]
    assert replay_ledger().counts == {"suppress": 2, "unsuppress": 1}
    assert rows("SELECT digest, reason FROM suppressions") == kept
