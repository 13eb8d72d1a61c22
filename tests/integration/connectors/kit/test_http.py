"""Foreign errors are translated once, and credentials stay with the host they are for."""

from __future__ import annotations

import inspect

import pytest
import requests
from requests import exceptions

from connectors.kit import QuotaError, TerminalError, TransientError
from connectors.kit.http import BearerToken, check_status, retry_after, session, translate_exception, translated

EVERY_EXCEPTION = [
    kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, requests.RequestException)
]


@pytest.mark.parametrize("kind", EVERY_EXCEPTION, ids=lambda kind: kind.__name__)
def test_every_exception_of_requests_becomes_one_of_ours(kind):
    error = kind("x", "doc", 0) if issubclass(kind, exceptions.JSONDecodeError) else kind("https://h/?token=secret")
    ours = translate_exception(error, "polling h")
    assert isinstance(ours, TransientError | TerminalError)
    assert "secret" not in str(ours)


def test_wrong_settings_are_for_a_human_and_a_slow_network_is_not():
    assert isinstance(translate_exception(exceptions.MissingSchema(), ""), TerminalError)
    assert isinstance(translate_exception(exceptions.ReadTimeout(), ""), TransientError)
    assert isinstance(translate_exception(exceptions.ConnectionError(), ""), TransientError)


def test_the_address_with_its_token_is_nowhere_in_the_error():
    with pytest.raises(TransientError) as caught, translated("polling h"):
        session("http://127.0.0.1:9").get("http://127.0.0.1:9/?token=secret")
    shown = "".join(map(str, (caught.value, caught.value.__cause__)))
    assert "secret" not in shown
    assert "ConnectionError" in shown


def test_every_call_has_a_timeout(server):
    server.script = [(200, {"Content-Length": "5"}, b"{}")]  # three bytes never come
    with pytest.raises(TransientError, match=r"in time|no usable answer"), translated("slow"):
        session(server.url, timeout_seconds=0.2).get(server.url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, TerminalError), (400, TerminalError), (401, TerminalError), (403, TerminalError), (404, TerminalError),
        (408, TransientError), (410, TerminalError), (425, TransientError), (429, QuotaError), (500, TransientError),
        (502, TransientError), (503, TransientError), (504, TransientError),
    ],
)  # fmt: skip
def test_each_status_says_what_happens_next(server, status, kind):
    server.script = [(status, {}, b"ada@example.org")]
    with pytest.raises(kind) as caught:
        check_status(session(server.url).get(server.url), "polling h")
    assert str(status) in str(caught.value)
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "999999"}, 3600),
        ({"Retry-After": "Mon, 02 Mar 2026 09:15:25 GMT", "Date": "Mon, 02 Mar 2026 09:14:55 GMT"}, 30),
        ({"Retry-After": "Mon, 02 Mar 2026 09:14:00 GMT", "Date": "Mon, 02 Mar 2026 09:14:55 GMT"}, 0),
        ({"Retry-After": "Mon, 02 Mar 2026 09:15:25 GMT"}, 25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_capped(sent, seconds):
    response = requests.Response()
    response.headers.update(sent)
    assert retry_after(response, now=1772442900.0) == seconds  # 09:15:00


def test_a_429_without_a_wait_gets_one():
    response = requests.Response()
    response.status_code = 429
    with pytest.raises(QuotaError) as caught:
        check_status(response, "h")
    assert caught.value.retry_after > 0


def test_a_redirect_to_another_host_is_not_followed(server):
    server.script = [(302, {"Location": "http://localhost:9/elsewhere"}, b"")]
    response = session(server.url).get(server.url, auth=BearerToken("secret"))
    assert response.status_code == 302
    with pytest.raises(TerminalError, match="another host"):
        check_status(response, "h")


def test_a_redirect_on_the_same_host_is_followed_with_the_token(server):
    server.script = [(302, {"Location": "/there"}, b""), (200, {}, b"{}")]
    assert session(server.url).get(server.url, auth=BearerToken("secret")).status_code == 200
    assert server.asked[1]["path"] == "/there"
    assert server.asked[1]["headers"]["Authorization"] == "Bearer secret"


def test_a_netrc_entry_does_not_replace_the_token(server, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.script = [(200, {}, b"{}")]
    session(server.url).get(server.url, headers={"Authorization": "Bearer secret"})
    assert server.asked[0]["headers"]["Authorization"] == "Bearer secret"
