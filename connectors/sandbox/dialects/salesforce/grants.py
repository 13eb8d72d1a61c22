"""Salesforce's token endpoint: client credentials, signed assertions, refresh tokens."""

from __future__ import annotations

import time
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.faults import FaultSpec
from connectors.sandbox.tokens import IssuedTokens

# Everyone may know them: there is nothing real behind it.
CLIENT_ID = CLIENT_SECRET = REFRESH_TOKEN = "sandbox"  # noqa: S105
_ROUTE = "POST token"
_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
_LONGEST_ASSERTION_SECONDS = 300
_TOKEN_LIFE_SECONDS = 7200.0
_Refused = tuple[str, str]  # error, error_description


class Grants:
    """Safe to share between threads."""

    def __init__(self, tokens: IssuedTokens) -> None:
        self._tokens = tokens
        self.public_key: str | None = None  # of assertions, in PEM; None: their signature is not looked at
        self.users: set[str] | None = None  # who approved the app; None: everybody
        self.instance_url: str | None = None  # told with each token; None: the address that was asked

    def answer(self, request: Request, faults: FaultSpec) -> Reply:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        refused = self._refusal(form, request.headers)
        if refused is not None:
            return json_reply(400, {"error": refused[0], "error_description": refused[1]}, _ROUTE)
        life = _TOKEN_LIFE_SECONDS if faults.token_seconds is None else faults.token_seconds
        told = self.instance_url or f"http://{request.headers.get('host', '127.0.0.1')}"
        token = self._tokens.issue(life)
        return json_reply(200, {"access_token": token, "instance_url": told, "token_type": "Bearer"}, _ROUTE)

    def _refusal(self, form: Mapping[str, str], headers: Mapping[str, str]) -> _Refused | None:
        grant = form.get("grant_type")
        if grant == _BEARER_GRANT:
            return self._refusal_of_assertion(form.get("assertion", ""))
        client = (form.get("client_id"), form.get("client_secret"))
        scheme, _, basic = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = b64decode(basic).decode(errors="replace").partition(":")
            client = (name, secret)
        if grant == "refresh_token":
            if client[0] != CLIENT_ID:
                return "invalid_client_id", "client identifier invalid"
            is_known = form.get("refresh_token") == REFRESH_TOKEN
            return None if is_known else ("invalid_grant", "expired access/refresh token")
        if grant != "client_credentials":
            return "unsupported_grant_type", "grant type not supported"
        return None if client == (CLIENT_ID, CLIENT_SECRET) else ("invalid_client", "invalid client credentials")

    def _refusal_of_assertion(self, assertion: str) -> _Refused | None:
        signed, _, signature = assertion.rpartition(".")
        try:
            header, claims = (orjson.loads(_decoded(part)) for part in signed.split("."))
            is_signed = header.get("alg") == "RS256" and self._is_signed(signed.encode(), _decoded(signature))
        except (ValueError, AttributeError):
            return "invalid_grant", "invalid assertion"
        if not is_signed or not isinstance(claims, dict):
            return "invalid_grant", "invalid assertion"
        return self._refusal_of_claims(claims)

    def _refusal_of_claims(self, claims: Mapping[str, Any]) -> _Refused | None:
        now = time.time()
        if claims.get("iss") != CLIENT_ID:
            return "invalid_client_id", "client identifier invalid"
        if claims.get("aud") not in _AUDIENCES:
            return "invalid_grant", "audience is invalid"
        if not now - 60 < float(claims.get("exp") or 0) <= now + _LONGEST_ASSERTION_SECONDS:
            return "invalid_grant", "expired authorization code"
        if not claims.get("sub") or (self.users is not None and claims["sub"] not in self.users):
            return "invalid_grant", "user hasn't approved this consumer"
        return None

    def _is_signed(self, signed: bytes, signature: bytes) -> bool:
        if self.public_key is None:
            return bool(signature)
        key = load_pem_public_key(self.public_key.encode())
        assert isinstance(key, RSAPublicKey)  # noqa: S101 - whoever set it made it so
        try:
            key.verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
