"""A company's own connector that says which address to ask is asked there, as soon as it is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pipeline.health.doctor import run_checks
from pipeline.health.status import collect_status
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import count_events
from tests.support.paged_api import PagedApi, serving_api
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")
TOKEN = "a-token-that-lists"
RECORDS = [
    {"id": f"l-{number}", "updated_at": "2026-03-01T10:00:00Z", "email": f"lead{number}@example.org"}
    for number in range(3)
]


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.fixture
def api() -> Iterator[PagedApi]:
    with serving_api(PagedApi(records=RECORDS, token=TOKEN)) as running:
        yield running


def declare(company: CompanySources, url: str, slug: str = "acme") -> None:
    said = f'intake=Poll("{url}", records_at="leads", token=Secret("ACME_TOKEN")), event_id="id"'
    company.declare(slug, said, "lead: {email: email}")


def configured(company: CompanySources, **more: object) -> None:
    crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
    (company.folder / "afluente.yaml").write_text(json.dumps({"destinations": {"crm": crm}, **more}))
    forget_caches()


def is_sound(slug: str = "acme") -> tuple[bool, str]:
    (check,) = [check for check in run_checks() if check.name == f"source {slug}"]
    return check.ok, check.detail


def test_what_the_connector_declares_is_asked_without_a_word_in_afluente_yaml(company, api, monkeypatch):
    declare(company, api.url)
    configured(company)
    assert due_polls() == []
    assert "ACME_TOKEN" in str(read_states("acme")[0].why_not)
    assert is_sound()[0], "nobody who has not set its secret uses it"
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    forget_caches()
    assert due_polls() == [("acme", "default")]
    assert run_poll("acme", "default").accepted == 3
    assert count_events("acme") == 3
    assert is_sound()[0]


def test_one_that_is_named_alone_is_asked_at_its_own_address(company, api, monkeypatch):
    declare(company, api.url)
    configured(company, sources={"north": {"connector": "acme", "token": "env:NORTH_TOKEN"}})
    monkeypatch.setenv("NORTH_TOKEN", TOKEN)
    assert due_polls() == [("north", "default")]
    assert run_poll("north", "default").accepted == 3


def test_the_address_of_afluente_yaml_takes_the_place_of_the_declared_one(company, api, monkeypatch):
    declare(company, "http://127.0.0.1:9/leads")
    configured(company, sources={"acme": {"url": api.url}})
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    assert run_poll("acme", "default").accepted == 3


@pytest.mark.parametrize("url", ["https://api.example.com/leads", "https://acme.example/x", "https://a.test/leads"])
def test_an_address_that_is_nobodys_is_none(company, monkeypatch, url):
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    declare(company, url)
    configured(company, sources={"acme": {}})
    assert due_polls() == []
    assert not is_sound()[0]
    assert "it has no address: set sources.acme.url" in str(read_states("acme")[0].why_not)


def test_with_several_brands_it_is_said_that_one_must_be_chosen(company, api, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    declare(company, api.url)
    configured(company, brands={"north": {}, "south": {}})
    assert due_polls() == []
    assert [text for text in collect_status()["problems"] if "set sources.acme.brands" in text]
    assert not is_sound()[0]
