"""An address is made of a declaration and an id, whatever whoever sent the id would like it to be."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.kit import Fetch, Option, RecordError
from connectors.kit.sources.fetching.addresses import target_of

GRAPH = Fetch(url="https://graph.example.com/{version}/{value.id}", options=(Option("version", default="v25.0"),))
LISTED = Fetch(url="{api_url}", hosts=("api.example.com",), params={"expand": "attendees"})
OPTIONS = {"version": "v25.0"}


def url_of(fetch: Fetch, record: Any, **more: str) -> str:
    return target_of(fetch, record, OPTIONS, **more).url


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("17", "/v25.0/17"),
        (7412345678901234567, "/v25.0/7412345678901234567"),
        ("a b?c=d#e", "/v25.0/a%20b%3Fc%3Dd%23e"),
        ("@evil.example", "/v25.0/%40evil.example"),
        ("ä", "/v25.0/%C3%A4"),
    ],
)
def test_an_id_is_quoted(value: object, path: str) -> None:
    assert url_of(GRAPH, {"value": {"id": value}}) == f"https://graph.example.com{path}"


@pytest.mark.parametrize(
    "value", [None, "", " ", "..", ".", "../x", "a/b", "a\\b", "a\nb", True, 1.5, [], {}, "9" * 501]
)
def test_what_is_no_id_makes_no_address(value: object) -> None:
    with pytest.raises(RecordError) as raised:
        url_of(GRAPH, {"value": {"id": value}})
    assert raised.value.code == "no_fetch_id"


def test_what_stands_after_the_last_colon_of_a_name_is_asked_for() -> None:
    fetch = Fetch(url="https://api.example.com/leads/{urn:last}")
    assert url_of(fetch, {"urn": "urn:li:lead:17-4"}) == "https://api.example.com/leads/17-4"


def test_another_host_takes_the_place_of_the_declared_one() -> None:
    assert url_of(GRAPH, {"value": {"id": "1"}}, base="http://127.0.0.1:9/x/") == "http://127.0.0.1:9/x/v25.0/1"
    record = {"api_url": "https://api.example.com/v3/orders/1/"}
    assert url_of(LISTED, record, base="http://127.0.0.1:9") == "http://127.0.0.1:9/v3/orders/1/"


def test_an_address_at_a_named_host_is_called_without_its_query() -> None:
    target = target_of(LISTED, {"api_url": "https://api.example.com/v3/orders/1/?token=x#y"}, {})
    assert target.url == "https://api.example.com/v3/orders/1/"
    assert target.params == {"expand": "attendees"}
    assert "orders" not in repr(target)


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.com/v3/orders/1/",
        "https://api.example.com:8443/v3/orders/1/",
        "https://api.example.com.evil.example/v3/orders/1/",
        "https://user@api.example.com/v3/orders/1/",
        "https://api.example.com@169.254.169.254/latest",
        "https://evil.example/?https://api.example.com/",
        "https://api.example.com\\@evil.example/",
        "https://api.example.com/a b",
        "https://[::1/",
        "//api.example.com/v3",
        "file:///etc/passwd",
    ],
)
def test_an_address_anywhere_else_is_refused(address: str) -> None:
    with pytest.raises(RecordError) as raised:
        url_of(LISTED, {"api_url": address})
    assert raised.value.code == "fetch_address_refused"
    assert address not in raised.value.message


@pytest.mark.parametrize("address", ["https://api.example.com/v3/../../admin", "https://api.example.com/./x"])
def test_steps_in_an_address_are_refused(address: str) -> None:
    with pytest.raises(RecordError):
        url_of(LISTED, {"api_url": address})
