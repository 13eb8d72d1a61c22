"""Signing in by a provider: who comes in, with which roles, and every answer that is not the one we asked for."""

from __future__ import annotations

import re

import pytest

from pipeline.login import users
from pipeline.store.engine import transaction
from tests.support.console_house import House, is_in, running_house
from tests.support.played_provider import encode, make_key, sign

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(name="house")
def _house(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch) as house:
        yield house


def code_of(answer) -> str:
    found = re.search(r"<code>(\w+)</code>", answer.text)
    assert found is not None, answer.text
    return found[1]


def sessions_in_table() -> int:
    with transaction() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM user_sessions").scalar_one()


def test_whoever_has_a_group_with_a_role_comes_in_and_sees_it(house: House):
    browser = house.signed_in(groups=["everybody", "casa-sales"])
    page = browser.get("/").text
    assert "Ana Sample" in page
    assert re.findall(r"<td>([^<]+)</td><td>([^<]+)</td>", page) == [("every brand", "viewer"), ("casa", "operator")]
    (form,) = house.provider.forms
    assert (form["grant_type"], form["redirect_uri"]) == ("authorization_code", f"{house.home}/sign-in/callback")


def test_a_sign_in_asks_with_a_challenge_a_nonce_and_a_state_that_are_new_each_time(house: House):
    first, second = house.browser().begin(), house.browser().begin()
    assert first["code_challenge_method"] == second["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]


def test_another_state_is_refused(house: House):
    for change in (
        lambda asked: "",
        lambda asked: "another",
        lambda asked: asked["state"][:-1],
        lambda asked: asked["nonce"],
    ):
        browser = house.browser()
        asked = browser.begin()
        answer = browser.come_back(house.provider.code_for(asked, groups=["everybody"]), change(asked))
        assert (answer.status_code, code_of(answer)) == (400, "wrong_state")
        assert not is_in(browser)


def test_an_answer_counts_once(house: House):
    browser = house.browser()
    asked = browser.begin()
    code = house.provider.code_for(asked, groups=["everybody"])
    browser.come_back(code, asked["state"])
    assert code_of(browser.come_back(code, asked["state"])) == "not_begun_here"


def test_an_answer_counts_only_in_the_browser_that_asked(house: House):
    attacker, victim = house.browser(), house.browser()
    asked = attacker.begin()
    code = house.provider.code_for(asked, sub="mallory", groups=["everybody"])
    assert code_of(victim.come_back(code, asked["state"])) == "not_begun_here"
    victim.begin()
    assert code_of(victim.come_back(code, asked["state"])) == "wrong_state"
    assert not is_in(victim)


def test_a_code_of_another_sign_in_is_refused_for_its_verifier(house: House):
    thief, victim = house.browser(), house.browser()
    stolen = house.provider.code_for(victim.begin(), groups=["everybody"])
    answer = thief.come_back(stolen, thief.begin()["state"])
    assert (answer.status_code, code_of(answer)) == (403, "code_refused")


def test_a_token_of_another_sign_in_is_refused_for_its_nonce(house: House):
    browser = house.browser()
    asked = browser.begin()
    claims = house.provider.claims(nonce="of-another", groups=["everybody"])
    house.provider.codes["injected"] = (claims, asked["code_challenge"])
    assert code_of(browser.come_back("injected", asked["state"])) == "wrong_nonce"
    assert not is_in(browser)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "another-application"}, "wrong_aud"),
        ({"iss": "https://login.example.com"}, "wrong_iss"),
        ({"exp": 1_000_000}, "wrong_exp"),
        ({"sub": None}, "wrong_sub"),
    ],
)
def test_a_token_that_is_not_for_us_now_opens_no_session(house: House, claims, code):
    browser = house.browser()
    assert code_of(house.sign_in(browser, **claims)) == code
    assert sessions_in_table() == 0


def test_a_token_that_nobody_signed_opens_no_session(house: House):
    browser = house.browser()

    def unsigned(token: str) -> str:
        return f"{encode({'alg': 'none'})}.{token.split('.')[1]}."

    house.provider.change_token = unsigned
    assert code_of(house.sign_in(browser)) == "algorithm_refused"
    foreign = make_key("first")
    house.provider.change_token = lambda _: sign(house.provider.claims(), foreign)
    assert code_of(house.sign_in(browser)) == "signature_wrong"
    assert sessions_in_table() == 0


def test_an_answer_of_another_provider_is_refused(house: House):
    browser = house.browser()
    asked = browser.begin()
    code = house.provider.code_for(asked, groups=["everybody"])
    answer = browser.come_back(code, asked["state"], iss="https://login.example.com")
    assert code_of(answer) == "wrong_sender"
    assert house.provider.forms == []  # the code went nowhere


def test_an_answer_is_refused_that_lacks_the_sender_which_was_promised(tmp_path, monkeypatch):
    promise = {"authorization_response_iss_parameter_supported": True}
    with running_house(tmp_path, monkeypatch, metadata=promise) as house:
        browser = house.browser()
        assert code_of(house.sign_in(browser)) == "wrong_sender"
        asked = browser.begin()
        code = house.provider.code_for(asked, groups=["everybody"])
        assert browser.come_back(code, asked["state"], iss=house.provider.issuer).headers["Location"] == "/"


def test_what_the_provider_refuses_is_said_without_its_words(house: House):
    browser = house.browser()
    asked = browser.begin()
    answer = browser.get(
        "/sign-in/callback",
        params={"state": asked["state"], "error": "access_denied", "error_description": "<b>call 555-0100</b>"},
    )
    assert code_of(answer) == "denied_there"
    assert "555" not in answer.text


