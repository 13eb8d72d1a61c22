"""A mail server on a real socket: takes mails by SMTP and keeps them, or refuses as it is told."""

from __future__ import annotations

import contextlib
import email
import socketserver
import threading
from collections.abc import Iterator
from email.message import Message


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        taker: MailTaker = self.server.taker  # type: ignore[attr-defined]
        self._say("220 mail.example.org ready")
        while line := self.rfile.readline():
            word = line.strip().upper()
            if word.startswith((b"EHLO", b"HELO")):
                self._say("250 mail.example.org")
            elif word == b"DATA":
                self._say("354 go on")
                taker.letters.append(email.message_from_bytes(self._content()))
                self._say("250 taken")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            elif word.startswith(b"RCPT") and taker.refusal:
                self._say(taker.refusal)
            else:
                self._say("250 fine")

    def _content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class MailTaker:
    """`letters` in the order in which they came. `refusal`: what every recipient is answered, as `451 later`."""

    def __init__(self, port: int = 0) -> None:
        self.letters: list[Message] = []
        self.refusal: str | None = None
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.taker = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextlib.contextmanager
def taking_mails(port: int = 0) -> Iterator[MailTaker]:
    taker = MailTaker(port)
    try:
        yield taker
    finally:
        taker.stop()
