"""A mailbox that lets in by access tokens of OAuth alone, as Gmail and Microsoft 365 do, at a real IMAP server."""

from __future__ import annotations

import json
import time

import pytest

from pipeline.inspection.access.connections import read_connections
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from tests.support.imap_server import PASSWORD, USER, running_imap, taking_tokens
from tests.support.intake_server import count_events
from tests.support.mails import enquiry
from tests.support.oauth_server import CLIENT_ID
from tests.support.services import forget_caches

from .conftest import check_of, connect

pytestmark = pytest.mark.long  # a mail server for each

SLUG = "directory_mailbox"


@pytest.fixture
def server():
    with running_imap() as running:
        yield running


@pytest.fixture
def mailbox(company, provider, server, redis_url, monkeypatch):
    """Says in afluente.yaml how the mailbox is let in; its owner's tokens are those of the provider."""

    def is_taken(token: str) -> bool:
        provider.shown.append(token)
        return provider.access_tokens.get(token, 0) > time.time()

    with taking_tokens(server, is_taken) as port:

        def write(options=None, **oauth):
            said = {"oauth": {"token_url": f"{provider.url}/token", **oauth}} if oauth else {}
            source = {
                "url": f"imap://127.0.0.1:{port}/INBOX",
                "options": {"user": USER, "auth": "xoauth2", **said, **(options or {})},
            }
            crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
            company.folder.mkdir(exist_ok=True)
            content = {"sources": {SLUG: source}, "destinations": {"crm": crm}}
            (company.folder / "afluente.yaml").write_text(json.dumps(content))
            forget_caches()

        monkeypatch.setenv("DIRECTORY_MAILBOX_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("DIRECTORY_MAILBOX_CLIENT_SECRET", "secret-of-the-tests")
        yield write


def collect():
    return run_poll(SLUG, "default", at_once=True)


def test_mails_come_in_once_the_owner_has_agreed_and_on_while_tokens_end(mailbox, provider, server):
    mailbox(by="oauth_code", authorize_url=f"{provider.url}/authorize", scopes=["leads.read"])
    server.put(enquiry(1))
    report = collect()
    assert f"afluente source connect {SLUG}" in (report.error or "")
    assert provider.shown == []
    assert read_states(SLUG)[0].access == "not connected"
    assert f"afluente source connect {SLUG}" in (check_of(SLUG).remedy or "")
    connect(provider, SLUG)
    assert (SLUG, "default") in due_polls()
    assert (collect().accepted, count_events(SLUG)) == (1, 1)
    assert check_of(SLUG).ok
    server.put(enquiry(2))
    provider.expire()
    report = collect()
    assert (report.accepted, report.error) == (1, None)
    assert provider.asked[-1] == "refresh_token"
    assert [state.state for state in read_connections()] == ["connected"]


def test_where_no_token_is_taken_a_new_one_is_asked_for_once_a_run(mailbox, provider, server):
    mailbox(by="oauth_client", scope="leads.read")
    server.put(enquiry(1))
    provider.before_answer = provider.expire
    report = collect()
    assert report.is_terminal
    assert "does not let us in" in (report.error or "")
    assert provider.asked == ["client_credentials"] * 2
    assert len(set(provider.shown)) == 2
    provider.before_answer = lambda: None
    assert collect().accepted == 1


def test_a_token_that_something_else_renews_still_lets_in(mailbox, provider, server, monkeypatch):
    mailbox()
    provider.access_tokens["from-elsewhere"] = float("inf")
    monkeypatch.setenv("DIRECTORY_MAILBOX_PASSWORD", "ended,from-elsewhere")
    server.put(enquiry(1))
    assert collect().accepted == 1
    assert provider.shown == ["ended", "from-elsewhere"]


def test_of_two_passwords_the_one_that_counts_is_found(mailbox, server, monkeypatch):
    mailbox({"auth": "password"})
    monkeypatch.setenv("DIRECTORY_MAILBOX_PASSWORD", f"not yet,{PASSWORD}")
    server.put(enquiry(1))
    assert collect().accepted == 1


@pytest.mark.parametrize(
    ("options", "oauth", "told"),
    [
        ({"auth": "password"}, {"by": "oauth_client"}, f"set sources.{SLUG}.options.auth to xoauth2"),
        ({}, {"by": "header", "name": "X"}, f"sources.{SLUG}.options.oauth"),
    ],
)
def test_a_wrong_way_to_tokens_is_said_with_its_place(mailbox, options, oauth, told):
    mailbox(options, **oauth)
    assert not check_of(SLUG).ok
    assert told in check_of(SLUG).detail
