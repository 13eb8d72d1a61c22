"""How we prove to a source who asks: a fixed secret in each of its usual places, or a token of OAuth 2.0.

A declaration names secrets; what they are, and the tokens that are had for them, is the pipeline's to keep (`Keys`).
Nothing here shows a secret, in a repr or in an error. A secret in the address is put there when a request goes out, so
no address of ours holds it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.declarations import Access, Auth, Keys, Mark, Poll, Secret
from connectors.kit.tokens import TokenSource

__all__ = [
    "Access",
    "Auth",
    "Basic",
    "Bearer",
    "FixedAccess",
    "HeaderKey",
    "Keys",
    "OAuthClient",
    "OAuthCode",
    "QueryKey",
    "TokenAccess",
    "auth_of",
    "send_marked",
]

_MOST_MARKS = 4  # values of a secret that are tried: two are usual, the old one and the new one
_UNAUTHORIZED = 401
Response = TypeVar("Response", bound="_HasStatus")


class _HasStatus(Protocol):
    @property
    def status_code(self) -> int: ...


def auth_of(poll: Poll) -> Auth | None:
    """What a poll declares: `token` is short for a Bearer."""
    return poll.auth or (Bearer(poll.token) if poll.token is not None else None)


def send_marked(access: Access | None, send: Callable[[Mark | None], Response]) -> Response:
    """The answer to a request: one that is refused (401) is sent again with each further mark that there is."""
    if access is None:
        return send(None)
    for mark in access.marks():
        response = send(mark)
        if response.status_code != _UNAUTHORIZED:
            break
    return response


class FixedAccess:
    """Marks of values that are set. The one that was taken last is the first to be tried the next time."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._marks: list[Mark] = list(marks[:_MOST_MARKS])

    def marks(self) -> Iterator[Mark | None]:
        """A single None where nothing is set: the source may let anybody in."""
        if not self._marks:
            yield None
        for mark in list(self._marks):
            self._marks.remove(mark)
            self._marks.insert(0, mark)
            yield mark


class TokenAccess:
    """Marks of tokens that are renewed: a refused one is replaced once a request."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def marks(self) -> Iterator[Mark | None]:
        yield _bearer(self._tokens.token())
        if self._tokens.renew():
            yield _bearer(self._tokens.token())


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A secret in a header: `X-Api-Key: …`, or behind a word, `Authorization: Token …` by `prefix="Token "`."""

    name: str
    secret: Secret
    prefix: str = ""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.secret,)

    @property
    def needs_a_human(self) -> bool:
        return False

    def access(self, keys: Keys) -> Access:
        return FixedAccess([_Header(self.name, self.prefix + value) for value in keys.secrets_of(self.secret)])


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer …`, a token that a human made."""

    secret: Secret

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.secret,)

    @property
    def needs_a_human(self) -> bool:
        return False

    def access(self, keys: Keys) -> Access:
        return HeaderKey("Authorization", self.secret, "Bearer ").access(keys)


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password. A text stands for itself: `Basic(Secret("ACME_KEY"), "")` is for those who send a key as
    the user."""

    user: Secret | str
    password: Secret | str

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(part for part in (self.user, self.password) if isinstance(part, Secret))

    @property
    def needs_a_human(self) -> bool:
        return False

    def access(self, keys: Keys) -> Access:
        users, passwords = (
            keys.secrets_of(part) if isinstance(part, Secret) else [part] for part in (self.user, self.password)
        )
        return FixedAccess([_basic(user, password) for user, password in itertools.product(users, passwords)])


@dataclass(frozen=True, slots=True)
class QueryKey:
    """A secret as a parameter of the address. Proxies and the source write addresses into their logs: where the source
    takes a header, `HeaderKey` is better."""

    name: str
    secret: Secret

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.secret,)

    @property
    def needs_a_human(self) -> bool:
        return False

    def access(self, keys: Keys) -> Access:
        return FixedAccess([_Parameter(self.name, value) for value in keys.secrets_of(self.secret)])


@dataclass(frozen=True, slots=True)
class Client:
    """An app as a token server knows it: by fields of the form (`body`), or by HTTP's Basic scheme."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    shown: Literal["body", "basic"] = "body"

    def fields(self) -> dict[str, str]:
        if self.shown == "basic":
            return {}
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        return {"client_id": self.client_id, **secret}

    def mark(self) -> Mark | None:
        return _basic(self.client_id, self.client_secret or "") if self.shown == "basic" else None


@dataclass(frozen=True, slots=True)
class OAuthClient:
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

    def access(self, keys: Keys) -> Access:
        return TokenAccess(keys.tokens_of(self))

    def client(self, client_id: str, client_secret: str | None) -> Client:
        return Client(client_id, client_secret, self.client_auth)

    def renewal(self, refresh_token: str | None) -> dict[str, str] | None:
        """The form that gets the next token."""
        del refresh_token  # a new one is had without
        wanted = {"scope": self.scope, "audience": self.audience}
        return {"grant_type": "client_credentials", **{key: value for key, value in wanted.items() if value}}


@dataclass(frozen=True, slots=True)
class OAuthCode:
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

    def access(self, keys: Keys) -> Access:
        return TokenAccess(keys.tokens_of(self))

    def client(self, client_id: str, client_secret: str | None) -> Client:
        return Client(client_id, client_secret, self.client_auth)

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
        return _with_parameters(self.authorize_url, {**asked, **dict(self.extra)})

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


class Grant(Protocol):
    """An Auth whose tokens come from a token server."""

    @property
    def token_url(self) -> str: ...
    @property
    def client_id(self) -> Secret: ...
    @property
    def client_secret(self) -> Secret | None: ...
    @property
    def needs_a_human(self) -> bool: ...
    def client(self, client_id: str, client_secret: str | None) -> Client: ...
    def renewal(self, refresh_token: str | None) -> dict[str, str] | None: ...


class _Header:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value.encode().decode("latin-1")  # bytes of UTF-8 as HTTP carries them

    def __call__(self, request: Any) -> Any:
        request.headers[self._name] = self._value
        return request


class _Parameter:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: Any) -> Any:
        request.url = _with_parameters(request.url or "", {self._name: self._value})
        return request


def _bearer(token: str) -> Mark:
    return _Header("Authorization", f"Bearer {token}")


def _basic(user: str, password: str) -> Mark:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return _Header("Authorization", f"Basic {credentials}")


def _with_parameters(address: str, parameters: Mapping[str, str]) -> str:
    """What stands in the address already stays as it is written, unless it has one of these names."""
    parts = urlsplit(address)
    kept = [pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) not in parameters]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(parameters)])))
