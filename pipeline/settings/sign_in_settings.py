"""What `access.sign_in` of afluente.yaml may say: who signs in at the console, by which provider, with which roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.permissions.principals import ALL_BRANDS
from pipeline.permissions.roles import ROLES
from pipeline.settings.edges.declared import Hsts
from pipeline.settings.secrets import reference
from pipeline.values.nearest import unknown_name

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
Problem = tuple[str, str]

Minutes = Annotated[int, msgspec.Meta(ge=1, le=1_440)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=720)]


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider must have made sure of somebody before a role is given: one of these `acr`, all of these `amr`."""

    acr: list[str] = []
    amr: list[str] = []


class SignInSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signing in. Without `issuer` there are only local administrators (`afluente users local-admin`).

    `roles`: brand (`"*"`: every brand) to role to the provider's groups that have it.
    """

    url: str | None = None  # where browsers reach the console, as it is registered at the provider
    issuer: str | None = None
    client_id: str | None = None
    client_secret: str | None = None  # a reference; None: a public client
    scopes: list[str] = msgspec.field(default_factory=lambda: ["openid", "profile"])
    groups_claim: str = "groups"
    roles: dict[str, dict[str, list[str]]] = {}
    require: dict[str, Requirement] = {}
    idle_minutes: Minutes = 60
    session_hours: Hours = 10
    hsts: Hsts = "host"  # for whom browsers that came by HTTPS are to use it alone


def problems_of_sign_in(entry: Mapping[Any, Any], brands: set[str]) -> Iterator[Problem]:
    """What types cannot tell of `access.sign_in`, as (place, what is wrong there)."""
    issuer, url = entry.get("issuer"), entry.get("url")
    yield from _of_address(issuer, "access.sign_in.issuer")
    yield from _of_address(url, "access.sign_in.url")
    if isinstance(url, str) and urlsplit(url).path.strip("/"):
        yield (
            "access.sign_in.url",
            "has a path; the console answers at the root of a name of its own, https://leads.example.org",
        )
    if issuer is not None:
        for name in ("client_id", "url"):
            if entry.get(name) is None:
                yield f"access.sign_in.{name}", "is missing: the provider knows the console by it"
        if not entry.get("roles"):
            yield "access.sign_in.roles", "is missing: without groups that have roles nobody gets in"
    scopes = entry.get("scopes")
    if isinstance(scopes, list) and "openid" not in scopes:
        yield "access.sign_in.scopes", "openid is missing: without it the provider says nothing of who somebody is"
    if isinstance(secret := entry.get("client_secret"), str):
        try:
            reference(secret, "access.sign_in.client_secret")
        except ConfigurationError as error:
            yield "access.sign_in.client_secret", str(error).removeprefix("access.sign_in.client_secret: ")
    yield from _of_roles(entry.get("require"), "access.sign_in.require")
    roles = entry.get("roles")
    for brand, by_role in roles.items() if isinstance(roles, dict) else ():
        yield from _of_roles(by_role, f"access.sign_in.roles.{brand}")
        if brand != ALL_BRANDS and brand not in brands:
            known = ", ".join(sorted(map(str, brands)))
            yield (
                f"access.sign_in.roles.{brand}",
                f'is not among brands ({known}); "{ALL_BRANDS}" stands for every brand',
            )


def problems_of_accounts(access: Mapping[Any, Any], brands: set[str]) -> Iterator[Problem]:
    """What types cannot tell of `access.accounts` and `access.socket`, as (place, what is wrong there)."""
    if access.get("command_line") == "socket":
        for name in ("socket", "accounts"):
            if not access.get(name):
                yield f"access.{name}", "is missing: access.command_line is socket"
    path = access.get("socket")
    if isinstance(path, str) and not path.startswith("/"):
        yield "access.socket", "is no whole path: it begins with /"
    accounts = access.get("accounts")
    for account, by_brand in accounts.items() if isinstance(accounts, dict) else ():
        for brand, roles in by_brand.items() if isinstance(by_brand, dict) else ():
            place = f"access.accounts.{account}.{brand}"
            yield from _of_roles(dict.fromkeys(roles) if isinstance(roles, list) else None, place)
            if brand != ALL_BRANDS and brand not in brands:
                yield place, f'is not among brands; "{ALL_BRANDS}" stands for every brand'


def _of_roles(by_role: Any, place: str) -> Iterator[Problem]:
    for role in by_role if isinstance(by_role, dict) else ():
        if role not in ROLES:
            yield f"{place}.{role}", unknown_name(str(role), ROLES)


def _of_address(address: Any, place: str) -> Iterator[Problem]:
    if not isinstance(address, str):
        return
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query or parts.fragment:
        yield place, "holds more than an address: no user, no query, no #"
    elif parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        yield place, "begins with http://: what is signed in with must not travel in clear; https://"
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        yield place, "is no address; it begins with https://"
