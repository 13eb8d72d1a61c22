"""Signatures: the vectors of the senders' own documentation, and what must not pass."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit import Secret
from connectors.kit.sources.signatures import HmacSha256, StandardWebhooks
from tests.support.properties import examples

BODY = b'{"id":42,"name":"Zo\\u00eb"}'
SECRET = "test_secret"
NOW = 1_700_000_000.0
KEY = Secret("UNUSED")
HEX = "e4b6cfb04cfaaf0f9592fdc938ec8bf1ede563e252eea41ca829e85b5dd394b4"
BASE64 = "5LbPsEz6rw+Vkv3JOOyL8e3lY+JS7qQcqCnoW13TlLQ="

META = HmacSha256(header="X-Hub-Signature-256", secret=KEY, prefix="sha256=")
CALENDLY = HmacSha256(
    header="Calendly-Webhook-Signature",
    secret=KEY,
    signed="{timestamp}.{body}",
    timestamp_part="t",
    signature_part="v1",
    tolerance_seconds=180,
)
ZOOM = HmacSha256(
    header="x-zm-signature",
    secret=KEY,
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp_header="x-zm-request-timestamp",
    tolerance_seconds=300,
)
ZENDESK = HmacSha256(
    header="X-Zendesk-Webhook-Signature",
    secret=KEY,
    encoding="base64",
    signed="{timestamp}{body}",
    timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
    timestamp_unit="iso",
)
HUBSPOT = HmacSha256(
    header="X-HubSpot-Signature-v3",
    secret=KEY,
    encoding="base64",
    signed="{method}{uri}{body}{timestamp}",
    timestamp_header="X-HubSpot-Request-Timestamp",
    timestamp_unit="milliseconds",
    tolerance_seconds=300,
)
ADDRESS = {":method": "POST", ":uri": "https://hooks.example.com/in/hubspot"}
TIKTOK = HmacSha256(header="X-Open-Signature", secret=KEY, escapes_non_ascii=True)

# name, scheme, what is signed, further headers, the header's value as computed independently
VECTORS = [
    ("meta", META, BODY, {}, f"sha256={HEX}"),
    ("cal.com", HmacSha256(header="X-Cal-Signature-256", secret=KEY), BODY, {}, HEX),
    ("tiktok, escaped on the wire", TIKTOK, BODY, {}, HEX),
    ("tiktok, UTF-8 on the wire", TIKTOK, '{"id":42,"name":"Zoë"}'.encode(), {}, HEX),
    (
        "linkedin",
        HmacSha256(header="X-LI-Signature", secret=KEY, signed="hmacsha256={body}"),
        BODY,
        {},
        "0b3fbd211e458c21b613f7807edad32d11e73c942e441a2e04f8928fb31ff1b8",
    ),
    (
        "linkedin challenge",
        HmacSha256(header="challengeResponse", secret=KEY),
        b"6f1a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b",
        {},
        "63088cb560c5b88151c2bf41a05edc8e838514790e8c5f06690db6b2b2a4da1f",
    ),
    (
        "calendly",
        CALENDLY,
        BODY,
        {},
        "t=1700000000,v1=d7f2f52b885d8b65b4ecf589fbfe294a05c97aac598aee7cef23696300d9ebbc",
    ),
    (
        "typeform",
        HmacSha256(header="Typeform-Signature", secret=KEY, prefix="sha256=", encoding="base64"),
        BODY,
        {},
        f"sha256={BASE64}",
    ),
    ("tally", HmacSha256(header="Tally-Signature", secret=KEY, encoding="base64"), BODY, {}, BASE64),
    ("shopify", HmacSha256(header="X-Shopify-Hmac-SHA256", secret=KEY, encoding="base64"), BODY, {}, BASE64),
    (
        "intercom",
        HmacSha256(header="X-Hub-Signature", secret=KEY, prefix="sha1=", algorithm="sha1"),
        BODY,
        {},
        "sha1=9ffe2025ac34f8fb67dd1652dca14d4dac99935e",
    ),
    ("zendesk", ZENDESK, BODY, {}, "5NDVEm6oQJjweDlJdONzLgHb2wxRWawbC45AsErSz1c="),
    ("zoom", ZOOM, BODY, {}, "v0=f88a05bd021aa678e632618ae92b1c5f9690181d84babe8f8360dc1a660c891b"),
    (
        "zoom challenge",
        HmacSha256(header="encryptedToken", secret=KEY),
        b"abcDEF123",
        {},
        "b20059ca2c404b68829e277d59815b37607ae34278649abf1b34fc941894dbcb",
    ),
    ("hubspot v3", HUBSPOT, BODY, ADDRESS, "faluthFrpOlm98HikiQFB7pdemfXJJcJcec/0PDpENw="),
    (
        "x challenge",
        HmacSha256(header="response_token", secret=KEY, prefix="sha256=", encoding="base64"),
        b"crc123",
        {},
        "sha256=/IbP9WhAQrf0h/4cBMKNeNolMUDpjlu/5y5+CZ9ggI4=",
    ),
]


def received(sent: dict[str, str], more: dict[str, str] | None = None) -> dict[str, str]:
    return {name.lower(): value for name, value in {**sent, **(more or {})}.items()}


@pytest.mark.parametrize(("scheme", "body", "more", "wanted"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
class TestVectors:
    def test_the_header_is_the_one_the_sender_documents(self, scheme, body, more, wanted):
        signed = scheme.sign(secret=SECRET, body=body, message_id="", now=NOW, headers=more)
        assert signed[scheme.header] == wanted

    def test_the_documented_header_is_accepted(self, scheme, body, more, wanted):
        signed = scheme.sign(secret=SECRET, body=body, message_id="", now=NOW, headers=more)
        headers = received({**signed, scheme.header: wanted}, more)
        assert scheme.verify(secrets=[SECRET], headers=headers, body=body, now=NOW)

    def test_an_altered_body_another_secret_or_a_missing_header_is_refused(self, scheme, body, more, wanted):
        headers = received(scheme.sign(secret=SECRET, body=body, message_id="", now=NOW, headers=more), more)
        assert not scheme.verify(secrets=[SECRET], headers=headers, body=body + b" ", now=NOW)
        assert not scheme.verify(secrets=["another"], headers=headers, body=body, now=NOW)
        assert not scheme.verify(secrets=[], headers=headers, body=body, now=NOW)
        assert not scheme.verify(secrets=[SECRET], headers=more, body=body, now=NOW)


@pytest.mark.parametrize("scheme", [CALENDLY, ZOOM, HUBSPOT], ids=["part", "header", "milliseconds"])
def test_a_signature_outside_its_window_is_refused_on_both_sides(scheme):
    headers = received(scheme.sign(secret=SECRET, body=BODY, message_id="", now=NOW, headers=ADDRESS), ADDRESS)
    window = scheme.tolerance_seconds
    assert scheme.verify(secrets=[SECRET], headers=headers, body=BODY, now=NOW + window)
    assert not scheme.verify(secrets=[SECRET], headers=headers, body=BODY, now=NOW + window + 1)
    assert not scheme.verify(secrets=[SECRET], headers=headers, body=BODY, now=NOW - window - 1)


def test_a_changed_timestamp_breaks_the_signature():
    headers = received(ZOOM.sign(secret=SECRET, body=BODY, message_id="", now=NOW))
    headers["x-zm-request-timestamp"] = str(int(NOW) + 1)
    assert not ZOOM.verify(secrets=[SECRET], headers=headers, body=BODY, now=NOW)


def test_the_bare_digest_does_not_pass_where_a_prefix_is_due():
    for value in (HEX, f"sha512={HEX}"):
        assert not META.verify(secrets=[SECRET], headers={"x-hub-signature-256": value}, body=BODY, now=NOW)


def test_several_secrets_are_tried_while_one_is_rotated():
    headers = received(META.sign(secret="old", body=BODY, message_id="", now=NOW))
    assert META.verify(secrets=["new", "old"], headers=headers, body=BODY, now=NOW)


def test_an_empty_secret_proves_nothing():
    headers = received(META.sign(secret="", body=BODY, message_id="", now=NOW))
    assert not META.verify(secrets=[""], headers=headers, body=BODY, now=NOW)


@settings(max_examples=examples(60), deadline=None)
@given(st.text(), st.text(), st.text(), st.text(), st.binary())
def test_nothing_a_sender_writes_makes_verification_raise(message_id, timestamp, signature, secret, body):
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    assert not StandardWebhooks(secret=KEY).verify(
        secrets=["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", secret], headers=headers, body=body, now=NOW
    )
    for scheme in (META, CALENDLY, ZOOM, ZENDESK, HUBSPOT, TIKTOK):
        hostile = {scheme.header.lower(): signature, ":method": "POST", ":uri": "https://example.com"}
        if scheme.timestamp_header:
            hostile[scheme.timestamp_header.lower()] = timestamp
        assert not scheme.verify(secrets=[SECRET], headers=hostile, body=body, now=NOW)
