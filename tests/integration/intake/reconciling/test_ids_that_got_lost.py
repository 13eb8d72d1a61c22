"""Meta's ids of leads that got lost: found in the lists of its forms, then read and mapped as any id that came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.inspection.polling.reconciled import read_completeness, read_reconciles
from pipeline.intake.fetching.runs import run_fetches
from pipeline.intake.reconciling.runs import due_reconciles, run_reconcile
from pipeline.store.engine import transaction
from tests.support.command_line import work
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.listed_posts import TOKEN, GraphApi, days_ago, listing
from tests.support.paged_api import PagedApi
from tests.support.posted_sources import post
from tests.support.store_rows import states

pytestmark = pytest.mark.usefixtures("database", "redis_url")
SOURCE = "meta_lead_ads"


@pytest.fixture
def graph(database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphApi]:
    api = GraphApi(most=2, forms={"11": ["f-1", "f-2"], "12": ["f-3"]})
    with listing(api, SOURCE, tmp_path, monkeypatch, reconcile={"page": "11, 12"}, options={"calls_per_second": 200}):
        yield api


@pytest.fixture
def receiver(graph: GraphApi) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def counted() -> tuple[int, int, int]:
    (row,) = [row for row in read_completeness(SOURCE, since=days_ago(1).date()) if row.day == days_ago(1).date()]
    return row.expected, row.received, row.recovered


def test_ids_that_got_lost_wait_for_their_records_and_become_leads(graph: GraphApi, receiver: Receiver) -> None:
    leads = [graph.lead("f-1") for _ in range(5)] + [graph.lead("f-3") for _ in range(2)]
    assert post(receiver, SOURCE, graph.post_of(*leads[:4])).status_code == 200
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted, report.poll.repeated) == (None, 3, 4)
    assert counted() == (7, 4, 3)
    assert states() == {"fetching": 7}
    run_fetches(SOURCE, "default", budget_seconds=10.0)
    work()
    assert states() == {"settled": 7}


def test_the_post_of_an_id_that_was_found_is_no_second_lead(graph: GraphApi, receiver: Receiver) -> None:
    lead = graph.lead()
    run_reconcile(SOURCE, "default", at_once=True)
    assert post(receiver, SOURCE, graph.post_of(lead)).status_code == 200
    run_fetches(SOURCE, "default", budget_seconds=10.0)
    assert post(receiver, SOURCE, graph.post_of(lead)).status_code == 200
    work()
    assert count_events(SOURCE) == 1
    assert states() == {"settled": 1}


def test_without_the_id_of_a_page_nothing_is_asked_and_that_is_said(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(GraphApi(), SOURCE, tmp_path, monkeypatch):
        assert due_reconciles() == []
        (state,) = read_reconciles(SOURCE)
        assert "sources.meta_lead_ads.reconcile.page" in (state.why_not or "")


def test_a_refused_token_is_an_error_of_the_reading(graph: GraphApi, receiver: Receiver) -> None:
    graph.token = "another"
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert report.poll.is_terminal
    assert report.days == {}
    (state,) = read_reconciles(SOURCE)
    assert "401" in (state.last_error or "")


def test_linkedin_is_asked_in_its_own_way_of_writing_and_its_ids_are_known(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = int(days_ago(1).timestamp() * 1_000)
    responses = [{"id": f"1a2b-{number}", "submittedAt": at, "leadType": "SPONSORED"} for number in range(3)]
    body = json.dumps({"elements": responses, "paging": {"start": 0, "count": 100, "total": 3}}).encode()
    empty = b'{"elements": [], "paging": {"start": 3, "count": 100, "total": 3}}'
    api = PagedApi(answers=[(200, {}, body), (200, {}, empty)])
    source = "linkedin_lead_gen"
    with listing(api, source, tmp_path, monkeypatch, reconcile={"account": 123}):
        report = run_reconcile(source, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted) == (None, 3)
    asked = api.asked[0]
    assert (asked.path, asked.headers["Authorization"]) == ("/rest/leadFormResponses", f"Bearer {TOKEN}")
    assert asked.query["owner"] == "(sponsoredAccount:urn:li:sponsoredAccount:123)"
    assert asked.query["submittedAtTimeRange"].startswith("(start:")
    assert asked.headers["X-Restli-Protocol-Version"] == "2.0.0"
    with transaction() as connection:
        ids = connection.exec_driver_sql("SELECT external_id FROM events ORDER BY 1").scalars()
        assert list(ids) == [f"urn:li:leadGenFormResponse:1a2b-{number}" for number in range(3)]


def test_an_address_that_got_lost_counts_for_the_day_that_the_list_tells(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, root = "eventbrite", "https://www.eventbriteapi.com/v3/events/55001/attendees"
    made = [(1, days_ago(1)), (2, days_ago(2)), (3, days_ago(9))]  # the last one was changed since
    attendees = [
        {"resource_uri": f"{root}/{number}/", "created": at.strftime("%Y-%m-%dT%H:%M:%SZ")} for number, at in made
    ]
    body = json.dumps({"pagination": {"has_more_items": False, "continuation": "x"}, "attendees": attendees}).encode()
    api = PagedApi(answers=[(200, {}, body)])
    with listing(api, source, tmp_path, monkeypatch, reconcile={"organization": 7}):
        report = run_reconcile(source, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted) == (None, 2)
    assert [report.days[days_ago(days).date()].recovered for days in (1, 2)] == [1, 1]
    assert api.asked[0].path == "/v3/organizations/7/attendees/"
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT external_id, state FROM events ORDER BY 1")
        assert [tuple(row) for row in rows] == [(f"{root}/{number}/", "fetching") for number in (1, 2)]
