"""Tokens of Entra ID: by a form with the environment's scope, renewed before they end and once when refused."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs

import pytest

from connectors.destinations.dataverse import DESTINATION
from connectors.destinations.dataverse.writer import _token_url
from connectors.kit import ConfigurationError, Connection, QuotaError, TerminalError, TransientError
from tests.support.dataverse import batch, connection, good, order, said, sandbox_writer, totals, write, writer

SECRETS = {"client_id": "i", "client_secret": "very-secret"}


def granted(token, **more):
    return 200, {}, json.dumps({"access_token": token, "token_type": "Bearer", **more}).encode()


def test_a_token_is_asked_for_by_client_credentials_with_the_scope_of_the_environment(server):
    options = {"tenant_id": "acme.example"}
    write(server, granted("old"), said(good()), secrets=SECRETS, options=options)
    asked = server.asked[0]
    assert asked["path"] == "/acme.example/oauth2/v2.0/token"
    assert asked["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert {name: value for name, (value,) in parse_qs(asked["body"].decode()).items()} == {
        "grant_type": "client_credentials", **SECRETS, "scope": f"{server.url}/.default",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"tenant_id": "t"}, "https://login.microsoftonline.com/t/oauth2/v2.0/token"),
        ({"tenant_id": "a b/c"}, "https://login.microsoftonline.com/a%20b%2Fc/oauth2/v2.0/token"),
        ({"token_url": "https://login.microsoftonline.us/{tenant}/x", "tenant_id": "t"},
         "https://login.microsoftonline.us/t/x"),
        ({"token_url": "https://login.example.org/token"}, "https://login.example.org/token"),
    ],
)  # fmt: skip
def test_tokens_come_from_entra_id_or_from_where_the_settings_say(options, url):
    assert _token_url(Connection("crm", "https://acme.crm4.dynamics.com", options)) == url


def test_a_tenant_that_is_not_named_is_asked_for_by_the_name_of_its_option():
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.options\.tenant_id is not set"):
        DESTINATION.connect(Connection("crm", "https://acme.crm4.dynamics.com", secrets=SECRETS))


@pytest.mark.parametrize("option", ["table", "id_field", "external_id_field"])
def test_a_name_that_cannot_stand_in_an_address_is_refused_before_any_call(option):
    with pytest.raises(ConfigurationError, match=rf"options\.{option} is 'leads\(1\)'"):
        writer("https://acme.crm4.dynamics.com", options={option: "leads(1)"})


def test_a_refused_token_is_renewed_once_and_the_call_repeated(server):
    results = write(server, granted("old"), (401, {}, b""), granted("new"), said(good()), secrets=SECRETS)
    assert results[0].state == "written"
    assert [call["headers"].get("Authorization") for call in server.asked] == [None, "Bearer old", None, "Bearer new"]
    assert server.asked[1]["body"] == server.asked[3]["body"]


@pytest.mark.parametrize("secrets", [SECRETS, {"access_token": "t"}], ids=["renewed", "fixed"])
def test_a_token_that_stays_refused_needs_a_human(server, secrets):
    refused = (401, {}, b"")
    server.script = [granted("a"), refused, granted("b"), refused] if secrets is SECRETS else [refused]
    with pytest.raises(TerminalError, match="access token is refused"):
        writer(server.url, secrets=secrets).write(batch(1))


def test_a_token_is_renewed_before_it_runs_out(server):
    server.script = [granted("a", expires_in=1), said(good()), granted("b", expires_in=3599), said(good())]
    opened = writer(server.url, secrets=SECRETS)
    opened.write(batch(1))
    time.sleep(0.9)
    opened.write(batch(1))
    assert [call["headers"].get("Authorization") for call in server.asked] == [None, "Bearer a", None, "Bearer b"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {}, b'{"error": "invalid_scope", "error_description": "AADSTS70011 very-secret"}'), TerminalError),
        ((401, {}, b'{"error": "invalid_client", "error_description": "AADSTS7000215"}'), TerminalError),
        ((500, {}, b""), TransientError),
        ((429, {"Retry-After": "9"}, b""), QuotaError),
        ((200, {}, b"<html>"), TransientError),
        (None, TransientError),
    ],
    ids=["scope", "secret", "500", "429", "html", "hung up"],
)
def test_a_token_that_cannot_be_had_says_what_happens_next(server, answer, error):
    with pytest.raises(error) as caught:
        write(server, answer, secrets=SECRETS)
    assert "very-secret" not in str(caught.value)


def test_without_secrets_only_the_sandbox_is_written_to(dataverse):
    assert sandbox_writer(dataverse).write(batch(1))[0].state == "written"
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.secrets"):
        writer("https://acme.crm4.dynamics.com", secrets={}, options={"tenant_id": "t"})


def test_tokens_of_the_sandbox_that_die_early_are_renewed_and_nothing_is_lost(dataverse):
    order(dataverse, token_seconds=0.2, on="/")
    opened = sandbox_writer(dataverse)
    opened.write(batch(1))
    time.sleep(0.3)
    assert opened.write(batch(2))[1].created is True
    assert totals(dataverse)["created"] == 2


@pytest.mark.parametrize(
    "secrets", [{"client_id": "sandbox", "client_secret": "x"}, {"client_id": "x", "client_secret": "x"}]
)
def test_a_client_that_the_sandbox_does_not_know_is_refused(dataverse, secrets):
    with pytest.raises(TerminalError):
        sandbox_writer(dataverse, secrets=secrets).check()


def test_no_secret_is_shown():
    shown = repr(connection("https://h", secrets={"access_token": "very-secret"})) + repr(batch(1)[0])
    assert "very-secret" not in shown
    assert "Brandt" not in shown
