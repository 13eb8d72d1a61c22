"""Secrets that a human made and set here, and where each is sent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from connectors.kit.sources.auth.marks import FixedAccess, HeaderMark, ParameterMark, basic_mark
from connectors.kit.sources.declarations import Access, Auth, Keys, Secret


def plain_of(intake: Any) -> Bearer | None:
    """The token that the declaration of an intake takes from a human, itself or to read on, also beside `auth`."""
    token: Secret | None = getattr(_asker(intake), "token", None)
    return Bearer(token) if token is not None else None


def auth_of(intake: Any) -> Auth | None:
    """What the declaration of an intake shows to its source, itself or to read on (`fetch`): `token` is short for a
    Bearer. None for one that asks its source for nothing, or shows nothing."""
    auth: Auth | None = getattr(_asker(intake), "auth", None)
    return auth or plain_of(intake)


def _asker(intake: Any) -> Any:
    """What of an intake says how its source is asked."""
    return getattr(intake, "fetch", None) or intake


class _Shown:
    """The secrets themselves are shown."""

    __slots__ = ()

    @property
    def grant(self) -> None:
        return None


class _OneSecret(_Shown):
    __slots__ = ()
    secret: Secret

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class HeaderKey(_OneSecret):
    """A secret in a header: `X-Api-Key: …`, or behind a word, `Authorization: Token …` by `prefix="Token "`."""

    name: str
    secret: Secret
    prefix: str = ""

    def access(self, keys: Keys) -> Access:
        return FixedAccess([HeaderMark(self.name, self.prefix + value) for value in keys.secrets_of(self.secret)])


@dataclass(frozen=True, slots=True)
class Bearer(_OneSecret):
    """`Authorization: Bearer …`, a token that a human made."""

    secret: Secret

    def access(self, keys: Keys) -> Access:
        return HeaderKey("Authorization", self.secret, "Bearer ").access(keys)


@dataclass(frozen=True, slots=True)
class Basic(_Shown):
    """A user and a password. A text stands for itself: `Basic(Secret("ACME_KEY"), "")` is for those who send a key as
    the user."""

    user: Secret | str
    password: Secret | str

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(part for part in (self.user, self.password) if isinstance(part, Secret))

    def access(self, keys: Keys) -> Access:
        users, passwords = (
            keys.secrets_of(part) if isinstance(part, Secret) else [part] for part in (self.user, self.password)
        )
        return FixedAccess([basic_mark(user, password) for user, password in itertools.product(users, passwords)])


@dataclass(frozen=True, slots=True)
class QueryKey(_OneSecret):
    """A secret as a parameter of the address. Proxies and the source write addresses into their logs: where the source
    takes a header, `HeaderKey` is better."""

    name: str
    secret: Secret

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.name,)

    def access(self, keys: Keys) -> Access:
        return FixedAccess([ParameterMark(self.name, value) for value in keys.secrets_of(self.secret)])
