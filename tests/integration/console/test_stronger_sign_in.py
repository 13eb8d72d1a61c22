"""Roles that need a second factor are given only to a sign-in that had one."""

from __future__ import annotations

import time

import pytest

from tests.support.console_browser import form_of, query_of
from tests.support.console_house import House, is_in, running_house

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(name="house")
def _house(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch, require={"admin": {"acr": ["urn:strong"]}}) as house:
        yield house


def test_a_role_is_withheld_until_the_provider_made_sure(house: House):
    browser = house.signed_in(groups=["everybody", "chiefs"])
    page = browser.get("/").text
    assert "<td>viewer</td>" in page
    assert "Not given for this session: admin" in page
    answer = browser.post("/sign-in", form_of(page, "/sign-in"))
    asked = query_of(answer.headers["Location"])
    assert (asked["acr_values"], asked["max_age"]) == ("urn:strong", "0")
    strong = {"acr": "urn:strong", "auth_time": int(time.time()), "groups": ["everybody", "chiefs"]}
    browser.come_back(house.provider.code_for(asked, **strong), asked["state"])
    assert "<td>admin, viewer</td>" in browser.get("/").text


def test_a_proof_of_an_hour_ago_is_not_one_of_now(house: House):
    browser = house.browser()
    asked = browser.begin(stronger="yes")
    old = {"acr": "urn:strong", "auth_time": int(time.time()) - 3_600, "groups": ["chiefs"]}
    answer = browser.come_back(house.provider.code_for(asked, **old), asked["state"])
    assert "wrong_auth_time" in answer.text
    assert not is_in(browser)


def test_whose_only_role_needs_it_is_refused_with_a_way_on(house: House):
    answer = house.sign_in(house.browser(), groups=["chiefs"])
    assert answer.status_code == 403
    assert form_of(answer.text, "/sign-in")["stronger"] == "yes"


def test_a_weak_sign_in_ends_no_strong_session_of_the_same_groups(house: House):
    strong = house.signed_in(groups=["chiefs", "everybody"], acr="urn:strong")
    house.signed_in(groups=["chiefs", "everybody"])
    assert is_in(strong)
    assert "stronger_needed" in house.sign_in(house.browser(), groups=["chiefs"]).text
    assert not is_in(strong)  # no longer of everybody, whatever the way
