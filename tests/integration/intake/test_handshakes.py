"""Sources that ask whether an address is ours: answered over real sockets, and never stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import orjson
import pytest

from connectors.kit import (
    Connector,
    CrcToken,
    Echo,
    GraphValidation,
    Greeting,
    HmacSha256,
    Secret,
    SlackChallenge,
    VerifyToken,
    Webhook,
    ZoomValidation,
    sources,
)
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings
from tests.support.command_line import run
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.services import forget_caches

ZOOM = HmacSha256(
    header="x-zm-signature",
    secret=Secret("ZOOM_SECRET"),
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp_header="x-zm-request-timestamp",
    tolerance_seconds=300,
)
SLACK = HmacSha256(
    header="x-slack-signature",
    secret=Secret("SLACK_SECRET"),
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp_header="x-slack-request-timestamp",
)
META = HmacSha256(header="X-Hub-Signature-256", secret=Secret("META_APP_SECRET"), prefix="sha256=")
EVENT_GRID = Echo(
    at="[0].data.validationCode",
    when={"[0].eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"},
    key="validationResponse",
)
HOOKS = {
    "zoom": Webhook(signature=ZOOM, handshake=ZoomValidation(Secret("ZOOM_SECRET"))),
    "slack": Webhook(signature=SLACK, handshake=SlackChallenge()),
    "meta": Webhook(
        records_at="entry[*].changes[*].value", signature=META, handshake=VerifyToken(Secret("META_VERIFY_TOKEN"))
    ),
    "graph": Webhook(records_at="value", handshake=GraphValidation()),
    "x": Webhook(
        signature=HmacSha256(header="x-twitter-webhooks-signature", secret=Secret("X_SECRET"), encoding="base64"),
        handshake=CrcToken(Secret("X_SECRET")),
    ),
    "grid": Webhook(handshake=EVENT_GRID),
    "okta": Webhook(handshake=(Echo(header_at="x-okta-verification-challenge", key="verification"), Greeting())),
    "asana": Webhook(handshake=Echo(header_at="X-Hook-Secret", header="X-Hook-Secret")),
    "silent": Webhook(),
}
SECRETS = {
    "ZOOM_SECRET": "zoom-secret",
    "SLACK_SECRET": "slack-secret",
    "META_APP_SECRET": "app-secret",
    "META_VERIFY_TOKEN": "old-token,agreed-token",
    "X_SECRET": "x-secret",
}


@pytest.fixture(scope="module")
def receiver(module_database) -> Iterator[Receiver]:
    connectors = {
        name: Connector(source=name, title=name, owner="@tests", docs_url="https://example.org", intake=hook)
        for name, hook in HOOKS.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        forget_caches()
        with running_receiver(load_settings(), connectors=connectors) as running:
            yield running


def signed(receiver: Receiver, source: str, body: dict[str, object], *, secret: str):
    raw = orjson.dumps(body)
    signature = HOOKS[source].signature
    headers = signature.sign(secret=secret, body=raw, message_id="m", now=time.time())
    return receiver.post(f"/in/default/{source}", data=raw, headers={"Content-Type": "application/json", **headers})


def digest(secret: str, token: str) -> bytes:
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).digest()


def test_the_url_validation_of_zoom_is_answered_with_both_tokens_and_makes_no_lead(receiver):
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": "q9ibPhGeRZ6ayx5WTrXjRw"}}
    sent = signed(receiver, "zoom", body, secret="zoom-secret")
    encrypted = digest("zoom-secret", "q9ibPhGeRZ6ayx5WTrXjRw").hex()
    assert (sent.status_code, sent.json()) == (
        200,
        {"plainToken": "q9ibPhGeRZ6ayx5WTrXjRw", "encryptedToken": encrypted},
    )
    assert count_events("zoom") == 0


def test_a_validation_that_the_source_did_not_sign_is_no_oracle_for_its_secret(receiver):
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}
    assert signed(receiver, "zoom", body, secret="another").status_code == 401
    assert receiver.post("/in/default/zoom", json=body).status_code == 401


@pytest.mark.parametrize("payload", [{"plainToken": 7}, {"plainToken": "x" * 9_000}, {}, None])
def test_what_only_looks_like_a_validation_is_a_lead_like_others(receiver, payload):
    before = count_events("zoom")
    body = {"event": "endpoint.url_validation", "payload": payload, "n": before}
    assert signed(receiver, "zoom", body, secret="zoom-secret").text == "{}"
    assert count_events("zoom") == before + 1


def test_the_challenge_of_slack_is_sent_back(receiver):
    body = {"type": "url_verification", "challenge": "3eZbrw1a", "token": "t"}
    sent = signed(receiver, "slack", body, secret="slack-secret")
    assert (sent.status_code, sent.json()) == (200, {"challenge": "3eZbrw1a"})
    assert receiver.post("/in/default/slack", json=body).status_code == 401
    assert count_events("slack") == 0


def test_the_verify_token_of_meta_is_a_secret_apart_from_the_app_secret(receiver):
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "agreed-token"}
    good = receiver.get("/in/default/meta", params=query)
    assert (good.status_code, good.text, good.headers["X-Content-Type-Options"]) == (200, "1158201444", "nosniff")
    assert good.headers["Content-Type"].startswith("text/plain")
    assert receiver.get("/in/default/meta", params=query | {"hub.verify_token": "old-token"}).status_code == 200
    for wrong in ("app-secret", "", "agreed-tokens", "é"):
        assert receiver.get("/in/default/meta", params=query | {"hub.verify_token": wrong}).status_code == 403
    assert receiver.get("/in/default/meta").status_code == 403


def test_the_validation_token_of_graph_is_sent_back_as_text_by_post_and_get(receiver):
    token = "Validation: Testing client <b>reachability</b> +1"
    for ask in (receiver.post, receiver.get):
        sent = ask("/in/default/graph", params={"validationToken": token})
        assert (sent.status_code, sent.text) == (200, token)
        assert sent.headers["Content-Type"].startswith("text/plain")
        assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert receiver.post("/in/default/graph", json={"value": [{"id": 1}]}).status_code == 200
    assert count_events("graph") == 1


def test_the_crc_token_of_x_is_answered_with_its_digest(receiver):
    sent = receiver.get("/in/default/x", params={"crc_token": "abc"})
    written = base64.b64encode(digest("x-secret", "abc")).decode()
    assert (sent.status_code, sent.json()) == (200, {"response_token": f"sha256={written}"})


def test_further_schemes_are_declared_by_what_is_sent_back_and_where(receiver):
    event = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}
    assert receiver.post("/in/default/grid", json=[event]).json() == {"validationResponse": "512d38b6"}
    okta = receiver.get("/in/default/okta", headers={"x-okta-verification-challenge": "abc"})
    assert json.loads(okta.text) == {"verification": "abc"}
    assert receiver.get("/in/default/okta").status_code == 200
    assert receiver.http.head(receiver.address + "/in/default/okta").status_code == 200
    asana = receiver.post("/in/default/asana", headers={"X-Hook-Secret": "b537207f"})
    assert (asana.status_code, asana.headers["X-Hook-Secret"]) == (200, "b537207f")
    assert count_events("grid") + count_events("okta") + count_events("asana") == 0


def test_a_source_without_a_handshake_says_so(receiver):
    assert receiver.get("/in/default/silent").status_code == 405


@pytest.fixture
def company(database, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.mark.long
def test_the_secret_of_a_handshake_is_set_beside_the_signature_s_and_the_doctor_misses_it(company, monkeypatch):
    said = """intake=Webhook(
        signature=HmacSha256(header="X-Hub-Signature-256", secret=Secret("PAGES_APP_SECRET"), prefix="sha256="),
        handshake=VerifyToken(Secret("PAGES_VERIFY_TOKEN")))"""
    company.declare("pages", said, "lead: {email: email}\n")
    settings_file = company.folder / "afluente.yaml"
    settings_file.write_text("sources: {pages: {secret: 'env:SOME_SECRET'}}\n")
    monkeypatch.setenv("SOME_SECRET", "app-secret")
    monkeypatch.setenv("SOME_TOKEN", "agreed")

    def found() -> dict[str, object]:
        checks = json.loads(run("doctor", "--json").stdout)["checks"]
        return next(check for check in checks if check["name"] == "source pages")

    assert "PAGES_VERIFY_TOKEN: its handshake is refused" in str(found())
    settings_file.write_text(
        "sources: {pages: {secret: 'env:SOME_SECRET', secrets: {PAGES_VERIFY_TOKEN: 'env:SOME_TOKEN'}}}\n"
    )
    assert "nothing missing" in str(found())
    forget_caches()
    query = {"hub.mode": "subscribe", "hub.challenge": "1158", "hub.verify_token": "agreed"}
    with running_receiver(load_settings(), connectors=sources()) as running:
        assert running.get("/in/default/pages", params=query).text == "1158"
        assert running.get("/in/default/pages", params=query | {"hub.verify_token": "app-secret"}).status_code == 403
    settings_file.write_text("sources: {pages: {secrets: {PAGES_VERIFY_TOKEN: agreed}}}\n")
    with pytest.raises(ConfigurationError, match=r"sources\.pages\.secrets\.PAGES_VERIFY_TOKEN"):
        load_settings()
