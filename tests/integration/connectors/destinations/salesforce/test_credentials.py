"""Tokens: fetched when needed, renewed once when refused, shown nowhere."""

from __future__ import annotations

import pytest

from connectors.kit import ConfigurationError, QuotaError, TerminalError, TransientError
from tests.support.scripted_crm import batch, connection, good, said, write, writer


def test_a_refused_token_is_renewed_once_and_the_call_repeated(server):
    refused = said([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}], 401)
    results = write(
        server, said({"access_token": "old"}), refused, said({"access_token": "new"}), said([good()]),
        secrets={"client_id": "i", "client_secret": "s"},
    )  # fmt: skip
    assert results[0].state == "written"
    assert server.asked[0]["body"] == b"grant_type=client_credentials&client_id=i&client_secret=s"
    assert [call["headers"].get("Authorization") for call in server.asked] == [
        None,
        "Bearer old",
        None,
        "Bearer new",
    ]


def test_a_token_refused_twice_needs_a_human(server):
    with pytest.raises(TerminalError, match="access token is refused"):
        write(
            server, said({"access_token": "old"}), said([], 401), said({"access_token": "new"}), said([], 401),
            secrets={"client_id": "i", "client_secret": "s"},
        )  # fmt: skip
    assert len(server.asked) == 4


def test_a_fixed_token_that_is_refused_needs_a_human(server):
    with pytest.raises(TerminalError):
        write(server, said([], 401))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({"error": "invalid_client", "error_description": "client i"}, 400), TerminalError),
        (said({}, 401), TerminalError),
        (said({}, 500), TransientError),
        (said({}, 429), QuotaError),
        (said({"token": "?"}), TransientError),
        ((200, {}, b"<html>"), TransientError),
        (None, TransientError),
    ],
    ids=["refused", "401", "500", "429", "no token", "html", "hung up"],
)
def test_a_token_that_cannot_be_had_says_what_happens_next(server, answer, error):
    with pytest.raises(error) as caught:
        write(server, answer, secrets={"client_id": "i", "client_secret": "very-secret"})
    assert "very-secret" not in str(caught.value)


def test_without_secrets_only_the_sandbox_is_written_to(sandbox):
    assert writer(sandbox.address, secrets={}).write(batch(1))[0].state == "written"
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.secrets"):
        writer("https://example.my.salesforce.com", secrets={})


def test_no_secret_is_shown():
    shown = repr(connection("https://h", secrets={"access_token": "very-secret"})) + repr(batch(1)[0])
    assert "very-secret" not in shown
    assert "Brandt" not in shown
