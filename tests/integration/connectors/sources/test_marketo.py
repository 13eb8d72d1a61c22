"""Marketo as shipped: a static list, a token of the app, and errors that come with status 200."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.kit.sources.samples import samples_of
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from tests.support.command_line import work
from tests.support.http_server import Answered, Call, serving_http
from tests.support.identity_rows import rows
from tests.support.intake_server import count_events
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")
LIST = "/rest/v1/lists/1001/leads.json"
PAGES = ("", "a token of the second page", "a token of the third page")


class Marketo:
    """A list of three leads on three pages. `life`: calls that a token lets in; `errors` are given first."""

    def __init__(self) -> None:
        self.url = ""
        self.life = 100
        self.tokens = 0
        self.errors: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self._lets_in = 0
        body = next(sample.body for sample in samples_of("marketo") if sample.name == "typical")
        self.leads = json.loads(body)["result"]

    def answer(self, call: Call) -> Answered:
        path, query = urlsplit(call.path).path, parse_qs(urlsplit(call.path).query)
        if path == "/identity/oauth/token":
            self.tokens, self._lets_in = self.tokens + 1, self.life
            return self._told({"access_token": f"t-{self.tokens}", "token_type": "bearer", "expires_in": 3599})
        assert path == LIST
        self.asked.append({name: values[0] for name, values in query.items()})
        if call.headers.get("Authorization") != f"Bearer t-{self.tokens}" or self._lets_in <= 0:
            return self._told({"success": False, "errors": [{"code": "602", "message": "Access token expired"}]})
        self._lets_in -= 1
        if self.errors:
            code, message = self.errors.pop(0)
            return self._told({"success": False, "errors": [{"code": code, "message": message}]})
        place = PAGES.index(self.asked[-1].get("nextPageToken", ""))
        more = {"nextPageToken": PAGES[place + 1]} if place + 1 < len(PAGES) else {}
        return self._told({"requestId": "1#2", "success": True, "result": [self.leads[place]], **more})

    def _told(self, content: Any) -> Answered:
        return 200, {}, json.dumps(content).encode()


@pytest.fixture
def marketo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Marketo]:
    api = Marketo()
    with serving_http(api.answer, methods=("GET", "POST")) as url:
        options = {"endpoint": url, "list_id": 1001, "fields": ["leadScore", "email"]}
        sources = {"marketo": {"options": options, "rate_per_second": 1000}}
        (tmp_path / "afluente.yaml").write_text(json.dumps({"sources": sources}))
        monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
        monkeypatch.setenv("MARKETO_CLIENT_ID", "an-app")
        monkeypatch.setenv("MARKETO_CLIENT_SECRET", "its-secret")
        forget_caches()
        yield api
    forget_caches()


def test_the_leads_of_a_list_come_page_by_page_and_who_unsubscribed_has_no_consent(marketo: Marketo) -> None:
    assert due_polls() == [("marketo", "default")]
    report = run_poll("marketo", "default")
    assert (report.error, report.accepted, marketo.tokens) == (None, 3, 1)
    assert [asked.get("nextPageToken", "") for asked in marketo.asked] == list(PAGES)
    assert marketo.asked[0]["fields"].endswith("updatedAt,leadScore")
    work()
    assert rows("SELECT purpose, channel, granted FROM consents") == [("marketing", "email", False)]


def test_the_same_list_once_more_is_nothing_new_and_a_lead_that_changed_is_a_revision(marketo: Marketo) -> None:
    run_poll("marketo", "default")
    assert run_poll("marketo", "default", at_once=True).accepted == 0
    marketo.leads[0] |= {"company": "Another Ltd", "updatedAt": "2026-03-09T09:15:10Z"}
    assert run_poll("marketo", "default", at_once=True).accepted == 1
    work()
    assert count_events("marketo") == 4
    assert rows("SELECT count(*) FROM touches") == [(3,)]


def test_a_token_that_expires_between_two_pages_is_renewed_though_it_is_told_with_200(marketo: Marketo) -> None:
    marketo.life = 2
    report = run_poll("marketo", "default")
    assert (report.error, report.accepted, marketo.tokens) == (None, 3, 2)


@pytest.mark.parametrize(("code", "word"), [("607", "too many requests"), ("615", "too many requests")])
def test_a_quota_that_is_told_with_200_is_waited_for(marketo: Marketo, code: str, word: str, monkeypatch) -> None:
    monkeypatch.setattr(import_module("connectors.kit.sources.page_reader"), "MAX_WAIT_SECONDS", 0.0)
    marketo.errors = [(code, "of an account")]
    report = run_poll("marketo", "default")
    assert word in (report.error or "")
    assert report.quota_wait
    assert "of an account" not in (report.error or "")


def test_another_error_that_is_told_with_200_is_no_empty_list(marketo: Marketo) -> None:
    marketo.errors = [("1013", "Object not found")]
    report = run_poll("marketo", "default")
    assert report.is_terminal
    assert report.accepted == 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("endpoint", "https://1-A-2.mktorest.com/rest"), ("list_id", 0), ("fields", "leadScore")],
)
def test_wrong_options_are_told_by_name(
    name: str, wrong: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"endpoint": "https://1-A-2.mktorest.com", "list_id": 1001, name: wrong}
    sources = {"marketo": {"options": options}}
    (tmp_path / "afluente.yaml").write_text(json.dumps({"sources": sources}))
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    forget_caches()
    assert due_polls() == []
    assert f"sources.marketo.options.{name}" in str(read_states("marketo")[0].why_not)
