"""Whoever may do nothing cannot take the command socket from those who may: not by silence, by halves, or by number."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.console.command_socket import server as serving
from pipeline.console.command_socket.client import run_there
from pipeline.console.command_socket.server import CommandServer
from pipeline.console.command_socket.wire import Ended, Typed, receive, send
from pipeline.settings.loading import load_settings
from tests.support.paths import ROOT
from tests.support.services import forget_caches
from tests.support.watching import wait_until


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """A served socket at which this account has no role. There is no database behind it: none is needed to refuse."""
    path = tmp_path / "commands.sock"
    (tmp_path / "afluente.yaml").write_text(
        f"access: {{command_line: socket, socket: {path}, accounts: {{nobody-here: {{'*': [viewer]}}}}}}\n"
    )
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setattr(serving, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(serving, "_note_stranger", lambda typist: None)
    forget_caches()
    server = CommandServer(load_settings(), path)
    server.start()
    try:
        yield path
    finally:
        server.stop()
        forget_caches()


def connected(place: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(place))  # waits its turn, as the command does
    line.settimeout(5)
    return line


def refused(place: Path) -> str | None:
    """What is said to whoever asks as a command does."""
    with connected(place) as line, tempfile.TemporaryFile() as said:
        send(line, Typed(["status"]), [said.fileno()] * 3)
        return receive(line, Ended)[0].refused


def descriptors() -> int:
    return psutil.Process().num_fds()


@pytest.mark.parametrize("leaves", [True, False], ids=["and leaves", "and says no more"])
def test_files_that_came_with_half_a_message_are_closed(place, leaves):
    before = descriptors()
    lines = []
    for _ in range(8):
        line = connected(place)
        with tempfile.TemporaryFile() as given:
            socket.send_fds(line, [struct.pack("!I", 500) + b"{"], [given.fileno()] * 3)
        lines.append(line)
    if leaves:
        for line in lines:
            line.close()
    assert refused(place) is not None  # so all before it were accepted
    assert wait_until(lambda: threads() == 0, seconds=5)
    for line in lines:
        line.close()
    assert wait_until(lambda: descriptors() == before, seconds=5), descriptors() - before


def threads() -> int:
    return sum(thread.name == "typed-command" for thread in threading.enumerate())


def test_who_speaks_a_byte_at_a_time_is_not_waited_for_longer(place):
    begun = time.monotonic()
    with connected(place) as line, contextlib.suppress(OSError):
        line.sendall(struct.pack("!I", 5_000))
        while time.monotonic() - begun < 3:
            line.sendall(b"x")
            time.sleep(0.05)
    assert time.monotonic() - begun < 1.5


def test_an_account_holds_only_so_many_connections_and_is_told(place, monkeypatch):
    monkeypatch.setattr(serving, "_PATIENCE_SECONDS", 30.0)
    held = [connected(place) for _ in range(40)]
    try:
        assert wait_until(lambda: threads() > 0, seconds=5)
        assert "at once" in (refused(place) or "")
        assert threads() <= 16
    finally:
        for line in held:
            line.close()
    assert wait_until(lambda: "no role" in (refused(place) or ""), seconds=5)


def test_the_socket_is_served_again_after_the_console_had_no_descriptor_left(place):
    """In a process of its own, as all descriptors are taken there."""
    script = f"""
import os, resource, socket, sys, time
from pathlib import Path
from pipeline.console.command_socket import server
from pipeline.settings.loading import load_settings
server._note_stranger = lambda typist: None
server._PATIENCE_SECONDS = 0.3
path = Path({str(place.with_name("scarce.sock"))!r})
served = server.CommandServer(load_settings(), path)
served.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    os.close(taken.pop())
waiting = socket.socket(socket.AF_UNIX)
waiting.connect(str(path))
time.sleep(0.5)
for descriptor in taken:
    os.close(descriptor)
print("ready", flush=True)
sys.stdin.read()
"""
    scarce = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert scarce.stdout.readline() == "ready\n"
        assert "no role" in (refused(place.with_name("scarce.sock")) or "")
    finally:
        scarce.stdin.close()
        scarce.wait(20)
        scarce.stdout.close()


def test_a_console_that_stops_leaves_the_socket_of_the_one_that_took_its_place(place):
    former = CommandServer(load_settings(), place)
    former.start()
    successor = CommandServer(load_settings(), place)
    successor.start()
    try:
        former.stop()
        assert "no role" in (refused(place) or "")
    finally:
        successor.stop()
    assert not place.exists()


def test_a_stranger_who_asks_on_and_on_fills_no_audit_log(place, monkeypatch):
    noted = []
    monkeypatch.setattr(serving, "_note_stranger", noted.append)
    assert {bool(refused(place)) for _ in range(60)} == {True}
    assert 30 <= len(noted) <= 32


def test_the_command_says_why_it_was_turned_away(place, monkeypatch):
    monkeypatch.setattr(serving, "_OF_AN_ACCOUNT", 0)
    with pytest.raises(serving.AfluenteError, match="at once"):
        run_there(str(place), ["status"])
