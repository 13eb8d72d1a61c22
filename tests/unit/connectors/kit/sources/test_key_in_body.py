"""A key that stands in the body, as Google Ads sends it."""

from __future__ import annotations

import orjson
import pytest

from connectors.kit import KeyInBody, Secret

SCHEME = KeyInBody(name="google_key", secret=Secret("UNUSED"))
KEYS = ["the key before", "the key of now"]


def proves(body: bytes, *, secrets: list[str] = KEYS) -> bool:
    return SCHEME.verify(secrets=secrets, headers={}, body=body, now=0.0)


@pytest.mark.parametrize("key", KEYS)
def test_either_of_two_keys_proves_a_body_while_one_is_replaced(key):
    assert proves(orjson.dumps({"lead_id": "1", "google_key": key}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"google_key": "another"}',
        b'{"google_key": ""}',
        b'{"google_key": null}',
        b'{"google_key": ["the key of now"]}',
        b'{"nested": {"google_key": "the key of now"}}',
        b'["the key of now"]',
        b'"the key of now"',
        b"google_key=the key of now",
        b"",
        b"\xff\xfe",
        b'{"google_key": "the key of now", "more": "' + b"x" * 65_536 + b'"}',
    ],
)
def test_what_does_not_hold_the_key_in_its_place_proves_nothing(body):
    assert not proves(body)


def test_an_empty_secret_proves_nothing():
    assert not proves(b'{"google_key": ""}', secrets=[""])
    assert not proves(b'{"google_key": "x"}', secrets=[])
    assert SCHEME.fault_of(" ") == "is empty"


def test_a_rehearsal_writes_the_key_of_the_installation_into_its_sample():
    body = SCHEME.write_key("the key of now", b'{"lead_id": "1", "google_key": "of the sample"}')
    assert orjson.loads(body) == {"lead_id": "1", "google_key": "the key of now"}
    assert proves(body)
