"""Senders that sign nothing show a secret: as bearer, or in the address."""

from __future__ import annotations

import pytest

from connectors.kit import Secret, SharedSecret

SCHEME = SharedSecret(Secret("UNUSED"))
SECRET = "a secret & more"
ADDRESS = "https://hooks.example.com/in/default/jotform"


def accepts(headers, *, secrets=(SECRET,), scheme=SCHEME):
    return scheme.verify(secrets=list(secrets), headers=headers, body=b"{}", now=0.0)


def test_it_is_taken_as_bearer_and_from_the_address():
    assert accepts({"authorization": f"Bearer {SECRET}"})
    assert accepts({"authorization": f"bearer  {SECRET} "})
    assert accepts({":uri": f"{ADDRESS}?form=1&secret=a+secret+%26%20more"})
    assert accepts(
        {":uri": f"{ADDRESS}?key=a%20secret%20%26%20more"}, scheme=SharedSecret(Secret("UNUSED"), param="key")
    )


def test_a_right_one_beside_a_wrong_one_is_enough_and_so_is_an_older_one():
    assert accepts({"authorization": "Bearer of another system", ":uri": f"{ADDRESS}?secret=a+secret+%26+more"})
    assert accepts({"authorization": f"Bearer {SECRET}"}, secrets=("the new one", SECRET))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": SECRET},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer a secret & mor"},
        {":uri": ADDRESS},
        {":uri": f"{ADDRESS}?secret="},
        {":uri": f"{ADDRESS}?Secret=a+secret+%26+more"},
        {":uri": f"{ADDRESS}?secret=a+secret+%26+more2"},
        {":uri": "http://[::1?secret=x"},
        {":uri": ADDRESS + "?" + "secret=x&" * 100 + "secret=a+secret+%26+more"},
    ],
)
def test_anything_else_is_refused(headers):
    assert not accepts(headers)


def test_an_empty_secret_proves_nothing_and_is_told():
    assert not accepts({"authorization": "Bearer "}, secrets=("", " "))
    assert not accepts({":uri": f"{ADDRESS}?secret="}, secrets=("",))
    assert SCHEME.fault_of(" ") is not None
    assert SCHEME.fault_of(SECRET) is None


def test_a_request_that_shows_nothing_need_not_be_read():
    assert not SCHEME.is_claimed({":uri": ADDRESS, "authorization": "Basic abc"})
    assert SCHEME.is_claimed({":uri": f"{ADDRESS}?secret=wrong"})
    assert SCHEME.is_claimed({":uri": ADDRESS, "authorization": "Bearer wrong"})


def test_what_it_shows_is_what_it_takes():
    assert accepts(
        {name.lower(): value for name, value in SCHEME.sign(secret=SECRET, body=b"", message_id="", now=0).items()}
    )


def test_a_secret_in_a_header_of_its_own_is_taken_there_alone():
    scheme = SharedSecret(Secret("UNUSED"), header="X-Portal-Key")
    assert accepts({"x-portal-key": SECRET}, scheme=scheme)
    assert accepts({"x-portal-key": f" {SECRET} "}, scheme=scheme)
    assert scheme.sign(secret=SECRET, body=b"", message_id="", now=0) == {"X-Portal-Key": SECRET}
    elsewhere = {"authorization": f"Bearer {SECRET}", ":uri": f"{ADDRESS}?secret=a+secret+%26+more"}
    assert not accepts(elsewhere, scheme=scheme)
    assert not scheme.is_claimed(elsewhere)
    assert not accepts({"x-portal-key": ""}, secrets=("",), scheme=scheme)
    assert not accepts({"x-portal-key": SECRET[:-1]}, scheme=scheme)


def test_a_secret_in_a_header_may_stand_behind_a_word():
    scheme = SharedSecret(Secret("UNUSED"), header="Authorization", prefix="Token ")
    assert accepts({"authorization": f"Token {SECRET}"}, scheme=scheme)
    assert accepts({"authorization": f"token {SECRET}"}, scheme=scheme)
    assert not accepts({"authorization": SECRET}, scheme=scheme)
    assert not accepts({"authorization": f"Bearer {SECRET}"}, scheme=scheme)
    assert scheme.sign(secret=SECRET, body=b"", message_id="", now=0) == {"Authorization": f"Token {SECRET}"}
