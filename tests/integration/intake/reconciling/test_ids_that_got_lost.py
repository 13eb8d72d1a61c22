"""Meta's ids of leads that got lost: found in the lists of its forms, then read and mapped as any id that came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.inspection.polling.reconciled import read_completeness, read_reconciles
from pipeline.intake.fetching.runs import run_fetches
from pipeline.intake.reconciling.runs import due_reconciles, run_reconcile
from tests.support.command_line import work
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.listed_posts import GraphApi, days_ago, listing
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
