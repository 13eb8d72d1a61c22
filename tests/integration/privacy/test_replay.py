"""After a backup was restored the database is brought up to what the ledger says, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.health.doctor import run_checks
from pipeline.privacy import erasure, holds, replaying
from pipeline.privacy.holds import held_people, restricted_people
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.replaying import replay_ledger
from pipeline.privacy.subjects import Asked
from pipeline.settings.loading import settings
from pipeline.store.engine import engine, transaction
from pipeline.supervisor.preparation import migrate_database
from tests.support import command_line
from tests.support.command_line import answer, capture, run, work
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA
from tests.support.services import forget_caches


@pytest.fixture
def backup(services, installation, database, monkeypatch) -> Callable[[], Callable[[], None]]:
    """Takes a backup of the database when called; what it gives puts it in the place of the one in use."""

    def take() -> Callable[[], None]:
        engine().dispose()
        url = services.copy_database(database)

        def restore() -> None:
            monkeypatch.setenv("AFLUENTE_DATABASE_URL", url)
            forget_caches()

        return restore

    return take


def place(kind, person_id):
    with transaction() as connection:
        return holds.place(connection, kind, person_id, reason="case 17", by="vera")


def ledger_check():
    return [check for check in run_checks(settings()) if check.name == "ledger"]


def test_who_was_held_and_restricted_since_the_backup_is_so_again(installation, backup):
    ada, bea = installation.person(ADA), installation.person(BEA)
    before = place(holds.HOLD, bea)
    restore = backup()
    place(holds.HOLD, ada)
    place(holds.RESTRICTION, ada)
    with transaction() as connection:
        holds.release(connection, holds.HOLD, before.hold_id, reason="closed", by="vera")
    restore()
    with transaction() as connection:
        assert held_people(connection, [ada, bea]) == {bea}
    (check,) = ledger_check()
    assert not check.ok
    assert "does not know 3 of its 4 entries" in check.detail
    assert "replay-ledger" in check.remedy
    assert answer("privacy", "replay-ledger")["counts"] == {"hold": 2, "release": 1}
    with transaction() as connection:
        assert held_people(connection, [ada, bea]) == {ada}
        assert restricted_people(connection, [ada, bea]) == {ada}
    assert replay_ledger().counts == {}
    assert ledger_check()[0].ok


def test_whoever_was_erased_since_the_backup_is_gone_again_and_stays_out(installation, backup):
    ada, bea = installation.person(ADA), installation.person(BEA)
    command_line.deliver()
    restore = backup()
    request = erasure.erase(Asked(email=ADA["email"]), by="vera")
    restore()
    assert rows("SELECT count(*) FROM people WHERE person_id = %s", ada) == [(1,)]
    before = rows("SELECT to_jsonb(p)::text FROM people p WHERE person_id = %s", bea)
    assert answer("privacy", "replay-ledger")["counts"] == {"erase": 1}
    assert rows("SELECT count(*) FROM people WHERE person_id = %s", ada) == [(0,)]
    assert rows("SELECT to_jsonb(p)::text FROM people p WHERE person_id = %s", bea) == before
    wanted = rows("SELECT wanted FROM deliveries WHERE person_id = %s OR parent_id = %s", ada, ada)
    assert wanted == [("absent",)]  # the CRM hears of it once more
    (again,) = capture({**ADA, "email": ADA["email"].upper()})
    work()
    assert rows("SELECT state, reason FROM events WHERE event_id = %s", again) == [("suppressed", "erased")]
    command_line.deliver()
    assert erasure.advance(request.request_id).state == "done"
    assert replay_ledger().counts == {}


def test_a_replay_that_was_killed_goes_on_where_it_was(installation, backup, monkeypatch):
    ada, bea = installation.person(ADA), installation.person(BEA)
    restore = backup()
    erasure.erase(Asked(email=ADA["email"]), by="vera")
    erasure.erase(Asked(email=BEA["email"]), by="vera")
    restore()
    real = replaying.erase_people

    def kill_at_the_second(connection, person_ids, **more):
        done = real(connection, person_ids, **more)
        return done if ada in person_ids else 1 / 0

    monkeypatch.setattr(replaying, "erase_people", kill_at_the_second)
    with pytest.raises(ZeroDivisionError):
        replay_ledger()
    monkeypatch.setattr(replaying, "erase_people", real)
    assert rows("SELECT person_id FROM people") == [(bea,)]
    assert replay_ledger().counts == {"erase": 1}
    assert rows("SELECT person_id FROM people") == []


def test_a_start_on_a_restored_backup_replays_before_anything_runs(installation, backup):
    ada = installation.person(ADA)
    restore = backup()
    place(holds.RESTRICTION, ada)
    restore()
    assert not migrate_database(settings().database_url), "`up` has to run `migrate` first"
    done = run("migrate")
    assert "1 entries of the ledger done again" in done.stdout
    assert migrate_database(settings().database_url)
    with transaction() as connection:
        assert restricted_people(connection, [ada]) == {ada}


def test_a_ledger_that_was_cut_is_said(installation):
    place(holds.HOLD, installation.person(ADA))
    assert ledger_check()[0].ok
    installation.ledger.unlink()
    (check,) = ledger_check()
    assert "lacks 1 entries that the database knows" in check.detail
    assert read_ledger().lines == ()
