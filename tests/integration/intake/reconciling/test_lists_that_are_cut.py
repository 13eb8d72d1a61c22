"""Lists that end before they are over: no day is counted by what was given of them, and it is said."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.health.completeness import STREAM
from pipeline.inspection.polling.reconciled import read_completeness
from pipeline.intake.reconciling.runs import run_reconcile
from pipeline.store.engine import transaction
from pipeline.store.events.cursors import move_cursor
from tests.support.intake_server import count_events
from tests.support.listed_posts import TypeformApi, days_ago, listing

pytestmark = pytest.mark.usefixtures("database", "redis_url")
SOURCE = "typeform"


@pytest.fixture
def typeform(database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TypeformApi]:
    api = TypeformApi(most=3)
    with listing(api, SOURCE, tmp_path, monkeypatch):
        yield api


def of_many(typeform: TypeformApi) -> tuple[int, dict[str, str], bytes]:
    """A page of its forms that says that there are three."""
    items = [{"id": name, "title": title} for name, title in typeform.forms.items()]
    return 200, {}, json.dumps({"items": items, "page_count": 3}).encode()


@pytest.mark.parametrize("second", [(400, {}, b"{}"), (404, {}, b"{}")])
def test_forms_that_are_not_given_leave_no_day_counted(typeform: TypeformApi, second: Any) -> None:
    typeform.respond()
    typeform.answers = [of_many(typeform), second]
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "the list at /forms was not read to its end" in (report.poll.error or "")
    assert (report.poll.accepted, count_events(SOURCE)) == (1, 1)  # what is known of came in all the same
    assert report.days == {}
    assert read_completeness(SOURCE, since=days_ago(2).date()) == []


def test_a_page_that_does_not_say_where_the_next_one_is_leaves_no_day_counted(typeform: TypeformApi) -> None:
    typeform.respond()
    typeform.respond(token=None)  # the last of the first page: the next one is asked for by it
    for _ in range(2):
        typeform.respond()
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "the list at /forms/f-1/responses was not read to its end" in (report.poll.error or "")
    assert report.poll.accepted == 2
    assert report.days == {}


def test_once_it_is_given_whole_days_are_counted(typeform: TypeformApi) -> None:
    typeform.respond()
    typeform.answers = [of_many(typeform), (400, {}, b"{}")]
    assert run_reconcile(SOURCE, "default", at_once=True).poll.error
    assert run_reconcile(SOURCE, "default", at_once=True).poll.error is None
    (row,) = [row for row in read_completeness(SOURCE, since=days_ago(1).date()) if row.day == days_ago(1).date()]
    assert row.expected == 1


@pytest.mark.parametrize("status", [403, 400, 200])
def test_nothing_comes_in_without_the_questions_that_it_answers(typeform: TypeformApi, status: int) -> None:
    typeform.respond()
    typeform.forms["f-2"] = "Other"
    typeform.respond("f-2")
    typeform.answers = [None, None, (status, {}, b"[]")]  # forms, responses, then the form itself
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "what the records of responses belong to cannot be read" in (report.poll.error or "")
    assert (report.days, count_events(SOURCE)) == ({}, 1)  # of the other form
    assert run_reconcile(SOURCE, "default", at_once=True).poll.accepted == 1


def test_of_a_form_that_is_gone_meanwhile_its_responses_come_in(typeform: TypeformApi) -> None:
    typeform.respond()
    typeform.answers = [None, None, (404, {}, b"{}")]
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted) == (None, 1)


def test_a_reading_that_the_quota_cuts_short_each_time_is_begun_later_each_time(typeform: TypeformApi) -> None:
    typeform.respond()
    waits = []
    for _ in range(4):
        typeform.answers = [None, (429, {"Retry-After": "20"}, b"{}")]
        report = run_reconcile(SOURCE, "default", at_once=True)
        assert report.poll.quota_wait == 20
        with transaction() as connection:
            (wait,) = connection.exec_driver_sql("SELECT extract(epoch FROM next_run_at - now()) FROM cursors").one()
        waits.append(float(wait))
    assert waits[-1] > 30 > waits[0]


def test_a_long_list_of_forms_counts_to_the_time_of_a_reading(
    typeform: TypeformApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.intake.reconciling.runs._RUN_SECONDS", 0.2)
    typeform.before = lambda _asked: time.sleep(0.3)
    typeform.answers = [of_many(typeform)]
    report = run_reconcile(SOURCE, "default")
    assert "reading one of its lists takes over" in (report.poll.error or "")
    assert [asked.path for asked in typeform.asked] == ["/forms"]


def test_a_form_whose_responses_are_refused_does_not_hide_those_of_the_others(typeform: TypeformApi) -> None:
    typeform.forms["f-2"] = "Other"
    typeform.respond("f-2")
    typeform.answers = [None, (400, {}, b"{}")]  # forms, then the responses of the first
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "answered 400" in (report.poll.error or "")
    assert (report.days, report.poll.accepted) == ({}, 1)


@pytest.mark.parametrize("nothing", [(200, {}, b"{}"), (204, {}, b""), (200, {}, b"null")])
def test_an_answer_that_holds_no_list_at_all_is_no_empty_list(typeform: TypeformApi, nothing: Any) -> None:
    typeform.answers = [None, nothing]
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "the list at /forms/f-1/responses is none" in (report.poll.error or "")
    assert (report.days, read_completeness(SOURCE, since=days_ago(2).date())) == ({}, [])


def test_an_account_of_more_forms_than_one_run_can_read_is_read_by_several(
    typeform: TypeformApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        typeform.forms[f"f-{number}"] = "Form"
        typeform.respond(f"f-{number}")
    monkeypatch.setattr("pipeline.intake.reconciling.runs._RUN_SECONDS", 1.0)
    typeform.before = lambda _asked: time.sleep(1.1 if len(typeform.asked) % 9 == 0 else 0)
    runs = [run_reconcile(SOURCE, "default")]
    while runs[-1].poll.end is None:
        assert (runs[-1].poll.error, runs[-1].days) == (None, {})
        runs.append(run_reconcile(SOURCE, "default"))
        assert len(runs) < 40
    assert len(runs) > 2
    assert sum(run.poll.accepted for run in runs) == count_events(SOURCE) == 12
    (row,) = [row for row in read_completeness(SOURCE, since=days_ago(1).date()) if row.day == days_ago(1).date()]
    assert (row.expected, row.received, row.recovered) == (12, 0, 12)
    lists = [asked.path for asked in typeform.asked if asked.path.endswith("/responses")]
    assert len(lists) <= 2 * 12 + 2 * len(runs), "what was read to its end, in two pages, is not read again"


def test_a_window_that_moved_on_is_begun_again(typeform: TypeformApi, monkeypatch: pytest.MonkeyPatch) -> None:
    typeform.forms["f-2"] = "Form"
    with transaction() as connection:
        stale = '{"begin":"2026-01-01T00:00:00Z","end":"2026-01-03T00:00:00Z","read":[],"days":{},"cut":["x"]}'
        move_cursor(connection, "default", SOURCE, STREAM, position=stale)
        connection.exec_driver_sql("UPDATE cursors SET next_run_at = now()")
    report = run_reconcile(SOURCE, "default")
    assert (report.poll.error, report.poll.end) == (None, "all lists were read to their end")
