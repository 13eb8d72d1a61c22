"""Doctor says where the receiver can be reached without TLS and without a proxy that is known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.health.doctor import run_checks
from pipeline.health.edges import listening
from pipeline.health.edges.listening import Listening, find_listening, is_open
from pipeline.settings.loading import load_settings
from tests.support.services import forget_caches

_LISTENS = (
    "import socket, sys; made = socket.create_server(('127.0.0.1', 0));"
    " print(made.getsockname()[1], flush=True); sys.stdin.read()"
)


@pytest.fixture
def settings_with(tmp_path, monkeypatch):
    def write(receiver: str, **environment: str):
        (tmp_path / "afluente.yaml").write_text(f"receiver: {{{receiver}}}\n")
        monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget_caches()
        return load_settings()

    return write


@pytest.mark.parametrize(
    ("address", "receiver", "is_told"),
    [
        ("0.0.0.0", "", True),
        ("::", "", True),
        ("8.8.8.8", "", True),
        ("127.0.0.1", "", False),
        ("10.1.2.3", "", False),
        ("0.0.0.0", "trusted_proxies: [127.0.0.1]", True),
        ("0.0.0.0", "trusted_proxies: ['*']", True),
        ("0.0.0.0", "trusted_proxies: [10.0.0.0/8]", False),
    ],
)
def test_an_address_of_the_internet_wants_tls_or_a_proxy_that_is_trusted(settings_with, address, receiver, is_told):
    assert is_open(Listening(address, 8080), settings_with(receiver)) is is_told


def test_a_receiver_that_runs_on_this_machine_is_found():
    command = [sys.executable, "-c", _LISTENS, "-m", "pipeline.intake"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        port = int(running.stdout.readline())
        assert Listening("127.0.0.1", port) in find_listening()
        running.stdin.close()


def test_doctor_tells_of_both_and_not_of_the_port_that_speaks_tls(settings_with, database, monkeypatch):
    places = {Listening("0.0.0.0", 8080), Listening("0.0.0.0", 8443)}
    monkeypatch.setattr(listening, "find_listening", lambda: places)
    known = settings_with("public_url: 'http://leads.example.org', tls: {certificate: a, key: b}")
    told = [check for check in run_checks(known) if check.name == "receiver address"]
    assert [check.ok for check in told] == [False, False]
    assert "receiver.public_url" in told[0].detail
    assert "port 8080 listens on 0.0.0.0" in told[1].detail


def test_doctor_warns_of_a_secret_of_any_kind_that_ends_soon(settings_with, database, monkeypatch, tmp_path):
    monkeypatch.setenv("CRM_TOKEN", "x" * 20)
    path = tmp_path / "afluente.yaml"
    settings_with("")
    path.write_text("secrets: {expires: {'env:CRM_TOKEN': 2026-01-01}}\n")
    forget_caches()
    (told,) = [check for check in run_checks(load_settings()) if check.name == "secrets"]
    assert not told.ok
    assert "env:CRM_TOKEN ended on 2026-01-01" in told.detail
