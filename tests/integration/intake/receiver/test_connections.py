"""Connections of strangers, byte by byte: what one costs is bounded, and others are answered meanwhile."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import orjson
import pytest

from pipeline.intake.edge.protocol import HEADERS, BoundedProtocol
from pipeline.settings.loading import load_settings
from tests.support.intake_server import KEY, Receiver, count_events, running_receiver
from tests.support.services import forget_caches

CONFIG = """
receiver: {trusted_proxies: [203.0.113.1], connections_per_address: 40, unsigned_per_address: 100}
"""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = b"POST /in/default/web_form HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LEADS = b"POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BEARER = f"Authorization: Bearer {KEY}\r\n".encode()


@pytest.fixture(scope="module")
def receiver(module_database, tmp_path_factory) -> Iterator[Receiver]:
    config = tmp_path_factory.mktemp("config") / "afluente.yaml"
    config.write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(config))
        patch.setenv("AFLUENTE_API_KEYS", f"a:admin:{KEY}")
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        forget_caches()
        with running_receiver(load_settings()) as running:
            yield running


@pytest.fixture
def short_times(monkeypatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "head_seconds", 0.4)
    monkeypatch.setattr(BoundedProtocol, "idle_seconds", 0.4)
    monkeypatch.setattr(BoundedProtocol, "body_idle_seconds", 0.4)


def line_to(receiver: Receiver) -> socket.socket:
    return socket.create_connection(("127.0.0.1", receiver.port), timeout=10)


def answer_of(line: socket.socket) -> bytes:
    """All that comes until the connection ends, or nothing more does."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def said_to(receiver: Receiver, request: bytes) -> bytes:
    """The whole answer to bytes after which the receiver ends the connection."""
    with line_to(receiver) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(request)
        return answer_of(line)


def trickle(line: socket.socket, request: bytes, *, seconds: float) -> bytes:
    """A byte each so many seconds, until an answer comes. Gives that answer."""
    line.settimeout(seconds)
    for place in range(len(request)):
        try:
            line.sendall(request[place : place + 1])
            return line.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    raise AssertionError("it was listened to until the end")


def lead_body() -> bytes:
    return orjson.dumps({"submission_id": str(uuid.uuid4()), "fields": {"email": "ada@example.org"}})


def with_length(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_headers_that_come_a_byte_at_a_time_are_408_while_others_are_answered(receiver, short_times):
    answers: list[bytes] = []

    def dawdle() -> None:
        with line_to(receiver) as line:
            answers.append(trickle(line, LIVE * 4, seconds=0.05))

    dawdlers = [threading.Thread(target=dawdle) for _ in range(20)]
    for dawdler in dawdlers:
        dawdler.start()
    ordinary = [receiver.post("/in/default/web_form", data=lead_body(), headers={"Content-Type": "application/json"})]
    while any(dawdler.is_alive() for dawdler in dawdlers):
        ordinary.append(receiver.get("/health/live"))
    assert {answer.status_code for answer in ordinary} == {200, 202}
    assert len(answers) == 20
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)


def test_a_connection_on_which_nothing_is_said_ends_without_a_word(receiver, short_times):
    assert said_to(receiver, b"") == b""


