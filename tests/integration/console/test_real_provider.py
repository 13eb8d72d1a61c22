"""The whole way with a provider that is not ours (oidc-provider, certified): in, keys rotated, group removed, out there
and out here, and the provider down."""

from __future__ import annotations

import html
import re

import pytest
import requests

from pipeline.settings.loading import load_settings
from tests.support.console_browser import Browser, listening, query_of, running_console
from tests.support.console_house import ROLES, is_in, write_settings
from tests.support.oidc_provider import CLIENT_SECRET, needs_oidc_provider, running_provider
from tests.support.played_provider import CLIENT_ID

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.long, needs_oidc_provider]
USERS = {"ana": {"name": "Ana Sample", "groups": ["everybody", "casa-sales"]}, "bea": {"groups": ["strangers"]}}


@pytest.fixture(name="provider")
def _provider(tmp_path, monkeypatch):
    with listening() as (taken, home), running_provider(home, tmp_path / "provider.log") as provider:
        provider.say(users=USERS)
        monkeypatch.setenv("OIDC_SECRET", CLIENT_SECRET)
        access = {
            "url": home, "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": "env:OIDC_SECRET",
            "scopes": ["openid", "profile", "groups"], "roles": ROLES, "require": {"admin": {"acr": ["urn:strong"]}},
        }  # fmt: skip
        write_settings(tmp_path, monkeypatch, access={"sign_in": access})
        with running_console(load_settings(), taken):
            provider.home = home
            yield provider


def go(browser: Browser, answer: requests.Response) -> requests.Response:
    """Follow redirects as a browser does, to the console and to the provider."""
    for _ in range(12):
        if answer.status_code not in (302, 303):
            return answer
        answer = browser.get(requests.compat.urljoin(answer.url, answer.headers["Location"]))
    raise AssertionError("redirects without an end")


def sign_in(provider, account: str = "ana", *, amr: str = "pwd", **fields: str) -> tuple[Browser, requests.Response]:
    browser = Browser(provider.home)
    browser.http.headers.update({"X-Account": account, "X-Amr": amr})
    return browser, go(browser, browser.send_form("/sign-in", "/sign-in", **fields))


def sign_out(browser: Browser) -> requests.Response:
    """Sign out here, and agree at the provider."""
    page = go(browser, browser.send_form("/", "/sign-out"))
    action = html.unescape(re.search(r'action="([^"]+)"', page.text)[1])
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    return go(browser, browser.post(action, {**fields, "logout": "yes"}, origin=None, sec_fetch_site=None))


def test_a_user_comes_in_with_the_roles_of_its_groups_and_a_stranger_does_not(provider):
    browser, page = sign_in(provider)
    assert page.status_code == 200, page.text
    assert "Ana Sample" in page.text
    assert "<td>casa</td><td>operator</td>" in page.text
    stranger, refused = sign_in(provider, "bea")
    assert "no_role" in refused.text
    assert is_in(browser)
    assert not is_in(stranger)


def test_keys_rotated_in_mid_session_end_nothing_and_stop_nobody(provider):
    inside, _ = sign_in(provider)
    provider.say(rotate=True)
    assert is_in(inside)
    _, page = sign_in(provider)
    assert "Ana Sample" in page.text


def test_a_group_that_was_taken_away_is_gone_at_the_next_sign_in_and_ends_the_others(provider):
    former, _ = sign_in(provider)
    provider.say(users={"ana": {"name": "Ana Sample", "groups": ["everybody"]}})
    _, page = sign_in(provider)
    assert "operator" not in page.text
    assert not is_in(former)


def test_a_role_that_needs_a_second_factor_comes_with_it(provider):
    provider.say(users={"ana": {"name": "Ana Sample", "groups": ["everybody", "chiefs"]}})
    browser, weak = sign_in(provider)
    assert "Not given for this session: admin" in weak.text
    browser.http.headers["X-Amr"] = "pwd mfa"
    form = {"form_token": re.search(r'form_token" value="(\w+)"', weak.text)[1], "stronger": "yes"}
    strong = go(browser, browser.post("/sign-in", form))
    assert "<td>admin, viewer</td>" in strong.text


def test_who_signs_out_here_is_out_there_and_the_other_browser_of_that_session_too(provider):
    browser, _ = sign_in(provider)
    other, _ = sign_in(provider)
    copy = Browser(provider.home)
    answer = sign_out(browser)
    assert answer.url == f"{provider.home}/signed-out"
    assert not is_in(browser)
    assert is_in(other)  # another session at the provider
    assert not is_in(copy)


def test_the_provider_tells_us_of_a_session_that_ended_there(provider):
    browser, _ = sign_in(provider)
    end = requests.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=20).json()["end_session_endpoint"]
    page = browser.get(end)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    action = html.unescape(re.search(r'action="([^"]+)"', page.text)[1])
    assert is_in(browser)
    browser.post(action, {**fields, "logout": "yes"}, origin=None, sec_fetch_site=None)
    assert not is_in(browser)


def test_a_provider_that_is_down_ends_no_session_and_says_why_nobody_comes_in(provider):
    inside, _ = sign_in(provider)
    provider.stop()
    assert is_in(inside)
    browser = Browser(provider.home)
    asked = browser.send_form("/sign-in", "/sign-in")  # the console knows where to send, and the browser meets nobody
    with pytest.raises(requests.ConnectionError):
        browser.get(asked.headers["Location"])
    back = browser.come_back("a-code", query_of(asked.headers["Location"])["state"], iss=provider.issuer)
    assert back.status_code == 503
    assert "local administrator" in back.text
