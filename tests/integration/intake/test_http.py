"""The receiver over real sockets, storing into real PostgreSQL; no Redis runs here, and nothing misses it."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from standardwebhooks import Webhook as StandardSender

from connectors.kit import Answer, Connector, Secret, Webhook, registry, sources
from connectors.kit.sources.signatures import HmacSha256
from pipeline.settings.loading import load_settings
from pipeline.stages.mapping.stored_records import read_record
from tests.support.intake_server import Receiver, count_events, running_receiver, stored_events
from tests.support.services import forget_caches

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
CONFIG = """
brands: {default: {}, other: {region: ES}}
sources:
  limited_form: {connector: web_form, rate_per_second: 1}
  closed_form: {connector: web_form, enabled: false}
  other_form: {connector: web_form, brands: [other]}
  lost_secret: {connector: standard_webhooks, secret: "env:NO_SUCH_VARIABLE"}
"""


def _shake_hands(query, secrets):
    return Answer(body=query["challenge"], content_type="text/plain") if query.get("token") in secrets else None


ENTRIES = Connector(
    source="entries",
    title="Entries",
    owner="@tests",
    docs_url="https://example.org",
    intake=Webhook(
        records_at="entries",
        signature=HmacSha256(header="X-Signature", secret=Secret("ENTRIES_SECRET")),
        handshake=_shake_hands,
        max_body_bytes=100_000,
    ),
    event_id="id",
)


@pytest.fixture(scope="module")
def receiver(module_database, tmp_path_factory) -> Iterator[Receiver]:
    config: Path = tmp_path_factory.mktemp("config") / "afluente.yaml"
    config.write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(config))
        patch.setenv("AFLUENTE_API_KEYS", "a:admin:an-api-key-of-the-tests,v:viewer:view-key,i:ingest:ingest-key")
        patch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET)
        patch.setenv("ENTRIES_SECRET", "s3cret")
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        forget_caches()
        with running_receiver(load_settings(), connectors={**sources(), "entries": ENTRIES}) as running:
            yield running


def form(**fields: str) -> dict[str, object]:
    return {"submission_id": str(uuid.uuid4()), "fields": {"email": "ada@example.org"}, **fields}


def post_entries(receiver: Receiver, entries: list[object]):
    body = orjson.dumps({"entries": entries})
    signed = ENTRIES.intake.signature.sign(secret="s3cret", body=body, message_id="m", now=0)
    return receiver.post("/in/default/entries", data=body, headers={"Content-Type": "application/json", **signed})


def test_an_accepted_form_is_stored_byte_for_byte(receiver):
    body = b'{ "submission_id": "exact-1",  "fields": {"email":"zo\xc3\xab@example.org"} }'
    answer = receiver.post("/in/default/web_form", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    assert body in [event.envelope.body for event in stored_events("web_form")]


def test_a_second_delivery_stores_nothing(receiver):
    lead = form()
    assert receiver.post("/in/default/web_form", json=lead).status_code == 202
    before = count_events()
    assert receiver.post("/in/default/web_form", json=dict(reversed(lead.items()))).status_code == 202
    assert count_events() == before


def test_brands_do_not_share_idempotency_keys(receiver):
    lead = form()
    before = count_events()
    assert receiver.post("/in/default/web_form", json=lead).status_code == 202
    assert receiver.post("/in/other/web_form", json=lead).status_code == 202
    assert count_events() == before + 2


def test_a_form_comes_as_urlencoded_text_and_multipart_too(receiver):
    before = count_events("web_form")
    assert receiver.post("/in/default/web_form", data={"email": "a@example.org", "n": uuid.uuid4().hex}).ok
    text = json.dumps(form()).encode()
    assert receiver.post("/in/default/web_form", data=text, headers={"Content-Type": "text/plain"}).ok
    assert receiver.post("/in/default/web_form", files={"email": (None, "m@example.org")}).ok
    assert count_events("web_form") == before + 3
    multipart = [read_record(event) for event in stored_events("web_form") if b"m@example.org" in event.envelope.body]
    assert multipart == [{"email": "m@example.org"}]


def test_a_legacy_encoded_form_is_stored_as_it_came_and_can_be_read_again(receiver):
    body, kind = "city=M%E1laga&email=legacy@example.org", "application/x-www-form-urlencoded"
    assert receiver.post("/in/default/web_form", data=body, headers={"Content-Type": kind}).ok
    found = [event for event in stored_events("web_form") if b"legacy@example.org" in event.envelope.body]
    assert [(event.envelope.body, event.envelope.content_type) for event in found] == [(body.encode(), kind)]
    assert [read_record(event)["city"] for event in found] == ["Málaga"]


def test_credentials_and_addresses_of_visitors_are_not_stored(receiver):
    headers = {
        "User-Agent": "tests/1",
        "X-Form-Version": "7",
        "X-Forwarded-For": "203.0.113.9",
        "X-Api-Key": "k",
        "Cookie": "session=1",
        "Authorization": "Bearer zzz",
    }
    lead = form()
    assert receiver.post("/in/default/web_form", json=lead, headers=headers).ok
    kept = next(e for e in stored_events("web_form") if lead["submission_id"].encode() in e.envelope.body)
    assert kept.envelope.headers == {"user-agent": "tests/1", "x-form-version": "7"}


def test_what_is_stored_says_when_it_came_and_where_it_belongs(receiver):
    lead = form(submitted_at="2026-03-02T09:14:55+01:00")
    assert receiver.post("/in/other/web_form", json=lead).ok
    event = next(e for e in stored_events("web_form") if lead["submission_id"].encode() in e.envelope.body)
    assert (event.brand, event.lane) == ("other", "hot")
    assert event.occurred_at == datetime(2026, 3, 2, 8, 14, 55, tzinfo=UTC)
    assert abs((event.received_at - datetime.now(UTC)).total_seconds()) < 60


def test_several_records_in_one_body_become_several_events(receiver):
    before = count_events("entries")
    assert post_entries(receiver, [{"id": f"s-{number}"} for number in range(5)]).status_code == 200
    assert count_events("entries") == before + 5
    bodies = sorted(read_record(event)["id"] for event in stored_events("entries"))
    assert bodies[-5:] == [f"s-{number}" for number in range(5)]


def test_a_body_in_which_nothing_is_a_record_is_left_to_a_second_try(receiver):
    before = count_events("entries")
    answer = post_entries(receiver, [None, "no object"])
    assert (answer.status_code, answer.json()["error"]) == (400, "not_an_object")
    assert count_events("entries") == before


def test_a_body_without_records_is_acknowledged_and_stores_nothing(receiver):
    before = count_events("entries")
    assert post_entries(receiver, []).status_code == 200
    assert count_events("entries") == before


def test_a_genuine_standard_webhook_is_taken(receiver):
    body = json.dumps({"type": "lead.created", "timestamp": "2026-03-02T09:14:55Z", "data": {"email": "s@example.org"}})
    assert send_standard(receiver, body, "msg_1").status_code == 200
    before = count_events("standard_webhooks")
    assert send_standard(receiver, body, "msg_1").status_code == 200
    assert count_events("standard_webhooks") == before
    assert send_standard(receiver, body, "msg_2").status_code == 200
    assert count_events("standard_webhooks") == before + 1


def send_standard(receiver, body: str, message_id: str, *, secret: str = SECRET, at: datetime | None = None):
    moment = at or datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": StandardSender(secret).sign(message_id, moment, body),
    }
    return receiver.post("/in/default/standard_webhooks", data=body.encode(), headers=headers)


@pytest.mark.parametrize("spoiled", ["altered", "unsigned", "other_secret", "old"])
def test_an_unproven_webhook_is_401_and_leaves_no_lead(receiver, spoiled):
    before = count_events("standard_webhooks")
    body = '{"data": {"email": "s@example.org"}}'
    if spoiled == "unsigned":
        answer = receiver.post("/in/default/standard_webhooks", json={"data": {}})
    elif spoiled == "other_secret":
        answer = send_standard(receiver, body, "u-1", secret="whsec_" + "QUJD" * 8)
    elif spoiled == "old":
        answer = send_standard(receiver, body, "u-2", at=datetime(2020, 1, 1, tzinfo=UTC))
    else:
        moment = datetime.now(UTC)
        headers = {
            "webhook-id": "u-3",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": StandardSender(SECRET).sign("u-3", moment, body),
            "Content-Type": "application/json",
        }
        answer = receiver.post("/in/default/standard_webhooks", data=body.replace("s@", "x@"), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")
    assert count_events("standard_webhooks") == before


def test_a_source_whose_secret_is_missing_is_no_open_door(receiver):
    answer = receiver.post("/in/default/lost_secret", json={"data": {}})
    assert (answer.status_code, answer.json()["error"]) == (503, "not_configured")
    assert int(answer.headers["Retry-After"]) > 0
    assert count_events("lost_secret") == 0


def test_the_handshake_is_answered_as_the_source_declares(receiver):
    good = receiver.get("/in/default/entries", params={"token": "s3cret", "challenge": "c-123"})
    assert (good.status_code, good.text, good.headers["Content-Type"]) == (200, "c-123", "text/plain; charset=utf-8")
    assert receiver.get("/in/default/entries", params={"token": "wrong", "challenge": "c"}).status_code == 403
    assert receiver.get("/in/default/web_form").status_code == 405


@pytest.mark.parametrize(
    "path", ["/in/default/nobody", "/in/nobody/web_form", "/in/default/other_form", "/in/default/datablist"]
)
def test_an_unknown_source_or_brand_is_404(receiver, path):
    before = count_events()
    assert receiver.post(path, json=form()).status_code == 404
    assert count_events() == before


def test_a_source_that_is_switched_off_asks_to_come_back(receiver):
    answer = receiver.post("/in/default/closed_form", json=form())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [(b'{"a": 1,\n "b" x}', 2, 6), (b"not json", 1, 1), (b'{"a": 1', 1, 8)],
)
def test_unreadable_json_is_400_with_its_place(receiver, body, line, column):
    answer = receiver.post("/in/default/web_form", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    found = answer.json()
    assert found["error"] == "unreadable_json"
    assert found["line"] == line
    assert abs(found["column"] - column) <= 1  # decoders differ by one in where they give up
    assert "not json" not in found["message"]


@pytest.mark.parametrize("body", [b"", b"   ", b"[" * 50_000, b'{"a":' * 50_000, b"\xff\xfe{}", b"123", b'"text"'])
def test_hostile_bodies_are_400_and_never_a_crash(receiver, body):
    answer = receiver.post("/in/default/web_form", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert receiver.get("/health/live").status_code == 200


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\ud83d", "😀", "x" * 100_000])
def test_awkward_text_is_stored_and_found_again(receiver, value):
    lead = {"submission_id": f"awkward-{uuid.uuid4()}{value[:3]}", "fields": {"email": "a@example.org", "m": value}}
    body = json.dumps(lead).encode()
    answer = receiver.post("/in/default/web_form", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202
    marker = lead["submission_id"][:44].encode()
    assert any(marker in event.envelope.body for event in stored_events("web_form"))


def test_numbers_beyond_all_bounds_do_not_break_the_receiver(receiver):
    body = b'{"submission_id": 1e400, "n": ' + b"9" * 5000 + b', "x": NaN}'
    answer = receiver.post("/in/default/web_form", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (202, 400)
    assert receiver.get("/health/live").status_code == 200


def test_a_content_type_the_source_does_not_take_is_415(receiver):
    answer = receiver.post("/in/default/web_form", data=b"<a/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


def test_too_large_a_body_is_413(receiver):
    answer = receiver.post("/in/default/web_form", data=b"x" * 300_000, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 262_144)


def test_a_body_of_unsaid_length_is_read_only_up_to_the_limit(receiver):
    sent = 0
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(
            b"POST /in/default/web_form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with contextlib.suppress(OSError):  # the receiver closes the line
            for _ in range(2_000):  # 131 MB, if anybody took it
                line.sendall(chunk)
                sent += 65_536
        with contextlib.suppress(OSError):
            assert b" 413 " in line.recv(100)
    assert sent < 30_000_000


def test_a_packed_body_is_unpacked(receiver):
    lead = form()
    answer = receiver.post(
        "/in/default/web_form",
        data=gzip.compress(json.dumps(lead).encode()),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 202
    assert any(lead["submission_id"].encode() in e.envelope.body for e in stored_events("web_form"))


@pytest.mark.long
def test_a_packed_body_cannot_blow_up(receiver):
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    assert len(bomb) < 262_144
    answer = receiver.post("/in/default/web_form", data=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    for broken in (bomb[:100], b"no gzip"):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        assert receiver.post("/in/default/web_form", data=broken, headers=headers).status_code in (400, 413)
    assert receiver.post("/in/default/web_form", data=b"x", headers={"Content-Encoding": "br"}).status_code == 415


def test_a_source_over_its_rate_is_told_when_to_come_back(receiver):
    answers = [receiver.post("/in/default/limited_form", json=form()) for _ in range(14)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [202] * 10
    assert statuses[-1] == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert receiver.post("/in/default/web_form", json=form()).status_code == 202  # others do not pay for it


def test_browsers_may_post_forms_from_other_origins(receiver):
    preflight = receiver.http.options(receiver.address + "/in/default/web_form", headers={"Origin": "https://x.org"})
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST"
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for answer in (receiver.post("/in/default/web_form", json=form()), receiver.post("/in/default/web_form", data=b"")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in receiver.post("/in/default/entries", data=b"").headers
    assert receiver.http.options(receiver.address + "/in/default/entries").status_code == 405


def test_no_answer_is_ever_410(receiver):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"):
        for path in ("/in/default/web_form", "/in/a/b", "/v1/leads", "/", "/in/default"):
            assert receiver.http.request(method, receiver.address + path, timeout=20).status_code not in (410, 500)


@pytest.mark.long
def test_concurrent_requests_share_commits(receiver):
    def send(_: int) -> int:
        return receiver.post("/in/default/web_form", json=form()).status_code

    before = commits(receiver)
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, range(320))) == {202}
    assert commits(receiver) - before < 320


def commits(receiver) -> float:
    return metric(receiver, "afluente_intake_commit_events_count")


def metric(receiver, name: str) -> float:
    lines = receiver.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_one_key_from_many_clients_at_once_makes_one_event(receiver):
    lead = form()
    before = count_events()
    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(lambda _: receiver.post("/in/default/web_form", json=lead).status_code, range(64)))
    assert statuses == {202}
    assert count_events() == before + 1


def test_metrics_count_what_came_and_hold_no_stranger_s_words(receiver):
    name = 'afluente_intake_events_total{outcome="repeated",source="web_form"}'
    lead = form()
    receiver.post("/in/default/web_form", json=lead)
    before = metric(receiver, name)
    receiver.post("/in/default/web_form", json=lead)
    assert metric(receiver, name) == before + 1
    receiver.post("/in/default/strange_words", json=lead)
    text = receiver.get("/metrics").text
    assert "strange_words" not in text
    assert 'afluente_up{part="database"} 1.0' in text
    assert 'afluente_events_pending{lane="hot"}' in text


def test_a_receiver_without_redis_is_ready_but_degraded(receiver):
    answer = receiver.get("/health/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "degraded", "database": "ok", "migrations": "current", "broker": "away"},
    )


def test_the_api_describes_itself_without_help_from_elsewhere(receiver):
    document = receiver.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/leads", "/v1/leads/{event_id}", "/in/{brand}/{source}"} <= set(document["paths"])
    assert "email" in document["components"]["schemas"]["Lead"]["properties"]
    page = receiver.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/in/default/web_form" in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text


def test_a_trickling_sender_does_not_hold_up_others(receiver):
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(b"POST /in/default/web_form HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        begun = time.monotonic()
        assert receiver.post("/in/default/web_form", json=form()).status_code == 202
        assert time.monotonic() - begun < 5


def test_a_broken_connector_of_the_companys_stops_no_other_source_and_its_own_senders_come_again(
    database, tmp_path, monkeypatch
):
    (tmp_path / "connectors" / "sources").mkdir(parents=True)
    (tmp_path / "connectors" / "sources" / "acme.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    registry.forget()
    try:
        with running_receiver() as receiver:
            assert receiver.post_leads({"email": "ada@example.org"}).status_code == 202
            answer = receiver.post("/in/default/acme", json={"email": "eve@example.org"})
            assert (answer.status_code, answer.json()["error"]) == (503, "source_broken")
            assert answer.headers["Retry-After"] == "60"
            assert str(tmp_path) not in answer.text
    finally:
        monkeypatch.undo()
        registry.forget()
