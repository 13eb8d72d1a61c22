"""However large or slow an answer is, reading it ends: against real servers that send too much, or too little."""

from __future__ import annotations

import gzip
import resource
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from connectors.kit import TerminalError, TransientError
from connectors.kit.http import Session, session, translated
from connectors.kit.oauth import ClientCredentials

LIMIT = 1_000_000


@contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then says what `speak` says, for each connection anew."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65_536)
                speak(connection)
            except OSError:
                pass  # the caller has had enough

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def bounded(url: str, **limits: float) -> Session:
    return session(url, **{"timeout_seconds": 1.0, "max_answer_bytes": LIMIT, **limits})


def head(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()


def drip(connection: socket.socket, first: bytes) -> None:
    connection.sendall(first)
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.short(2)
@pytest.mark.parametrize(
    "first",
    [head("Content-Length: 100000"), head("Connection: close"), b"HTTP/1.1 200 OK\r\nX-Endless: ", b"", b"HTTP/1.1"],
    ids=["body", "body without an end", "header line", "status line", "half a status line"],
)
def test_an_answer_that_drips_is_left_at_the_deadline_of_the_whole(first):
    with speaking(lambda connection: drip(connection, first)) as url:
        began = time.monotonic()
        with pytest.raises(TransientError), translated("slow"):
            bounded(url, answer_seconds=1.0).get(url)
        assert time.monotonic() - began < 6


def test_a_dripping_chunked_answer_is_left_at_the_deadline():
    def speak(connection: socket.socket) -> None:
        connection.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(200):
            connection.sendall(b"1\r\nx\r\n")
            time.sleep(0.05)

    with speaking(speak) as url:
        began = time.monotonic()
        with pytest.raises(TransientError, match="in time"), translated("slow"):
            bounded(url, answer_seconds=1.0).get(url)
        assert time.monotonic() - began < 6


def test_slow_redirects_share_one_deadline():
    def speak(connection: socket.socket) -> None:
        time.sleep(0.4)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with speaking(speak) as url:
        began = time.monotonic()
        with pytest.raises(TransientError, match="in time"), translated("slow"):
            bounded(url, answer_seconds=1.0).get(url)
        assert time.monotonic() - began < 3


def endless(connection: socket.socket, first: bytes, piece: bytes) -> None:
    connection.sendall(first)
    while True:
        connection.sendall(piece)


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (head("Content-Length: 3000000000"), b" " * 65_536),
        (head("Connection: close"), b" " * 65_536),
        (head("Transfer-Encoding: chunked"), b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    ],
    ids=["announced", "not announced", "chunked"],
)
def test_an_answer_larger_than_allowed_is_not_read_on(first, piece):
    with (
        speaking(lambda connection: endless(connection, first, piece)) as url,
        pytest.raises(TerminalError, match="larger than is read"),
        translated("feed"),
    ):
        bounded(url, answer_seconds=10.0).get(url)


def packed_zeros(form: int, *, megabytes: int = 600) -> bytes:
    """What unpacks to that many megabytes: one of them packed, and again as often as needed. Nobody reads to its end,
    where the checksum would be wrong."""
    packer = zlib.compressobj(wbits=form)
    first, further = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + further * (megabytes - 1)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", lambda: packed_zeros(31)),
        ("deflate", lambda: packed_zeros(15)),
        ("deflate", lambda: packed_zeros(-15)),
        ("gzip, gzip", lambda: gzip.compress(packed_zeros(31), mtime=0)),
        ("gzip", lambda: gzip.compress(bytes(900_000), mtime=0) * 200),
    ],
    ids=["gzip", "zlib", "bare", "twice", "many members"],
)
def test_a_small_answer_that_unpacks_to_much_stops_early(server, encoding, pack):
    body = pack()  # here, and not where tests are collected, which every process does
    assert len(body) < LIMIT
    server.script = [(200, {"Content-Encoding": encoding}, body)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TerminalError, match="larger than is read"), translated("feed"):
        bounded(server.url, answer_seconds=20.0).get(server.url)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("X-GZIP", gzip.compress(b'{"a":', mtime=0) + gzip.compress(b"1}", mtime=0) + b"\x00\x00"),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("deflate", zlib.compress(b'{"a":1}')[2:-4]),
        ("identity", b'{"a":1}'),
        ("", b'{"a":1}'),
    ],
    ids=["gzip", "members and padding", "zlib", "bare", "identity", "none"],
)
def test_what_is_packed_as_usual_is_read(server, encoding, body):
    server.script = [(200, {"Content-Encoding": encoding} if encoding else {}, body)]
    assert bounded(server.url).get(server.url).json() == {"a": 1}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"plain"),
        ("gzip", gzip.compress(b"x" * 9_000, mtime=0)[:-30]),
        ("br", b"\x0b\x02"),
        ("deflate", b"plain"),
    ],
)
def test_what_is_not_packed_as_it_says_is_worth_another_try(server, encoding, body):
    server.script = [(200, {"Content-Encoding": encoding}, body)]
    with pytest.raises(TransientError), translated("feed"):
        bounded(server.url).get(server.url)


def test_one_connection_serves_many_calls_and_an_empty_answer_is_one(server):
    server.script = [(200, {}, b"{}"), (204, {}, b""), (200, {"Content-Encoding": "gzip"}, b""), (200, {}, b"[]")]
    http = bounded(server.url)
    assert [http.get(server.url).content for _ in range(4)] == [b"{}", b"", b"", b"[]"]
    assert len({id(pool) for pool in http.get_adapter(server.url).poolmanager.pools._container.values()}) == 1
    (pool,) = http.get_adapter(server.url).poolmanager.pools._container.values()
    assert pool.num_connections == 1


def test_an_access_token_s_answer_is_bounded_as_well():
    with speaking(lambda connection: drip(connection, head("Content-Length: 100000"))) as url:
        tokens = ClientCredentials(bounded(url, answer_seconds=1.0), url, client_id="a", client_secret="b")
        with pytest.raises(TransientError, match="in time"):
            tokens.token()
