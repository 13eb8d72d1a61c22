"""A connection has its place from the moment it is accepted: who begins handshakes and ends none is counted too."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.intake.edge import server
from pipeline.settings.loading import load_settings
from tests.integration.intake.receiver.test_tls import line_to, make_certificate, said
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches
from tests.support.watching import wait_until

PER_ADDRESS, IN_ALL = 5, 8


@contextlib.contextmanager
def receiver_with(folder: Path, *, trusted: str, seconds: float = 20.0) -> Iterator[Receiver]:
    with pytest.MonkeyPatch.context() as patch:
        make_certificate(folder / "tls")
        (folder / "afluente.yaml").write_text(
            f"receiver: {{connections_per_address: {PER_ADDRESS}, connections: {IN_ALL}, trusted_proxies: [{trusted}],"
            " tls: {certificate: tls/chain.pem, key: tls/key.pem, host: 127.0.0.1, port: 0}}"
        )
        patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        patch.setattr(server, "HANDSHAKE_SECONDS", seconds)
        forget_caches()
        with running_receiver(load_settings()) as running:
            yield running


@contextlib.contextmanager
def half_open(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say the first byte of a handshake and no more."""
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
    try:
        for line in held:
            with contextlib.suppress(ConnectionError):  # it was one too many
                line.sendall(b"\x16")
        yield held
    finally:
        for line in held:
            line.close()


def is_served(receiver: Receiver) -> bool:
    try:
        with line_to(receiver) as line:
            return b" 200 " in said(line)
    except (OSError, ssl.SSLError):
        return False


@contextlib.contextmanager
def nobody_served(receiver: Receiver) -> Iterator[None]:
    """Half-open connections until nobody else is served: what ended a moment ago may still hold its place."""
    with contextlib.ExitStack() as held:

        def is_refused_behind_one_more() -> bool:
            held.enter_context(half_open(receiver.tls_port, 1))
            return not is_served(receiver)

        assert wait_until(is_refused_behind_one_more, seconds=10)
        yield


def is_hung_up(line: socket.socket) -> bool:
    line.settimeout(5)
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.usefixtures("module_database")
def test_an_address_that_ends_no_handshake_gets_no_more_than_its_connections(tmp_path):
    with receiver_with(tmp_path, trusted="192.0.2.1") as receiver:
        assert is_served(receiver)
        with nobody_served(receiver):
            with socket.create_connection(("127.0.0.1", receiver.tls_port), timeout=10) as one_more:
                assert is_hung_up(one_more)
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as plain:
                assert plain.recv(65_536).startswith(b"HTTP/1.1 503 ")
        assert wait_until(lambda: is_served(receiver), seconds=10)


@pytest.mark.usefixtures("module_database")
def test_there_are_no_more_in_all_though_a_proxy_holds_them(tmp_path):
    with receiver_with(tmp_path, trusted="127.0.0.1") as receiver:
        with half_open(receiver.tls_port, PER_ADDRESS + 1):
            assert is_served(receiver)
            with nobody_served(receiver):
                pass
        assert wait_until(lambda: is_served(receiver), seconds=10)


@pytest.mark.usefixtures("module_database")
def test_a_handshake_that_takes_too_long_gives_its_place_back(tmp_path):
    with receiver_with(tmp_path, trusted="192.0.2.1", seconds=0.3) as receiver:
        with half_open(receiver.tls_port, PER_ADDRESS + 2) as held:
            assert is_hung_up(held[0])
            assert wait_until(lambda: is_served(receiver), seconds=10)
        for _ in range(3 * PER_ADDRESS):  # what was served gives its place back as well
            assert wait_until(lambda: is_served(receiver), seconds=10)


@pytest.mark.usefixtures("module_database")
def test_what_comes_with_the_end_of_the_handshake_is_read(tmp_path):
    with receiver_with(tmp_path, trusted="127.0.0.1") as receiver:
        for _ in range(20):
            with line_to(receiver) as line:
                assert b" 200 " in said(line)
