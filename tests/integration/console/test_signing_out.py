"""Out: by oneself, by the provider's word, by time; and who is out already is no error."""

from __future__ import annotations

import time

import pytest

from pipeline.store.engine import transaction
from tests.support.console_browser import query_of
from tests.support.console_house import House, is_in, running_house
from tests.support.played_provider import make_key, sign

pytestmark = pytest.mark.usefixtures("database")
BACK_CHANNEL = "/sign-out/back-channel"


@pytest.fixture(name="house")
def _house(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch, idle_minutes=30, session_hours=2) as house:
        yield house


def tell(house: House, token: str):
    """As a provider posts it: no cookies, no Origin."""
    return house.browser().post(BACK_CHANNEL, {"logout_token": token}, origin=None, sec_fetch_site=None)


def age(column: str, minutes: int) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            f"UPDATE user_sessions SET {column} = {column} - %s * interval '1 minute'", (minutes,)
        )


def test_who_signs_out_is_led_to_the_end_of_the_providers_session_too(house: House):
    browser = house.signed_in()
    held = browser.cookie("session")
    answer = browser.send_form("/", "/sign-out")
    assert answer.headers["Location"].startswith(f"{house.provider.issuer}/end?")
    asked = query_of(answer.headers["Location"])
    assert asked["post_logout_redirect_uri"] == f"{house.home}/signed-out"
    assert asked["client_id"] == "afluente"
    assert asked["id_token_hint"].count(".") == 2
    browser.http.cookies.set("afluente_session", held, domain="127.0.0.1", path="/")
    assert not is_in(browser)


def test_who_signs_out_where_the_provider_has_no_page_for_it_is_out_here(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch, metadata={"end_session_endpoint": None}) as house:
        browser = house.signed_in()
        assert browser.send_form("/", "/sign-out").headers["Location"] == "/signed-out"
        assert not is_in(browser)


def test_the_provider_ends_one_session_by_its_name(house: House):
    laptop, phone = house.signed_in(sid="s-1"), house.signed_in(sid="s-2")
    assert tell(house, house.provider.logout_token(sub=None, sid="s-1")).status_code == 200
    assert (is_in(laptop), is_in(phone)) == (False, True)


def test_the_provider_ends_all_sessions_of_a_user(house: House):
    mine = [house.signed_in(sid="s-1"), house.signed_in(sid=None)]
    other = house.signed_in(sub="bea", sid="s-3")
    answer = tell(house, house.provider.logout_token(sub="ana"))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert [is_in(browser) for browser in [*mine, other]] == [False, False, True]


def test_a_user_and_a_session_that_do_not_belong_together_end_nothing(house: House):
    mine, other = house.signed_in(sid="s-1"), house.signed_in(sub="bea", sid="s-2")
    assert tell(house, house.provider.logout_token(sub="ana", sid="s-2")).status_code == 200
    assert (is_in(mine), is_in(other)) == (True, True)


def test_who_is_out_already_is_no_error_and_a_token_that_comes_twice_is_one(house: House):
    house.signed_in(sid="s-1")
    token = house.provider.logout_token(sub="ana", sid="s-1")
    assert tell(house, token).status_code == 200
    again = house.signed_in(sid="s-1")
    assert tell(house, token).status_code == 400
    assert is_in(again)
    assert tell(house, house.provider.logout_token(sub="nobody")).status_code == 200


def test_what_the_provider_did_not_sign_as_a_logout_ends_nothing(house: House):
    browser = house.signed_in(sid="s-1")
    now = int(time.time())
    forged = house.provider.claims(
        sid="s-1", jti="1", events={"http://schemas.openid.net/event/backchannel-logout": {}}
    )
    wrong = [
        "",
        "no token",
        house.provider.logout_token(sub="ana", nonce="n"),
        house.provider.logout_token(sub="ana", iat=now - 700),
        house.provider.logout_token(sub="ana", events={}),
        house.provider.logout_token(sub="ana", aud="another"),
        house.provider.logout_token(sub="ana", iss="https://login.example.com"),
        sign(forged, make_key("first"), typ="logout+jwt"),
        sign(forged, house.provider.keys[0], typ="at+jwt"),
        sign(house.provider.claims(sid="s-1"), house.provider.keys[0]),
    ]
    assert [tell(house, token).status_code for token in wrong] == [400] * len(wrong)
    assert is_in(browser)


def test_a_session_ends_when_nobody_uses_it_and_at_its_end_however_it_is_used(house: House):
    browser = house.signed_in()
    age("seen_at", 29)
    assert is_in(browser)  # and is used by that
    age("seen_at", 29)
    assert is_in(browser)
    age("seen_at", 31)
    assert not is_in(browser)
    busy = house.signed_in()
    age("ends_at", 121)
    assert not is_in(busy)


def test_a_session_that_other_rules_opened_counts_no_more(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch) as house:
        browser = house.signed_in()
        held, issuer, home = browser.cookie("session"), house.provider.issuer, house.home
    from pipeline.login.sessions import find_session
    from pipeline.settings.sign_in_settings import SignInSettings
    from tests.support.console_house import ROLES

    same = SignInSettings(url=home, issuer=issuer, client_id="afluente", roles=ROLES)
    assert find_session(held, same) is not None
    assert find_session(held, SignInSettings(url=home, issuer=issuer, client_id="afluente", roles={})) is None
    assert find_session(held, same) is None  # it was ended by that
