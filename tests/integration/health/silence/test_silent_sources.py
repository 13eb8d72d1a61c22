"""A source that is silent for longer than its own rhythm is said so, until it speaks again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.health.doctor import run_checks
from pipeline.health.silence.judging import Judge
from pipeline.health.silence.watching import forget_old_hours, watch_sources
from pipeline.health.status import collect_status
from pipeline.intake.receiver import request_counts
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import cursors
from pipeline.store.sources import rhythms
from pipeline.store.sources.rhythms import HourRow, SourceRhythm
from tests.support.command_line import answer, problem, run
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches
from tests.support.store_rows import store

ALL = (1 << 60) - 1
EVERY_SIX_MINUTES = sum(1 << minute for minute in range(0, 60, 6))
FEED = "json_feed"
SOURCE = "typeform"


@pytest.fixture
def configured(installation, tmp_path) -> Callable[..., None]:
    def configure(**entries: object) -> None:
        document = {"sources": {FEED: {"url": "https://feed.example.org/leads"}, **entries}}
        (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    configure()
    return configure


def now() -> datetime:
    return datetime.now(UTC)


def heard_until(moment: datetime, source: str = SOURCE, *, weeks: int = 4, watched_until: datetime | None = None):
    """A source that was heard every six minutes until then, while we are listening on."""
    last = moment.replace(second=0, microsecond=0)
    first = last.replace(minute=0) - timedelta(weeks=weeks)
    hours = int(((watched_until or now()) - first) / timedelta(hours=1)) + 1
    rows = []
    for number in range(hours):
        hour = first + timedelta(hours=number)
        left = int((last - hour) / timedelta(minutes=1)) + 1
        heard = EVERY_SIX_MINUTES & ((1 << max(0, min(left, 60))) - 1)
        watching = int(((watched_until or now()) - hour) / timedelta(minutes=1))
        rows.append(HourRow("default", source, hour, heard, (1 << max(0, min(watching, 60))) - 1))
    with transaction() as connection:
        rhythms.add_hours(connection, rows)
        rhythms.write_rhythms(
            connection,
            [SourceRhythm("default", source, first, now() - timedelta(minutes=1), last_heard_at=last)],
        )
        rhythms.beat(connection, rhythms.RECEIVER)


def judge(moment: datetime | None = None) -> int:
    return watch_sources(moment, judge=Judge())


def sentences() -> list[str]:
    return [sentence for sentence in collect_status()["problems"] if "silent" in sentence]


def failures() -> dict[str, str]:
    return {check.name: check.detail for check in run_checks() if not check.ok}


def row_about(about: str, source: str = SOURCE) -> dict[str, Any]:
    (row,) = (row for row in answer("source", "status", source) if row["about"] == about)
    return row


def polled(error: str | None = None) -> None:
    with transaction() as connection:
        cursors.lock_cursor(connection, "default", FEED)
        cursors.finish_poll(connection, "default", FEED, next_run_in_seconds=60, error=error)


def test_a_source_that_falls_silent_is_said_everywhere_with_its_rhythm_until_it_speaks_again(configured):
    heard_until(now() - timedelta(hours=3))
    assert judge() == 1
    (sentence,) = sentences()
    assert sentence.startswith("source typeform: silent for 3 hours; at this hour usually a lead every 6 minutes;")
    assert "nothing is posted to us" in sentence
    assert "silent for 3 hours" in failures()["silence of typeform"]
    row = row_about("silence")
    assert (row["state"], row["source"], row["brand"]) == ("silent", SOURCE, "default")
    assert row["usual_seconds"] == pytest.approx(360, rel=0.1)
    assert "silent" in run("source", "status").stdout
    assert collect_status()["silent"][0]["source"] == SOURCE

    store(1, lane="hot", source=SOURCE)
    assert judge() == 0
    assert sentences() == []
    assert "silence of typeform" not in failures()
    assert row_about("silence")["state"] == "heard"


def test_a_source_that_is_heard_as_usual_is_no_problem(configured):
    heard_until(now() - timedelta(minutes=20))
    assert judge() == 0
    assert sentences() == []
    assert row_about("silence")["state"] == "quiet"
    assert any(check.name == "silence" and check.ok for check in run_checks())


def test_a_silence_is_said_by_the_run_after_it_became_unusual_and_stays_said(configured):
    last = now() - timedelta(hours=6)
    heard_until(last, watched_until=last + timedelta(minutes=14))
    minutes = [minute for minute in range(15, 60) if judge(last + timedelta(minutes=minute))]
    assert 20 < minutes[0] < 40, "four leads were missed by then, of a source that is as even as a clock"
    assert minutes == list(range(minutes[0], 60))


def test_while_no_receiver_runs_the_silence_is_ours_and_is_not_told(configured):
    last = now() - timedelta(hours=3)
    heard_until(last, watched_until=last + timedelta(minutes=5))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE heartbeats SET seen_at = %s", (last,))
    assert not any(judge(last + timedelta(minutes=minute)) for minute in range(5, 180, 5))
    assert judge() == 0
    assert sentences() == []


def test_what_an_unusual_silence_taught_is_forgotten_so_the_next_one_is_said_as_soon(configured):
    last = now() - timedelta(hours=30)
    heard_until(last, watched_until=last + timedelta(minutes=14))
    for minute in range(15, 300, 5):
        judge(last + timedelta(minutes=minute))
    with transaction() as connection:
        (rows,) = rhythms.read_hours(connection, {("default", SOURCE): last + timedelta(hours=2)}).values()
    assert sum(row.watched.bit_count() for row in rows) == 0


def test_a_poll_that_brings_nothing_new_is_the_silence_of_the_source_and_says_so(configured):
    heard_until(now() - timedelta(hours=3), FEED)
    polled()
    assert judge() == 1
    assert "its polls go well and bring nothing new" in sentences()[0]
    assert row_about("silence", FEED)["state"] == "silent"


def test_a_poll_that_fails_is_no_silence_of_the_source(configured):
    last = now() - timedelta(hours=3)
    heard_until(last, FEED, watched_until=last + timedelta(minutes=5))
    polled(error="answered 500")
    assert judge() == 0
    assert sentences() == []


def test_a_source_that_is_switched_off_or_not_to_be_watched_is_never_said(configured):
    heard_until(now() - timedelta(hours=3))
    for entry in ({"enabled": False}, {"silence": False}):
        configured(**{SOURCE: entry})
        assert judge() == 0
    configured()
    assert judge() == 1


def test_a_measure_of_afluente_yaml_takes_the_place_of_the_rhythm(configured):
    configured(**{SOURCE: {"silence": {"after": "6h"}}})
    heard_until(now() - timedelta(hours=5))
    assert judge() == 0
    configured(**{SOURCE: {"silence": {"after": "4h"}}})
    assert judge() == 1


def test_a_measure_holds_for_a_source_that_was_never_heard(configured):
    configured(**{SOURCE: {"silence": {"after": "20m"}}})
    with transaction() as connection:
        rhythms.beat(connection, rhythms.RECEIVER)
    begin = now() - timedelta(minutes=40)
    for minute in range(40):
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE heartbeats SET seen_at = %s", (begin + timedelta(minutes=minute),))
        is_said = judge(begin + timedelta(minutes=minute))
    assert is_said == 1
    assert "typeform: silent for" in sentences()[0]


def test_a_measure_that_is_no_length_of_time_is_refused_with_what_to_write(configured):
    configured(**{SOURCE: {"silence": {"after": "six hours"}}})
    told = problem("status", code=2)
    assert "sources.typeform.silence.after: 'six hours' is no length of time; write it as 90m, 6h, 3d or 2w" in told


def test_the_task_that_beat_sends_each_minute_judges(configured):
    from pipeline.tasks import app, watch

    heard_until(now() - timedelta(hours=3))
    assert watch() == 1
    assert sentences() != []
    assert app.conf.beat_schedule["watch"]["task"] == watch.name


def test_a_file_imported_by_hand_is_not_the_source_that_speaks(configured):
    heard_until(now() - timedelta(hours=3))
    store(50, lane="bulk", source=SOURCE)
    assert judge() == 1


def test_that_nobody_watches_is_a_problem_itself(configured):
    heard_until(now() - timedelta(hours=3))
    judge()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE source_rhythms SET judged_at = now() - interval '2 hours'")
    assert not any("silent for" in sentence for sentence in sentences()), "nobody knows by now"
    (sentence,) = [sentence for sentence in collect_status()["problems"] if "nobody has looked" in sentence]
    assert "2 hours" in sentence
    assert "silence" in failures()


def test_a_run_takes_the_same_statements_for_one_source_and_for_twenty(configured):
    def statements(expected: int) -> int:
        with count_statements() as counted:
            assert judge() == expected
        return counted.count

    heard_until(now() - timedelta(hours=3))
    one = statements(1)
    configured(**{f"form_{number}": {"connector": "web_form"} for number in range(20)})
    for number in range(20):
        heard_until(now() - timedelta(hours=3), f"form_{number}")
    assert statements(21) == one


def test_hours_of_which_nothing_is_learned_any_more_are_deleted_and_others_kept(configured):
    heard_until(now() - timedelta(hours=3), weeks=20)
    forget_old_hours()
    with transaction() as connection:
        count, oldest = connection.exec_driver_sql("SELECT count(*), min(hour) FROM source_hours").one()
    assert 84 * 24 < count < 87 * 24
    assert now() - oldest < timedelta(days=86)


def test_a_receiver_says_that_it_is_there_and_gauges_tell_of_each_source(configured, monkeypatch):
    monkeypatch.setattr(request_counts, "_WRITE_SECONDS", 0.1)
    heard_until(now() - timedelta(hours=3))
    judge()
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM heartbeats")
    with running_receiver() as receiver:
        deadline = time.monotonic() + 20
        while not _is_receiver_seen():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        text = receiver.get("/metrics").text
    assert 'afluente_source_silent{brand="default",source="typeform"} 1.0' in text
    assert 'afluente_source_silent_seconds{brand="default",source="typeform"}' in text


def _is_receiver_seen() -> bool:
    with transaction() as connection:
        return rhythms.seen_at(connection, rhythms.RECEIVER) is not None


def test_a_longer_measure_ends_a_notice_that_stands_already(configured):
    heard_until(now() - timedelta(hours=3))
    assert judge() == 1
    configured(**{SOURCE: {"silence": {"after": "3d"}}})
    assert judge() == 0
    assert sentences() == []
    configured(**{SOURCE: {"silence": {"after": "2h"}}})
    assert judge() == 1


def test_what_a_clock_that_was_ahead_left_of_a_former_source_hides_no_lead(configured):
    heard_until(now() - timedelta(hours=3))
    with transaction() as connection:
        rhythms.write_rhythms(
            connection, [SourceRhythm("default", "former", now(), judged_at=now() + timedelta(days=30))]
        )
    assert judge() == 1
    store(1, lane="hot", source=SOURCE)
    assert judge() == 0


def test_the_cursor_of_a_stream_that_is_read_no_more_hides_no_silence(configured):
    configured()
    heard_until(now() - timedelta(hours=3), FEED)
    polled()
    with transaction() as connection:
        cursors.lock_cursor(connection, "default", FEED, "former")
        cursors.finish_poll(connection, "default", FEED, "former", next_run_in_seconds=60, error="terminal: gone")
    assert judge() == 1
    assert "its polls go well" in sentences()[0]


def test_a_source_that_is_switched_on_again_begins_anew_without_its_old_notice(configured):
    heard_until(now() - timedelta(hours=3))
    assert judge() == 1
    configured(**{SOURCE: {"enabled": False}})
    assert judge() == 0
    configured()
    assert judge() == 0
    assert sentences() == []
    assert judge(now() + timedelta(minutes=1)) == 0
