"""Strangers at the receiver, over real sockets: what they send costs nobody else a lead, a moment or a name."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import orjson
import pytest
import requests

from connectors.kit import Connector, Secret, StandardWebhooks, Webhook, sources
from connectors.kit.sources.signatures import HmacSha256
from pipeline.intake.edge.protocol import BoundedProtocol
from pipeline.settings.loading import load_settings
from tests.support.hostile import BODIES, CONTENT_TYPES
from tests.support.intake_server import KEY, Receiver, count_events, running_receiver, stored_events
from tests.support.services import forget_caches

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of another brand!").decode()
CONFIG = """
brands: {default: {}, casa: {region: ES}}
sources:
  limited_hooks: {connector: standard_webhooks, rate_per_second: 5, secret: "env:HOOKS_SECRET"}
  limited_lists: {connector: lists, rate_per_second: 50, secret: "env:HOOKS_SECRET"}
  own_secrets:
    connector: standard_webhooks
    secrets: {default: "env:HOOKS_SECRET", casa: "env:CASA_SECRET"}
  addressed: {connector: addressed, secret: "env:HOOKS_SECRET"}
  secret_partner_name: {connector: web_form}
receiver: {public_url: "https://hooks.example.org"}
"""
JSON = {"Content-Type": "application/json"}


def declared(source: str, **webhook) -> Connector:
    return Connector(
        source=source, title=source, owner="@tests", docs_url="https://example.org", intake=Webhook(**webhook)
    )


LISTS = declared("lists", records_at="leads", signature=HmacSha256(header="X-Sign", secret=Secret("LISTS_SECRET")))
ADDRESSED = declared(
    "addressed", signature=HmacSha256(header="X-Sign", secret=Secret("ADDRESSED_SECRET"), signed="{method}{uri}{body}")
)
OPEN_LISTS = declared("open_lists", records_at="leads")


@pytest.fixture(scope="module")
def receiver(module_database, tmp_path_factory) -> Iterator[Receiver]:
    config: Path = tmp_path_factory.mktemp("config") / "afluente.yaml"
    config.write_text(CONFIG)
    keys = "a:admin:an-api-key-of-the-tests,casa:operator:key-of-casa:casa,both:ingest:key:with:colons:casa+default"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(config))
        patch.setenv("AFLUENTE_API_KEYS", keys)
        patch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET)
        patch.setenv("HOOKS_SECRET", SECRET)
        patch.setenv("LISTS_SECRET", "listed")
        patch.setenv("CASA_SECRET", OTHER_SECRET)
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        forget_caches()
        own = {connector.source: connector for connector in (LISTS, ADDRESSED, OPEN_LISTS)}
        with running_receiver(load_settings(), connectors={**sources(), **own}) as running:
            yield running


def form(**fields: str) -> dict[str, object]:
    return {"submission_id": str(uuid.uuid4()), "fields": {"email": "ada@example.org"}, **fields}


def signed(body: bytes, message_id: str | None = None, *, secret: str = SECRET) -> dict[str, str]:
    scheme = StandardWebhooks(secret=Secret("X"))
    sent = scheme.sign(secret=secret, body=body, message_id=message_id or uuid.uuid4().hex, now=time.time())
    return {**JSON, **sent}


def post_signed(receiver: Receiver, path: str, **headers: str):
    body = orjson.dumps({"type": "lead", "data": {"email": f"{uuid.uuid4()}@example.org"}})
    return receiver.post(path, data=body, headers={**signed(body), **headers})


# ---- bodies and headers ----


class Patient(threading.Thread):
    """Asks again and again while something else goes on, and notes the longest wait."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.longest = 0.0
        self.statuses: set[int] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        with requests.Session() as http:
            while not self.ended.is_set():
                begun = time.monotonic()
                self.statuses.add(http.post(self.address, json=form(), timeout=30).status_code)
                self.longest = max(self.longest, time.monotonic() - begun)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


@pytest.mark.long
def test_while_hostile_bodies_are_read_others_are_answered_and_none_is_a_fault_of_ours(receiver):
    with Patient(receiver.address + "/in/default/web_form") as patient:
        for make in BODIES.values():
            hostile = make(250_000)
            answer = receiver.post("/in/default/web_form", data=hostile.body, headers=hostile.headers)
            assert answer.status_code in (202, 400, 413, 415, 422)
    assert patient.statuses == {202}
    assert patient.longest < 2.0  # a broken reader holds everybody for a minute


