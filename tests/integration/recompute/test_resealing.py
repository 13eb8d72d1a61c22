"""Everything stored comes under the newest key while leads come in, runs are killed and rows are held; then the old
key can go, and without it everything opens."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from pipeline.crypto.encryption import (
    Cipher,
    cipher,
    seal_activity,
    seal_evidence,
    seal_fetched,
    seal_hook,
    seal_one_time_secret,
    seal_request,
    seal_session_token,
    seal_source_token,
)
from pipeline.errors import ConfigurationError, RefusedError, TransientError, UsageError
from pipeline.health.doctor import run_checks
from pipeline.recompute import resealing
from pipeline.records import Envelope, FieldValue, new_id
from pipeline.store import keyring
from pipeline.store.engine import engine, transaction
from pipeline.store.events import quarantine
from pipeline.store.keys import resealing as store
from pipeline.store.keys.sealed_tables import SEALED_TABLES
from pipeline.store.people import people
from pipeline.store.schema import migrate
from pipeline.store.source_tokens import write_token
from tests.support.command_line import answer, capture, lines, problem, run, run_process, start, work
from tests.support.services import SECRET_KEYS, forget_caches
from tests.support.store_rows import new_person

OLD, _, _ = SECRET_KEYS.partition(",")
NEW = "bmV3IGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzIGw"
OLD_ID, NEW_ID = Cipher([OLD]).key_ids[0], Cipher([NEW]).key_ids[0]

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def set_keys(monkeypatch, *keys):
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", ",".join(keys))
    forget_caches()


def store_people(count):
    stored = [new_person(email=f"person{number}@example.org") for number in range(count)]
    with transaction() as connection:
        people.write_people(connection, stored)
    return stored


def store_everything():
    """A value in every sealed column, each sealed by the product's own function."""
    capture(*({"external_id": f"r-{number}", "email": f"person{number}@example.org"} for number in range(5)))
    bad = capture({"external_id": "bad"})[0]
    work()
    with transaction() as connection:
        parked = new_id()
        connection.exec_driver_sql(
            "INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, message)"
            " VALUES (%s, %s, 'default', 'api', 'map_fields', 'missing_required', 'no e-mail')",
            (parked, bad),
        )
        quarantine.set_patch(connection, parked, {"email": "patched@example.org"})
        write_token(
            connection,
            "default",
            "hubspot",
            sealed=seal_source_token(b"token", "default", "hubspot"),
            granted_for="x",
            life_seconds=60,
            scopes=None,
            is_connected=True,
        )
        connection.exec_driver_sql(
            "INSERT INTO webhook_endpoints (name, events, sealed) VALUES ('hook_1', '{}', %s)",
            (seal_hook(b"target", "hook_1"),),
        )
        request_id, event_id, body = new_id(), new_id(), Envelope("application/json", b"{}")
        connection.exec_driver_sql(
            "INSERT INTO request_bodies (request_id, sealed) VALUES (%s, %s)",
            (request_id, seal_request(body, request_id)),
        )
        connection.exec_driver_sql(
            "UPDATE event_bodies SET fetched = %s WHERE event_id = %s", (seal_fetched(body, bad), bad)
        )
        connection.exec_driver_sql(
            "INSERT INTO activities (event_id, brand, source, says, kind, at, state, sealed_evidence, sealed)"
            " VALUES (%s, 'default', 'crisp', 'activity', 'chat', now(), 'waiting', %s, %s)",
            (event_id, seal_evidence(b"who", event_id), seal_activity(b"what", event_id)),
        )
        store_user(connection)


def store_user(connection):
    user_id, session_id = new_id(), new_id()
    connection.exec_driver_sql("INSERT INTO users (user_id, issuer, subject) VALUES (%s, 'local', 'ada')", (user_id,))
    connection.exec_driver_sql(
        "INSERT INTO local_admins (user_id, password, sealed, recovery_codes) VALUES (%s, 'x', %s, '{}')",
        (user_id, seal_one_time_secret(b"secret", user_id)),
    )
    connection.exec_driver_sql(
        "INSERT INTO user_sessions (session_id, digest, user_id, auth, roles, entitled, rules, sealed, network,"
        " ends_at) VALUES (%s, 'x', %s, 'oidc', '{}', '{}', 'x', %s, '192.0.2.0', now())",
        (session_id, user_id, seal_session_token(b"token", session_id)),
    )


