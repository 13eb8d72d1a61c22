"""Keys of the index that digests need: shown by state, missed at a start, brought back after a restore."""

from __future__ import annotations

import time

import pytest

from pipeline.errors import ConfigurationError
from pipeline.health.doctor import run_checks
from pipeline.privacy import erasure
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.replaying import replay_ledger
from pipeline.privacy.subjects import Asked
from pipeline.recompute.index_rotation import rotate
from pipeline.store.engine import engine, transaction
from pipeline.store.keys import index_keys, rotating
from pipeline.store.schema import migrate
from tests.support.command_line import answer, capture, problem, run, run_process, start, work
from tests.support.identity_rows import owner, rows
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def file(count: int, **more: object) -> list:
    event_ids = capture(*(person(number) | more for number in range(count)))
    work()
    return [owner(event_id) for event_id in event_ids]


def person(number: int) -> dict[str, object]:
    return {"full_name": "Ada Sample", "email": f"ada{number}@sample.example"}


def erase(number: int) -> None:
    erasure.erase(Asked(email=f"ada{number}@sample.example"), by="somebody")


def became(number: int) -> tuple[str, str | None]:
    (event_id,) = capture({**person(number), "phone": f"+34 612 345 {number:03}"})
    work()
    ((state, reason),) = rows("SELECT state, reason FROM events WHERE event_id = %s", event_id)
    return state, reason


def checks() -> list[tuple[bool, str]]:
    return [(check.ok, check.detail) for check in run_checks() if check.name == "index keys"]


def forget(statement: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(statement)
    forget_caches()


def test_the_command_rotates_says_which_key_made_what_and_drops_what_nothing_needs():
    file(3)
    (only,) = answer("keys", "rotate-index", "--status")
    assert (only["state"], only["digests"], only["names"]) == ("current", {"evidence_keys": 12}, True)
    done = answer("keys", "rotate-index", "--per-second", "5000")
    assert done["former"] == only["key_id"]
    use = answer("keys", "rotate-index", "--status")
    assert [(key["key_id"], key["state"], key["digests"]) for key in use] == [
        (done["key_id"], "current", {"evidence_keys": 12}),
        (only["key_id"], "kept", {}),
    ]
    assert "people are looked up by it" in run("keys", "rotate-index", "--status").stdout
    assert "no rotation was begun" in problem("keys", "rotate-index", "--go-on", code=2)
    assert "named by it" in problem("keys", "rotate-index", "--drop", only["key_id"], code=1)
    assert "stands alone" in problem("keys", "rotate-index", "--drop", only["key_id"], "--status", code=2)
    last = run("keys", "rotate-index").stdout
    assert f"key {done['key_id']} is kept for suppressions" in last
    assert "can go: --drop" in run("keys", "rotate-index", "--status").stdout
    assert run("keys", "rotate-index", "--drop", done["key_id"]).returncode == 0
    assert rows("SELECT action FROM audit_log WHERE action LIKE 'keys.%%' AND object_kind = 'index_key'") == [
        ("keys.rotate_index",),
        ("keys.rotate_index",),
        ("keys.drop_index_key",),
    ]


def test_doctor_says_nothing_of_one_key_and_which_are_kept_and_that_a_rotation_was_interrupted():
    file(1)
    assert checks() == []
    with transaction() as connection:
        key, _ = rotating.let_come(connection, rotating.hold_alone(connection))
    assert checks() == [(False, f"key {key.key_id} takes the place of another, and that has not ended")]
    former = rotate(is_new=False).former
    assert checks() == [(True, f"people are found by {key.key_id}; kept for suppressions: {former}")]


def test_a_key_that_is_missing_is_a_clear_error_at_a_start_and_of_doctor():
    file(2)
    erase(1)
    former = rotate().former
    forget("DELETE FROM keyring WHERE name = 'blind_index.1'")
    with pytest.raises(ConfigurationError, match=r"\(current\) is not in the table keyring.*blind_index.1"):
        migrate(engine())
    with pytest.raises(ConfigurationError, match="nobody is found"):
        index_keys.known()
    ((is_ok, detail),) = checks()
    assert not is_ok
    assert "not in the table keyring" in detail
    assert former


def test_a_key_that_the_tables_do_not_know_any_more_is_one_too():
    file(2)
    rotate()
    erase(1)
    forget("DELETE FROM index_keys WHERE generation = 1; UPDATE index_keys SET state = 'current'")
    with pytest.raises(ConfigurationError, match=r"the keyring has blind_index.1.*second ones"):
        migrate(engine())
    forget("DELETE FROM keyring WHERE name = 'blind_index.1'")
    with pytest.raises(ConfigurationError, match=r"suppressed addresses need keys.*1 of key .*let in again"):
        migrate(engine())
    forget("DELETE FROM index_keys")
    with pytest.raises(ConfigurationError, match="the table index_keys is empty"):
        migrate(engine())


def test_after_a_restore_of_before_it_who_was_erased_since_stays_out(services, database, monkeypatch):
    file(3)
    engine().dispose()
    of_before = services.copy_database(database)
    rotate()
    erase(1)
    assert [line.entry.kind for line in read_ledger().lines] == ["index_key", "erase"]
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", of_before)
    forget_caches()
    assert replay_ledger().counts == {"index_key": 1, "erase": 1}
    assert [key.state for key in index_keys.known().all] == ["kept", "current"]
    assert became(1) == ("suppressed", "erased")
    assert became(2) == ("settled", None)
    rotate()
    assert became(1) == ("suppressed", "erased")
    migrate(engine())


def test_the_ledger_names_no_key_in_clear():
    file(1)
    rotate()
    ((sealed,),) = rows("SELECT sealed FROM keyring WHERE name = 'blind_index.1'")
    (line,) = read_ledger().lines
    assert line.entry.details["key"] == index_keys.known().current.key_id
    assert index_keys.known().current.digests is not None
    assert line.entry.details["sealed"] not in ("", bytes(sealed).hex())


def wait_for_a_page() -> None:
    """A process takes longer to start on a machine that is busy."""
    done, until = rows("SELECT sum(done) FROM index_rotation"), time.monotonic() + 60
    while rows("SELECT sum(done) FROM index_rotation") == done:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.long
def test_killed_again_and_again_while_leads_come_in_everybody_stays_who_they_are():
    owners = file(1_500)
    killed = 0
    for _ in range(3):
        running = start("keys", "rotate-index", *(["--go-on"] if killed else []), "--per-second", "600")
        wait_for_a_page()
        killed += running.poll() is None
        running.kill()
        running.wait()
        file(20, phone="+34 912 345 678")
    assert run_process("keys", "rotate-index", "--go-on").returncode == 0
    forget_caches()
    assert killed > 1
    assert file(1_500, city="Sevilla", other_emails=["office@sample.example"]) == owners
    assert {generation for (generation,) in rows("SELECT DISTINCT generation FROM evidence_keys")} == {1}


@pytest.mark.long
def test_twenty_thousand_people_in_a_minute():
    for first in range(0, 20_000, 1_000):
        capture(*(person(first + number) for number in range(1_000)))
    work()
    before = rows("SELECT count(*), count(DISTINCT person_id) FROM evidence")
    begun = time.monotonic()
    done = rotate()
    seconds = time.monotonic() - begun
    print(f"{done.done} in {seconds:.1f} s: {20_000 / seconds:.0f} people a second")
    assert done.done["file evidence"] == before[0][0]
    assert seconds < 60
    assert rows("SELECT count(*), count(DISTINCT person_id) FROM evidence") == before
