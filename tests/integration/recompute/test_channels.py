"""The rules change: every stored channel follows, and the CRM learns of it. Killed, repeated, beside workers, too."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.recompute.channels import recompute_channels
from pipeline.records import Touch, new_id
from pipeline.stages.attribution import channels
from pipeline.store.engine import count_statements, transaction
from pipeline.store.people import channel_history, touches
from tests.support.command_line import answer, capture, deliver, run, start, work
from tests.support.store_rows import NOON, minutes, write_person

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def new_rules(monkeypatch):
    """What were Paid Search and Email are now called otherwise."""
    yield from _rules(monkeypatch, {"Paid Search": "Search Ads", "Email": "Mailings"})


def _rules(monkeypatch, names):
    def set_rules(rules, version):
        monkeypatch.setattr(channels, "RULES", rules)
        monkeypatch.setattr(channels, "RULES_VERSION", version)
        channels.channel_of.cache_clear()
        channels.rules_version.cache_clear()

    before = channels.RULES
    renamed = tuple((names.get(name, name), takes) for name, takes in before)

    yield lambda: set_rules(renamed, "tests-2")

    channels.channel_of.cache_clear()
    channels.rules_version.cache_clear()


def leads(count: int = 7) -> None:
    """People with one lead each; of one, the leads follow each other: search, mail, nothing."""
    ways = [
        {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "Brand"},
        {"utm_source": "News", "utm_medium": "Email"},
        {"page_url": "https://example.com/"},
    ]
    capture(
        *({"email": f"person{number}@example.org", **ways[number % 3]} for number in range(count)),
        *(
            {"email": "ada@example.org", "occurred_at": f"2026-03-0{day}T09:00:00Z", **way}
            for day, way in enumerate(ways, start=1)
        ),
    )
    work()


def rows(statement: str) -> list[tuple]:
    with transaction() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def stored() -> dict[str, list[tuple]]:
    """All that a recomputation may touch."""
    return {
        "touches": rows("SELECT event_id, position, channel, medium, rules_version FROM touches ORDER BY 1, 2"),
        "events": rows("SELECT event_id, channel FROM events ORDER BY 1"),
        "people": rows("SELECT person_id, version, original_channel, latest_channel FROM people ORDER BY 1"),
        "deliveries": rows("SELECT person_id, wanted_version, state FROM deliveries ORDER BY 1"),
    }


def test_after_a_change_of_the_rules_all_history_follows(new_rules):
    leads()
    deliver()
    before = stored()
    new_rules()
    changes = recompute_channels()

    assert {name for _, _, name, _, _ in before["touches"]} == {"Paid Search", "Email", "Direct"}
    assert changes.moves == {("Paid Search", "Search Ads"): 4, ("Email", "Mailings"): 3}
    assert (changes.touches_read, changes.people_read, changes.people, changes.events) == (10, 8, 6, 7)
    assert rows("SELECT channel, count(*) FROM touches GROUP BY 1 ORDER BY 1") == [
        ("Direct", 3),
        ("Mailings", 3),
        ("Search Ads", 4),
    ]
    assert rows("SELECT count(*) FROM touches t JOIN events e USING (event_id) WHERE e.channel <> t.channel") == [(0,)]
    assert {version for *_, version in stored()["touches"]} == {channels.rules_version()}
    ada = "original_channel = 'Search Ads' AND latest_channel = 'Direct'"
    assert rows(f"SELECT count(*) FROM people WHERE {ada}") == [(1,)]


def test_the_crm_learns_of_the_people_whose_channels_changed_and_of_no_others(new_rules):
    leads()
    deliver()
    versions = {person: version for person, version, *_ in stored()["people"]}
    new_rules()
    changes = recompute_channels()
    changed = {person for person, version, *_ in stored()["people"] if version == versions[person] + 1}
    unchanged = {person for person, version, *_ in stored()["people"] if version == versions[person]}
    due = {person for person, _, state in stored()["deliveries"] if state == "due"}
    assert (len(changed), len(unchanged)) == (6, 2)
    assert due == changed
    assert changes.deliveries == 6


def test_a_second_run_finds_nothing_to_write(new_rules):
    leads()
    new_rules()
    recompute_channels()
    before = stored()
    with count_statements() as seen:
        again = recompute_channels()
    assert (again.people, again.events, again.deliveries, dict(again.moves)) == (0, 0, 0, {})
    assert not [statement for statement in seen.statements if "UPDATE" in statement or "INSERT" in statement]
    assert stored() == before


def test_a_dry_run_says_the_same_and_writes_nothing(new_rules):
    leads()
    before = stored()
    new_rules()
    tried = recompute_channels(is_dry_run=True)
    assert stored() == before
    done = recompute_channels()
    assert (tried.moves, tried.people, tried.events) == (done.moves, done.people, done.events)
    assert tried.deliveries == 0


class Killed(BaseException):
    pass


def test_killed_between_two_batches_and_run_again_it_ends_where_an_undisturbed_run_would(new_rules):
    leads()
    versions = {person: version for person, version, *_ in stored()["people"]}
    new_rules()

    def kill(changes, _people):
        if changes.people_read >= 4:
            raise Killed

    with pytest.raises(Killed):
        recompute_channels(people_at_once=2, on_progress=kill)
    half = {channel for _, _, channel, _, _ in stored()["touches"]}
    assert {"Search Ads", "Paid Search"} <= half, "it was to be killed in the middle"

    recompute_channels(people_at_once=2)
    assert {channel for _, _, channel, _, _ in stored()["touches"]} == {"Search Ads", "Mailings", "Direct"}
    assert {version - versions[person] for person, version, *_ in stored()["people"]} == {0, 1}
    assert recompute_channels().moves == {}


@pytest.mark.parametrize("statement", ["write_event_channels", "write_person_channels"])
def test_killed_between_two_statements_a_batch_is_written_as_a_whole_or_not_at_all(new_rules, monkeypatch, statement):
    leads()
    before = stored()
    new_rules()

    def kill(*_arguments, **_named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(channel_history, statement, kill)
        with pytest.raises(Killed):
            recompute_channels()
    assert stored() == before
    assert recompute_channels().people == 6


_MANY = """
WITH made AS (
    INSERT INTO people (person_id, brand, version, profile, original_event, original_channel, latest_event,
        latest_channel)
    SELECT id, 'default', 1, '', id, 'Old', id, 'Old'
    FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 6000)) AS new
    RETURNING person_id
)
INSERT INTO touches (event_id, person_id, brand, occurred_at, source, medium, channel)
SELECT person_id, person_id, 'default', now(), 'google', 'cpc', 'Old' FROM made
"""


@pytest.mark.long
def test_a_process_killed_in_the_middle_loses_nothing_and_does_nothing_twice():
    with transaction() as connection:
        connection.exec_driver_sql(_MANY)
    process = start("attribution", "recompute")
    while process.poll() is None and rows("SELECT count(*) FROM touches WHERE channel <> 'Old'") == [(0,)]:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    ((done,),) = rows("SELECT count(*) FROM touches WHERE channel <> 'Old'")
    assert 0 < done < 6000, "it was to be killed in the middle"
    assert rows("SELECT count(*) FROM people WHERE version = 2 AND original_channel = 'Paid Search'") == [(done,)]

    assert answer("attribution", "recompute")["changed"]["people"] == 6000 - done
    assert rows("SELECT version, original_channel, latest_channel, count(*) FROM people GROUP BY 1, 2, 3") == [
        (2, "Paid Search", "Paid Search", 6000)
    ]


def test_touches_of_before_the_medium_had_a_column_are_judged_by_their_details():
    person_id = write_person(name="a")
    touch = Touch(
        new_id(), person_id, "default", NOON, "google", "Organic Search", details={"medium": "cpc", "form_id": "7"}
    )
    with transaction() as connection:
        touches.add_touches(connection, [touch])
        touches.apply_touches(connection, [touch])
    recompute_channels()
    assert rows("SELECT channel, medium, details FROM touches") == [
        ("Paid Search", "cpc", {"medium": "cpc", "form_id": "7"})
    ]
    assert rows("SELECT original_channel, latest_channel FROM people") == [("Paid Search", "Paid Search")]


def test_an_event_that_kept_an_older_channel_than_its_touch_is_put_right():
    leads(1)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET channel = 'Old'")
    assert recompute_channels().events == 4
    assert rows("SELECT count(*) FROM events WHERE channel = 'Old'") == [(0,)]


def test_workers_and_two_recomputations_at_once_neither_deadlock_nor_lose_anything(new_rules):
    ids = [write_person(name="a") for _ in range(12)]
    _arrive(ids, 0)
    new_rules()
    start = threading.Barrier(4)

    def worker(number: int) -> None:
        start.wait()
        for turn in range(1, 9):
            _arrive(ids if number else ids[::-1], number * 100 + turn)

    def recomputation(_number: int) -> None:
        start.wait()
        for _ in range(4):
            recompute_channels(people_at_once=5)

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(worker, 0), threads.submit(worker, 1)]
        done += [threads.submit(recomputation, 0), threads.submit(recomputation, 1)]
        for one in done:
            one.result(timeout=60)
    recompute_channels()
    assert rows("SELECT DISTINCT touches, original_channel, latest_channel FROM people") == [
        (17, "Search Ads", "Search Ads")
    ]
    assert rows("SELECT DISTINCT channel FROM touches") == [("Search Ads",)]


def test_a_touch_that_arrives_while_its_person_is_rewritten_is_not_overwritten(new_rules, monkeypatch):
    person_id = write_person(name="a")
    _arrive([person_id], 5)
    new_rules()
    earlier = Touch(new_id(), person_id, "default", NOON, "news", "Mailings", medium="email")
    worker = threading.Thread(target=_store, args=([earlier],))
    write = channel_history.write_touch_channels

    def meanwhile(*arguments, **named):  # what is to be written is decided; now a worker comes
        if worker.ident is None:
            worker.start()
            worker.join(timeout=0.5)
        write(*arguments, **named)

    monkeypatch.setattr(channel_history, "write_touch_channels", meanwhile)
    recompute_channels()
    worker.join(timeout=30)
    assert rows("SELECT original_source, original_channel, latest_channel, touches FROM people") == [
        ("news", "Mailings", "Search Ads", 2)
    ]


def _arrive(people, minute: int) -> None:
    """A worker of the old rules stores a touch of each person."""
    made = [
        Touch(new_id(), one, "default", NOON + minutes(minute), "google", "Paid Search", medium="cpc") for one in people
    ]
    _store(made)


def _store(made) -> None:
    with transaction() as connection:
        touches.add_touches(connection, made)
        touches.apply_touches(connection, made)


def test_the_command_says_how_many_went_from_what_to_what():
    leads()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE touches SET channel = 'Old' WHERE channel = 'Email'")
        connection.exec_driver_sql("UPDATE people SET original_channel = 'Old' WHERE original_channel = 'Email'")
    tried = answer("attribution", "recompute", "--dry-run")
    assert tried["dry_run"] is True
    assert tried["changes"] == [{"from": "Old", "to": "Email", "touches": 3}]
    shown = run("attribution", "recompute")
    assert shown.returncode == 0, shown.stderr
    assert "3 touches, 0 events, 2 people changed" in shown.stdout
    assert answer("attribution", "recompute")["changed"] == {"touches": 0, "events": 0, "people": 0, "deliveries": 0}
