"""Tokens of OAuth 2.0 (RFC 6749): what a source's token server is asked, and what its owner is asked once."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.auth.marks import TokenAccess, with_parameters
from connectors.kit.sources.declarations import Access, Grant, Keys, Secret


class _Granted:
    """Tokens are shown, had by the declaration itself."""

    __slots__ = ()

    @property
    def grant(self: Grant) -> Grant:
        return self

    def access(self: Grant, keys: Keys) -> Access:
        return TokenAccess(keys.tokens_of(self))


@dataclass(frozen=True, slots=True)
class OAuthClient(_Granted):
    """Tokens for the app itself (client credentials, RFC 6749 section 4.4): nobody has to agree to anything.

    `client_auth`: whether the server wants id and secret in the form or by HTTP's Basic scheme.
    """

    token_url: str
    client_id: Secret
    client_secret: Secret
    scope: str | None = None
    audience: str | None = None
    client_auth: Literal["body", "basic"] = "body"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.client_id, self.client_secret)

    @property
    def needs_a_human(self) -> bool:
        return False

    @property
    def granted_for(self) -> tuple[str, ...]:
        """What a token belongs to: one of something else is not shown."""
        return (self.token_url, self.scope or "", self.audience or "")

    def renewal(self, refresh_token: str | None) -> dict[str, str] | None:
        """The form that gets the next token."""
        del refresh_token  # a new one is had without
        wanted = {"scope": self.scope, "audience": self.audience}
        return {"grant_type": "client_credentials", **{key: value for key, value in wanted.items() if value}}


@dataclass(frozen=True, slots=True)
class OAuthCode(_Granted):
    """Tokens for an account whose owner agreed once (authorization code, RFC 6749 section 4.1, with PKCE, RFC 7636):
    `afluente source connect NAME`. From then on they are refreshed.

    `client_secret` None: an app that has none (PKCE is its proof). `extra`: further parameters of the address that is
    opened, such as `(("access_type", "offline"), ("prompt", "consent"))` of Google, without which there is nothing to
    refresh.
    """

    authorize_url: str
    token_url: str
    client_id: Secret
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ()
    pkce: bool = True
    extra: tuple[tuple[str, str], ...] = ()
    client_auth: Literal["body", "basic"] = "body"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.client_id, *([self.client_secret] if self.client_secret is not None else []))

    @property
    def needs_a_human(self) -> bool:
        return True

    @property
    def granted_for(self) -> tuple[str, ...]:
        """What a token belongs to. Other scopes are asked for at the next connect; what was agreed to holds on."""
        return (self.token_url,)

    def renewal(self, refresh_token: str | None) -> dict[str, str] | None:
        """The form that gets the next token; None if there is nothing to get one with."""
        return None if refresh_token is None else {"grant_type": "refresh_token", "refresh_token": refresh_token}

    def address(self, client_id: str, *, redirect: str, state: str, verifier: str) -> str:
        """The address at which the account's owner agrees."""
        asked = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect, "state": state}
        if self.scopes:
            asked["scope"] = " ".join(self.scopes)
        if self.pkce:
            digest = hashlib.sha256(verifier.encode()).digest()
            asked["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            asked["code_challenge_method"] = "S256"
        return with_parameters(self.authorize_url, {**asked, **dict(self.extra)})

    def exchange(self, code: str, *, redirect: str, verifier: str) -> dict[str, str]:
        """The form that gets the first token."""
        proof = {"code_verifier": verifier} if self.pkce else {}
        return {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, **proof}

    def code_in(self, given: str, *, state: str) -> str:
        """The code in what was pasted: the whole address that the browser was led to, or the code alone.

        Raises ConfigurationError where the owner refused, the answer belongs to another attempt, or nothing tells
        whether it does: a code alone proves that only where PKCE does.
        """
        given = "".join(given.split())
        if "=" not in given:
            return self._bare_code(given)
        parts = urlsplit(given)
        fields = dict(parse_qsl(parts.query or given.partition("?")[2] or given, keep_blank_values=True))
        if "error" in fields:
            word = fields["error"] if fields["error"].replace("_", "").isalnum() else "no reason given"
            raise ConfigurationError(f"the source did not agree ({word[:40]}): begin again, and allow the access")
        if not hmac.compare_digest(fields.get("state", "").encode(), state.encode()):
            raise ConfigurationError("this answer belongs to another attempt: open the address that was printed last")
        if not fields.get("code"):
            raise ConfigurationError("no code stands in this address: paste the whole of it, from http to its end")
        return fields["code"]

    def _bare_code(self, given: str) -> str:
        if not given:
            raise ConfigurationError("nothing was pasted")
        if not self.pkce or "://" in given:
            raise ConfigurationError("paste the whole address that the browser was led to, with its code and state")
        return unquote(given)
