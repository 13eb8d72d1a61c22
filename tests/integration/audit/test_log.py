"""The audit log: in the transaction of what it tells, without a value, and found out when a byte of it is another."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.audit.acting import acting_as, current_actor
from pipeline.audit.anchors import accept_restored, read_anchors, write_anchors, write_daily
from pipeline.audit.entries import record_action, take_out_changes
from pipeline.audit.verification import Verified, verify_log
from pipeline.errors import ConfigurationError, UsageError
from pipeline.records.actors import SYSTEM, Actor
from pipeline.settings.loading import load_settings
from pipeline.store.audit.entries import AuditEntry, stream_entries
from pipeline.store.engine import StoreError, count_statements, transaction
from tests.support.command_line import run

ANA = Actor("user", "https://login.example.org#1", "Ana", "oidc")
pytestmark = pytest.mark.usefixtures("database")


def record(action: str = "people.merge", **said: object) -> int:
    with transaction() as connection:
        return record_action(connection, action, **said)


def entries(**asked: object) -> list[AuditEntry]:
    with transaction() as connection:
        return list(stream_entries(connection, **asked))


def verify(*anchors) -> Verified:
    with transaction() as connection:
        return verify_log(connection, anchors)


def tamper(statement: str) -> None:
    """As somebody who owns the tables can."""
    with transaction() as connection:
        for trigger in ("audit_log_keep", "audit_log_keep_all"):
            connection.exec_driver_sql(f"ALTER TABLE audit_log DISABLE TRIGGER {trigger}")
        assert connection.exec_driver_sql(statement).rowcount == 1
        for trigger in ("audit_log_keep", "audit_log_keep_all"):
            connection.exec_driver_sql(f"ALTER TABLE audit_log ENABLE TRIGGER {trigger}")


def test_an_entry_says_who_did_what_and_is_one_statement():
    with acting_as(ANA), transaction() as connection:
        record_action(connection, "people.read")  # the key of the digests is made once
        with count_statements() as counted:
            record_action(
                connection,
                "people.merge",
                brand="casa",
                object_kind="person",
                object_id="p-1",
                reason="the same as x",
                changed={"email": (None, "ada@example.org")},
                request_id="r-1",
            )
    assert counted.count <= 1 + 2  # the key of the digests is read once a process
    (entry,) = entries(brand="casa")
    assert (entry.actor_kind, entry.actor_id, entry.actor_name, entry.auth) == ("user", ANA.id, "Ana", "oidc")
    assert (entry.number, entry.action, entry.object_kind, entry.object_id) == (1, "people.merge", "person", "p-1")
    assert (entry.reason, entry.outcome, entry.request_id) == ("the same as x", "done", "r-1")
    assert list(entry.changed) == ["email"]


def test_what_nobody_was_authenticated_for_the_system_did():
    assert current_actor() == SYSTEM
    with acting_as(ANA):
        assert current_actor() == ANA
    assert current_actor() == SYSTEM


def record_and_fail() -> None:
    with transaction() as connection:
        record_action(connection, "people.merge", brand="casa")
        connection.exec_driver_sql("SELECT 'one'::int")


def test_an_action_that_no_entry_has_is_answered_with_the_nearest_that_some_have():
    record("people.merge")
    record("key.create")
    said = run("audit", "export", "--action", "poeple").stderr
    assert "0 entries" in said
    assert "no entry has the action 'poeple' (did you mean people?); there are: " in said
    assert "key.create, people.merge" in said
    assert "did you mean people.merge?" in run("audit", "export", "--action", "people.marge").stderr
    later = run("audit", "export", "--action", "people", "--since", "2099-01-01")
    assert "no entry has the action" not in later.stderr, "there are some, at another time"


def test_an_entry_stands_and_falls_with_its_transaction():
    with pytest.raises(StoreError):
        record_and_fail()
    record(brand="casa")
    assert [entry.number for entry in entries()] == [1]
    assert verify().broken == []


def test_no_value_is_kept_and_equal_values_have_equal_digests_within_a_field():
    record(
        "people.fix",
        brand="casa",
        reason="ada.needle@example.org called, +34 600 123 456",
        changed={"email": ("ada.needle@example.org", None), "name": ("ada.needle@example.org", "Ada Needle")},
    )
    record("people.fix", brand="casa", changed={"email": (None, "ada.needle@example.org")})
    first, second = entries()
    assert first.changed["email"][0] == second.changed["email"][1]
    assert first.changed["email"][0] != first.changed["name"][0]
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT row_to_json(audit_log)::text FROM audit_log").scalars()
        text = " ".join(rows).lower()
    assert "needle" not in text
    assert not [part for part in ("34 600", "600 123", "600123") if part in text]
    assert "(redacted) called" in text


def test_each_brand_has_a_chain_of_its_own():
    for brand in ("casa", "ocio", "casa", None):
        record(brand=brand)
    assert [(entry.brand, entry.number) for entry in entries()] == [("", 1), ("casa", 1), ("casa", 2), ("ocio", 1)]
    found = verify()
    assert (found.entries, found.chains, found.broken) == (4, 3, [])


def test_writers_of_one_brand_take_turns_and_none_is_lost():
    record(brand="casa")  # the key of the digests is made once
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: record(brand="casa"), range(60)))
    assert [entry.number for entry in entries()] == list(range(1, 62))
    assert verify().broken == []


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE audit_log SET {change} WHERE brand = 'casa' AND number = 2"
        for change in (
            "at = at + interval '1 microsecond'",
            "actor_kind = 'key'",
            "actor_id = actor_id || ' '",
            "actor_name = 'Eve'",
            "auth = 'os'",
            "action = 'people.read'",
            "object_kind = NULL",
            "object_id = 'p-2'",
            "reason = 'another one'",
            "outcome = 'refused'",
            "changed = '{}'",
            "changed = NULL",
            "changed_digest = NULL",
            "request_id = 'r-2'",
            "prev_hash = set_byte(prev_hash, 3, get_byte(prev_hash, 3) # 1)",
            "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
            "number = 9",
            "brand = 'ocio'",
        )
    ]
    + ["DELETE FROM audit_log WHERE brand = 'casa' AND number = 2"],
)
def test_one_thing_changed_is_found_and_named(statement):
    for number in range(3):
        record(
            brand="casa",
            object_kind="person",
            object_id="p-1",
            reason="why",
            changed={"name": (None, number)},
            request_id="r-1",
        )
    assert verify().broken == []
    tamper(statement)
    assert ("casa", 2) in [(broken.brand, broken.number) for broken in verify().broken]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM audit_log WHERE number = 3", "UPDATE audit_heads SET number = 4", "DELETE FROM audit_heads"],
)
def test_an_end_that_is_another_is_found(statement):
    for _ in range(3):
        record(brand="casa")
    tamper(statement)
    assert [broken.brand for broken in verify().broken] == ["casa"]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM audit_log", "UPDATE audit_log SET reason = 'x'", "TRUNCATE audit_log"],
)
def test_the_database_refuses_to_change_an_entry(statement):
    record(brand="casa")
    with pytest.raises(StoreError), transaction() as connection:
        connection.exec_driver_sql(statement)
    assert len(entries()) == 1


def test_digests_of_an_erased_person_can_be_taken_out_and_the_chain_holds():
    record(brand="casa", object_kind="person", object_id="p-1", changed={"email": (None, "a@example.org")})
    record(brand="casa", object_kind="person", object_id="p-2", changed={"email": (None, "b@example.org")})
    with transaction() as connection:
        assert take_out_changes(connection, ["p-1"]) == 1
    first, second, told = entries()
    assert first.changed is None
    assert second.changed is not None
    assert (told.action, told.object_kind, told.object_id) == ("audit.redact", "person", "p-1")
    assert verify().broken == []


def test_a_chain_made_anew_as_a_whole_is_found_by_the_head_outside(tmp_path):
    known = load_settings(data=tmp_path)
    for _ in range(3):
        record(brand="casa", reason="what happened")
    assert write_anchors(known) == 1
    with transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_log DISABLE TRIGGER audit_log_keep_all")
        connection.exec_driver_sql("TRUNCATE audit_log, audit_heads")
    for _ in range(4):
        record(brand="casa", reason="another story")
    assert verify().broken == []  # within the database all is well
    (broken,) = verify(*read_anchors(known)).broken
    assert (broken.brand, broken.number) == ("casa", 3)


def test_a_head_is_written_down_once_a_day_and_only_where_it_moved(tmp_path):
    known = load_settings(data=tmp_path)
    record(brand="casa")
    assert write_daily(known) == 1
    record(brand="casa")
    record(brand="ocio")
    assert write_daily(known) == 0
    assert write_anchors(known) == 2
    assert write_anchors(known) == 0
    assert [(anchor.brand, anchor.number) for anchor in read_anchors(known)] == [("casa", 1), ("casa", 2), ("ocio", 1)]
    assert known.audit_anchor.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["number"] for line in known.audit_anchor.read_text().splitlines()] == [1, 2, 1]


def test_a_database_put_back_is_told_and_its_chain_goes_on(tmp_path):
    known = load_settings(data=tmp_path)
    record(brand="casa")
    with pytest.raises(UsageError, match="nothing was put back"):
        accept_restored(known, "why not")
    write_anchors(known)
    lost_later = read_anchors(known)
    record(brand="casa")
    record(brand="casa")
    write_anchors(known)
    with transaction() as connection:  # the backup of after the first entry
        connection.exec_driver_sql("ALTER TABLE audit_log DISABLE TRIGGER audit_log_keep")
        connection.exec_driver_sql("DELETE FROM audit_log WHERE number > 1")
        connection.exec_driver_sql("ALTER TABLE audit_log ENABLE TRIGGER audit_log_keep")
        connection.exec_driver_sql(
            "UPDATE audit_heads h SET (number, prev_hash, hash) ="
            " (SELECT number, prev_hash, hash FROM audit_log l WHERE l.brand = h.brand)"
        )
    (broken,) = verify(*read_anchors(known)).broken
    assert "outside the database" in broken.why
    assert accept_restored(known, "the disk was full") == ["casa"]
    record(brand="casa")
    assert verify(*read_anchors(known)).broken == []
    assert [(anchor.number, anchor.hash) for anchor in read_anchors(known)] == [(1, lost_later[0].hash)]
    told = entries()[1]
    assert told.action == "audit.restore"
    assert told.object_id.startswith("1:")
    assert " after 3:" in told.object_id


def test_a_file_of_heads_that_is_none_says_what_to_do(tmp_path):
    known = load_settings(data=tmp_path)
    known.audit_anchor.write_text("no head\n")
    with pytest.raises(ConfigurationError, match="Put the file back"):
        write_anchors(known)


def test_a_thread_begun_without_the_context_acts_for_the_system():
    seen = []
    with acting_as(ANA):
        thread = threading.Thread(target=lambda: seen.append(current_actor()))
        thread.start()
        thread.join()
    assert seen == [SYSTEM]
