"""How a poll proves who asks, as a real server sees it."""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from connectors.kit import (
    Basic,
    Bearer,
    ConfigurationError,
    Cursor,
    HeaderKey,
    OAuthClient,
    OAuthCode,
    Poll,
    QueryKey,
    Secret,
    TerminalError,
)
from connectors.kit.http import session
from connectors.kit.sources.auth import TokenAccess
from connectors.kit.sources.polling import poll_pages

KEY, USER = Secret("ACME_KEY"), Secret("ACME_USER")
NOTHING = (200, {}, b"[]")
REFUSED = (401, {}, b"{}")
CODE = OAuthCode(
    "https://id.example.com/authorize?tenant=t%201",
    "https://id.example.com/token",
    Secret("ACME_CLIENT"),
    scopes=("leads.read", "forms.read"),
    extra=(("prompt", "consent"),),
)


class Values(dict):
    """Secrets by their names."""

    def secrets_of(self, secret):
        return self.get(secret.name, [])

    def tokens_of(self, grant):
        return self[grant]


def poll(server, auth, keys, *, url="/feed"):
    declared = Poll(url=server.url + url, cursor=Cursor("after", field="at"), auth=auth, rate_per_second=1000.0)
    return list(poll_pages(declared, position=None, access=auth.access(keys), session=session(server.url)))


def shown(server):
    """What each request was marked with."""
    return [asked["headers"].get("Authorization") for asked in server.asked]


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Bearer(KEY), "Authorization", "Bearer k3y-é"),
        (HeaderKey("X-Api-Key", KEY), "X-Api-Key", "k3y-é"),
        (HeaderKey("Authorization", KEY, "Token "), "Authorization", "Token k3y-é"),
    ],
)
def test_a_secret_is_sent_in_the_header_that_is_declared(server, auth, header, value):
    server.script = [NOTHING]
    poll(server, auth, Values(ACME_KEY=["k3y-é"]))
    assert server.asked[0]["headers"][header].encode("latin-1").decode() == value


def test_a_user_and_a_password_are_sent_as_basic(server):
    server.script = [NOTHING]
    poll(server, Basic(USER, KEY), Values(ACME_KEY=["pass:wörd"], ACME_USER=["ada"]))
    poll(server, Basic(KEY, ""), Values(ACME_KEY=["api-key"]))
    sent = [b64decode(header.removeprefix("Basic ")).decode() for header in shown(server)]
    assert sent == ["ada:pass:wörd", "api-key:"]


def test_a_key_in_the_address_takes_the_place_of_one_that_stands_there_and_leaves_the_rest(server):
    keys = Values(ACME_KEY=["s&cret=1"])
    server.script = [NOTHING]
    poll(server, QueryKey("key", KEY), keys, url="/feed?form=a%20b&key=old")
    assert server.asked[0]["query"] == {"form": "a b", "key": "s&cret=1"}
    (mark,) = QueryKey("key", KEY).access(keys).marks()
    sent = requests.Request("GET", f"{server.url}/feed?form=a%20b&key=old", auth=mark).prepare()
    assert sent.url == f"{server.url}/feed?form=a%20b&key=s%26cret%3D1"


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_key_in_the_address_stands_in_no_error_and_no_log(server, caplog, status):
    server.script = [(status, {}, b"{}")]
    with caplog.at_level(logging.INFO), pytest.raises(Exception, match=str(status)) as caught:
        poll(server, QueryKey("key", KEY), Values(ACME_KEY=["very-secret"]))
    assert "very-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


def test_of_two_values_the_newer_is_shown_first_and_the_older_where_that_is_refused(server):
    server.script = [REFUSED, (200, {}, json.dumps([{"at": "2026-03-01"}]).encode()), NOTHING]
    poll(server, Bearer(KEY), Values(ACME_KEY=["new", "old"]))
    assert shown(server) == ["Bearer new", "Bearer old", "Bearer old"]


def test_where_every_value_is_refused_each_is_shown_once_and_the_poll_ends(server):
    server.script = [REFUSED]
    with pytest.raises(TerminalError, match="credentials"):
        poll(server, Bearer(KEY), Values(ACME_KEY=["new", "old"]))
    assert shown(server) == ["Bearer new", "Bearer old"]


class Tokens:
    def __init__(self, *tokens) -> None:
        self.left = list(tokens)

    def token(self):
        return self.left[0]

    def renew(self):
        self.left.pop(0)
        return bool(self.left)


def test_a_refused_token_is_renewed_once_a_request(server):
    auth = OAuthClient("https://id.example.com/token", Secret("ACME_CLIENT"), KEY)
    server.script = [REFUSED, NOTHING]
    poll(server, auth, Values({auth: Tokens("t1", "t2", "t3")}))
    server.script = [REFUSED]
    with pytest.raises(TerminalError, match="401"):
        poll(server, auth, Values({auth: Tokens("t4", "t5", "t6")}))
    assert shown(server) == ["Bearer t1", "Bearer t2", "Bearer t4", "Bearer t5"]
    assert isinstance(auth.access(Values({auth: Tokens("t")})), TokenAccess)


def test_the_address_to_open_holds_state_scopes_and_the_challenge_of_pkce():
    # Appendix B of RFC 7636.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    address = CODE.address("c 1", redirect="http://localhost:8400/callback", state="s", verifier=verifier)
    assert address.startswith("https://id.example.com/authorize?tenant=t%201&")
    assert dict(parse_qsl(urlsplit(address).query)) == {
        "tenant": "t 1",
        "response_type": "code",
        "client_id": "c 1",
        "redirect_uri": "http://localhost:8400/callback",
        "state": "s",
        "scope": "leads.read forms.read",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "prompt": "consent",
    }


@pytest.mark.parametrize(
    "pasted",
    [
        "http://localhost:8400/callback?code=4%2F0Ab&state=s&scope=x",
        "  http://localhost:8400/callback?state=s&\n  code=4%2F0Ab ",
        "code=4%2F0Ab&state=s",
        "4%2F0Ab",
        "4/0Ab",
    ],
)
def test_the_code_is_found_in_the_whole_address_and_alone(pasted):
    assert CODE.code_in(pasted, state="s") == "4/0Ab"


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        ("http://localhost:8400/callback?code=abc&state=other", "another attempt"),
        ("http://localhost:8400/callback?code=abc", "another attempt"),
        ("http://localhost:8400/callback?error=access_denied&state=s", "access_denied"),
        ("http://localhost:8400/callback?state=s", "no code"),
        ("http://localhost:8400/callback", "whole address"),
        (" ", "nothing"),
    ],
)
def test_what_holds_no_code_of_this_attempt_is_refused_with_what_to_do(pasted, why):
    with pytest.raises(ConfigurationError, match=why):
        CODE.code_in(pasted, state="s")


def test_without_pkce_a_code_alone_is_not_taken_as_nothing_tells_whose_it_is():
    plain = OAuthCode("https://id.example.com/a", "https://id.example.com/t", Secret("ACME_CLIENT"), pkce=False)
    with pytest.raises(ConfigurationError, match="whole address"):
        plain.code_in("abc", state="s")
