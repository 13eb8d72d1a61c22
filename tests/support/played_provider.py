"""A sign-in provider that tests play: real HTTP, keys of the test's own, and whatever tokens the test forges."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from joserfc import jws
from joserfc.jwk import RSAKey

from tests.support.http_server import Answered, Call, serving_http

CLIENT_ID = "afluente"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class PlayedProvider:
    """Gives the ID token that a code was made for, if the verifier is the one of its challenge. `change_token` may put
    another in its place."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys = [_usual_key()]
        self.calls: list[str] = []
        self.is_away = False
        self.metadata: dict[str, Any] = {}
        self.keys_answer: tuple[int, bytes] | None = None
        self.codes: dict[str, tuple[dict[str, Any], str]] = {}  # code -> claims, challenge
        self.user: dict[str, Any] | None = None  # what is said of the user beside the token
        self.last_subject = ""
        self.change_token: Callable[[str], str] = lambda token: token
        self.forms: list[dict[str, str]] = []

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/user",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
            **self.metadata,
        }

    def code_for(self, asked: dict[str, str], **claims: Any) -> str:
        """A code as this provider gives it for an authorization request; its ID token has these claims."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = (self.claims(nonce=asked["nonce"], **claims), asked["code_challenge"])
        return code

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "ana", "iat": now, "exp": now + 300, "name": "Ana Sample"}
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def logout_token(self, **claims: Any) -> str:
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "jti": f"j-{time.time_ns()}", "events": {LOGOUT: {}}}
        content = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return sign(content, self.keys[-1], typ="logout+jwt")

    def answer(self, call: Call) -> Answered:
        path = call.path.partition("?")[0]
        self.calls.append(path)
        if self.is_away:
            return 503, {"Content-Type": "text/html"}, b"<h1>maintenance</h1>"
        if path == "/.well-known/openid-configuration":
            return _json(200, self.describe())
        if path == "/keys":
            if self.keys_answer is not None:
                return self.keys_answer[0], {}, self.keys_answer[1]
            return _json(200, {"keys": [key.as_dict(private=False) for key in self.keys]})
        if path == "/user":
            return _json(200, self.user or {"sub": self.last_subject})
        if path == "/token":
            return self._answer_token({name: values[0] for name, values in parse_qs(call.body.decode()).items()})
        return _json(404, {})

    def _answer_token(self, form: dict[str, str]) -> Answered:
        self.forms.append(form)
        claims, challenge = self.codes.pop(form.get("code", ""), ({}, ""))
        self.last_subject = claims.get("sub", "")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
            return _json(400, {"error": "invalid_grant"})
        token = self.change_token(sign(claims, self.keys[-1]))
        return _json(200, {"access_token": "at-of-the-test", "token_type": "Bearer", "id_token": token})


@contextmanager
def played_provider() -> Iterator[PlayedProvider]:
    provider = PlayedProvider()
    with serving_http(provider.answer, methods=("GET", "POST")) as address:
        provider.issuer = address
        yield provider


@cache
def _usual_key() -> RSAKey:
    """What each provider begins with: to make one takes longer than most tests."""
    return make_key("first")


def make_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def sign(claims: dict[str, Any], key: Any, *, alg: str = "RS256", kid: str | None = "", **header: Any) -> str:
    """A token; `kid` "" takes the key's own, None leaves it out."""
    named = {"alg": alg, **header}
    if kid is not None:
        named["kid"] = kid or key.kid
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(named, json.dumps(claims).encode(), key, registry=registry)


def encode(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(content).decode().rstrip("=")


def _json(status: int, content: Any) -> Answered:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()
