"""A legal hold keeps whoever it is about, whatever they turn out to be one with, and is never deleted."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.privacy import holds
from pipeline.privacy.holds import held_people
from pipeline.privacy.ledger import read_ledger
from pipeline.records import new_id
from pipeline.store.engine import engine, transaction
from tests.support.command_line import answer, problem, run
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA

VERA = Decision("vera")


def hold(person_id):
    with transaction() as connection:
        return holds.place(connection, holds.HOLD, person_id, reason="case 17", by="vera")


def held(*person_ids):
    with transaction() as connection:
        return held_people(connection, person_ids)


@pytest.mark.parametrize("side", [0, 1])
def test_whoever_of_two_was_held_both_are_once_they_are_one(installation, side):
    people = installation.person(ADA), installation.person(BEA)
    hold(people[side])
    assert held(*people) == {people[side]}
    merge_people(*people, VERA)
    assert held(*people) == set(people)


def test_who_is_taken_apart_from_somebody_held_stays_held(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    merge_people(ada, bea, VERA)
    hold(ada)
    unmerge_person(bea, VERA)
    assert held(ada, bea) == {ada, bea}


def test_who_was_taken_apart_before_the_hold_is_not_held(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    merge_people(ada, bea, VERA)
    unmerge_person(bea, VERA)
    hold(ada)
    assert held(ada, bea) == {ada}


def test_of_two_holds_one_that_is_released_leaves_the_other(installation):
    ada = installation.person()
    first, _ = hold(ada), hold(ada)
    with transaction() as connection:
        holds.release(connection, holds.HOLD, first.hold_id, reason="closed", by="vera")
    assert held(ada) == {ada}
    with pytest.raises(RefusedError, match="ended on"), transaction() as connection:
        holds.release(connection, holds.HOLD, first.hold_id, reason="closed", by="vera")


def test_a_hold_is_never_deleted_not_even_by_hand(installation):
    hold(installation.person())
    with pytest.raises(DBAPIError, match="never deleted"), engine().begin() as connection:
        connection.exec_driver_sql("DELETE FROM legal_holds")


def test_a_hold_wants_a_reason_and_somebody_there_is(installation):
    ada = installation.person()
    with pytest.raises(UsageError, match="needs a reason"), transaction() as connection:
        holds.place(connection, holds.HOLD, ada, reason=" ", by="vera")
    with pytest.raises(NotFoundError, match="no person has the id"), transaction() as connection:
        holds.place(connection, holds.HOLD, new_id(), reason="case", by="vera")
    assert read_ledger().lines == ()


def test_what_was_held_and_released_is_held_and_released_again_from_the_ledger(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    released = hold(ada)
    hold(bea)
    with transaction() as connection:
        holds.release(connection, holds.HOLD, released.hold_id, reason="closed", by="vera")
        before = holds.read_holds(connection, holds.HOLD, with_released=True)
    with engine().begin() as connection:  # the backup of before that is restored
        connection.exec_driver_sql("TRUNCATE legal_holds, ledger_entries")
    for _ in range(2):
        with transaction() as connection:
            for line in read_ledger().lines:
                holds.restore(connection, line)
            assert holds.read_holds(connection, holds.HOLD, with_released=True) == before
    assert held(ada, bea) == {bea}


def test_who_placed_and_released_a_hold_is_in_the_audit_log(installation):
    ada = installation.person()
    placed = hold(ada)
    with transaction() as connection:
        holds.release(connection, holds.HOLD, placed.hold_id, reason="closed", by="vera")
    recorded = rows("SELECT action, object_id, reason FROM audit_log WHERE action LIKE 'hold.%%' ORDER BY number")
    assert recorded == [("hold.place", str(ada), "case 17"), ("hold.release", str(ada), "closed")]


def test_holds_by_command(installation):
    ada = installation.person()
    (placed,) = answer("privacy", "hold", "add", "--email", ADA["email"].upper(), "--reason", "case 17")
    assert placed["person_id"] == str(ada)
    assert [hold["hold_id"] for hold in answer("privacy", "hold", "list")] == [placed["hold_id"]]
    assert "needs a reason" in problem("privacy", "hold", "release", placed["hold_id"], "--reason", " ", code=2)
    assert run("privacy", "hold", "release", placed["hold_id"], "--reason", "closed").returncode == 0
    assert answer("privacy", "hold", "list") == []
    (ended,) = answer("privacy", "hold", "list", "--released")
    assert (ended["reason"], ended["release_reason"]) == ("case 17", "closed")
    assert "one of --person" in problem("privacy", "hold", "add", "--reason", "case", code=2)


def test_an_erasure_of_whom_a_hold_keeps_is_refused_before_anything_is_asked(installation):
    hold(installation.person(ADA))
    refused = run("privacy", "erase", "--email", ADA["email"], stdin="y\n")
    assert refused.returncode == 1
    assert "Erase this for good?" not in refused.stderr + refused.stdout
    assert "a legal hold keeps all that is known of them: nothing was erased" in refused.stderr
    assert rows("SELECT count(*) FROM privacy_requests") == [(0,)]
