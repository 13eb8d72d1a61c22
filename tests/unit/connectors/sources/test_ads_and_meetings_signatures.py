"""The shipped sources of ads, meetings and shops: signatures that their senders document, over raw bytes."""

from __future__ import annotations

import pytest

from connectors.kit import sources

BODY = b'{"id":42,"name":"Zo\\u00eb"}'  # as it is sent, with the escape
SECRET = "test_secret"
NOW = 1_700_000_000.0
HEX = "e4b6cfb04cfaaf0f9592fdc938ec8bf1ede563e252eea41ca829e85b5dd394b4"
BASE64 = "5LbPsEz6rw+Vkv3JOOyL8e3lY+JS7qQcqCnoW13TlLQ="
VECTORS = {
    "calendly": {
        "calendly-webhook-signature": (
            "t=1700000000,v1=d7f2f52b885d8b65b4ecf589fbfe294a05c97aac598aee7cef23696300d9ebbc"
        )
    },
    "cal_com": {"x-cal-signature-256": HEX},
    "zoom_webinar": {
        "x-zm-signature": "v0=f88a05bd021aa678e632618ae92b1c5f9690181d84babe8f8360dc1a660c891b",
        "x-zm-request-timestamp": "1700000000",
    },
    "shopify": {"x-shopify-hmac-sha256": BASE64},
    "woocommerce": {"x-wc-webhook-signature": BASE64},
    "whatsapp_cloud": {"x-hub-signature-256": f"sha256={HEX}"},
}


def is_proven(source: str, headers: dict[str, str], body: bytes = BODY, *, now: float = NOW) -> bool:
    return sources()[source].intake.signature.verify(secrets=[SECRET], headers=headers, body=body, now=now)


@pytest.mark.parametrize("source", VECTORS)
def test_the_signature_that_the_sender_documents_is_accepted(source):
    assert is_proven(source, VECTORS[source])


@pytest.mark.parametrize("source", VECTORS)
def test_the_same_json_in_other_bytes_is_refused(source):
    assert not is_proven(source, VECTORS[source], '{"id":42,"name":"Zoë"}'.encode())
    assert not is_proven(source, VECTORS[source], BODY + b"\n")


@pytest.mark.parametrize("source", VECTORS)
@pytest.mark.parametrize("spoiled", ["", "sha256=", "v0=", "t=,v1=", "💥", HEX.upper() * 2])
def test_another_signature_and_none_are_refused(source, spoiled):
    signature = next(iter(VECTORS[source]))
    assert not is_proven(source, {**VECTORS[source], signature: spoiled})
    assert not is_proven(source, {})


@pytest.mark.parametrize(("source", "tolerance"), [("calendly", 180), ("zoom_webinar", 300)])
def test_what_was_signed_too_long_ago_is_refused(source, tolerance):
    assert is_proven(source, VECTORS[source], now=NOW + tolerance)
    assert not is_proven(source, VECTORS[source], now=NOW + tolerance + 1)
