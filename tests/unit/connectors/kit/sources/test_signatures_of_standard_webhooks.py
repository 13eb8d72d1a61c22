"""Standard Webhooks, with the third-party package `standardwebhooks` as the other side."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as ThirdPartySender

from connectors.kit import Secret
from connectors.kit.sources.signatures import StandardWebhooks, message_id_of

BODY = b'{"id":42,"name":"Zo\\u00eb"}'
NOW = 1_700_000_000.0

HOOKS = StandardWebhooks(secret=Secret("UNUSED"))
HOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
HOOK_SIGNATURE = "v1,9m5Kx/UtJLQyu/oo0QErK0ITyyI8hmvP4JOhq0MRP+A="
HOOK_HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": HOOK_SIGNATURE}


def accepts(headers, *, secrets=(HOOK_SECRET,), body=BODY, now=NOW):
    return HOOKS.verify(secrets=list(secrets), headers=headers, body=body, now=now)


def test_standard_webhooks_signs_as_the_vector_says():
    assert HOOKS.sign(secret=HOOK_SECRET, body=BODY, message_id="msg_1", now=NOW) == HOOK_HEADERS


def test_a_hook_of_the_third_party_package_is_accepted():
    moment = datetime.fromtimestamp(NOW, UTC)
    signature = ThirdPartySender(HOOK_SECRET).sign("msg_1", moment, BODY.decode())
    assert accepts({**HOOK_HEADERS, "webhook-signature": signature})
    assert not accepts({**HOOK_HEADERS, "webhook-signature": signature}, body=BODY + b" ")


def test_the_third_party_package_accepts_what_we_sign():
    now = datetime.now(UTC).timestamp()
    headers = HOOKS.sign(secret=HOOK_SECRET, body=BODY, message_id="msg_2", now=now)
    assert ThirdPartySender(HOOK_SECRET).verify(BODY.decode(), headers) == {"id": 42, "name": "Zoë"}


def test_one_good_signature_in_a_list_is_enough_and_unknown_versions_are_ignored():
    good = HOOK_SIGNATURE
    assert accepts({**HOOK_HEADERS, "webhook-signature": f"v1a,AAAA v1,AAAA v9,x {good}"})
    assert not accepts({**HOOK_HEADERS, "webhook-signature": good.replace("v1,", "v2,")})
    assert not accepts({**HOOK_HEADERS, "webhook-signature": "v1a,AAAA v1,AAAA"})


def test_a_hook_is_accepted_for_five_minutes_both_ways():
    for drift in (-300, 300):
        assert accepts(HOOK_HEADERS, now=NOW + drift)
    for drift in (-301, 301):
        assert not accepts(HOOK_HEADERS, now=NOW + drift)


@pytest.mark.parametrize(
    "pasted",
    [f"v1,{HOOK_SECRET}", f" {HOOK_SECRET}\n", HOOK_SECRET.removeprefix("whsec_")],
    ids=["v1", "space", "bare"],
)
def test_a_secret_is_understood_as_people_paste_it(pasted):
    assert accepts(HOOK_HEADERS, secrets=[pasted])


def test_a_secret_without_its_padding_is_understood():
    secret = "whsec_" + base64.b64encode(b"x" * 25).decode()
    headers = HOOKS.sign(secret=secret, body=BODY, message_id="msg_1", now=NOW)
    assert accepts(headers, secrets=[secret.rstrip("=")])


def test_a_secret_that_is_no_base64_proves_nothing_beside_a_good_one():
    assert not accepts(HOOK_HEADERS, secrets=["whsec_!!!", "whsec_", ""])
    assert accepts(HOOK_HEADERS, secrets=["whsec_!!!", HOOK_SECRET])


def test_the_value_of_the_documentation_of_svix_is_accepted():
    """https://docs.svix.com/receiving/verifying-payloads/how-manual; the package `svix` 2.9.1 signs the same."""
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    given = {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "now": 1_614_265_330.0}
    assert accepts(headers, body=b'{"test": 2432232314}', **given)
    assert not accepts(headers, body=b'{"test": 2432232315}', **given)


def test_the_header_names_of_svix_are_accepted():
    headers = {name.replace("webhook-", "svix-"): value for name, value in HOOK_HEADERS.items()}
    assert accepts(headers)
    assert message_id_of(headers, "webhook-id") == "msg_1"


@pytest.mark.parametrize("missing", HOOK_HEADERS)
def test_a_hook_without_one_of_its_headers_is_refused(missing):
    assert not accepts({name: value for name, value in HOOK_HEADERS.items() if name != missing})
