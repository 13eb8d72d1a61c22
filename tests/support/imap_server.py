"""A real IMAP server (pymap) in a process of its own, a colleague who puts mails there, and a line that can be cut."""

from __future__ import annotations

import imaplib
import socket
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.support.intake_server import free_port

USER, PASSWORD = "leads", "a password of the tests"
_SERVE = "import sys; from pymap.main import main; sys.exit(main())"


class ImapServer:
    """Where a mailbox is, and what a colleague does there."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"imap://127.0.0.1:{self.port}/INBOX"

    @contextmanager
    def colleague(self) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=20) as server:
            server.login(USER, PASSWORD)
            yield server

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        with self.colleague() as server:
            for mail in mails:
                kind, answer = server.append(folder, "", "", mail)
                assert kind == "OK", answer

    def make(self, folder: str) -> None:
        with self.colleague() as server:
            assert server.create(folder)[0] == "OK"

    def make_anew(self, folder: str) -> None:
        """Another folder of the same name, with other numbers for its mails."""
        with self.colleague() as server:
            server.delete(folder)
            assert server.create(folder)[0] == "OK"

    def count(self, folder: str = "INBOX") -> int:
        with self.colleague() as server:
            kind, answer = server.select(folder, readonly=True)
            assert kind == "OK", answer
            return int(answer[0] or 0)

    def undeleted(self) -> int:
        """A server without UIDPLUS keeps what was moved away, marked as deleted."""
        with self.colleague() as server:
            server.select("INBOX", readonly=True)
            return len(server.search(None, "UNDELETED")[1][0].split())

    def unseen(self) -> int:
        with self.colleague() as server:
            server.select("INBOX", readonly=True)
            return len(server.search(None, "UNSEEN")[1][0].split())


@contextmanager
def running_imap() -> Iterator[ImapServer]:
    port = free_port()
    command = [sys.executable, "-c", _SERVE, "--no-service", "admin", "--no-service", "managesieve"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-tls"]
    command += ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, "the mail server did not start"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline, "the mail server does not listen"
            time.sleep(0.05)
        yield ImapServer(port)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def cut_after(server: ImapServer, size: int) -> Iterator[int]:
    """The port of a line to the server that is cut once the server has said `size` bytes in one connection."""

    def connect(client: socket.socket) -> None:
        upstream = socket.create_connection(("127.0.0.1", server.port))
        threading.Thread(target=_pump, args=(client, upstream, None), daemon=True).start()
        _pump(upstream, client, size)

    with _line(connect) as port:
        yield port


@contextmanager
def taking_tokens(server: ImapServer, is_taken: Callable[[str], bool]) -> Iterator[int]:
    """The port of a line to the server at which XOAUTH2 logs in, as Gmail and Microsoft 365 take it: by an access token
    that `is_taken`."""
    with _line(lambda client: _let_in(client, server.port, is_taken)) as port:
        yield port


@contextmanager
def _line(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which each connection is served in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # closing alone does not end what waits in `accept`
        listener.close()


def _let_in(client: socket.socket, port: int, is_taken: Callable[[str], bool]) -> None:
    upstream = socket.create_connection(("127.0.0.1", port))
    said, answers = client.makefile("rb"), upstream.makefile("rb")
    with suppress(OSError, ValueError):
        client.sendall(answers.readline())
        while line := said.readline():
            tag, command = line.split()[:2]
            if command.upper() != b"AUTHENTICATE":
                upstream.sendall(line)
                _answer(answers, client, tag)
                continue
            client.sendall(b"+ \r\n")
            user, shown = b64decode(said.readline()).decode().strip("\x01").split("\x01")
            if user == f"user={USER}" and is_taken(shown.removeprefix("auth=Bearer ")):
                upstream.sendall(tag + f' LOGIN {USER} "{PASSWORD}"\r\n'.encode())
                _answer(answers, client, tag)
                threading.Thread(target=_pump, args=(upstream, client, None), daemon=True).start()
                _pump(client, upstream, None)
                return
            client.sendall(b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
            said.readline()
            client.sendall(tag + b" NO AUTHENTICATE failed.\r\n")


def _answer(answers: BinaryIO, client: socket.socket, tag: bytes) -> None:
    """Hand on what the server says to one command."""
    while line := answers.readline():
        client.sendall(line)
        if line.startswith(tag + b" "):
            return


def _pump(source: socket.socket, target: socket.socket, left: int | None) -> None:
    with suppress(OSError):
        while chunk := source.recv(4_096):
            if left is not None:
                chunk, left = chunk[:left], left - len(chunk)
            target.sendall(chunk)
            if left is not None and left <= 0:
                break
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
