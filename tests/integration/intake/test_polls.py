"""Polled sources against the sandbox's feed over HTTP: every record once, the position with its page, one at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from connectors.sandbox.server import Sandbox
from pipeline.health.doctor import run_checks
from pipeline.intake import polls
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.http_server import Answered, Call, serving_http
from tests.support.intake_server import count_events, stored_events
from tests.support.services import forget_caches
from tests.support.store_rows import read_cursor


@pytest.fixture
def sandbox(database, tmp_path, monkeypatch) -> Iterator[Sandbox]:
    with Sandbox(port=0, state=tmp_path / "sandbox") as running:
        config = tmp_path / "rehearsal.yaml"
        config.write_text("sources: {json_feed: {}}\n")
        monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
        monkeypatch.setenv("AFLUENTE_SANDBOX_URL", running.address)
        forget_caches()
        yield running


def add_to_feed(sandbox: Sandbox, count: int, *, prefix: str = "f", at: str = "2026-03-01T00:00:00Z") -> None:
    leads = [
        {"id": f"{prefix}-{number}", "updated_at": at, "email": f"{prefix}{number}@example.org"}
        for number in range(count)
    ]
    requests.post(f"{sandbox.address}/feed/_add", json={"leads": leads}, timeout=20).raise_for_status()


def cursor():
    with transaction() as connection:
        return read_cursor(connection, "json_feed")


def test_every_record_of_the_feed_comes_in_once(sandbox):
    add_to_feed(sandbox, 950)
    known = count_in_feed(sandbox)
    report = run_poll("json_feed", "default")
    assert (report.accepted, report.repeated, report.error) == (known, 0, None)
    assert report.pages == 5
    assert count_events("json_feed") == known
    again = run_poll("json_feed", "default", at_once=True)
    assert (again.accepted, again.repeated > 0) == (0, True)  # the lookback reads a little again
    assert count_events("json_feed") == known


def count_in_feed(sandbox: Sandbox) -> int:
    return len(requests.get(f"{sandbox.address}/feed/leads?limit=1000", timeout=20).json()["leads"])


def test_only_what_is_new_is_asked_for_again(sandbox):
    add_to_feed(sandbox, 300)
    run_poll("json_feed", "default")
    add_to_feed(sandbox, 3, prefix="late", at="2026-03-06T00:00:00Z")
    report = run_poll("json_feed", "default", at_once=True)
    assert report.accepted == 3
    assert json.loads(cursor().position)["after"] == "2026-03-06T00:00:00Z"


def test_a_record_is_stored_as_it_came_with_its_page(sandbox):
    add_to_feed(sandbox, 1, prefix="one")
    run_poll("json_feed", "default")
    event = next(one for one in stored_events("json_feed") if b'"one-0"' in one.envelope.body)
    assert json.loads(event.envelope.body)["email"] == "one0@example.org"
    assert (event.lane, event.envelope.origin["via"]) == ("bulk", "pull")
    assert event.occurred_at is not None


def test_a_poll_killed_between_pages_goes_on_and_stores_nothing_twice(sandbox, monkeypatch):
    add_to_feed(sandbox, 700)
    known = count_in_feed(sandbox)
    stored = polls._store_page
    pages: list[object] = []

    def store_two(instance, page, report):
        if len(pages) == 2:
            raise KeyboardInterrupt
        pages.append(page)
        stored(instance, page, report)

    monkeypatch.setattr(polls, "_store_page", store_two)
    with pytest.raises(KeyboardInterrupt):
        run_poll("json_feed", "default")
    assert count_events("json_feed") == 400
    position = json.loads(cursor().position)
    assert position["page"] == 3
    monkeypatch.setattr(polls, "_store_page", stored)
    assert run_poll("json_feed", "default", at_once=True).ran is False  # the one that was killed has it for a while
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET held_until = now() - interval '1 second'")
    report = run_poll("json_feed", "default", at_once=True)
    assert report.accepted == known - 400
    assert report.repeated <= 200  # one page earlier, no more
    assert count_events("json_feed") == known


def test_a_page_and_its_position_are_stored_together_or_not_at_all(sandbox, monkeypatch):
    add_to_feed(sandbox, 500)

    def fail(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(polls.cursors, "move_cursor", fail)
    with pytest.raises(KeyboardInterrupt):
        run_poll("json_feed", "default")
    assert count_events("json_feed") == 0
    assert cursor().position is None


def test_only_one_poll_of_a_source_runs_at_a_time(sandbox, monkeypatch):
    add_to_feed(sandbox, 50)
    inside, go_on = threading.Event(), threading.Event()
    read = polls._read

    def read_slowly(*arguments, **how):
        inside.set()
        assert go_on.wait(20)
        return read(*arguments, **how)

    monkeypatch.setattr(polls, "_read", read_slowly)
    first = threading.Thread(target=run_poll, args=("json_feed", "default"))
    first.start()
    assert inside.wait(20)
    assert run_poll("json_feed", "default").ran is False
    assert due_polls() == []
    go_on.set()
    first.join()
    assert count_events("json_feed") == count_in_feed(sandbox)


def test_a_poll_is_due_again_when_its_time_has_come(sandbox):
    assert due_polls() == [("json_feed", "default")]
    run_poll("json_feed", "default")
    assert due_polls() == []
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET next_run_at = now() - interval '1 second'")
    assert due_polls() == [("json_feed", "default")]
    assert run_poll("json_feed", "default").ran is True


@dataclass
class Failing:
    """A source that answers with one status to all."""

    status: int = 500

    def answer(self, _call: Call) -> Answered:
        return self.status, {}, b'{"leads": []}' if self.status == 200 else b"no"


@pytest.fixture
def failing_feed(database, tmp_path, monkeypatch) -> Iterator[Failing]:
    """Its `status` may be changed; settings point to it."""
    failing = Failing()
    with serving_http(failing.answer) as address:
        config = tmp_path / "feed.yaml"
        config.write_text(f"sources: {{json_feed: {{url: '{address}/leads'}}}}\n")
        monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
        forget_caches()
        yield failing


def test_a_source_that_fails_is_asked_later_each_time_and_says_why(failing_feed):
    waits = []
    for _ in range(3):
        report = run_poll("json_feed", "default", at_once=True)
        assert (report.accepted, report.is_terminal) == (0, False)
        known = cursor()
        assert known.last_error == report.error
        assert "500" in known.last_error
        waits.append((known.next_run_at - known.last_run_at).total_seconds())
    assert waits[0] < waits[1] < waits[2]
    failing_feed.status = 200
    run_poll("json_feed", "default", at_once=True)
    assert cursor().last_error is None


def test_a_refused_token_is_tried_again_soon_and_then_later_each_time(failing_feed):
    failing_feed.status = 401
    waits = []
    for _ in range(7):
        report = run_poll("json_feed", "default", at_once=True)
        assert report.is_terminal
        known = cursor()
        assert known.last_error.startswith("terminal: ")
        waits.append(round((known.next_run_at - known.last_run_at).total_seconds(), 1))
    assert waits[0] < 10
    assert waits == sorted(waits)
    assert 3500 < waits[-1] < 3700


def test_settings_say_where_and_how_often_to_ask(sandbox, tmp_path, monkeypatch):
    config = tmp_path / "afluente.yaml"
    config.write_text(f"sources: {{json_feed: {{url: '{sandbox.address}/feed/leads', every_seconds: 7}}}}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    monkeypatch.delenv("AFLUENTE_SANDBOX_URL")
    forget_caches()
    assert run_poll("json_feed", "default").accepted > 0
    known = cursor()
    assert 5 < (known.next_run_at - known.last_run_at).total_seconds() < 10


def test_the_sandbox_s_feed_is_read_only_where_the_settings_name_it(sandbox, monkeypatch):
    assert due_polls() == [("json_feed", "default")]
    monkeypatch.delenv("AFLUENTE_CONFIG")
    forget_caches()
    assert due_polls() == []


@pytest.mark.parametrize("source", ["rest_poll", "graphql_poll"])
def test_a_source_named_alone_is_played_by_the_sandbox(sandbox, tmp_path, monkeypatch, source):
    set_sources(tmp_path, monkeypatch, f"{source}: {{}}")
    report = run_poll(source, "default")
    assert (report.accepted, report.error) == (4, None)
    (check,) = [check for check in run_checks() if check.name == f"source {source}"]
    assert check.ok, check.detail


def test_nobody_who_describes_an_api_finds_invented_leads_for_want_of_its_address(sandbox, tmp_path, monkeypatch):
    pages = "options: {pages: {by: page}, records_at: leads, event_id: id}"
    set_sources(tmp_path, monkeypatch, f"acme: {{connector: rest_poll, mapping: rest_poll, {pages}}}")
    assert due_polls() == []
    (check,) = [check for check in run_checks() if check.name == "source acme"]
    assert (check.ok, "set sources.acme.url" in check.detail) == (False, True)


def set_sources(tmp_path, monkeypatch, text: str) -> None:
    config = tmp_path / "afluente.yaml"
    config.write_text(f"sources: {{{text}}}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    forget_caches()


def test_a_feed_is_not_read_for_every_brand_unless_told(sandbox, tmp_path, monkeypatch):
    config = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    for text, expected in (
        ("brands: {north: {}, south: {}}\n", []),
        ("brands: {north: {}, south: {}}\nsources: {json_feed: {brands: [south]}}\n", [("json_feed", "south")]),
        ("sources: {json_feed: {enabled: false}}\n", []),
    ):
        config.write_text(text)
        forget_caches()
        assert due_polls() == expected


def test_a_bug_in_a_connector_ends_its_poll_and_is_marked(sandbox, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("secret@example.org")

    monkeypatch.setattr(polls, "new_event", broken)
    with pytest.raises(ZeroDivisionError):
        run_poll("json_feed", "default")
    assert "ZeroDivisionError at " in cursor().last_error
    assert "secret" not in cursor().last_error
