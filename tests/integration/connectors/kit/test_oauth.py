"""Access tokens by OAuth 2.0: asked for once, again before they run out, and by what a human gave."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs

import pytest

from connectors.kit.errors import TerminalError
from connectors.kit.http import session
from connectors.kit.oauth import ClientCredentials, RefreshToken


def answers(*tokens: dict) -> list:
    return [(200, {}, json.dumps(token).encode()) for token in tokens]


def forms(server) -> list[dict[str, str]]:
    return [{name: values[0] for name, values in parse_qs(call["body"].decode()).items()} for call in server.asked]


def test_a_token_is_asked_for_once_while_most_of_its_life_is_left(server):
    server.script = answers({"access_token": "a", "expires_in": 1800})
    tokens = ClientCredentials(session(server.url), server.url, client_id="c", client_secret="s", scope="crm/.default")
    assert [tokens.token(), tokens.token()] == ["a", "a"]
    assert forms(server) == [
        {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s", "scope": "crm/.default"}
    ]


def test_a_token_is_renewed_before_it_runs_out(server):
    server.script = answers({"access_token": "a", "expires_in": 0.2}, {"access_token": "b", "expires_in": "soon"})
    tokens = ClientCredentials(session(server.url), server.url, client_id="c", client_secret="s")
    assert tokens.token() == "a"
    time.sleep(0.17)
    assert [tokens.token(), tokens.token()] == ["b", "b"]


def test_a_refresh_token_that_was_replaced_is_not_used_again(server):
    server.script = answers({"access_token": "a", "refresh_token": "r2"}, {"access_token": "b"})
    tokens = RefreshToken(session(server.url), server.url, client_id="c", client_secret="s", refresh_token="r1")
    assert tokens.token() == "a"
    assert tokens.renew()
    assert tokens.token() == "b"
    assert [form["refresh_token"] for form in forms(server)] == ["r1", "r2"]


def test_a_refresh_token_that_is_refused_names_what_to_look_at(server):
    server.script = [(400, {}, b'{"error": "invalid_grant"}')]
    tokens = RefreshToken(session(server.url), server.url, client_id="c", client_secret="s", refresh_token="r1")
    with pytest.raises(TerminalError, match=r"refused \(invalid_grant\); check client_id and .*refresh_token"):
        tokens.token()


def test_a_token_is_asked_for_by_a_form_whatever_the_session_sends_else(server):
    server.script = answers({"access_token": "a"})
    opened = session(server.url)
    opened.headers["Content-Type"] = "application/json"
    ClientCredentials(opened, server.url, client_id="c", client_secret="s").token()
    assert server.asked[0]["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