def test_blank_lines_between_requests_do_not_keep_a_connection_for_ever(receiver, short_times):
    with line_to(receiver) as line:
        line.sendall(LIVE)
        assert b" 200 " in line.recv(65_536)
        assert b" 408 " in trickle(line, b"\r\n" * 100, seconds=0.1)


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"v" * 1_048_576,
        b"X-" + b"n" * 40_000 + b": 1",
        b"".join(b"X-%d: 1\r\n" % number for number in range(10_000)),
        b"\r\n".join(b"X-%d: %s" % (number, b"v" * 1_000) for number in range(40)),
    ],
    ids=["a megabyte", "a long name", "ten thousand", "many long ones"],
)
def test_headers_beyond_all_bounds_are_431(receiver, headers):
    assert said_to(receiver, LIVE[:-2] + headers + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert said_to(receiver, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 431 ")


def test_a_header_that_never_ends_is_431_before_its_time_is_up(receiver):
    assert said_to(receiver, LIVE[:-2] + b"X-Long: " + b"v" * 300_000).startswith(b"HTTP/1.1 431 ")


def test_as_many_headers_as_may_be_are_taken_and_one_more_is_431(receiver):
    more = b"".join(b"X-%d: 1\r\n" % number for number in range(HEADERS - 2))
    assert b" 200 " in said_to(receiver, LIVE[:-2] + more + b"Connection: close\r\n\r\n")
    assert b" 431 " in said_to(receiver, LIVE[:-2] + more + b"X-A: 1\r\nConnection: close\r\n\r\n")


def test_a_head_that_comes_in_pieces_counts_its_bytes_once(receiver):
    with line_to(receiver) as line:
        for piece in (LIVE[:20], LIVE[20:-2], b"X-A: " + b"v" * 15_000 + b"\r\n", b"X-B: " + b"v" * 15_000 + b"\r\n"):
            line.sendall(piece)
            time.sleep(0.02)
        line.sendall(b"\r\n")
        assert b" 200 " in line.recv(65_536)


@pytest.mark.parametrize(
    "request_",
    [
        FORM + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FORM + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        FORM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}    ",
        FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        FORM + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        FORM + b"Content-Length : 2\r\n\r\n{}",
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["CL+TE", "TE+CL", "two lengths", "bad chunk", "TE twice", "space", "no host", "TLS to the plain port"],
)
def test_what_two_readers_could_take_for_two_things_is_400_and_stores_nothing(receiver, request_):
    before = count_events()
    assert said_to(receiver, request_).startswith(b"HTTP/1.1 400 ")
    assert count_events() == before


def test_a_body_that_stops_coming_is_408(receiver, short_times):
    head = LEADS + BEARER + b"Content-Length: 1000\r\n\r\n"
    assert said_to(receiver, head + b'[{"email": ').startswith(b"HTTP/1.1 408 ")


def test_a_body_that_goes_on_after_its_refusal_does_not_keep_the_connection(receiver, short_times, monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "body_seconds", 1.0)
    with line_to(receiver) as line:
        line.sendall(b"POST /in/default/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert b" 404 " in line.recv(65_536)
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 10:
                line.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - begun < 10


def test_a_body_that_comes_slowly_and_steadily_is_taken(receiver, short_times):
    body = lead_body()
    with line_to(receiver) as line:
        line.sendall(FORM + b"Content-Length: %d\r\n\r\n" % len(body))
        for place in range(0, len(body), 10):
            time.sleep(0.08)
            line.sendall(body[place : place + 10])
        assert b" 202 " in line.recv(65_536)


def test_what_travels_around_a_body_is_bounded(receiver):
    chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert said_to(receiver, FORM + chunks + b"X-Long: " + b"v" * 1_048_576 + b"\r\n\r\n")[9:12] in (b"400", b"431")
    extended = b"".join(b"1;" + b"e" * 5_000 + b"\r\n \r\n" for _ in range(300))
    assert said_to(receiver, FORM + b"Transfer-Encoding: chunked\r\n\r\n" + extended)[9:12] == b"400"


def test_a_trailer_is_no_header_of_its_request(receiver):
    body = b'{"email": "ada@example.org"}'
    chunked = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n"
    before = count_events("api")
    answer = said_to(receiver, LEADS + chunked + BEARER + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert count_events("api") == before


def test_a_body_packed_twice_and_one_that_is_cut_off_store_nothing(receiver):
    before = count_events("web_form")
    twice = gzip.compress(gzip.compress(lead_body()))
    assert receiver.post("/in/default/web_form", data=twice, headers={"Content-Encoding": "gzip"}).status_code == 400
    with line_to(receiver) as line:
        line.sendall(FORM + b"Content-Length: 500\r\n\r\n" + lead_body())
    assert receiver.get("/health/live").status_code == 200
    assert count_events("web_form") == before


def test_a_client_of_http_1_0_is_served_and_its_connection_ends(receiver):
    body = lead_body()
    head = FORM.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: x\r\n", b"")
    assert said_to(receiver, with_length(head, body)).startswith(b"HTTP/1.1 202 ")


def test_a_strange_host_is_served_and_stands_in_no_answer(receiver):
    for path in (b"/health/live", b"/docs", b"/openapi.json", b"/in/default/web_form/"):
        answer = said_to(receiver, b"GET " + path + b" HTTP/1.1\r\nHost: evil.example.org\r\nConnection: close\r\n\r\n")
        assert b"evil" not in answer


def test_requests_in_one_piece_are_answered_each_and_in_order(receiver):
    absent = LIVE.replace(b"/health/live", b"/nowhere")
    answers = said_to(receiver, LIVE + absent + LIVE[:-2] + b"Connection: close\r\n\r\n")
    assert [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


def test_the_bytes_of_a_body_are_none_of_the_head_behind_it(receiver):
    body = orjson.dumps({"submission_id": str(uuid.uuid4()), "fields": {"email": "a@example.org", "m": "x" * 120_000}})
    with line_to(receiver) as line:
        line.sendall(with_length(FORM, body) + LIVE[:20])
        time.sleep(0.2)
        line.sendall(LIVE[20:-2] + b"Connection: close\r\n\r\n")
        answers = answer_of(line)
    assert [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]] == [b"202", b"200"]


def test_nonsense_behind_a_lead_costs_it_neither_its_place_nor_its_answer(receiver):
    before = count_events("api")
    lead = with_length(LEADS + BEARER, b'{"email": "ada@example.org"}')
    answer = said_to(receiver, lead + b"NONSENSE\r\n\r\n")
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"202"]
    assert count_events("api") == before + 1


def test_an_endless_line_of_requests_is_not_kept_waiting(receiver):
    answers = said_to(receiver, LIVE * 3_000)
    assert answers.count(b" 200 OK") < 3_000
    assert receiver.get("/health/live").status_code == 200


def test_an_address_holds_so_many_connections_and_gets_them_back(receiver):
    held = []
    try:
        for _ in range(60):
            line = line_to(receiver)
            held.append(line)
            line.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                if answer := line.recv(65_536):
                    break
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in answer
        assert 30 <= len(held) <= 41
    finally:
        for line in held:
            line.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        answer = said_to(receiver, LIVE[:-2] + b"Connection: close\r\n\r\n")
        if b" 200 " in answer:
            break
    assert b" 200 " in answer
