"""Who may what, in which brand: roles as the page on access shows them."""

from __future__ import annotations

import pytest

from pipeline.errors import ForbiddenError
from pipeline.permissions.principals import (
    ALL_BRANDS,
    brands_with,
    everything,
    has_anywhere,
    may,
    of_permissions,
    of_roles,
    require,
)
from pipeline.permissions.roles import (
    KEY_ROLES,
    PERMISSIONS,
    ROLES,
    permission_of,
    permissions_of,
    permissions_of_first_key,
    scope_of,
)
from pipeline.records.actors import Actor

ANA = Actor("user", "https://login.example.org#1", "Ana", "oidc")


def test_who_administers_does_not_thereby_read_people():
    admin = of_roles(ANA, {ALL_BRANDS: ["admin"]})
    assert may(admin, "keys.manage")
    for permission in ("people.read", "people.read_masked", "privacy.erase", "privacy.export", "consents.write"):
        assert not may(admin, permission), permission


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_counts_and_states_and_only_two_read_people(role):
    someone = of_roles(ANA, {ALL_BRANDS: [role]})
    assert may(someone, "installation.read")
    assert may(someone, "people.read") == (role in ("operator", "privacy"))


def test_a_role_counts_in_its_brand_alone():
    someone = of_roles(ANA, {"casa": ["operator"], "ocio": ["viewer"]})
    assert may(someone, "people.change", "casa")
    assert not may(someone, "people.change", "ocio")
    assert not may(someone, "people.change")  # what is about all brands
    assert brands_with(someone, "installation.read", ["casa", "ocio", "otra"]) == ["casa", "ocio"]
    assert has_anywhere(someone, "people.change")
    assert not has_anywhere(someone, "privacy.erase")


def test_roles_of_all_brands_count_in_each_and_add_up_with_others():
    someone = of_roles(ANA, {ALL_BRANDS: ["viewer"], "casa": ["privacy"]})
    assert may(someone, "privacy.erase", "casa")
    assert not may(someone, "privacy.erase", "ocio")
    assert may(someone, "leads.status", "ocio")


def test_what_is_missing_is_said_with_the_roles_that_have_it():
    with pytest.raises(ForbiddenError) as caught:
        require(of_roles(ANA, {ALL_BRANDS: ["viewer"]}), "privacy.erase", "casa")
    assert str(caught.value) == (
        "this needs the permission privacy.erase in the brand casa; roles that have it: privacy"
    )


def test_a_permission_that_there_is_not_is_a_slip_and_no_refusal():
    with pytest.raises(ValueError, match="there is no permission"):
        may(everything(ANA), "privacy.earse")


def test_a_key_of_some_brands_may_nothing_elsewhere():
    key = of_permissions(ANA, ["leads.post"], brands=["casa"])
    assert may(key, "leads.post", "casa")
    assert not may(key, "leads.post", "ocio")
    assert not may(key, "leads.status", "casa")


def test_first_keys_of_operators_and_admins_open_what_they_opened_and_show_nobody():
    for role in ("operator", "admin"):
        held = permissions_of_first_key(role)
        assert {"leads.post", "leads.status", "hooks.subscribe"} <= held
    assert "people.read" not in permissions_of_first_key("admin")
    assert "hooks.subscribe" not in permissions_of_first_key("viewer")
    assert permissions_of_first_key("ingest") == {"leads.post", "consents.post"}


def test_every_permission_is_a_noun_and_a_verb_and_somebody_has_it():
    for permission, roles in PERMISSIONS.items():
        noun, _, verb = permission.partition(".")
        assert noun.isidentifier()
        assert verb.isidentifier()
        assert permission_of(scope_of(permission)) == permission
        assert roles
        assert roles <= set(KEY_ROLES)
    assert all(permissions_of(role) for role in KEY_ROLES)
    assert permissions_of("nobody") == frozenset()
