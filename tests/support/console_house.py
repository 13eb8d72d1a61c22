"""A console with a played provider: settings of the test, and browsers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from pipeline.settings.loading import load_settings
from tests.support.console_browser import Browser, listening, running_console
from tests.support.played_provider import CLIENT_ID, PlayedProvider, played_provider

ROLES = {"*": {"viewer": ["everybody"], "admin": ["chiefs"]}, "casa": {"operator": ["casa-sales"]}}


@dataclass
class House:
    """What a test has: the console's address, the provider, a new browser for each person."""

    home: str
    provider: PlayedProvider

    def browser(self) -> Browser:
        return Browser(self.home)

    def sign_in(self, browser: Browser, *, begin: dict[str, str] | None = None, **claims: Any) -> requests.Response:
        """The whole way of somebody, of the group `everybody` unless said otherwise."""
        asked = browser.begin(**(begin or {}))
        code = self.provider.code_for(asked, **{"groups": ["everybody"], **claims})
        return browser.come_back(code, asked["state"])

    def signed_in(self, **claims: Any) -> Browser:
        browser = self.browser()
        answer = self.sign_in(browser, **claims)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/"), answer.text
        return browser


@contextmanager
def running_house(
    folder: Path, patch: pytest.MonkeyPatch, *, metadata: dict[str, Any] | None = None, **access: Any
) -> Iterator[House]:
    """Settings in `folder`; `access` goes over the usual block, `metadata` over what the provider says of itself."""
    with played_provider() as provider, listening() as (taken, home):
        provider.metadata = metadata or {}
        block = {"url": home, "issuer": provider.issuer, "client_id": CLIENT_ID, "roles": ROLES, **access}
        write_settings(folder, patch, access={"sign_in": block})
        with running_console(load_settings(), taken):
            yield House(home, provider)


def write_settings(folder: Path, patch: pytest.MonkeyPatch, **content: Any) -> None:
    file = folder / "afluente.yaml"
    file.write_text(yaml.safe_dump({"brands": {"casa": {}, "norte": {}}, **content}), encoding="utf-8")
    patch.setenv("AFLUENTE_CONFIG", str(file))


def is_in(browser: Browser) -> bool:
    return browser.get("/").status_code == 200
