"""A console on a real socket, and a browser as far as it needs one: cookies, forms, redirects, the headers it sends."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import uvicorn

from pipeline.console.app import create_app
from pipeline.intake.receiver.serving import server_config
from pipeline.settings.loading import Settings


class Browser:
    """Follows no redirect by itself: tests look at each."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(_at(self.home, path), allow_redirects=False, timeout=30, **options)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str | None) -> requests.Response:
        """A form as a page of ours sends it; headers by name (`origin="…"`), None leaves one out."""
        usual: dict[str, str | None] = {"Origin": self.home, "Sec-Fetch-Site": "same-origin"}
        told = {name.replace("_", "-").title(): value for name, value in headers.items()}
        sent = {name: value for name, value in {**usual, **told}.items() if value is not None}
        return self.http.post(_at(self.home, path), data=form or {}, headers=sent, allow_redirects=False, timeout=30)

    def send_form(self, page: str, action: str, **fields: str) -> requests.Response:
        """Load a page, fill in its form, send it."""
        return self.post(action, {**form_of(self.get(page).text, action), **fields})

    def cookie(self, name: str) -> str | None:
        return self.http.cookies.get(f"afluente_{name}")

    def begin(self, **fields: str) -> dict[str, str]:
        """Press the button: what the provider is asked with."""
        answer = self.send_form("/sign-in", "/sign-in", **fields)
        assert answer.status_code == 303, answer.text
        return query_of(answer.headers["Location"])

    def come_back(self, code: str, state: str, **more: str) -> requests.Response:
        return self.get("/sign-in/callback", params={"code": code, "state": state, **more})


def form_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with this action."""
    form = re.search(rf'<form method="post" action="{re.escape(action)}">(.*?)</form>', page, flags=re.DOTALL)
    assert form is not None, page
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[1]))


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A socket for a console, and the address that it will have."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken, f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def running_console(known: Settings, taken: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(server_config(create_app(known), known))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken.dup()]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the console did not start"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def _at(home: str, path: str) -> str:
    return path if "://" in path else home + path
