"""What may not be sent is not sent: a destination that needs consent gets who granted it, and hears of withdrawals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pipeline import flow
from pipeline.errors import ConfigurationError
from pipeline.health.status import collect_status
from pipeline.settings.consent_settings import needed_question
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.integration.delivery.test_consents_told import ADA, ALONE, BEN, PEOPLE, WHOLE, come, says, states
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.support.command_line import answer, lines, run
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches

TITLED = f"{PEOPLE}      title: {{from: job_title}}\n"
FIELDS = f"destination: fields\nversion: 1\nobjects:{TITLED}      agrees: {{from: consent.marketing.email}}\n"
NEEDS = "marketing.email"


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("sql", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        for name, mapping in (("whole", WHOLE.replace(PEOPLE, TITLED)), ("alone", ALONE), ("fields", FIELDS)):
            write_destination(sources, name, mapping)
        crm.configure(mapping="alone", needs_consent=NEEDS)
        yield sources


def there(crm: Any) -> dict[str, dict[str, Any]]:
    """People of the CRM by their address."""
    return {record["fields"]["email"]: record["fields"] for record in crm.records() if record["object"] == "contacts"}


def delivery(person_id: Any) -> tuple[Any, ...]:
    ((state, error),) = rows(
        "SELECT state, last_error FROM deliveries WHERE destination = 'crm' AND person_id = %s", person_id
    )
    return state, error


def test_only_who_granted_it_is_sent_and_the_others_go_when_they_do(company, crm):
    ada, ben = come(says(ADA, granted=True, at="2026-03-01T09:00:00Z"), BEN)
    send()
    assert there(crm).keys() == {"ada@example.org"}
    assert delivery(ben) == ("no_consent", "waits: for consent to marketing.email")
    waits = {row["person_id"]: row["waits"] for row in lines("deliveries", "export")}
    assert waits[str(ada)] is None
    assert "waits for consent to marketing.email" in waits[str(ben)]
    assert collect_status(load_settings())["without_consent"] == {"crm": 1}
    assert "crm: 1 delivery without consent" in run("status").stdout
    with running_receiver(load_settings()) as receiver:
        metrics = requests.get(f"{receiver.address}/metrics", timeout=10).text
    assert 'afluente_deliveries_without_consent{destination="crm"} 1.0' in metrics
    come(says(BEN, granted=True, at="2026-03-02T09:00:00Z"))
    send()
    assert there(crm).keys() == {"ada@example.org", "ben@example.org"}


def test_who_refuses_before_the_call_is_not_sent_although_they_were_wanted_before(company, crm):
    (ada,) = come(says(ADA, granted=True, at="2026-03-01T09:00:00Z"))
    come(says(ADA, granted=False, at="2026-03-02T09:00:00Z"))
    send()
    assert (there(crm), delivery(ada)[0]) == ({}, "no_consent")


def test_a_grant_that_expired_before_the_call_is_none(company, crm):
    (ada,) = come(says(ADA, granted=True, at="2026-03-01T09:00:00Z", expires_at="2099-01-01T00:00:00Z"))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consents SET expires_at = now() - interval '1 second'")
    send()
    assert (there(crm), delivery(ada)[0]) == ({}, "no_consent")


def test_a_grant_for_every_channel_is_one_where_the_channel_itself_was_not_answered(company, crm):
    said = {"purpose": "marketing", "granted": True}
    come(
        {**ADA, "consents": [{**said, "channel": "any"}]},
        {**BEN, "consents": [{**said, "channel": "any"}, {**said, "channel": "email", "granted": False}]},
    )
    send()
    assert there(crm).keys() == {"ada@example.org"}


def test_a_withdrawal_is_told_as_a_record_and_nothing_else_of_the_person(company, crm):
    crm.configure(mapping="whole", needs_consent=NEEDS)
    come(says(ADA, granted=True, at="2026-03-01T09:00:00Z"))
    send()
    come(says({**ADA, "job_title": "Head of Sales"}, granted=False, at="2026-03-02T09:00:00Z", act="withdrawal"))
    send()
    assert states(crm) == ["withdrawn"]
    assert there(crm)["ada@example.org"]["title"] is None


def test_a_withdrawal_is_told_in_the_field_that_says_it_and_in_no_other(company, crm):
    crm.configure(mapping="fields", needs_consent=NEEDS)
    come(says(ADA, granted=True, at="2026-03-01T09:00:00Z"))
    send()
    come(says({**ADA, "job_title": "Head of Sales"}, granted=False, at="2026-03-02T09:00:00Z", act="withdrawal"))
    send()
    person = there(crm)["ada@example.org"]
    assert (person["agrees"], person["title"]) == ("withdrawn", None)
    come(says(BEN, granted=False, at="2026-03-02T09:00:00Z"))
    send()
    assert there(crm).keys() == {"ada@example.org"}
    (person_id,) = come({**ADA, "job_title": "Head of Sales", "external_id": "asked again"})
    assert run("consent", "record", str(person_id), NEEDS, "--granted", "--why", "asked on the phone").returncode == 0
    come(BEN)  # the workers
    send()
    person = there(crm)["ada@example.org"]
    assert (person["agrees"], person["title"]) == ("granted", "Head of Sales")


def test_who_waited_goes_when_the_destination_needs_it_no_more(company, crm):
    come(ADA)
    send()
    assert there(crm) == {}
    flow.sweep()
    send()
    assert there(crm) == {}
    crm.configure(mapping="alone")
    flow.sweep()
    send()
    assert there(crm).keys() == {"ada@example.org"}


def test_each_brand_may_need_another_consent():
    needs = {"casa": "marketing.email", "moda": {"purpose": "news", "channel": "sms"}}
    assert needed_question(needs, "casa") == ("marketing", "email")
    assert needed_question(needs, "moda") == ("news", "sms")
    assert needed_question(needs, "other") is None
    assert needed_question({"purpose": "news", "channel": "sms"}, "casa") == ("news", "sms")


@pytest.mark.parametrize("needs", ["marketing", {"nobody": "marketing.email"}, {"default": {"purpose": "x"}}])
def test_a_need_that_names_no_question_or_no_brand_is_refused(needs, tmp_path, monkeypatch):
    config = tmp_path / "afluente.yaml"
    destination = {"kind": "sql", "base_url": "https://crm.example.org", "needs_consent": needs}
    config.write_text(json.dumps({"destinations": {"crm": destination}}), encoding="utf-8")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    forget_caches()
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.needs_consent"):
        load_settings()


def test_the_story_of_a_person_says_what_they_wait_for(company, crm):
    (ada,) = come(ADA)
    send()
    (told,) = answer("explain", str(ada))["deliveries"]
    assert told["state"] == "no_consent"
