"""A form counts only from a page of ours: with the token of its page, and by a browser that says where it was sent."""

from __future__ import annotations

import pytest

from pipeline.console.routes import OPEN, PAGES, SIGNED_IN
from pipeline.login import users
from pipeline.permissions.roles import PERMISSIONS
from tests.support.console_browser import form_of
from tests.support.console_house import House, is_in, running_house

FORMS = [page for page in PAGES if page.method == "POST" and page.is_form]


@pytest.fixture(name="house", scope="module")
def _house(module_database, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, running_house(tmp_path_factory.mktemp("house"), patch) as house:
        yield house


def token(browser) -> str:
    return form_of(browser.get("/").text, "/sign-out")["form_token"]


def test_every_page_that_changes_something_is_a_form_of_ours_or_signed_by_the_provider():
    assert [page.path for page in PAGES if page.method != "GET" and not page.is_form] == ["/sign-out/back-channel"]
    assert {page.needs for page in PAGES} <= {OPEN, SIGNED_IN, *PERMISSIONS}


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
def test_a_form_without_the_token_of_its_page_is_refused(house: House, page):
    browser = house.signed_in()
    for wrong in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": token(house.signed_in(sub="bea"))}):
        assert browser.post(page.path, wrong).status_code == 403
    assert is_in(browser)


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": None},
        {"sec_fetch_site": "none", "origin": None},
        {"sec_fetch_site": None, "origin": None},
        {"sec_fetch_site": None, "origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_a_form_that_another_page_sent_is_refused_with_the_right_token_too(house: House, page, headers):
    browser = house.signed_in()
    assert browser.post(page.path, {"form_token": token(browser)}, **headers).status_code == 403
    assert is_in(browser)


def test_a_form_is_taken_by_either_word_of_the_browser(house: House):
    for headers in ({"origin": None}, {"sec_fetch_site": None}):
        browser = house.signed_in()
        assert browser.post("/sign-out", {"form_token": token(browser)}, **headers).status_code == 303
        assert not is_in(browser)


def test_nobody_is_signed_out_or_in_by_a_link(house: House):
    browser = house.signed_in()
    for path in ("/sign-out", "/sessions/end"):
        assert browser.get(path).status_code == 405
    assert is_in(browser)


def test_nobody_ends_the_session_of_another(house: House):
    mine, theirs = house.signed_in(sub="mine"), house.signed_in(sub="theirs")
    (session,) = users.sessions_of("theirs", None)
    answer = mine.post("/sessions/end", {"form_token": token(mine), "session_id": str(session.session_id)})
    assert answer.status_code == 404
    assert is_in(theirs)


def test_a_session_of_ones_own_is_seen_and_ended(house: House):
    laptop, phone = house.signed_in(sub="two"), house.signed_in(sub="two")
    page = laptop.get("/sessions").text
    assert page.count("/sessions/end") == 2
    other = next(
        session
        for session in users.sessions_of("two", None)
        if str(session.session_id)
        not in page.split("this one")[0].rsplit("<tr>", 1)[-1] + page.split("this one")[1].split("</tr>")[0]
    )
    laptop.post("/sessions/end", {"form_token": token(laptop), "session_id": str(other.session_id)})
    assert (is_in(laptop), is_in(phone)) == (True, False)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-in/local", "/signed-out", "/nothing", "/sign-in/callback"])
def test_every_page_runs_nothing_and_is_kept_nowhere(house: House, path):
    answer = house.browser().get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action"
    )
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    for inline in ("<script", "style=", " onclick", "<style"):
        assert inline not in answer.text


def test_the_name_that_a_provider_tells_is_no_markup(house: House):
    page = house.signed_in(sub="markup", name="<script>alert(1)</script>\"'").get("/").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_another_name_that_leads_here_is_refused(house: House):
    browser = house.browser()
    for host in ("evil.example.com", "localhost", "127.0.0.1.evil.example.com", "127.0.0.1"):
        assert browser.get("/sign-in", headers={"Host": host}).status_code == 421
    assert browser.get("/health", headers={"Host": "10.0.0.7:8082"}).json() == {"status": "ok"}


def test_forms_that_are_too_large_or_none_are_refused(house: House):
    browser = house.signed_in()
    right = token(browser)
    assert browser.post("/sign-out", {"form_token": right, "more": "x" * 300_000}).status_code == 403
    assert browser.post("/sign-out", {f"n{n}": "" for n in range(100)} | {"form_token": right}).status_code == 403
    headers = {"Content-Type": "text/plain", "Origin": house.home}
    answer = browser.http.post(f"{house.home}/sign-out", data=f"form_token={right}", headers=headers, timeout=20)
    assert answer.status_code == 403
    assert is_in(browser)
