"""A source that lets in by OAuth 2.0, on a real socket: oauthlib decides, and leads are given for its tokens.

Refresh tokens are replaced with each use, and one that was used counts no more, as at the strictest providers.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from oauthlib.oauth2 import RequestValidator, Server

from tests.support.http_server import Answered, Call, serving_http

CLIENT_ID = "client-of-the-tests"
SCOPES = ("leads.read",)


class _Client:
    client_id = CLIENT_ID


class Provider(RequestValidator):
    """What it has given, and what it is to do wrong. `secrets`: those of the app that count. `life_seconds`: of access
    tokens. `asked`: the grant type of each call for a token; `answers` are given first instead, one a call.
    `before_ask`, `before_answer`: called when a call for a token has come, and when what it brought is decided."""

    def __init__(self) -> None:
        self.secrets = {"secret-of-the-tests"}
        self.life_seconds = 3600
        self.redirects = {"http://localhost:8400/callback"}
        self.codes: dict[str, Any] = {}
        self.refresh_tokens: set[str] = set()
        self.access_tokens: dict[str, float] = {}
        self.asked: list[str] = []
        self.tells_basic: list[bool] = []
        self.answers: list[tuple[int, str]] = []
        self.gives_refresh_tokens = True
        self.before_ask: Callable[[], None] = lambda: None
        self.before_answer: Callable[[], None] = lambda: None
        self.leads: list[dict[str, Any]] = []
        self.shown: list[str] = []
        self.url = ""
        self._guard = threading.Lock()
        self._server = Server(self, token_expires_in=lambda _: self.life_seconds)

    def expire(self) -> None:
        """Every access token ends at once."""
        self.access_tokens.clear()

    def take_back(self) -> None:
        """The account's owner takes back what was agreed to."""
        self.access_tokens.clear()
        self.refresh_tokens.clear()

    def agree(self, address: str) -> tuple[int, str]:
        """The account's owner opens the address and agrees: status, and where the browser is led to."""
        headers, body, status = self._server.create_authorization_response(_secure(address), scopes=list(SCOPES))
        return status, headers.get("Location", body or "")

    def answer(self, call: Call) -> Answered:
        address = self.url + call.path
        if call.method == "POST":
            status, text = self.answer_token(address, call.body.decode(), call.headers)
        elif urlsplit(call.path).path == "/authorize":
            status, target = self.agree(address)
            return status, {"Location": target} if status == 302 else {}, b""
        else:
            status, text = self.answer_leads(call.headers)
        return status, {}, text.encode()

    def answer_token(self, uri: str, body: str, headers: dict[str, str]) -> tuple[int, str]:
        self.before_ask()
        with self._guard:
            self.asked.append(dict(parse_qsl(body)).get("grant_type", ""))
            self.tells_basic.append("Authorization" in headers)
            if self.answers:
                return self.answers.pop(0)
            _, text, status = self._server.create_token_response(_secure(uri), "POST", body, headers)
        self.before_answer()
        return status, text

    def answer_leads(self, headers: dict[str, str]) -> tuple[int, str]:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        self.shown.append(token)
        if self.access_tokens.get(token, 0) < time.time():
            return 401, "{}"
        return 200, json.dumps({"leads": self.leads})

    # What oauthlib asks.
    def validate_client_id(self, client_id, request, *args, **kwargs):
        return client_id == CLIENT_ID

    def validate_redirect_uri(self, client_id, redirect_uri, request, *args, **kwargs):
        return redirect_uri in self.redirects

    def validate_response_type(self, client_id, response_type, client, request, *args, **kwargs):
        return response_type == "code"

    def validate_scopes(self, client_id, scopes, client, request, *args, **kwargs):
        return set(scopes) <= set(SCOPES)

    def get_default_scopes(self, client_id, request, *args, **kwargs):
        return list(SCOPES)

    def get_original_scopes(self, refresh_token, request, *args, **kwargs):
        return list(SCOPES)

    def authenticate_client(self, request, *args, **kwargs):
        client_id, secret = request.client_id, request.client_secret
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            client_id, _, secret = b64decode(header.removeprefix("Basic ")).decode().partition(":")
        request.client = _Client()
        return client_id == CLIENT_ID and secret in self.secrets

    def validate_grant_type(self, client_id, grant_type, client, request, *args, **kwargs):
        return grant_type in ("authorization_code", "refresh_token", "client_credentials")

    def is_pkce_required(self, client_id, request):
        return True

    def save_authorization_code(self, client_id, code, request, *args, **kwargs):
        facts = (request.redirect_uri, request.code_challenge, request.code_challenge_method)
        self.codes[code["code"]] = facts

    def validate_code(self, client_id, code, client, request, *args, **kwargs):
        request.scopes = list(SCOPES)
        return code in self.codes

    def confirm_redirect_uri(self, client_id, code, redirect_uri, client, request, *args, **kwargs):
        return self.codes[code][0] == redirect_uri

    def get_code_challenge(self, code, request):
        return self.codes[code][1]

    def get_code_challenge_method(self, code, request):
        return self.codes[code][2]

    def invalidate_authorization_code(self, client_id, code, request, *args, **kwargs):
        self.codes.pop(code, None)

    def save_bearer_token(self, token, request, *args, **kwargs):
        self.access_tokens[token["access_token"]] = time.time() + self.life_seconds
        if request.grant_type == "refresh_token":
            self.refresh_tokens.discard(request.refresh_token)
        if not self.gives_refresh_tokens:
            token.pop("refresh_token", None)
        elif "refresh_token" in token:
            self.refresh_tokens.add(token["refresh_token"])

    def validate_refresh_token(self, refresh_token, client, request, *args, **kwargs):
        return refresh_token in self.refresh_tokens


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that runs: `/authorize`, `/token`, `/leads`."""
    provider = Provider()
    with serving_http(provider.answer, methods=("GET", "POST")) as address:
        provider.url = address
        yield provider


def _secure(address: str) -> str:
    """As behind a proxy that ends TLS: oauthlib takes nothing else."""
    return "https" + address.removeprefix("http")
