"""What a command and the console say to each other: one message there, with the three standard files, and one back."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TypeVar

import msgspec

from pipeline.errors import TransientError

_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid of the other end, as SO_PEERCRED gives them
_LONGEST = 131_072
STREAMS = 3
_NOT_UNDERSTOOD = "the other end of the socket said nothing that is understood"
Message = TypeVar("Message")


class Typed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. `terminal`: what the output goes by, such as TERM and COLUMNS."""

    arguments: list[str]
    terminal: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Typed {len(self.arguments)} arguments>"


class Ended(msgspec.Struct, frozen=True):
    """`refused`: a sentence for whoever typed it, where nothing was run."""

    exit_code: int
    refused: str | None = None


def send(line: socket.socket, message: Typed | Ended, descriptors: list[int] | None = None) -> None:
    content = msgspec.json.encode(message)
    framed = _LENGTH.pack(len(content)) + content
    sent = socket.send_fds(line, [framed], descriptors or []) if descriptors else line.send(framed)
    if sent < len(framed):  # nothing at all cannot be sent to who has left
        line.sendall(framed[sent:])


def receive(
    line: socket.socket, kind: type[Message], *, descriptors: int = 0, seconds: float | None = None
) -> tuple[Message, list[int]]:
    """A message, and the descriptors that came with it, which the caller closes. `seconds`: for all of it, however
    slowly it comes. Raises TransientError for what is none and OSError for who has left, with nothing left open."""
    until = None if seconds is None else time.monotonic() + seconds
    content, passed, _, _ = socket.recv_fds(line, _LONGEST, descriptors)
    try:
        while len(content) < _LENGTH.size or len(content) < _LENGTH.size + _LENGTH.unpack_from(content)[0]:
            if until is not None:
                line.settimeout(max(until - time.monotonic(), 0.001))
            if len(content) > _LONGEST or not (part := line.recv(_LONGEST)):
                raise TransientError(_NOT_UNDERSTOOD)
            content += part
        return msgspec.json.decode(content[_LENGTH.size :], type=kind), list(passed)
    except BaseException as error:
        for descriptor in passed:
            os.close(descriptor)
        if isinstance(error, msgspec.DecodeError | UnicodeError):
            raise TransientError(_NOT_UNDERSTOOD) from None
        raise


def peer_uid(line: socket.socket) -> int:
    """The account at the other end, as the kernel knows it."""
    _, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)
