"""Groups give roles: by brand, as the settings say, and a claim that is absent is not an empty one."""

from __future__ import annotations

import pytest

from pipeline.login.errors import SignInError
from pipeline.login.roles import give_roles, groups_of, rules_digest
from pipeline.settings.sign_in_settings import Requirement, SignInSettings

ACCESS = SignInSettings(
    roles={"*": {"viewer": ["everybody"], "admin": ["chiefs"]}, "casa": {"operator": ["casa-sales", "chiefs"]}},
    require={"admin": Requirement(acr=["urn:strong"], amr=["mfa"])},
)


def roles(*groups, acr=None, amr=()):
    given = give_roles(ACCESS, groups, acr=acr, amr=amr)
    return given.by_brand, given.withheld


def test_each_group_gives_its_roles_in_its_brands():
    assert roles("everybody", "casa-sales", "unknown") == ({"*": ["viewer"], "casa": ["operator"]}, [])
    assert roles("unknown") == ({}, [])
    assert roles() == ({}, [])


def test_a_role_with_a_requirement_is_withheld_until_both_parts_are_met():
    assert roles("chiefs") == ({"casa": ["operator"]}, ["admin"])
    assert roles("chiefs", acr="urn:strong") == ({"casa": ["operator"]}, ["admin"])
    assert roles("chiefs", amr=["pwd", "mfa"]) == ({"casa": ["operator"]}, ["admin"])
    assert roles("chiefs", acr="urn:strong", amr=["pwd", "mfa"]) == ({"*": ["admin"], "casa": ["operator"]}, [])


def test_a_claim_that_is_absent_is_told_from_no_groups():
    assert groups_of({"sub": "ana"}, "groups") is None
    assert groups_of({"groups": []}, "groups") == []
    assert groups_of({"groups": "everybody"}, "groups") == ["everybody"]


def test_groups_may_stand_inside_objects_or_under_a_name_with_dots():
    assert groups_of({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ["a"]
    assert groups_of({"https://example.org/groups": ["a"]}, "https://example.org/groups") == ["a"]


@pytest.mark.parametrize("wrong", [7, {"a": 1}, ["a", 7], [["a"]]])
def test_groups_that_are_no_list_of_names_are_an_error_and_not_none(wrong):
    with pytest.raises(SignInError, match="no list of names"):
        groups_of({"groups": wrong}, "groups")


def test_a_link_in_place_of_groups_is_said():
    claims = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}}
    with pytest.raises(SignInError, match="link in place of the claim groups"):
        groups_of(claims, "groups")


def test_other_rules_have_another_digest():
    assert rules_digest(ACCESS) == rules_digest(ACCESS)
    assert len({rules_digest(None), rules_digest(ACCESS), rules_digest(SignInSettings())}) == 3
