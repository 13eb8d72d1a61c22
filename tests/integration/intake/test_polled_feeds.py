"""Polled sources against feeds as real ones are: what comes in, what is told, and when they are asked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.health.doctor import run_checks
from pipeline.health.status import collect_status
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import answer, problem, run, work
from tests.support.feeds import BEYOND, TELLING, Feed, serving
from tests.support.intake_server import count_events, stored_events
from tests.support.services import forget_caches
from tests.support.store_rows import read_cursor, states

NOW = datetime.now(UTC)


def lead(number: object, at: str = "2026-03-01T10:00:00Z", **more: object) -> dict[str, object]:
    return {"id": f"l-{number}", "updated_at": at, "email": f"lead{number}@example.org", **more}


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def config(database, tmp_path, monkeypatch):
    """Writes afluente.yaml, as a restart would find it."""
    path = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))

    def write(source: dict[str, object], **more: object) -> None:
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        path.write_text(json.dumps({"sources": {"json_feed": source}, "destinations": {"crm": crm}, **more}))
        forget_caches()

    return write


@pytest.fixture
def feed(config) -> Iterator[Feed]:
    with serving(Feed()) as running:
        config({"url": running.url})
        yield running


def cursor():
    with transaction() as connection:
        return read_cursor(connection, "json_feed")


def poll(**how):
    return run_poll("json_feed", "default", **{"at_once": True, **how})


@pytest.mark.parametrize(
    "ahead",
    ["2999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", written(NOW + timedelta(hours=1))],
    ids=["far", "furthest", "an hour"],
)
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_record_dated_in_the_future_comes_in_and_ends_nothing(feed, ahead, newest_first):
    feed.newest_first = newest_first
    feed.records = [lead(1), lead(2, ahead), lead(3)]
    report = poll()
    assert (report.accepted, report.error) == (3, None)
    assert "dated in the future" in report.notes[0]
    assert json.loads(cursor().position)["after"] == "2026-03-01T10:00:00Z"
    feed.records.append(lead(4, "2026-03-02T10:00:00Z"))
    assert poll().accepted == 1
    assert "dated in the future" in cursor().note


def test_a_future_date_alone_in_a_feed_moves_nothing(feed):
    feed.records = [lead(1, "9999-12-31T23:59:59Z")]
    poll()
    feed.records.append(lead(2))
    assert poll().accepted == 1


def test_a_position_of_the_version_before_that_lies_in_the_future_heals_itself(feed):
    feed.records = [lead(1)]
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO cursors (brand, source, stream, position) VALUES ('default', 'json_feed', '', %s)",
            (json.dumps({"after": "2062-03-01T10:00:00Z"}),),
        )
    report = poll()
    assert (report.accepted, json.loads(cursor().position)["after"]) == (1, "2026-03-01T10:00:00Z")
    assert "read again from its beginning" in report.notes[0]
    assert poll().notes == []


@pytest.mark.short(7)
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T09:59:00Z"),
        ("2026-03-01T10:00:00", "2026-03-01T09:59:00"),
        ("2026-03-01 10:00:00.500", "2026-03-01 09:59:00.500"),
        ("2026-03-01T10:00:00.000000+02:00", "2026-03-01T09:59:00.000000+02:00"),
        ("2026-03-01T00:00:30-0300", "2026-02-28T23:59:30-0300"),
        ("2026-03-01 10:00:00 UTC", "2026-03-01 09:59:00 UTC"),
        ("2026-03-01T10:00", "2026-03-01T09:59"),
        ("2026-03-01", "2026-02-28"),
        ("20260301", "20260228"),
        ("20260301T100000Z", "20260301T095900Z"),
        ("20260301100000", "20260301095900"),
        ("Sun, 01 Mar 2026 00:00:10 GMT", "Sat, 28 Feb 2026 23:59:10 GMT"),
        ("Sun, 1 Mar 2026 10:00:00 +0200", "Sun, 1 Mar 2026 09:59:00 +0200"),
        (1772359200, "1772359140"),
        ("1772359200", "1772359140"),
        (1772359200000, "1772359140000"),
        (1772359200000000, "1772359140000000"),
        ("1772359200.25", "1772359140.25"),
        (1772359200.25, "1772359140.25"),
        ("rev-7", "rev-7"),
        ("WzE3XQ==", "WzE3XQ=="),
        (17, "17"),
    ],
)
def test_the_cursor_goes_back_as_the_source_wrote_it(feed, value, sent):
    feed.knows_filter = False
    page = json.dumps({"leads": [lead(1, value)], "has_more": False}).encode()
    feed.answers = [(200, {}, page), (200, {}, b'{"leads": []}')]
    assert poll().accepted == 1
    poll()
    assert feed.asked[-1]["updated_after"] == sent


def test_local_times_without_an_offset_are_compared_as_the_source_means_them(feed):
    """Its clock may be hours ahead of UTC: nothing is lost by that, and nobody is told of the future."""
    local = written(NOW + timedelta(hours=2)).removesuffix("Z")
    feed.records = [lead(1, local)]
    report = poll()
    assert (report.accepted, report.notes) == (1, [])
    feed.records.append(lead(2, written(NOW + timedelta(hours=1, minutes=50)).removesuffix("Z")))
    assert poll().accepted == 1


@pytest.mark.parametrize("other", ["path", "host"])
def test_another_address_is_read_from_its_beginning_and_said_so(feed, config, other):
    feed.records = [lead(1, "2026-03-05T10:00:00Z")]
    poll()
    with serving(Feed([lead(number) for number in range(2, 7)])) as elsewhere:
        config({"url": elsewhere.url if other == "host" else feed.url + "/v2"})
        if other == "path":
            feed.records = elsewhere.records
        report = poll()
        assert (report.accepted, "address was changed" in report.notes[0]) == (5, True)
        assert poll().notes == []


@pytest.mark.parametrize("beyond", ["?api_key=new", "/"])
def test_another_credential_in_the_address_is_the_same_feed(feed, config, beyond):
    feed.records = [lead(1)]
    poll()
    config({"url": feed.url + beyond})
    report = poll()
    assert (report.notes, "updated_after" in feed.asked[-1]) == ([], True)


DEEP = '{"id":"deep","updated_at":"2026-03-01T11:00:00Z","a":' + '{"a":' * 300 + "1" + "}" * 301
ABYSS = '{"id":"abyss","a":' + "[" * 5_000 + "]" * 5_000 + "}"


@pytest.mark.parametrize("bad", ["null", "7", '"text"', "[1]", "true", DEEP, ABYSS])
def test_a_bad_entry_among_good_ones_goes_to_quarantine_alone(feed, bad):
    good = [json.dumps(lead(number)) for number in (1, 2)]
    page = f'{{"leads": [{good[0]}, {bad}, {good[1]}], "has_more": false}}'.encode()
    feed.answers = [(200, {}, page), (200, {}, page)]
    report = poll()
    assert (report.accepted, report.rejected, report.error) == (3, 1, None)
    assert poll().accepted == 0
    work()
    assert states() == {"settled": 2, "quarantined": 1}
    assert run("quarantine", "list").returncode == 0


def test_a_wrong_address_is_asked_soon_again_and_at_once_when_it_is_corrected(feed, config):
    config({"url": feed.url + "s"})
    feed.answers = [(404, {}, b"")]
    assert poll(at_once=False).is_terminal
    assert 4 < (cursor().next_run_at - cursor().last_run_at).total_seconds() < 7
    feed.answers = [(404, {}, b"")] * 4
    for _ in range(4):
        poll()
    assert due_polls() == []
    config({"url": feed.url})
    assert due_polls() == [("json_feed", "default")]
    assert run_poll("json_feed", "default").error is None
    assert cursor().failures == 0
    assert due_polls() == []


def test_what_failed_before_a_restart_is_tried_at_once_after_it(feed):
    feed.answers = [(401, {}, b"")] * 6
    for _ in range(6):
        poll()
    assert due_polls() == []
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET last_run_at = now() - interval '1 day'")
    assert due_polls() == [("json_feed", "default")]


def test_a_source_that_is_being_polled_is_not_woken_by_a_change(feed, config):
    poll()
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE cursors SET next_run_at = now() + interval '9 min', held_until = next_run_at"
        )
        connection.exec_driver_sql("UPDATE cursors SET held_until = now() + interval '1 min'")
    config({"url": feed.url, "every_seconds": 7})
    assert due_polls() == []
    assert run_poll("json_feed", "default", at_once=True).ran is False


def test_a_poll_by_hand_says_what_came_and_why_it_ended(feed):
    feed.records = [lead(number) for number in range(3)]
    feed.tells = "has_more"
    told = answer("source", "poll", "json_feed")
    assert (told["pages"], told["accepted"], told["repeated"], told["error"]) == (1, 3, 0, None)
    assert (told["end"], told["cursor"]) == ("the source says so", "2026-03-01T10:00:00Z")
    assert answer("source", "poll", "json_feed")["repeated"] == 3  # within the lookback
    again = answer("source", "poll", "json_feed", "--from", "beginning")
    assert (again["accepted"], again["repeated"]) == (0, 3)
    assert "updated_after" not in feed.asked[-1]
    answer("source", "poll", "json_feed", "--from", "2026-02-01T00:00:00Z")
    assert feed.asked[-1]["updated_after"] == "2026-01-31T23:59:00Z"
    assert "3" in run("source", "poll", "json_feed").stdout


def test_a_poll_by_hand_that_fails_says_why(feed):
    feed.answers = [(401, {}, b"")]
    assert "401" in answer("source", "poll", "json_feed", code=1)["error"]
    assert "401" in answer("source", "status", "json_feed")[0]["last_error"]
    assert "future" in problem("source", "poll", "json_feed", "--from", "2999-01-01T00:00:00Z", code=2)
    assert "is not polled" in problem("source", "poll", "web_form", code=2)
    assert "no source" in problem("source", "poll", "nope", code=2)
    assert "comes in files" in problem("source", "status", "datablist", code=2)


def test_a_poll_by_hand_needs_a_brand_where_there_are_several_and_a_source_that_is_on(feed, config):
    config({"url": feed.url}, brands={"north": {}, "south": {}})
    assert "north, south" in problem("source", "poll", "json_feed", code=2)
    assert answer("source", "poll", "json_feed", "--brand", "north")["brand"] == "north"
    config({"url": feed.url, "enabled": False})
    assert "switched off" in problem("source", "poll", "json_feed", code=1)


def polls_in_status() -> list[str]:
    return [text for text in collect_status()["problems"] if text.startswith("source ")]


def test_status_says_why_a_source_is_not_polled(feed, config):
    config({"url": feed.url}, brands={"north": {}, "south": {}})
    (told,) = polls_in_status()
    assert "several brands (north, south): set sources.json_feed.brands" in told
    (state,) = read_states("json_feed")
    assert "several brands" in state.why_not
    (check,) = [check for check in run_checks() if check.name == "source json_feed"]
    assert (check.ok, "several brands" in check.detail) == (False, True)
    config({})
    assert "has no address" in polls_in_status()[0]
    config({"url": feed.url, "enabled": False})
    assert polls_in_status() == []
    assert "switched off" in read_states("json_feed")[0].why_not


def test_status_lists_a_source_that_fails_with_its_next_try(feed):
    feed.answers = [(404, {}, b"")]
    poll()
    (told,) = polls_in_status()
    assert "answered 404" in told
    assert "tried again at" in told
    assert read_states("json_feed")[0].failures == 1
    poll()
    assert polls_in_status() == []


def test_a_feed_that_needs_no_token_is_no_failure_of_doctor(feed, monkeypatch):
    monkeypatch.delenv("JSON_FEED_TOKEN", raising=False)

    def check():
        (found,) = [check for check in run_checks() if check.name == "source json_feed"]
        return found

    assert check().ok
    feed.answers = [(401, {}, b"")]
    refused = check()
    assert (refused.ok, "JSON_FEED_TOKEN" in refused.remedy) == (False, True)
    poll()
    feed.answers = [(500, {}, b"")]
    assert check().ok, "polls went well without one"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=12)
@given(
    contents=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 3)), max_size=14),
    most=st.integers(1, 6),
    tells=st.sampled_from(TELLING),
    beyond=st.sampled_from(BEYOND),
    newest_first=st.booleans(),
    cuts=st.lists(st.integers(1, 3), max_size=2),
)
@pytest.mark.long
def test_all_records_come_in_exactly_once(feed, contents, most, tells, beyond, newest_first, cuts):
    with transaction() as connection:
        connection.exec_driver_sql("TRUNCATE cursors, events, event_keys, event_bodies")
    feed.records = [
        lead(number, written(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=second)), note=note)
        for number, (second, note) in enumerate(contents)
    ]
    feed.most, feed.tells, feed.beyond, feed.newest_first = most, tells, beyond, newest_first
    accepted = 0
    for _ in cuts:
        feed.answers = []
        accepted += _poll_cut_short(feed)
    for _ in range(4):
        accepted += poll().accepted
    assert accepted == count_events("json_feed") == len(contents)
    assert len({event.external_id for event in _events()} if contents else []) == len(contents)


def _poll_cut_short(feed: Feed) -> int:
    """The source hangs up at its second page, as it would at a restart of ours."""

    def fail(number: int) -> None:
        if number >= 2:
            raise ConnectionError

    feed.before_page = fail
    report = poll()
    feed.before_page = lambda _number: None
    return report.accepted


def _events():
    with transaction() as connection:
        return connection.exec_driver_sql("SELECT external_id FROM events WHERE source = 'json_feed'").all()


def test_what_is_no_record_is_kept_as_it_came(feed):
    feed.answers = [(200, {}, json.dumps({"leads": [lead(1), [5, "x"]]}).encode())]
    poll()
    assert b'[5,"x"]' in {event.envelope.body for event in stored_events("json_feed")}