def stored_values():
    """(table, column, key of the row) -> the value as it is stored, sealed."""
    found = {}
    with transaction() as connection:
        for table in SEALED_TABLES:
            names = [name for name, _ in table.key]
            for row in connection.exec_driver_sql(f"SELECT {', '.join([*names, *table.columns])} FROM {table.name}"):
                key = tuple(row[: len(names)])
                for column, value in zip(table.columns, row[len(names) :], strict=True):
                    if value is not None:
                        found[table.name, column, key] = bytes(value)
    return found


def opened(*keys):
    """The same, opened with these keys alone."""
    by_name, opens = {table.name: table for table in SEALED_TABLES}, Cipher(keys)
    return {
        (name, column, key): opens.open(value, context=by_name[name].context(column, key))
        for (name, column, key), value in stored_values().items()
    }


def key_ids():
    return {value[:4].hex() for value in stored_values().values()}


def test_after_a_reseal_everything_opens_without_the_old_key(monkeypatch):
    store_everything()
    before = opened(OLD)
    assert {(name, column) for name, column, _ in before} == {
        (table.name, column) for table in SEALED_TABLES for column in table.columns
    }
    set_keys(monkeypatch, NEW, OLD)
    done = answer("keys", "reseal")
    assert sum(done["resealed"].values()) == len(before)
    assert (done["key_id"], done["left"], done["droppable"]) == (NEW_ID, [], [OLD_ID])
    assert key_ids() == {NEW_ID}
    with transaction() as connection:
        told = (
            connection.exec_driver_sql("SELECT object_id FROM audit_log WHERE action = 'keys.reseal'").scalars().all()
        )
    assert told == [NEW_ID]
    set_keys(monkeypatch, NEW)
    assert opened(NEW) == before
    migrate(engine())
    assert keyring.blind_index() is not None
    assert len(answer("keys", "reseal")["droppable"]) == 0


def test_a_dry_run_counts_by_key_and_changes_nothing(monkeypatch):
    store_people(7)
    set_keys(monkeypatch, NEW, OLD)
    before = stored_values()
    rows = answer("keys", "reseal", "--dry-run")
    assert [(row["key_id"], row["values"]["people"], row["is_newest"]) for row in rows] == [(OLD_ID, 7, False)]
    status = answer("keys", "reseal", "--status", "--table", "people")
    assert [(row["key_id"], row["is_newest"], row["values"]) for row in status] == [
        (NEW_ID, True, {}),
        (OLD_ID, False, {"people": 7}),
    ]
    assert stored_values() == before


def test_people_read_which_key_seals_which_opens_and_which_can_go(monkeypatch):
    store_people(2)
    set_keys(monkeypatch, NEW, OLD)
    status = run("keys", "reseal", "--status").stdout
    assert all(word in status for word in (NEW_ID, "seals", OLD_ID, "opens"))
    assert "3 values would be sealed anew" in run("keys", "reseal", "--dry-run").stdout
    done = run("keys", "reseal").stdout
    assert f"people: 2 values sealed with key {NEW_ID}" in done
    assert f"no longer needed: key {OLD_ID}" in done
    assert "can go" in run("keys", "reseal", "--status").stdout
    set_keys(monkeypatch, OLD)
    assert "not set: what it sealed cannot be read" in run("keys", "reseal", "--status").stdout


def test_one_table_alone_lets_no_key_go(monkeypatch):
    store_people(3)
    set_keys(monkeypatch, NEW, OLD)
    done = answer("keys", "reseal", "--table", "people")
    assert (done["resealed"], done["droppable"]) == ({"people": 3}, [])
    assert key_ids() == {NEW_ID, OLD_ID}
    assert "did you mean people" in problem("keys", "reseal", "--table", "poeple", code=2)


