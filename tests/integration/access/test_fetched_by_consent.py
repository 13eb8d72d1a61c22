"""Ids whose records are read by a token of OAuth: until somebody agrees, after it, and while tokens end."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.health.connector_checks import check_sources
from pipeline.inspection.access.connections import begin_connecting, read_connections
from pipeline.intake.fetching.runs import due_fetches, run_fetches
from pipeline.settings.loading import settings
from tests.support.intake_server import running_receiver, stored_events
from tests.support.oauth_server import CLIENT_ID
from tests.support.services import forget_caches

from .conftest import BY_CLIENT, BY_CODE, check_of, connect

_SAID = (
    'intake=Webhook(fetch=Fetch(url="https://api.example.com/leads/{{id}}", token=Secret("ACME_ADS_TOKEN"),'
    " auth={auth}, rate_per_second=100.0)), event_id='id'"
)
DUE = [("acme_ads", "default")]


@pytest.fixture
def set_up(company, provider, redis_url, monkeypatch):
    """A source `acme_ads` that posts ids, and gives their records by what `auth` declares."""

    def declare(auth: str = BY_CODE) -> None:
        said = _SAID.format(auth=auth.format(url=provider.url))
        company.declare("acme_ads", said, "lead:\n  email: leads[0].email\nignored: [leads]\n")
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        content = {"sources": {"acme_ads": {"url": provider.url}}, "destinations": {"crm": crm}}
        (company.folder / "afluente.yaml").write_text(json.dumps(content))
        forget_caches()

    monkeypatch.setenv("ACME_ADS_CLIENT", CLIENT_ID)
    monkeypatch.setenv("ACME_ADS_SECRET", "secret-of-the-tests")
    provider.leads = [{"email": "ada@example.org"}]
    declare()
    return declare


@pytest.fixture
def receiver(set_up):
    with running_receiver() as running:
        yield running


def fetch():
    return run_fetches("acme_ads", "default", budget_seconds=5.0)


@pytest.mark.long
def test_ids_wait_until_somebody_agrees_and_are_read_at_once_after_it(receiver, provider):
    assert not check_of().ok
    assert "afluente source connect acme_ads" in (check_of().remedy or "")
    assert receiver.post("/in/default/acme_ads", json={"id": "1"}).status_code == 200
    report = fetch()
    assert report.is_terminal
    assert "afluente source connect acme_ads" in (report.error or "")
    assert due_fetches() == []
    assert provider.shown == []
    connect(provider)
    assert due_fetches() == DUE
    assert fetch().fetched == 1
    (raw,) = stored_events("acme_ads")
    assert raw.fetched is not None
    assert b"ada@example.org" in raw.fetched.body
    assert check_of().ok
    assert [state.state for state in read_connections()] == ["connected"]


def test_while_the_database_is_away_nobody_is_told_to_agree_once_more(set_up, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    forget_caches()
    assert [check.ok for check in check_sources(settings()) if check.name == "source acme_ads"] == [True]


def test_a_token_that_is_refused_is_renewed_and_the_record_read_with_the_next(receiver, provider):
    connect(provider)
    receiver.post("/in/default/acme_ads", json={"id": "1"})
    provider.expire()
    report = fetch()
    assert (report.fetched, report.error) == (1, None)
    assert len(provider.shown) == 2
    assert provider.asked[-1] == "refresh_token"


def test_where_no_token_is_taken_it_is_asked_for_once_and_nobody_asks_on(receiver, provider):
    connect(provider)
    receiver.post("/in/default/acme_ads", json=[{"id": "1"}, {"id": "2"}])
    provider.expire()
    provider.before_answer = provider.expire
    report = fetch()
    assert report.is_terminal
    assert len(provider.shown) == 2
    assert due_fetches() == []


def test_a_plain_token_that_is_set_is_shown_and_nobody_has_to_agree(receiver, provider, monkeypatch):
    provider.access_tokens["made-by-hand"] = float("inf")
    monkeypatch.setenv("ACME_ADS_TOKEN", "made-by-hand")
    forget_caches()
    receiver.post("/in/default/acme_ads", json={"id": "1"})
    assert fetch().fetched == 1
    assert provider.shown == ["made-by-hand"]
    assert check_of().ok
    assert read_connections() == []


def test_without_the_secrets_of_the_app_both_ways_in_are_named(receiver, monkeypatch):
    monkeypatch.delenv("ACME_ADS_CLIENT")
    forget_caches()
    told = f"{check_of().detail} {check_of().remedy}"
    assert "has no ACME_ADS_CLIENT: leads are taken, and wait for their records" in told
    assert "ACME_ADS_TOKEN" in told


def test_a_token_of_the_app_itself_reads_records_too(set_up, receiver, provider):
    set_up(BY_CLIENT)
    receiver.post("/in/default/acme_ads", json={"id": "1"})
    assert fetch().fetched == 1
    assert provider.asked == ["client_credentials"]


def test_linkedin_is_asked_for_consent_by_the_secret_that_it_signs_with(set_up, company, monkeypatch):
    content = {"sources": {"linkedin_lead_gen": {"secret": "env:LINKEDIN"}}}
    (company.folder / "afluente.yaml").write_text(json.dumps(content))
    monkeypatch.setenv("LINKEDIN", "signs-and-proves")
    monkeypatch.setenv("LINKEDIN_LEAD_GEN_CLIENT_ID", "the-app")
    forget_caches()
    address = urlsplit(begin_connecting("linkedin_lead_gen").address)
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert (address.hostname, asked["client_id"], asked["scope"]) == (
        "www.linkedin.com",
        "the-app",
        "r_marketing_leadgen_automation",
    )
    assert "code_challenge" not in asked
