"""The script of a website's forms, as the receiver serves it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
import requests

from tests.support.intake_server import Receiver, running_receiver


@pytest.fixture(scope="module")
def receiver(module_database) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def script(receiver) -> requests.Response:
    return receiver.get("/form.js")


def test_the_script_may_be_run_by_a_page_of_any_website(script):
    assert script.status_code == 200
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Access-Control-Allow-Origin"] == "*"
    assert "public" in script.headers["Cache-Control"]


def test_the_script_takes_less_than_4_kb_of_a_visitors_line(script):
    assert script.headers["Content-Encoding"] == "gzip"
    assert len(gzip.compress(script.content)) < 4_096
    assert int(script.headers["Content-Length"]) < 4_096


def test_the_script_has_no_syntax_error(script):
    import quickjs

    quickjs.Context().eval(f"() => {{{script.text}\n}}")  # read, not run: there is no page here
    with pytest.raises(quickjs.JSException):
        quickjs.Context().eval(f"() => {{{script.text}\n const = 1 }}")


def test_the_script_loads_nothing_and_sets_no_cookie(script):
    for word in ("cookie", "http://", "https://", "import(", "eval(", "//"):
        assert word not in script.text


def test_a_browser_that_has_the_script_is_told_so_in_a_few_bytes(receiver, script):
    again = receiver.get("/form.js", headers={"If-None-Match": f'W/{script.headers["ETag"]}, "another"'})
    other = receiver.get("/form.js", headers={"If-None-Match": '"another"'})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200


def test_a_client_that_unpacks_nothing_gets_the_script_as_it_is(receiver, script):
    plain = receiver.get("/form.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == script.content