def test_nobody_without_a_group_that_has_a_role_gets_in(house: House):
    for groups in ([], ["strangers"], "strangers"):
        browser = house.browser()
        answer = house.sign_in(browser, groups=groups)
        assert (answer.status_code, code_of(answer)) == (403, "no_role")
        assert not is_in(browser)


def test_a_provider_that_says_nothing_of_groups_changes_nobodys_roles(house: House):
    browser = house.signed_in(groups=["everybody"])
    other = house.browser()
    assert code_of(house.sign_in(other, groups=None)) == "groups_not_told"
    assert is_in(browser)
    (user,) = users.list_users()
    assert user.roles == {"*": ["viewer"]}


def test_a_link_in_place_of_groups_is_explained(house: House):
    answer = house.sign_in(house.browser(), groups=None, _claim_names={"groups": "src1"})
    assert code_of(answer) == "groups_elsewhere"
    assert "groups that are assigned to this application" in answer.text


def test_groups_that_stand_only_with_the_user_are_asked_for_there(house: House):
    house.provider.user = {"sub": "ana", "groups": ["casa-sales"]}
    browser = house.browser()
    assert house.sign_in(browser, groups=None).headers["Location"] == "/"
    assert "operator" in browser.get("/").text
    house.provider.user = {"sub": "bea", "groups": ["casa-sales"]}
    assert code_of(house.sign_in(browser, groups=None)) == "wrong_user"


def test_whoever_left_a_group_is_out_everywhere_at_the_next_sign_in(house: House):
    laptop, phone, other = (
        house.signed_in(groups=["everybody", "casa-sales"]),
        house.browser(),
        house.signed_in(sub="bea"),
    )
    assert house.sign_in(phone, groups=["everybody"]).headers["Location"] == "/"
    assert not is_in(laptop)
    assert "operator" not in phone.get("/").text
    assert code_of(house.sign_in(house.browser(), groups=[])) == "no_role"
    assert not is_in(phone)
    assert is_in(other)


def test_users_are_told_apart_by_their_subject_and_never_by_their_name(house: House):
    house.signed_in(sub="ana", name="Ana Sample", email="ana@example.org")
    house.signed_in(sub="other", name="Ana Sample", email="ana@example.org")
    house.signed_in(sub="ana", name="Ana Sample-Married")
    assert [(user.subject, user.sessions) for user in users.list_users()] == [("ana", 2), ("other", 1)]


def test_a_user_who_is_switched_off_is_out_at_once_and_stays_out(house: House):
    browser = house.signed_in()
    users.set_disabled("ana", is_disabled=True)
    assert not is_in(browser)
    assert code_of(house.sign_in(browser)) == "user_disabled"
    users.set_disabled("ana", is_disabled=False)
    assert house.sign_in(browser).headers["Location"] == "/"


def test_the_session_of_before_does_not_become_the_one_of_after(house: House):
    browser = house.browser()
    browser.http.cookies.set("afluente_session", "planted-by-somebody-else", domain="127.0.0.1", path="/")
    house.sign_in(browser)
    assert browser.cookie("session") != "planted-by-somebody-else"
    planted = house.browser()
    planted.http.cookies.set("afluente_session", "planted-by-somebody-else", domain="127.0.0.1", path="/")
    assert not is_in(planted)


def test_who_signs_in_anew_has_a_new_session_and_the_old_one_ended(house: House):
    browser = house.signed_in()
    former = house.browser()
    former.http.cookies.set("afluente_session", browser.cookie("session"), domain="127.0.0.1", path="/")
    assert is_in(former)
    house.sign_in(browser)
    assert not is_in(former)
    assert is_in(browser)


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example.com/", "//evil.example.com", "/\\evil.example.com", "\\\\evil.example.com", "/a b",
     "javascript:alert(1)", "/a\tb", "/\r\nX: y", "sessions", " /sessions", "/ä", "/" + "x" * 3_000],
)  # fmt: skip
def test_a_sign_in_leads_to_no_other_place(house: House, wanted):
    browser = house.browser()
    assert house.sign_in(browser, begin={"next": wanted}).headers["Location"] == "/"


def test_a_sign_in_goes_on_where_somebody_wanted_to_go(house: House):
    browser = house.browser()
    asked_for = browser.get("/sessions")
    assert asked_for.headers["Location"] == "/sign-in?next=/sessions"
    asked = browser.begin(next="/sessions")
    code = house.provider.code_for(asked, groups=["everybody"])
    assert browser.come_back(code, asked["state"]).headers["Location"] == "/sessions"


def test_a_key_rotated_between_question_and_answer_is_no_trouble(house: House):
    first = house.signed_in()
    browser = house.browser()
    asked = browser.begin()
    house.provider.keys = [make_key("second")]
    code = house.provider.code_for(asked, sub="bea", groups=["everybody"])
    assert browser.come_back(code, asked["state"]).headers["Location"] == "/"
    assert is_in(first)


def test_a_provider_that_is_away_stops_new_sign_ins_with_the_reason_and_no_open_session(house: House):
    inside, outside = house.signed_in(), house.browser()
    asked = outside.begin()
    house.provider.is_away = True
    answer = outside.come_back("code-9", asked["state"])
    assert (answer.status_code, code_of(answer)) == (503, "provider_away")
    assert "local administrator" in answer.text
    assert is_in(inside)


def test_nothing_of_a_session_stands_in_the_database_as_the_browser_holds_it(house: House):
    browser = house.signed_in()
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT s::text FROM user_sessions s").scalars().all()
    assert len(rows) == 1
    assert browser.cookie("session") not in rows[0]
    head = encode({"alg": "RS256"})[:12]
    assert head not in rows[0]  # the ID token is sealed
    assert head.encode().hex() not in rows[0]
