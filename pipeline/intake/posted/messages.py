"""What the receiver and its readers say to each other over a socket: a length, then MessagePack.

What comes back was made from strangers' bytes, so it is decoded into these types and never unpickled.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import msgspec

from pipeline.intake.posted.records import PostedRecord

PATIENCE = 3  # times the seconds of a body, for a reader that only waits for a processor
_LENGTH_BYTES = 8
_MOST_BYTES = 256 << 20  # of a message: no body that is taken has more, nor is more known of its records


class Introduction(msgspec.Struct, frozen=True):
    """First to a reader: connectors by slug, pickled by the receiver itself; and how long one body may take."""

    connectors: dict[str, bytes]
    seconds: float


class Ready(msgspec.Struct, frozen=True):
    """A reader's first answer: the connectors that it can read bodies of."""

    slugs: list[str]


class Job(msgspec.Struct, frozen=True):
    """One body of a source. `readings`: texts of Reading; None for that in which everything counted."""

    slug: str
    body: bytes
    content_type: str
    header_value: str | None
    readings: list[str | None] = []


class Read(msgspec.Struct, frozen=True, tag=True):
    """The records of a body. `is_last`: the reader has grown and ends now."""

    records: list[PostedRecord]
    is_last: bool = False


class NotTaken(msgspec.Struct, frozen=True, tag=True):
    """A NotTakenError, and `is_last` as above."""

    status: int
    error: str
    message: str
    extra: dict[str, Any] = {}
    is_last: bool = False


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A bug of ours: where it is."""

    place: str
    is_last: bool = False


Outcome = Read | NotTaken | Failed

_encode = msgspec.msgpack.Encoder().encode
to_introduction = msgspec.msgpack.Decoder(Introduction).decode
to_ready = msgspec.msgpack.Decoder(Ready).decode
to_job = msgspec.msgpack.Decoder(Job).decode
_outcomes: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
to_outcome = _outcomes.decode


def send(line: socket.socket, message: msgspec.Struct) -> None:
    """Raises OSError where nobody reads it, TimeoutError among them; ValueError for a text that is none in UTF-8."""
    content = _encode(message)
    line.sendall(len(content).to_bytes(_LENGTH_BYTES, "big") + content)


def receive(line: socket.socket, *, seconds: float | None = None) -> bytes:
    """The next message. Raises EOFError where none follows, TimeoutError where it is not there in `seconds`, ValueError
    for one that is too long to be one: who reads strangers' bytes may have become theirs."""
    deadline = None if seconds is None else time.monotonic() + seconds
    length = int.from_bytes(_receive(line, _LENGTH_BYTES, deadline), "big")
    if length > _MOST_BYTES:
        raise ValueError("no message is as long as that")
    return bytes(_receive(line, length, deadline))


def _receive(line: socket.socket, size: int, deadline: float | None) -> bytearray:
    content = bytearray(size)
    view = memoryview(content)
    at = 0
    while at < size:
        if deadline is not None:
            line.settimeout(max(0.001, deadline - time.monotonic()))
        count = line.recv_into(view[at:])
        if count == 0:
            raise EOFError
        at += count
    return content
