"""A website of another origin than the receiver: pages by path, as a test writes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.support.http_server import Answered, Call, serving_http

_HTML = {"Content-Type": "text/html; charset=utf-8"}


class Website:
    """`pages` may be changed while it runs; a query string changes no page."""

    def __init__(self, address: str, pages: dict[str, str]) -> None:
        self.address = address
        self.pages = pages


@contextlib.contextmanager
def running_website() -> Iterator[Website]:
    pages: dict[str, str] = {}

    def answer(call: Call) -> Answered:
        page = pages.get(call.path.partition("?")[0])
        return 404 if page is None else 200, _HTML, (page or "").encode()

    with serving_http(answer) as address:
        yield Website(address, pages)
