"""What afluente.yaml says of sign-in makes sense, or is refused with its place and what to do."""

from __future__ import annotations

import pytest

from pipeline.settings.checks import find_problems

RIGHT = {
    "url": "https://leads.example.org",
    "issuer": "https://login.example.org/realms/main",
    "client_id": "afluente",
    "client_secret": "env:OIDC_SECRET",
    "roles": {"*": {"viewer": ["everybody"]}, "casa": {"operator": ["casa-sales"]}},
    "require": {"admin": {"amr": ["mfa"]}},
}


def problems(**changes) -> list[str]:
    block = {name: value for name, value in {**RIGHT, **changes}.items() if value is not None}
    return find_problems({"brands": {"casa": {}}, "access": {"sign_in": block}})


def test_what_the_page_shows_is_taken():
    assert problems() == []
    assert problems(client_secret=None) == []  # a public client
    assert problems(issuer="http://127.0.0.1:8080", url="http://localhost:8082") == []
    assert find_problems({"access": {"sign_in": {}}}) == []


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"issuer": "http://login.example.org"}, "issuer", "must not travel in clear"),
        ({"issuer": "login.example.org"}, "issuer", "is no address"),
        ({"issuer": "https://user:pw@login.example.org"}, "issuer", "more than an address"),
        ({"url": "http://leads.example.org"}, "url", "must not travel in clear"),
        ({"url": "https://leads.example.org/console"}, "url", "has a path"),
        ({"url": None}, "url", "is missing"),
        ({"client_id": None}, "client_id", "is missing"),
        ({"roles": None}, "roles", "nobody gets in"),
        ({"roles": {"norte": {"viewer": ["a"]}}}, "roles.norte", "not among brands (casa)"),
        ({"roles": {"casa": {"owner": ["a"]}}}, "roles.casa.owner", "allowed: admin, engineer, operator"),
        ({"require": {"boss": {"amr": ["mfa"]}}}, "require.boss", "allowed: admin"),
        ({"require": {"admin": {"mfa": True}}}, "require.admin.mfa", "allowed: acr, amr"),
        ({"scopes": ["profile"]}, "scopes", "openid is missing"),
        ({"client_secret": "a-literal-secret"}, "client_secret", "a literal value is refused"),
        ({"session_hours": 0}, "session_hours", "too small"),
        ({"idle_minutes": "60"}, "idle_minutes", "leave the quotes out"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(changes, place, said):
    found = problems(**changes)
    assert len(found) == 1, found
    assert found[0].startswith(f"access.sign_in.{place}: ")
    assert said in found[0]
    assert "a-literal-secret" not in found[0]
