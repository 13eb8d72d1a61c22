"""Who asks, and the one question: may they? The command line, the API and the console ask it here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from pipeline.errors import ForbiddenError
from pipeline.permissions.roles import PERMISSIONS, permissions_of
from pipeline.records.actors import Actor
from pipeline.records.base import Fact

ALL_BRANDS = "*"  # in place of a brand's name: each of them, and what belongs to the installation


class Principal(Fact, frozen=True):
    """An actor and what it may do: permissions by brand, `ALL_BRANDS` for each of them.

    `sources`: the only ones it may post to or read of; empty: all. `ends_at`: of a key that ends.
    """

    actor: Actor
    permissions: Mapping[str, frozenset[str]]
    sources: tuple[str, ...] = ()
    ends_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<Principal {self.actor.kind} {self.actor.id}>"


def of_roles(actor: Actor, roles_by_brand: Mapping[str, Iterable[str]]) -> Principal:
    """Somebody with these roles in these brands; ALL_BRANDS as a brand: in all of them."""
    held = {
        brand: frozenset(permission for role in roles for permission in permissions_of(role))
        for brand, roles in roles_by_brand.items()
    }
    return Principal(actor, held)


def of_permissions(
    actor: Actor,
    permissions: Iterable[str],
    *,
    brands: Collection[str] = (),
    sources: Iterable[str] = (),
    ends_at: datetime | None = None,
) -> Principal:
    """Somebody with these permissions in these brands; without brands: in all of them."""
    held = frozenset(permissions)
    return Principal(actor, dict.fromkeys(brands or (ALL_BRANDS,), held), tuple(sources), ends_at)


def everything(actor: Actor) -> Principal:
    """Whoever has the installation's files and keys anyway: the account that runs it."""
    return of_permissions(actor, PERMISSIONS)


def may(principal: Principal, permission: str, brand: str | None = None) -> bool:
    """Whether this is allowed in a brand. `brand` None: for what belongs to no brand, or is about all of them.

    Raises ValueError for a permission that there is not, so that a slip is found at once.
    """
    if permission not in PERMISSIONS:
        raise ValueError(f"there is no permission {permission!r}")
    held = principal.permissions
    if permission in held.get(ALL_BRANDS, ()):
        return True
    return brand is not None and permission in held.get(brand, ())


def require(principal: Principal, permission: str, brand: str | None = None) -> None:
    """Raises ForbiddenError, which says what is missing, unless this is allowed."""
    if not may(principal, permission, brand):
        place = f"in the brand {brand}" if brand else "in all brands"
        roles = ", ".join(sorted(PERMISSIONS[permission]))
        raise ForbiddenError(f"this needs the permission {permission} {place}; roles that have it: {roles}")


def require_source(principal: Principal, source: str | None, *, is_bounded: bool) -> None:
    """Raises ForbiddenError for somebody who serves some sources only, where none or another is named, or where what is
    asked cannot be held to a source (`is_bounded` False)."""
    if not principal.sources:
        return
    served = ", ".join(principal.sources)
    if not is_bounded:
        raise ForbiddenError(f"this is about more than one source, and your key is for the sources {served} alone")
    if source not in principal.sources:
        raise ForbiddenError(f"this is for the sources {served} alone: name one of them")


def brands_with(principal: Principal, permission: str, brands: Iterable[str]) -> list[str]:
    """Those of `brands` in which this is allowed, in their order: what a list may show."""
    return [brand for brand in brands if may(principal, permission, brand)]


def has_anywhere(principal: Principal, permission: str) -> bool:
    """Whether this is allowed in any brand at all."""
    return any(may(principal, permission, brand) for brand in (None, *principal.permissions))