@pytest.mark.parametrize("path", ["/in/default/web_form", "/v1/leads"])
def test_a_hostile_content_type_is_refused_and_never_a_fault_of_ours(receiver, path):
    for make in CONTENT_TYPES.values():
        for size in (200, 2_000, 40_000):
            headers = {"Content-Type": make(size), "Authorization": f"Bearer {KEY}"}
            assert receiver.post(path, data=b'{"email": "a@example.org"}', headers=headers).status_code < 500


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "hz", "rot13", "zlib", "unicode-escape", "nonsense"])
@pytest.mark.parametrize("path", ["/in/default/web_form", "/v1/leads"])
def test_a_charset_that_is_no_charset_of_senders_is_415(receiver, path, charset):
    headers = {"Content-Type": f"application/json; charset={charset}", "Authorization": f"Bearer {KEY}"}
    answer = receiver.post(path, data=b'{"email": "a@example.org"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "charset_not_accepted")


def test_a_multipart_form_in_an_old_charset_is_stored_with_its_letters(receiver):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nzoe@example.org\r\n'
        b'--b\r\nContent-Disposition: form-data; name="name"\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n'
        b"Zo\xeb M\xfcller\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert receiver.post("/in/default/web_form", data=body, headers=headers).status_code == 202
    stored = [event.envelope.body for event in stored_events("web_form") if b"zoe@example.org" in event.envelope.body]
    assert len(stored) == 1
    assert "Zoë Müller".encode() in stored[0] or b"Zo\xeb M\xfcller" in stored[0]


def test_a_lead_of_endless_keys_is_refused_and_others_beside_it_are_taken(receiver):
    endless = {f"k{number}": 1 for number in range(10_001)}
    assert receiver.post("/in/default/web_form", json=form(**endless)).status_code == 413
    answer = receiver.post_leads([{"email": "a@example.org", **endless}, {"email": "b@example.org"}])
    assert answer.status_code == 202
    assert [entry["index"] for entry in answer.json()["rejected"]] == [0]
    assert "10000 keys" in answer.json()["rejected"][0]["message"]
    assert len(answer.json()["accepted"]) == 1


def test_headers_beyond_all_bounds_are_431_and_those_that_are_kept_have_a_size(receiver):
    answer = receiver.post("/in/default/web_form", json=form(), headers={"X-" + "a" * 100_000: "1"})
    assert answer.status_code == 431
    flood = {f"X-{number}": "v" * 2_000 for number in range(14)}
    lead = form()
    assert receiver.post("/in/default/web_form", json=lead, headers={**flood, "X-" + "n" * 200: "1"}).status_code == 202
    kept = next(e for e in stored_events("web_form") if str(lead["submission_id"]).encode() in e.envelope.body)
    assert sum(len(name) + len(value) for name, value in kept.envelope.headers.items()) <= 16_384
    assert all(len(name) <= 100 for name in kept.envelope.headers)


def raw(receiver: Receiver, request: bytes, *, seconds: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=seconds) as line:
        line.sendall(request)
        return line.recv(65_536)


def test_a_content_length_beyond_all_bounds_is_413_at_once(receiver):
    begun = time.monotonic()
    for length in (b"18446744073709551615", b"9" * 18, b"262145"):
        answer = raw(
            receiver, b"POST /in/default/web_form HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n{"
        )
        assert b" 413 " in answer or b" 400 " in answer  # HTTP's own reader refuses what 64 bits do not hold
    assert time.monotonic() - begun < 10


def test_a_request_without_a_host_or_of_an_unknown_version_is_400(receiver):
    assert b" 400 " in raw(receiver, b"GET /health/live HTTP/1.1\r\n\r\n")
    assert b" 400 " in raw(receiver, b"GET /health/live\r\n\r\n")
    assert b" 200 " in raw(receiver, b"GET /health/live HTTP/1.0\r\n\r\n")


def test_a_connection_whose_headers_never_end_is_closed(receiver, monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "head_seconds", 0.3)
    monkeypatch.setattr(BoundedProtocol, "idle_seconds", 0.3)
    assert raw(receiver, b"") == b""
    assert b" 408 " in raw(receiver, b"POST /in/default/web_form HTTP/1.1\r\nHost: x\r\n")
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as line:  # nor is one that goes on is cut
        for _ in range(3):
            line.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in line.recv(65_536)
            time.sleep(0.4)


# ---- amplification ----


def test_a_form_of_a_browser_is_one_lead_and_a_list_under_it_is_413(receiver):
    before = count_events("web_form")
    for body in ([form(), form()], [{"a": "1"}] * 4_000):
        answer = receiver.post("/in/default/web_form", json=body)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_many_records")
    packed = gzip.compress(json.dumps([{"a": "1"}] * 4_000).encode())
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert receiver.post("/in/default/web_form", data=packed, headers=headers).status_code == 413
    assert count_events("web_form") == before


def test_a_signed_source_may_send_many_records_at_once_and_an_unsigned_one_a_hundred(receiver):
    body = orjson.dumps({"leads": [{"id": number} for number in range(1_000)]})
    headers = {**JSON, **LISTS.intake.signature.sign(secret="listed", body=body, message_id="", now=0)}
    assert receiver.post("/in/default/lists", data=body, headers=headers).status_code == 200
    leads = [{"id": uuid.uuid4().hex} for _ in range(101)]
    assert receiver.post("/in/default/open_lists", json={"leads": leads}).status_code == 413
    assert receiver.post("/in/default/open_lists", json={"leads": leads[:100]}).status_code == 200


def test_a_rate_counts_the_records_of_a_body_and_not_the_bodies(receiver):
    def post(count: int):
        body = orjson.dumps({"leads": [{"id": uuid.uuid4().hex} for _ in range(count)]})
        headers = {**JSON, **LISTS.intake.signature.sign(secret=SECRET, body=body, message_id="", now=0)}
        return receiver.post("/in/default/limited_lists", data=body, headers=headers)

    assert post(200).status_code == 200  # a quiet source may burst by one body, whatever it holds
    refused = post(1)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    time.sleep(2.5)  # 200 records at 50 a second, less what may be sent at once
    assert post(1).status_code == 200


def test_entries_that_identify_nobody_are_taken_up_to_a_number_and_then_422_while_leads_go_on(receiver):
    statuses = [receiver.post("/in/default/secret_partner_name", json={"a": str(n)}).status_code for n in range(130)]
    assert statuses[:100] == [202] * 100  # a form whose fields were renamed loses nothing
    assert statuses[-20:] == [422] * 20
    assert receiver.post("/in/default/secret_partner_name", json=form()).status_code == 202


# ---- signatures, keys, names ----


def until_refused(post: Callable[[], requests.Response]) -> list[int]:
    """The statuses up to the first 429."""
    statuses: list[int] = []
    while 429 not in statuses:
        assert len(statuses) < 5_000
        statuses.append(post().status_code)
    return statuses


def test_requests_without_proof_use_up_nothing_of_the_rate_of_those_with_one(receiver):
    path, body = "/in/default/limited_hooks", b"{}"
    headers = itertools.cycle((JSON, signed(body, secret=OTHER_SECRET)))
    unproven = until_refused(lambda: receiver.post(path, data=body, headers=next(headers)))
    assert set(unproven[:-1]) == {401}  # after many, they are not even looked at
    began = time.monotonic()
    *taken, _ = until_refused(lambda: post_signed(receiver, path))
    assert set(taken) == {200}
    assert 10 <= len(taken) <= 10 + 5 * (time.monotonic() - began)  # its own rate still holds


def test_a_message_is_known_by_the_id_that_was_signed_whatever_other_id_stands_beside_it(receiver):
    body = b'{"type": "lead", "data": {"email": "replayed@example.org"}}'
    proof = {name.replace("webhook", "svix"): value for name, value in signed(body, "svix-1").items()}
    before = count_events("standard_webhooks")
    for unsigned_id in (None, "first", "second"):
        more = {"webhook-id": unsigned_id} if unsigned_id else {}
        answer = receiver.post("/in/default/standard_webhooks", data=body, headers={**proof, **more})
        assert answer.status_code == 200
    assert count_events("standard_webhooks") == before + 1


def test_a_request_that_was_captured_at_one_brand_is_not_taken_by_another_with_its_own_secret(receiver):
    body = b'{"type": "lead", "data": {"email": "captured@example.org"}}'
    captured = signed(body)
    assert receiver.post("/in/default/own_secrets", data=body, headers=captured).status_code == 200
    assert receiver.post("/in/casa/own_secrets", data=body, headers=captured).status_code == 401
    own = signed(body, secret=OTHER_SECRET)
    assert receiver.post("/in/casa/own_secrets", data=body, headers=own).status_code == 200


def test_a_scheme_that_signs_the_address_is_verified_by_the_address_senders_were_told(receiver):
    def post(address: str) -> int:
        headers = {":method": "POST", ":uri": address}
        body = b'{"email": "a@example.org"}'
        proof = ADDRESSED.intake.signature.sign(secret=SECRET, body=body, message_id="", now=0, headers=headers)
        return receiver.post("/in/default/addressed?a=1", data=body, headers={**JSON, **proof}).status_code

    assert post("https://hooks.example.org/in/default/addressed?a=1") == 200
    assert post(f"{receiver.address}/in/default/addressed?a=1") == 401


def test_a_key_that_is_bound_to_a_brand_posts_and_reads_there_only(receiver):
    lead = {"email": "bound@example.org"}

    def post(key: str, query: str = ""):
        return receiver.post(f"/v1/leads{query}", json=lead, headers={"Authorization": f"Bearer {key}"})

    own = post("key-of-casa")
    assert own.status_code == 202
    event_id = own.json()["accepted"][0]["event_id"]
    assert receiver.get_lead(event_id, key="key-of-casa").json()["brand"] == "casa"
    refused = post("key-of-casa", "?brand=default")
    assert (refused.status_code, refused.json()["error"]) == (403, "wrong_brand")
    others = post(KEY, "?brand=default").json()["accepted"][0]["event_id"]
    assert receiver.get_lead(others).status_code == 200
    assert receiver.get_lead(others, key="key-of-casa").status_code == 404
    assert post("key:with:colons", "?brand=casa").status_code == 202
    assert post("key-of-casa:casa").status_code == 401


@pytest.mark.parametrize("path", ["/in/default/web_form/", "/v1/leads/", "/health/live/"])
def test_an_address_with_a_slash_at_its_end_is_served_and_not_redirected(receiver, path):
    if path == "/health/live/":
        answer = receiver.get(path, allow_redirects=False)
    else:
        headers = {"Authorization": f"Bearer {KEY}", "Host": "evil.example.org"}
        lead = form() if "web_form" in path else {"email": "slash@example.org"}
        answer = receiver.post(path, json=lead, headers=headers, allow_redirects=False)
    assert answer.status_code in (200, 202)


def test_strangers_are_told_no_name_of_a_brand_or_a_source(receiver):
    answers = [
        receiver.post("/in/default/nobody", json={}),
        receiver.post("/in/nobody/web_form", json={}),
        receiver.get("/docs"),
        receiver.get("/openapi.json"),
        receiver.get("/nothing"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 200, 200, 404]
    for answer in answers:
        assert "casa" not in answer.text
        assert "secret_partner_name" not in answer.text
    with_key = receiver.get("/docs", headers={"Authorization": f"Bearer {KEY}"})
    assert "/in/casa/secret_partner_name" in with_key.text
    of_casa = receiver.get("/openapi.json", headers={"Authorization": "Bearer key-of-casa"}).json()
    (brand, _) = of_casa["paths"]["/in/{brand}/{source}"]["parameters"]
    assert brand["schema"]["enum"] == ["casa"]


@pytest.mark.long
def test_the_api_s_description_names_every_answer_that_it_gives(receiver):
    paths = receiver.get("/openapi.json").json()["paths"]
    assert {"404", "405", "408", "413", "415", "429"} <= set(paths["/v1/leads"]["post"]["responses"])
    assert {"404", "405", "408", "413", "422", "431"} <= set(paths["/in/{brand}/{source}"]["post"]["responses"])
