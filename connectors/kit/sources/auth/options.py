"""How we prove who asks, as afluente.yaml says it: `auth: {by: header, name: X-Api-Key}`.

Secrets are named after the source (`ACME_KEY` of the source `acme`): what one API trusts is shown to no other.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from connectors.kit.sources.auth.fixed import Basic, Bearer, HeaderKey, QueryKey
from connectors.kit.sources.auth.oauth import OAuthClient, OAuthCode
from connectors.kit.sources.declarations import Secret

_Word = Annotated[str, msgspec.Meta(min_length=1)]
_HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+$")]
_Plain = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*$")]
_Server = Annotated[str, msgspec.Meta(pattern="^https?://[^/]")]


class BearerOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="bearer", tag_field="by"):
    """`SLUG_TOKEN`."""

    def declared(self, slug: str) -> Bearer:
        return Bearer(secret_of(slug, "TOKEN"))


class BasicOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="basic", tag_field="by"):
    """`SLUG_USER` and `SLUG_PASSWORD`; `key_as_user`: `SLUG_KEY` alone, and no password."""

    key_as_user: bool = False

    def declared(self, slug: str) -> Basic:
        if self.key_as_user:
            return Basic(secret_of(slug, "KEY"), "")
        return Basic(secret_of(slug, "USER"), secret_of(slug, "PASSWORD"))


class HeaderOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="header", tag_field="by"):
    """`SLUG_KEY`, behind `prefix`."""

    name: _HeaderName
    prefix: _Plain = ""

    def declared(self, slug: str) -> HeaderKey:
        return HeaderKey(self.name, secret_of(slug, "KEY"), self.prefix)


class QueryOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="query", tag_field="by"):
    """`SLUG_KEY` as a parameter of the address."""

    name: _Word

    def declared(self, slug: str) -> QueryKey:
        return QueryKey(self.name, secret_of(slug, "KEY"))


class _OAuthOption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    token_url: _Server
    client_auth: Literal["body", "basic"] = "body"


class OAuthClientOption(_OAuthOption, frozen=True, kw_only=True, tag="oauth_client", tag_field="by"):
    """`SLUG_CLIENT_ID` and `SLUG_CLIENT_SECRET`."""

    scope: str | None = None
    audience: str | None = None

    def declared(self, slug: str) -> OAuthClient:
        return OAuthClient(
            self.token_url,
            secret_of(slug, "CLIENT_ID"),
            secret_of(slug, "CLIENT_SECRET"),
            self.scope,
            self.audience,
            self.client_auth,
        )


class OAuthCodeOption(_OAuthOption, frozen=True, kw_only=True, tag="oauth_code", tag_field="by"):
    """The same two, and `afluente source connect`. `has_secret` False: an app that PKCE alone proves."""

    authorize_url: _Server
    scopes: list[_Word] = []
    pkce: bool = True
    has_secret: bool = True
    extra: dict[str, str] = {}

    def declared(self, slug: str) -> OAuthCode:
        return OAuthCode(
            self.authorize_url,
            self.token_url,
            secret_of(slug, "CLIENT_ID"),
            secret_of(slug, "CLIENT_SECRET") if self.has_secret else None,
            tuple(self.scopes),
            self.pkce,
            tuple(self.extra.items()),
            self.client_auth,
        )


AuthOption = BearerOption | BasicOption | HeaderOption | QueryOption | OAuthClientOption | OAuthCodeOption


def secret_of(slug: str, what: str) -> Secret:
    """Named after the source as it is set up: what one API trusts is sent to no other."""
    return Secret(f"{slug.upper()}_{what}")
