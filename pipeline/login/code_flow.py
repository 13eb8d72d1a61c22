"""The way to the provider and back (authorization code with PKCE): what was asked is kept in the browser, sealed.

So an answer counts only in the browser that asked, whoever made somebody open it; and a stranger who begins a hundred
thousand sign-ins leaves no row behind.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from pipeline.crypto.encryption import cipher
from pipeline.errors import ConfigurationError
from pipeline.login.errors import SignInError
from pipeline.login.provider import Provider
from pipeline.login.roles import asked_acr, groups_of
from pipeline.login.tokens import check_id_token
from pipeline.settings.sign_in_settings import SignInSettings

ASKED_SECONDS = 600  # from the button to the answer
CALLBACK = "/sign-in/callback"
_CONTEXT = b"sign_in:"
_LONGEST_NAME = 200


class Asked(msgspec.Struct, frozen=True):
    """What is kept from the question to its answer. `at`: seconds since 1970."""

    state: str
    nonce: str
    verifier: str
    next_path: str
    at: float
    is_stronger: bool = False

    def __repr__(self) -> str:
        return "<Asked>"


class Identity(msgspec.Struct, frozen=True):
    """Who a provider says that somebody is. `groups` None: it did not speak of groups."""

    issuer: str
    subject: str
    name: str | None
    sid: str | None
    groups: list[str] | None
    acr: str | None
    amr: list[str]
    id_token: str
    next_path: str

    def __repr__(self) -> str:
        return "<Identity>"


class CodeFlow:
    """Sign-ins at one provider. `clock` gives seconds since 1970."""

    def __init__(self, access: SignInSettings, provider: Provider, *, clock: Callable[[], float] = time.time) -> None:
        if access.url is None:
            raise ConfigurationError("access.sign_in.url is not set in afluente.yaml")
        self._access = access
        self._provider = provider
        self._clock = clock
        self.redirect_uri = f"{access.url.rstrip('/')}{CALLBACK}"

    def begin(self, next_path: str, *, is_stronger: bool = False) -> tuple[str, str]:
        """Where the browser goes, and what it keeps meanwhile. `is_stronger`: the provider asks once more, in the way
        that roles with a requirement need. Raises ProviderAwayError."""
        metadata = self._provider.metadata()
        asked = Asked(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next_path=next_path,
            at=self._clock(),
            is_stronger=is_stronger,
        )
        challenge = urlsafe_b64encode(hashlib.sha256(asked.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self._access.scopes),
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if is_stronger:
            query["max_age"] = "0"
            if acr := asked_acr(self._access):
                query["acr_values"] = " ".join(acr)
        kept = cipher().seal(msgspec.msgpack.encode(asked), context=_CONTEXT)
        return with_query(metadata["authorization_endpoint"], query), urlsafe_b64encode(kept).decode()

    def finish(self, answer: Mapping[str, str], kept: str | None) -> Identity:
        """Who came back with `answer`, the address's parameters, in a browser that kept `kept`. Raises SignInError."""
        asked = self._open_kept(kept)
        if not compare_digest(answer.get("state", "").encode(), asked.state.encode()):
            raise SignInError("wrong_state", "this answer belongs to another sign-in: begin again here", status=400)
        self._check_sender(answer)
        if "error" in answer:
            raise _refused_there(answer["error"])
        if not answer.get("code"):
            raise SignInError("no_code", "the provider sent the browser back without a code: begin again", status=400)
        tokens = self._provider.exchange(answer["code"], asked.verifier, self.redirect_uri)
        claims = self._provider.open(tokens["id_token"])
        check_id_token(
            claims,
            issuer=self._provider.issuer,
            client_id=self._provider.client_id,
            nonce=asked.nonce,
            now=self._clock(),
            authenticated_after=asked.at if asked.is_stronger else None,
        )
        return self._identity(claims, tokens, asked)

    def _open_kept(self, kept: str | None) -> Asked:
        if kept is None:
            raise SignInError(
                "not_begun_here", "this browser has begun no sign-in, or took too long: begin again here", status=400
            )
        try:
            asked = msgspec.msgpack.decode(cipher().open(urlsafe_b64decode(kept), context=_CONTEXT), type=Asked)
        except (ValueError, ConfigurationError, msgspec.DecodeError):
            raise SignInError("not_begun_here", "this sign-in was not begun here: begin again", status=400) from None
        if not 0 <= self._clock() - asked.at <= ASKED_SECONDS:
            raise SignInError("too_late", "this sign-in took longer than ten minutes: begin again", status=400)
        return asked

    def _check_sender(self, answer: Mapping[str, str]) -> None:
        """Against an answer of another provider (RFC 9207)."""
        told = answer.get("iss")
        is_promised = self._provider.metadata().get("authorization_response_iss_parameter_supported") is True
        if (told is not None and told != self._provider.issuer) or (told is None and is_promised):
            raise SignInError("wrong_sender", "this answer is of another provider: begin again here", status=400)

    def _identity(self, claims: Mapping[str, Any], tokens: Mapping[str, Any], asked: Asked) -> Identity:
        groups, name = groups_of(claims, self._access.groups_claim), claims.get("name")
        if groups is None or name is None:
            more = self._ask_user(tokens.get("access_token"), claims["sub"], is_needed=groups is None)
            groups = groups_of(more, self._access.groups_claim) if groups is None else groups
            name = more.get("name") if name is None else name
        acr, amr, sid = claims.get("acr"), claims.get("amr"), claims.get("sid")
        return Identity(
            issuer=self._provider.issuer,
            subject=claims["sub"],
            name=name[:_LONGEST_NAME] if isinstance(name, str) else None,
            sid=sid if isinstance(sid, str) else None,
            groups=groups,
            acr=acr if isinstance(acr, str) else None,
            amr=[way for way in amr if isinstance(way, str)] if isinstance(amr, list) else [],
            id_token=tokens["id_token"],
            next_path=asked.next_path,
        )

    def _ask_user(self, access_token: Any, subject: str, *, is_needed: bool) -> dict[str, Any]:
        """What many providers say of a user only when they are asked. Of a name alone nothing depends."""
        if not isinstance(access_token, str):
            return {}
        try:
            return self._provider.ask_user(access_token, subject)
        except SignInError:
            if is_needed:
                raise
            return {}

    def end_address(self, id_token: str | None) -> str | None:
        """Where the provider ends its own session too; None if it has no such address, or is away."""
        try:
            address = self._provider.metadata().get("end_session_endpoint")
        except SignInError:
            return None
        if not isinstance(address, str):
            return None
        home = str(self._access.url).rstrip("/")
        query = {"client_id": self._provider.client_id, "post_logout_redirect_uri": f"{home}/signed-out"}
        return with_query(address, {**query, **({"id_token_hint": id_token} if id_token else {})})


def with_query(address: str, query: Mapping[str, str]) -> str:
    """An address with more parameters than it had."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, urlencode(query)) if part)))


def _refused_there(error: str) -> SignInError:
    """Of the provider's error code (RFC 6749, 4.1.2.1). The description is a stranger's text: it is not shown."""
    if error == "access_denied":
        return SignInError("denied_there", "the provider did not let you in, or you went back: sign in anew")
    if error in ("server_error", "temporarily_unavailable"):
        return SignInError("trouble_there", "the provider has trouble of its own: try again later", status=503)
    code = error[:40] if error.replace("_", "").isalnum() and error.isascii() else "unreadable"
    return SignInError(
        "refused_there", f"the provider refused the sign-in ({code}): whoever runs Afluente can tell why"
    )
