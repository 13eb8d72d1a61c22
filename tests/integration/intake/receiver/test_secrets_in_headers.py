"""Senders that show their secret in a header of their own, in a connector and in yaml alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.health.doctor import run_checks
from tests.support.command_line import answer
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import running_receiver, stored_events
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

SECRET = "s3cret of the portal"
LEAD = {"external_id": "p-1", "email": "noor@example.org"}
DOOR = "X-Portal-Door"  # nothing in this name says that it holds a secret


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for company in company_sources(tmp_path, monkeypatch):
        monkeypatch.setenv("PORTAL_SECRET", SECRET)
        yield company


def in_yaml(company, options: str) -> None:
    text = f"{{connector: rest_hook, mapping: rest_hook, options: {options}}}"
    (company.folder / "afluente.yaml").write_text(f"sources:\n  portal: {text}\n")
    forget_caches()


def in_a_connector(company, more: str = "") -> None:
    proof = f"SharedSecret(Secret('PORTAL_SECRET'), header='{DOOR}'{more})"
    company.declare("portal", f"intake=Webhook(signature={proof})", "lead: {email: email}\n")


@pytest.mark.parametrize("way", ["connector", "yaml"])
def test_a_secret_in_a_header_of_its_own_lets_in_and_is_never_stored(company, way):
    if way == "connector":
        in_a_connector(company)
    else:
        in_yaml(company, f"{{secret_header: {DOOR}}}")
    with running_receiver() as receiver:
        for headers, status in (
            ({DOOR: SECRET, "X-Portal-Form": "7"}, 200),
            ({DOOR: "another"}, 401),
            ({"Authorization": f"Bearer {SECRET}"}, 401),
            ({}, 401),
        ):
            assert receiver.post("/in/default/portal", json=LEAD, headers=headers).status_code == status
    (event,) = stored_events("portal")
    assert event.envelope.headers["x-portal-form"] == "7"
    assert DOOR.lower() not in event.envelope.headers
    assert SECRET not in repr(event.envelope)


def test_a_secret_behind_a_word_is_taken_and_sent_as_the_sender_shows_it(company):
    in_a_connector(company, ", prefix='Token '")
    company.sample("portal", '{"email": "noor@example.org"}')
    with running_receiver() as receiver:
        assert receiver.post("/in/default/portal", json=LEAD, headers={DOOR: SECRET}).status_code == 401
        assert answer("source", "send", "portal", "--url", receiver.address)["ok"] is True
    assert len(stored_events("portal")) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{secret_header: 'X-Portal-Key: '}", "sources.portal.options.secret_header: 'X-Portal-Key: ' is no name of a"),
        ("{secret_header: Content-Type}", "sources.portal.options.secret_header: 'Content-Type' says something of"),
        (
            "{secret_prefix: 'Token '}",
            "sources.portal.options.secret_prefix: stands before the secret in secret_header",
        ),
    ],
)
def test_a_header_that_can_hold_no_secret_is_told(company, options, told):
    in_yaml(company, options)
    (check,) = [check for check in run_checks() if check.name == "source portal"]
    assert (check.ok, told in check.detail) == (False, True), check.detail
