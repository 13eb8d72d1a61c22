"""The shipped sources of chats, TikTok and mailing lists: signatures that their senders document, over raw bytes."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from connectors.kit import sources

BODY = b'{"id":42,"name":"Zo\\u00eb"}'  # as it is sent, with the escape
SECRET = "test_secret"
NOW = 1_700_000_000.0
HEX = "e4b6cfb04cfaaf0f9592fdc938ec8bf1ede563e252eea41ca829e85b5dd394b4"
BASE64 = "5LbPsEz6rw+Vkv3JOOyL8e3lY+JS7qQcqCnoW13TlLQ="
ADDRESS = {":method": "POST", ":uri": "https://hooks.example.com/in/hubspot"}
VECTORS = {
    "intercom": {"x-hub-signature": "sha1=9ffe2025ac34f8fb67dd1652dca14d4dac99935e"},
    "zendesk": {
        "x-zendesk-webhook-signature": "5NDVEm6oQJjweDlJdONzLgHb2wxRWawbC45AsErSz1c=",
        "x-zendesk-webhook-signature-timestamp": "2023-11-14T22:13:20Z",
    },
    "messenger_instagram": {"x-hub-signature-256": f"sha256={HEX}"},
    "x_direct_messages": {"x-twitter-webhooks-signature": f"sha256={BASE64}"},
    "tiktok_lead_gen": {"x-open-signature": HEX},
    "hubspot_workflow": {
        "x-hubspot-signature-v3": "faluthFrpOlm98HikiQFB7pdemfXJJcJcec/0PDpENw=",
        "x-hubspot-request-timestamp": "1700000000000",
        **ADDRESS,
    },
    "hubspot_events": {
        "x-hubspot-signature-v3": "faluthFrpOlm98HikiQFB7pdemfXJJcJcec/0PDpENw=",
        "x-hubspot-request-timestamp": "1700000000000",
        **ADDRESS,
    },
    "tawk": {"x-tawk-signature": "9ffe2025ac34f8fb67dd1652dca14d4dac99935e"},
}


def is_proven(source: str, headers: dict[str, str], body: bytes = BODY, *, now: float = NOW) -> bool:
    return sources()[source].intake.signature.verify(secrets=[SECRET], headers=headers, body=body, now=now)


@pytest.mark.parametrize("source", VECTORS)
def test_the_signature_that_the_sender_documents_is_accepted(source):
    assert is_proven(source, VECTORS[source])


@pytest.mark.parametrize("source", VECTORS)
def test_other_bytes_another_signature_and_none_are_refused(source):
    name = next(iter(VECTORS[source]))
    assert not is_proven(source, VECTORS[source], BODY + b"\n")
    assert not is_proven(source, {})
    for spoiled in ("", "sha256=", "sha1=", HEX.upper(), "💥", BASE64[:-4]):
        if VECTORS[source][name].lower() != spoiled.lower():
            assert not is_proven(source, {**VECTORS[source], name: spoiled}), spoiled


def test_the_bytes_of_a_letter_prove_as_much_as_its_escape_at_tiktok_alone():
    body = '{"id":42,"name":"Zoë"}'.encode()
    proven = [source for source in VECTORS if is_proven(source, VECTORS[source], body)]
    assert proven == ["tiktok_lead_gen"]


def test_klaviyo_signs_the_body_and_then_the_time_as_it_writes_it():
    written = "Tue, 14 Nov 2023 22:13:20 GMT"
    digest = hmac.new(SECRET.encode(), BODY + written.encode(), hashlib.sha256).hexdigest()
    headers = {"klaviyo-signature": digest, "klaviyo-timestamp": written}
    assert is_proven("klaviyo", headers)
    assert not is_proven("klaviyo", {**headers, "klaviyo-timestamp": "Tue, 14 Nov 2023 22:13:21 GMT"})
    assert not is_proven("klaviyo", {"klaviyo-signature": digest})


def test_hubspot_is_believed_for_five_minutes_and_at_the_address_it_was_told():
    headers = VECTORS["hubspot_workflow"]
    assert is_proven("hubspot_workflow", headers, now=NOW + 300)
    assert not is_proven("hubspot_workflow", headers, now=NOW + 301)
    assert not is_proven("hubspot_workflow", {**headers, ":uri": f"{ADDRESS[':uri']}?a=1"})
    assert not is_proven("hubspot_workflow", {**headers, ":method": "PUT"})


def test_what_hubspots_own_client_signs_is_accepted():
    """The value is that of `Signature.get_signature` of hubspot-api-client 12.0.0, version v3."""
    headers = {
        "x-hubspot-signature-v3": "H8KN5kASYpmCWFcq81G1c4Q2GsUne2zYZcr4ZIAqU10=",
        "x-hubspot-request-timestamp": "1700000000000",
        ":method": "POST",
        ":uri": "https://leads.example.com/in/default/hubspot_workflow?team=emea",
    }
    assert is_proven("hubspot_workflow", headers, '{"email":"ada@example.org","name":"Zoë"}'.encode())
