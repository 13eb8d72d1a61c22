"""Commands through the console's socket: who types is what the kernel says, with the roles of the settings, and needs
neither the database's address nor the keys."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.console.command_socket.server import CommandServer
from pipeline.console.command_socket.typists import VARIABLE
from pipeline.console.command_socket.wire import Ended, Typed, receive, send
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings
from tests.support.command_line import AFLUENTE, capture, run
from tests.support.paths import ROOT
from tests.support.services import forget_caches
from tests.support.watching import wait_until

ME = pwd.getpwuid(os.getuid()).pw_name
_THEIRS = ("AFLUENTE_DATABASE_URL", "AFLUENTE_SECRET_KEYS", "AFLUENTE_BROKER_URL", "AFLUENTE_CONFIG", "AFLUENTE_TOKEN")


@pytest.fixture(scope="module")
def place(module_database, tmp_path_factory) -> Iterator[Path]:
    """A served socket. This account is an operator of the brand casa."""
    folder = tmp_path_factory.mktemp("socket")
    path = folder / "commands.sock"
    (folder / "afluente.yaml").write_text(
        "brands: {casa: {}, ocio: {}}\n"
        f"access: {{command_line: socket, socket: {path}, accounts: {{{ME}: {{casa: [operator], ocio: [viewer]}}}}}}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
        forget_caches()
        server = CommandServer(load_settings(), path)
        server.start()
        try:
            yield path
        finally:
            server.stop()
            forget_caches()


def typed(place: Path, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """As somebody types it who has the program and the socket, and nothing else."""
    environment = {name: value for name, value in os.environ.items() if name not in _THEIRS}
    environment |= {"AFLUENTE_SOCKET": str(place), "AFLUENTE_DATA": "/nonexistent"}
    command = [AFLUENTE, *arguments]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options
    )


def asked(place: Path, *arguments: str, streams: int = 3) -> tuple[Ended, str]:
    """By hand, past all that our own command holds back: how it ended, and what was said."""
    with socket.socket(socket.AF_UNIX) as line, tempfile.TemporaryFile() as said:
        line.settimeout(60)
        line.connect(str(place))
        send(line, Typed(list(arguments)), [said.fileno()] * streams)
        ended, _ = receive(line, Ended)
        said.seek(0)
        return ended, ended.refused or said.read().decode()


def entries(action: str) -> list[dict]:
    """Of the audit log, in this process, which has the database."""
    done = run("audit", "export", "--format", "jsonl", "--action", action, environment={"AFLUENTE_TOKEN": auditor()})
    return [json.loads(line) for line in done.stdout.splitlines()]


def auditor() -> str:
    from pipeline.service_keys.keys import create_key
    from tests.support.granting import OWNER

    return create_key(load_settings(), "auditor", by=OWNER, role="privacy").key


def test_a_command_is_run_for_an_account_that_has_neither_database_nor_keys(place):
    capture({"email": "ada.sample@example.org"}, brand="casa")
    done = typed(place, "people", "export", "--brand", "casa", "--format", "jsonl")
    assert (done.returncode, done.stderr.strip()) == (0, "0 people")
    (entry,) = entries("people")
    assert (entry["actor_kind"], entry["actor_id"], entry["auth"]) == ("os_user", f"{ME}@{socket.gethostname()}", "os")


def test_an_account_may_what_its_roles_say_and_the_attempt_is_an_entry(place):
    done = typed(place, "people", "export", "--brand", "ocio")
    assert done.returncode == 1
    assert "people.read in the brand ocio" in done.stderr
    assert ("ocio", "refused") in {(entry["brand"], entry["outcome"]) for entry in entries("people")}


def test_exit_codes_and_input_and_output_are_those_of_whoever_types(place):
    wrong = typed(place, "leads", "export", "--brand", "casa", "--since", "nonsense")
    assert wrong.returncode == 2
    assert "--since" in wrong.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another account")
def test_another_account_is_told_by_the_kernel_and_has_no_role(place):
    for folder in place.parents:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)  # folders of tests are their account's alone
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65_534)
            os.write(writing, asked(place, "leads", "list")[1].encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as told:
        assert b"has no role here" in told.read()
    (entry,) = entries("command")
    assert (entry["outcome"], entry["actor_kind"]) == ("refused", "os_user")


@pytest.mark.parametrize(
    "arguments",
    [
        ("leads", "export", "--brand", "casa", "--out", "/tmp/taken.csv"),
        ("import", "/etc/passwd", "--source", "api", "--brand", "casa"),
        ("import", "-", "--source", "api", "--brand", "casa", "--accept"),
        ("init", "/tmp/another"),
        ("migrate",),
        ("--data", "/tmp", "leads", "list"),
        ("--install-completion", "bash"),
        (),
    ],
)
def test_nothing_is_done_with_the_files_of_the_console(place, arguments):
    ended, said = asked(place, *arguments)
    assert ended.exit_code != 0
    assert "socket" in said
    assert not Path("/tmp/taken.csv").exists()
    assert not Path("/tmp/another").exists()


@pytest.mark.parametrize("streams", [0, 2])
def test_who_passes_no_input_and_output_is_refused(place, streams):
    assert asked(place, "leads", "list", streams=streams)[0].refused is not None


def test_nonsense_ends_its_connection_and_nothing_else(place):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(place))
        line.sendall(b"\xff\xff\xff\xffGET / HTTP/1.1\r\n" + b"x" * 200_000)
        with contextlib.suppress(ConnectionError):
            assert line.recv(100) == b""
    assert typed(place, "leads", "list", "--brand", "casa").returncode == 0


def test_without_the_socket_nothing_is_run_on_such_a_server(place):
    """A command does not run by itself where it was told to hand over."""
    done = run("leads", "list", "--brand", "casa", environment={"AFLUENTE_SOCKET": "/nonexistent/socket"})
    assert done.returncode == 1
    assert "nobody serves /nonexistent/socket" in done.stderr


def test_who_has_the_files_of_such_a_server_needs_a_key_or_goes_through_the_socket_too(place):
    assert run("leads", "list", "--brand", "ocio").returncode == 0  # by the settings alone
    assert run("leads", "list", "--brand", "casa", environment={"AFLUENTE_TOKEN": auditor()}).returncode == 0
    assert run("leads", "list", environment={"AFLUENTE_TOKEN": "no key"}).returncode == 1


def test_a_command_whose_typist_leaves_ends(place):
    environment = {name: value for name, value in os.environ.items() if name not in _THEIRS}
    environment |= {"AFLUENTE_SOCKET": str(place)}
    left = subprocess.Popen(
        [AFLUENTE, "import", "-", "--source", "api", "--brand", "casa"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not (running := _children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running
    left.send_signal(signal.SIGKILL)
    left.wait()
    while _children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _children() == []
    left.stdin.close()


def _children() -> list[int]:
    """Commands that the server of this process runs."""
    import psutil

    found = []
    for child in psutil.Process().children():
        try:
            if VARIABLE in child.environ():
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    ("access", "told"),
    [
        ("{command_line: socket}", "access.socket"),
        ("{socket: here.sock}", "begins with /"),
        ("{accounts: {ana: {'*': [owner]}}}", "access.accounts.ana.*"),
        ("{accounts: {ana: {casino: [viewer]}}}", "is not among brands"),
    ],
)
def test_what_cannot_be_meant_is_told_at_the_start(tmp_path, monkeypatch, access, told):
    (tmp_path / "afluente.yaml").write_text(f"brands: {{casa: {{}}}}\naccess: {access}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert told in str(raised.value)


@pytest.mark.long
def test_the_console_serves_the_socket_for_as_long_as_it_runs(module_database, tmp_path):
    path = tmp_path / "commands.sock"
    (tmp_path / "afluente.yaml").write_text(
        f"access: {{command_line: socket, socket: {path}, accounts: {{{ME}: {{'*': [admin]}}}}}}\n"
    )
    console = subprocess.Popen(
        [sys.executable, "-m", "pipeline.console", "--port", "0"],
        env={**os.environ, "AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml")},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(path.exists, seconds=30)
        made = typed(path, "keys", "create", "reports", "--role", "viewer", "--json")
        assert made.returncode == 0, made.stderr
        assert typed(path, "keys", "create", "reader", "--role", "privacy").returncode == 1
    finally:
        console.terminate()
        console.wait(30)
    assert not path.exists()
