"""Which roles a provider's groups give: asked at every sign-in, so whoever leaves a group loses its role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pipeline.login.errors import SignInError
from pipeline.permissions.principals import ALL_BRANDS
from pipeline.settings.sign_in_settings import Requirement, SignInSettings

_MOST_GROUPS = 10_000
RolesByBrand = dict[str, list[str]]


class GivenRoles(msgspec.Struct, frozen=True):
    """`by_brand`: brand (`*`: every one) to roles, sorted. `entitled`: the same with those that need a stronger
    sign-in."""

    by_brand: RolesByBrand
    entitled: RolesByBrand

    @property
    def withheld(self) -> list[str]:
        return withheld_of(self.by_brand, self.entitled)


NO_ROLES = GivenRoles({}, {})


def groups_of(claims: Mapping[str, Any], claim: str) -> list[str] | None:
    """The groups that a token names; None where it does not speak of groups at all.

    A claim of that very name comes first; `realm_access.roles` is a path into objects. Raises SignInError where a link
    stands in place of the list, or no list of texts.
    """
    found = claims.get(claim, _at_path(claims, claim))
    if found is None and claim in _objects(claims.get("_claim_names")):
        raise SignInError(
            "groups_elsewhere",
            f"the provider sent a link in place of the claim {claim}, as Microsoft Entra does for members of many"
            " groups: let it send only the groups that are assigned to this application, or app roles",
        )
    if found is None:
        return None
    groups = [found] if isinstance(found, str) else found
    if not isinstance(groups, list) or len(groups) > _MOST_GROUPS or not all(isinstance(name, str) for name in groups):
        raise SignInError("groups_unreadable", f"the provider's claim {claim} is no list of names")
    return groups


def give_roles(access: SignInSettings, groups: Iterable[str], *, acr: str | None, amr: Iterable[str]) -> GivenRoles:
    """The roles of these groups. One whose requirement is not met is withheld."""
    mine, ways = set(groups), set(amr)
    by_brand: RolesByBrand = {}
    entitled: RolesByBrand = {}
    for brand, by_role in access.roles.items():
        for role, named in by_role.items():
            if mine.isdisjoint(named):
                continue
            entitled.setdefault(brand, []).append(role)
            if _is_met(access.require.get(role), acr, ways):
                by_brand.setdefault(brand, []).append(role)
    return GivenRoles(_sorted(by_brand), _sorted(entitled))


def withheld_of(by_brand: RolesByBrand, entitled: RolesByBrand) -> list[str]:
    """Roles that somebody's groups give and this sign-in is too weak for."""
    return sorted({role for brand, roles in entitled.items() for role in roles if role not in by_brand.get(brand, [])})


def local_roles() -> GivenRoles:
    """Of a local administrator: to administer, which is not to read people."""
    roles = {ALL_BRANDS: ["admin"]}
    return GivenRoles(roles, roles)


def rules_digest(access: SignInSettings | None) -> bytes:
    """32 bytes of what gives roles: a session that was opened by other rules counts no more."""
    rules = (access.issuer, access.groups_claim, access.roles, access.require) if access is not None else ()
    return hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).digest()


def asked_acr(access: SignInSettings) -> list[str]:
    """Every `acr` that a role asks for, as a provider is asked to make sure of somebody once more."""
    return sorted({acr for requirement in access.require.values() for acr in requirement.acr})


def _sorted(roles: RolesByBrand) -> RolesByBrand:
    return {brand: sorted(roles[brand]) for brand in sorted(roles)}


def _is_met(requirement: Requirement | None, acr: str | None, amr: set[str]) -> bool:
    if requirement is None:
        return True
    return (not requirement.acr or acr in requirement.acr) and amr.issuperset(requirement.amr)


def _at_path(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _objects(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
