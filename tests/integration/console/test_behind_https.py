"""Where browsers come by https: cookies that no neighbor can plant, and addresses as they were told."""

from __future__ import annotations

import pytest
import requests

from pipeline.settings.loading import load_settings
from tests.support.console_browser import form_of, listening, query_of, running_console
from tests.support.console_house import ROLES, write_settings
from tests.support.played_provider import CLIENT_ID, played_provider

pytestmark = pytest.mark.usefixtures("database")
HOME = "https://leads.example.org"


def test_cookies_are_for_this_host_by_https_alone_and_out_of_reach_of_scripts(tmp_path, monkeypatch):
    with played_provider() as provider, listening() as (taken, address):
        access = {"url": HOME, "issuer": provider.issuer, "client_id": CLIENT_ID, "roles": ROLES, "hsts": "subdomains"}
        write_settings(tmp_path, monkeypatch, access={"sign_in": access})
        with running_console(load_settings(), taken):
            host = {"Host": "leads.example.org"}
            page = requests.get(f"{address}/sign-in", headers=host, timeout=20)
            form_cookie = _cookie(page, "form")
            assert page.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
            answer = requests.post(
                f"{address}/sign-in", data=form_of(page.text, "/sign-in"), allow_redirects=False, timeout=20,
                headers={**host, "Origin": HOME, "Sec-Fetch-Site": "same-origin", "Cookie": form_cookie},
            )  # fmt: skip
            asked = query_of(answer.headers["Location"])
            assert asked["redirect_uri"] == f"{HOME}/sign-in/callback"
            back = requests.get(
                f"{address}/sign-in/callback", allow_redirects=False, timeout=20,
                params={"code": provider.code_for(asked, groups=["everybody"]), "state": asked["state"]},
                headers={**host, "Cookie": _cookie(answer, "asked")},
            )  # fmt: skip
            session = _cookie(back, "session")
            assert requests.get(address, headers={**host, "Cookie": session}, timeout=20).status_code == 200
            plain = session.replace("__Host-", "")
            refused = requests.get(address, headers={**host, "Cookie": plain}, allow_redirects=False, timeout=20)
            assert refused.status_code == 303


def _cookie(answer: requests.Response, name: str) -> str:
    (line,) = [line for line in answer.raw.headers.getlist("set-cookie") if line.startswith(f"__Host-afluente_{name}=")]
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert {"path=/", "secure", "httponly", "samesite=lax"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)
    return line.split(";")[0]