def test_a_run_goes_on_where_it_was_stopped(monkeypatch):
    store_people(60)
    set_keys(monkeypatch, NEW, OLD)
    pages = []

    class StopError(Exception):
        pass

    def stop(name, values):
        pages.append((name, values))
        if name == "people" and values >= 20:
            raise StopError

    with pytest.raises(StopError):
        resealing.reseal(rows_at_once=10, on_progress=stop)
    done = resealing.reseal(rows_at_once=10)
    assert done.resealed["people"] == 40
    assert key_ids() == {NEW_ID}


def test_rows_that_others_hold_are_waited_for_by_nobody_and_sealed_later(monkeypatch):
    held, *_ = store_people(20)
    set_keys(monkeypatch, NEW, OLD)
    passed = threading.Event()

    def hold():
        with transaction() as connection:
            people.read_people(connection, [held.person_id], lock=True)
            holding.set()
            passed.wait(20)

    holding = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(20)
    begun = time.monotonic()

    def let_go(name, values):
        if (name, values) == ("people", 19) and not passed.is_set():
            waited.append(time.monotonic() - begun)
            passed.set()

    waited = []
    done = resealing.reseal(on_progress=let_go)
    holder.join()
    assert len(waited) == 1, "the others were not sealed before it was let go"
    assert done.resealed["people"] == 20
    assert done.left == []


def test_what_is_written_meanwhile_is_not_overwritten(monkeypatch):
    stored = store_people(200)
    set_keys(monkeypatch, NEW, OLD)
    is_over = threading.Event()

    def write():
        while not is_over.is_set():
            with transaction() as connection:
                ids = [person.person_id for person in stored[::7]]
                for person in people.read_people(connection, ids, lock=True).values():
                    person.version += 1
                    people.write_people(connection, [person])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        resealing.reseal(rows_at_once=20)
    finally:
        is_over.set()
        writer.join()
    resealing.reseal()
    assert key_ids() == {NEW_ID}
    with transaction() as connection:
        known = people.read_people(connection, [person.person_id for person in stored], lock=False)
    assert {person.person_id: person.profile for person in stored} == {
        person_id: person.profile for person_id, person in known.items()
    }


def test_a_value_that_would_change_between_reading_and_writing_cannot(monkeypatch):
    person, *_ = store_people(5)
    set_keys(monkeypatch, NEW, OLD)
    outcomes, write_sealed = [], store._write

    def change_before(connection, table, column, anew):
        if table.name == "people":
            person.profile.fields["city"] = FieldValue("Sevilla", "tests", new_id(), datetime.now(UTC))
            person.version, person.is_new = person.version + 1, False
            try:
                with transaction() as other:
                    other.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
                    people.write_people(other, [person])
                outcomes.append("written")
            except TransientError:
                outcomes.append("has to wait")
        write_sealed(connection, table, column, anew)

    monkeypatch.setattr(store, "_write", change_before)
    resealing.reseal(table="people")
    assert outcomes == ["has to wait"]


def test_two_runs_at_once_are_one_too_many(monkeypatch):
    store_people(3)
    set_keys(monkeypatch, NEW, OLD)

    def try_another(name, values):
        with pytest.raises(RefusedError, match="another"):
            resealing.reseal()

    resealing.reseal(on_progress=try_another)


def test_nothing_starts_without_a_key_that_is_needed_unless_that_is_given_up(monkeypatch):
    store_people(3)
    migrate(engine())
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM keyring")  # what else would say so first
    set_keys(monkeypatch, NEW)
    with pytest.raises(ConfigurationError, match=rf"sealed with key {OLD_ID}.*after the new one.*--give-up {OLD_ID}"):
        migrate(engine())
    assert OLD_ID in next(check.detail for check in run_checks() if check.name == "sealing keys" and not check.ok)
    with pytest.raises(UsageError, match="needed are"):
        resealing.give_up("00000000")
    assert run("keys", "reseal", "--give-up", OLD_ID).returncode == 0
    migrate(engine())


