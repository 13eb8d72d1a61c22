"""Meta, LinkedIn, Eventbrite and HubSpot as shipped: an id comes, the sandbox plays its sender, a person comes out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kit import sources
from connectors.kit.sources.samples import samples_of
from connectors.sandbox.server import Sandbox
from pipeline.intake.fetching.runs import due_fetches, run_fetches
from pipeline.settings.loading import settings
from tests.support.command_line import work
from tests.support.identity_rows import rows
from tests.support.intake_server import Receiver, running_receiver
from tests.support.posted_sources import SECRET, ends, post, set_secrets, touches
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")
SHIPPED = ("meta_lead_ads", "linkedin_lead_gen", "eventbrite", "hubspot_events")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Receiver]:
    """Without a CRM and without a token: the sandbox is both."""
    with Sandbox(port=0, state=tmp_path / "sandbox.db") as sandbox:
        monkeypatch.setenv("AFLUENTE_SANDBOX_URL", sandbox.address)
        monkeypatch.setenv("META_LEAD_ADS_VERIFY_TOKEN", "agreed")
        set_secrets(monkeypatch, SHIPPED)
        forget_caches()
        with running_receiver(settings()) as running:
            yield running
    forget_caches()


def come_in(receiver: Receiver, source: str, name: str = "typical") -> None:
    given = next(given for given in samples_of(source) if given.name == name)
    assert post(receiver, source, given.body, content_type=given.content_type).status_code == 200
    for waiting, brand in due_fetches():
        run_fetches(waiting, brand, budget_seconds=10)
    work()


def test_a_lead_of_meta_is_read_and_known_by_its_ad(receiver: Receiver) -> None:
    come_in(receiver, "meta_lead_ads")
    assert ends() == [("settled", None)] * 2
    assert sorted(touches()) == [("facebook", "Organic Social"), ("instagram", "Paid Social")]
    assert rows("SELECT purpose, channel, granted FROM consents") == [("marketing", "email", True)]


def test_a_test_lead_of_meta_is_flagged(receiver: Receiver) -> None:
    come_in(receiver, "meta_lead_ads", "test_lead")
    assert ends() == [("suppressed", "test")]


def test_other_changes_of_a_page_are_no_leads_and_nothing_is_read_for_them(receiver: Receiver) -> None:
    come_in(receiver, "meta_lead_ads", "other_change")
    assert ends() == [("suppressed", "not_a_lead")]


def test_meta_is_told_that_the_address_is_ours(receiver: Receiver) -> None:
    asked = receiver.get(
        "/in/default/meta_lead_ads",
        params={"hub.mode": "subscribe", "hub.verify_token": "agreed", "hub.challenge": "4711"},
    )
    assert (asked.status_code, asked.text) == (200, "4711")


def test_a_response_of_linkedin_is_read_by_the_last_part_of_its_name(receiver: Receiver) -> None:
    come_in(receiver, "linkedin_lead_gen")
    come_in(receiver, "linkedin_lead_gen", "test_lead")
    come_in(receiver, "linkedin_lead_gen", "deleted")
    assert ends() == [("settled", None), ("suppressed", "test"), ("suppressed", "erased")]
    assert touches() == [("linkedin", "Paid Social")]


def test_the_challenge_of_linkedin_is_answered_as_its_page_says(receiver: Receiver) -> None:
    code = "6f1a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b"
    asked = receiver.get("/in/default/linkedin_lead_gen", params={"challengeCode": code})
    digest = hmac.new(SECRET.encode(), code.encode(), hashlib.sha256).hexdigest()
    assert digest == "63088cb560c5b88151c2bf41a05edc8e838514790e8c5f06690db6b2b2a4da1f"
    assert asked.json() == {"challengeCode": code, "challengeResponse": digest}


def test_the_signature_of_linkedin_is_that_of_its_page() -> None:
    body = rb'{"id":42,"name":"Zo\u00eb"}'
    signature = sources()["linkedin_lead_gen"].intake.signature
    given = "0b3fbd211e458c21b613f7807edad32d11e73c942e441a2e04f8928fb31ff1b8"
    assert signature.verify(secrets=[SECRET], headers={"x-li-signature": given}, body=body, now=0)


def test_an_attendee_and_a_buyer_of_eventbrite_are_read_at_the_address_that_came(receiver: Receiver) -> None:
    come_in(receiver, "eventbrite")
    come_in(receiver, "eventbrite", "minimal")
    come_in(receiver, "eventbrite", "test_webhook")
    assert ends() == [("settled", None), ("settled", None), ("suppressed", "not_a_lead")]
    assert len(rows("SELECT person_id FROM people")) == 2


def test_an_address_elsewhere_is_never_called(receiver: Receiver) -> None:
    come_in(receiver, "eventbrite", "hostile")
    assert ends() == [("quarantined", "fetch_address_refused")]


def test_a_contact_of_hubspot_is_read_and_what_happens_to_it_later_is_told_of_it(receiver: Receiver) -> None:
    come_in(receiver, "hubspot_events")
    come_in(receiver, "hubspot_events", "changed")
    come_in(receiver, "hubspot_events", "erased")
    assert ends() == [
        ("settled", None),
        ("suppressed", "activity"),
        ("suppressed", "consent"),
        ("suppressed", "activity"),
    ]
    assert [kind for (kind,) in rows("SELECT kind FROM activities WHERE says = 'activity' ORDER BY at")] == [
        "changed",
        "privacy_redact",
    ]
    assert rows("SELECT purpose, channel, granted FROM consents") == [("marketing", "email", False)]


def test_a_contact_that_a_program_made_in_hubspot_is_no_lead(receiver: Receiver) -> None:
    come_in(receiver, "hubspot_events", "by_a_program")
    assert ends() == [("suppressed", "not_a_lead")]
