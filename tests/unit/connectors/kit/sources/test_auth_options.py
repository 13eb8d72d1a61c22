"""Each way of proof said in afluente.yaml is the one that a connector would declare, by secrets of its own."""

from __future__ import annotations

import msgspec
import pytest

from connectors.kit import Basic, Bearer, HeaderKey, OAuthClient, OAuthCode, QueryKey, Secret
from connectors.kit.sources.auth.options import AuthOption

TOKEN_URL, AUTHORIZE_URL = "https://id.example.com/token", "https://id.example.com/authorize"
ID, SECRET, KEY = Secret("ACME_CLIENT_ID"), Secret("ACME_CLIENT_SECRET"), Secret("ACME_KEY")


@pytest.mark.parametrize(
    ("said", "declared"),
    [
        ({"by": "bearer"}, Bearer(Secret("ACME_TOKEN"))),
        ({"by": "basic"}, Basic(Secret("ACME_USER"), Secret("ACME_PASSWORD"))),
        ({"by": "basic", "key_as_user": True}, Basic(KEY, "")),
        ({"by": "header", "name": "X-Api-Key"}, HeaderKey("X-Api-Key", KEY)),
        ({"by": "query", "name": "key"}, QueryKey("key", KEY)),
        (
            {"by": "oauth_client", "token_url": TOKEN_URL, "scope": "leads", "client_auth": "basic"},
            OAuthClient(TOKEN_URL, ID, SECRET, "leads", client_auth="basic"),
        ),
        (
            {"by": "oauth_code", "token_url": TOKEN_URL, "authorize_url": AUTHORIZE_URL, "scopes": ["a", "b"]},
            OAuthCode(AUTHORIZE_URL, TOKEN_URL, ID, SECRET, ("a", "b")),
        ),
        (
            {"by": "oauth_code", "token_url": TOKEN_URL, "authorize_url": AUTHORIZE_URL, "has_secret": False},
            OAuthCode(AUTHORIZE_URL, TOKEN_URL, ID),
        ),
    ],
)
def test_what_is_said_is_declared(said, declared):
    assert msgspec.convert(said, AuthOption).declared("acme") == declared


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"by": "oauth"}, r"Invalid value 'oauth' - at `\$\.by`"),
        ({"by": "header"}, "missing required field `name`"),
        ({"by": "header", "name": "X", "secret": "hunter2"}, "unknown field `secret`"),
        ({"by": "oauth_client", "token_url": "id.example.com"}, r"\$\.token_url"),
    ],
)
def test_what_cannot_be_declared_is_refused_with_its_place(said, why):
    with pytest.raises(msgspec.ValidationError, match=why) as caught:
        msgspec.convert(said, AuthOption)
    assert "hunter2" not in str(caught.value)