def test_doctor_says_which_key_is_needed_and_which_can_go(monkeypatch):
    store_people(3)
    set_keys(monkeypatch, NEW, OLD)

    def said():
        return [check.detail for check in run_checks() if check.name == "sealing keys"]

    assert [OLD_ID in detail and "still needed" in detail for detail in said()] == [True]
    answer("keys", "reseal")
    assert [OLD_ID in detail and "can go" in detail for detail in said()] == [True]


def test_a_running_process_takes_a_key_that_is_put_in_front_without_a_restart(tmp_path, monkeypatch):
    file = tmp_path / "keys"
    file.write_text(OLD)
    monkeypatch.delenv("AFLUENTE_SECRET_KEYS")
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS_FILE", str(file))
    forget_caches()
    running = cipher()
    sealed = running.seal(b"x", context=b"c")
    file.write_text(f"{NEW},{OLD}")
    by_another = Cipher([NEW, OLD]).seal(b"y", context=b"c")
    assert running.open(by_another, context=b"c") == b"y"
    assert running.seal(b"x", context=b"c")[:4].hex() == NEW_ID
    assert running.open(sealed, context=b"c") == b"x"
    file.write_text(NEW)  # too early: what this process knows it goes on with
    running._next_look = 0.0
    running.seal(b"x", context=b"c")
    assert running.open(sealed, context=b"c") == b"x"


def test_leads_that_wait_go_first_but_a_busy_day_does_not_put_it_off_for_ever(monkeypatch):
    store_people(3)
    set_keys(monkeypatch, NEW, OLD)
    monkeypatch.setattr(resealing, "_MANY_PENDING", 5)
    monkeypatch.setattr(resealing, "_BACKLOG_PAUSES", 3)
    pauses = []
    monkeypatch.setattr(resealing.time, "sleep", pauses.append)
    capture(*({"external_id": f"r-{number}", "email": f"person{number}@example.org"} for number in range(5)))
    assert resealing.reseal(table="people").resealed == {"people": 3}
    assert pauses == [resealing._BACKLOG_PAUSE_SECONDS] * 6  # before each of its two pages
    work()
    pauses.clear()
    resealing.reseal(table="people")
    assert pauses == []


def resealed_so_far():
    with transaction() as connection:
        return connection.exec_driver_sql("SELECT coalesce(sum(resealed), 0) FROM reseals").scalar_one()


@pytest.mark.long
def test_killed_again_and_again_while_leads_come_in_it_ends_and_nothing_is_lost(monkeypatch):
    store_people(2_000)
    ids = capture(*({"external_id": f"old-{number}", "email": f"p{number}@example.com"} for number in range(200)))
    work()
    set_keys(monkeypatch, NEW, OLD)
    is_over, came = threading.Event(), []

    def come_in():
        while not is_over.is_set():
            number = len(came)
            came.extend(capture({"external_id": f"new-{number}", "email": f"p{number}@example.com", "city": "Sevilla"}))
            work()

    sender = threading.Thread(target=come_in)
    sender.start()
    killed = 0
    try:
        for _ in range(3):
            before, running = resealed_so_far(), start("keys", "reseal")
            while running.poll() is None and resealed_so_far() == before:
                time.sleep(0.01)
            killed += running.poll() is None
            running.kill()
            running.wait()
        assert run_process("keys", "reseal").returncode == 0
    finally:
        is_over.set()
        sender.join()
    assert killed > 1
    assert len(came) > 10
    assert key_ids() == {NEW_ID}
    set_keys(monkeypatch, NEW)
    assert len(opened(NEW)) > 2_000
    exported = lines("leads", "export", "--format", "jsonl")
    assert {row["event_id"] for row in exported if row["state"] == "settled"} == {str(entry) for entry in [*ids, *came]}
    migrate(engine())
