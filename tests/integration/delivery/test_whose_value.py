"""Whose value stays in a field of the CRM: ours, the CRM's, or whoever was first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.delivery.sender import SendReport, deliver
from pipeline.errors import ConfigurationError
from pipeline.stages.destination_mapping.declarations import read_destination
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_once import change_by_hand, in_crm
from tests.integration.delivery.test_sender import change, crm, make_due_now, make_people, states
from tests.support.command_line import run
from tests.support.company_sources import CompanySources, company_sources

__all__ = ["crm"]

MAPPING = """
destination: whose
version: 1
fields:
  LastName: {from: last_name, required: true}
  Company: {from: company, default: none}
  City: {from: city, write: fill_if_empty}
  Title: {from: job_title, write: crm_wins}
  Website: {from: website}
"""


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "whose", MAPPING)
        crm.configure(mapping="whose")
        yield sources


def send() -> SendReport:
    return deliver("crm", "bulk", budget_seconds=5)


def test_a_field_that_is_only_filled_is_sent_where_the_crm_has_none_and_left_where_it_has(company, crm):
    (person,) = make_people(1, city="Bonn", job_title="Buyer")
    send()
    assert in_crm(crm, "City", "Title") == ("Bonn", "Buyer")
    change_by_hand(crm, City="Berlin")
    change(person, city="Hamburg", website="https://brandt.example")
    assert send().sent == 1
    assert in_crm(crm, "City", "Website") == ("Berlin", "https://brandt.example")
    change_by_hand(crm, City=None)
    change(person, city="Köln")
    assert send().sent == 1
    assert in_crm(crm, "City") == ("Köln",)


def test_a_field_that_the_crm_keeps_is_sent_when_the_record_is_made_and_never_again(company, crm):
    (person,) = make_people(1, job_title="Buyer")
    send()
    change_by_hand(crm, Title="Head of purchasing")
    change(person, job_title="Intern", website="https://brandt.example")
    send()
    assert in_crm(crm, "Title", "Website") == ("Head of purchasing", "https://brandt.example")


def test_a_change_of_what_the_crm_keeps_costs_no_call(company, crm):
    (person,) = make_people(1, job_title="Buyer")
    send()
    calls = crm.calls()
    change(person, job_title="Intern")
    assert send().sent == 1
    assert crm.calls() == calls


def test_a_crm_that_cannot_be_read_for_it_loses_nothing_and_overwrites_nothing(company, crm):
    (person,) = make_people(1, city="Bonn")
    send()
    change_by_hand(crm, City="Berlin")
    change(person, city="Hamburg")
    crm.order(status=503, rate=1.0)
    send()
    assert states() == {"due": 1}
    crm.order()
    make_due_now()
    assert send().sent == 1
    assert in_crm(crm, "City") == ("Berlin",)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{from: city, write: fill_if_empty, required: true}", "'fill_if_empty' cannot be said of a required field"),
        ("{from: city, write: crm_wins, when_empty: clear}", "'crm_wins' cannot stand beside `when_empty: clear`"),
        ("{from: city, write: never}", "allowed: always, once, fill_if_empty, crm_wins"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_with_its_place(tmp_path, rule, said):
    path = tmp_path / "whose.yaml"
    path.write_text(MAPPING.replace("{from: city, write: fill_if_empty}", rule), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_destination(path)
    assert "fields.City" in str(refused.value)
    assert said in str(refused.value)


def test_after_a_mended_token_one_command_lets_a_halted_destination_go_on_at_once(company, crm, monkeypatch):
    monkeypatch.setenv("CRM_TOKEN", "wrong")
    crm.configure(mapping="whose", secrets={"access_token": "env:CRM_TOKEN"})
    make_people(1)
    assert send().wait_seconds > 5
    monkeypatch.setenv("CRM_TOKEN", crm.issue_token())
    assert "halted" in str(send().waits_for) or send().wait_seconds > 5
    done = run("destination", "resume", "crm")
    assert (done.returncode, done.stdout) == (0, "crm: calls go on\n")
    assert send() == SendReport(sent=1)
    assert run("destination", "resume", "crm").stdout == "crm: calls were not halted; what is due is sent\n"


def test_a_destination_that_is_not_known_is_named_with_those_that_are(company, crm):
    done = run("destination", "resume", "crn")
    assert done.returncode == 2
    assert "known: crm" in done.stderr
