"""Posts that packages of others sign are taken by the receiver, and what the providers' sandbox signs they accept.

HubSpot's own package signs and checks for HubSpot. Zoom signs as Slack does, but for the names of the headers:
`v0=` and the HMAC of `v0:timestamp:body`; so Slack's own package stands in for Zoom, which has none for Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hubspot.utils.signature import Signature as HubSpotSignature
from slack_sdk.signature import SignatureVerifier as SlackSignature

from connectors.kit import sources
from connectors.kit.sources.samples import samples_of
from connectors.sandbox.providers.signing import signed_headers
from pipeline.settings.loading import settings
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.posted_sources import SECRET, set_secrets
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")
Headers = dict[str, str]


def signed_by_hubspot(body: bytes, address: str) -> Headers:
    timestamp = str(int(time.time() * 1000))
    signature = HubSpotSignature.get_signature(SECRET, body.decode(), "v3", address, "POST", timestamp)
    return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp}


def accepted_by_hubspot(body: bytes, address: str, headers: Headers) -> bool:
    return HubSpotSignature.is_valid(
        signature=headers["X-HubSpot-Signature-v3"],
        client_secret=SECRET,
        request_body=body.decode(),
        http_uri=address,
        signature_version="v3",
        timestamp=headers["X-HubSpot-Request-Timestamp"],
    )


def signed_as_slack(body: bytes, address: str) -> Headers:
    timestamp = str(int(time.time()))
    signature = SlackSignature(SECRET).generate_signature(timestamp=timestamp, body=body)
    return {"x-zm-signature": str(signature), "x-zm-request-timestamp": timestamp}


def accepted_as_slack(body: bytes, address: str, headers: Headers) -> bool:
    return SlackSignature(SECRET).is_valid(body, headers["x-zm-request-timestamp"], headers["x-zm-signature"])


Sign = Callable[[bytes, str], Headers]
Accepted = Callable[[bytes, str, Headers], bool]
SIGNED: dict[str, Sign] = {
    "hubspot_events": signed_by_hubspot,
    "hubspot_workflow": signed_by_hubspot,
    "zoom_webinar": signed_as_slack,
}
ACCEPTED: dict[str, Accepted] = {
    "hubspot_events": accepted_by_hubspot,
    "hubspot_workflow": accepted_by_hubspot,
    "zoom_webinar": accepted_as_slack,
}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    set_secrets(monkeypatch, SIGNED)
    forget_caches()
    with running_receiver(settings()) as running:
        yield running


def typical(source: str) -> bytes:
    return next(sample.body for sample in samples_of(source) if sample.name == "typical")


def test_a_post_that_a_package_of_others_signs_is_taken_and_an_altered_one_refused(receiver: Receiver):
    for source, sign in SIGNED.items():
        path, body = f"/in/default/{source}", typical(source)
        headers = {"Content-Type": "application/json", **sign(body, receiver.address + path)}
        assert receiver.post(path, data=body, headers=headers).status_code == 200, source
        assert receiver.post(path, data=body + b" ", headers=headers).status_code == 401, source
        elsewhere = {**headers, **sign(body + b"\n", receiver.address + path)}
        assert receiver.post(path, data=body, headers=elsewhere).status_code == 401, source
        assert count_events(source) >= 1, source


@pytest.mark.parametrize("source", SIGNED)
def test_what_the_sandbox_signs_is_accepted_by_the_package_of_others(source: str):
    address, body = f"https://hooks.example.com/in/default/{source}", typical(source)
    headers = signed_headers(sources()[source].intake.signature, SECRET, body, "m", address, now=time.time())
    assert ACCEPTED[source](body, address, headers)
    assert not ACCEPTED[source](body + b" ", address, headers)
