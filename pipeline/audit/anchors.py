"""Heads of the audit log's chains, written down outside the database: whoever can rewrite a whole chain cannot make it
end in the hash that stands there.

A file of JSON lines that is only added to. It proves as much as its place is out of reach: docs/access.md.
"""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.errors import ConfigurationError, UsageError
from pipeline.settings.loading import Settings
from pipeline.store.audit.entries import Head, read_heads
from pipeline.store.engine import transaction

_BEGINNING = b'{"at":"'  # of each line, as `Anchor` is written
_HASH_BYTES = 32


class Anchor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A head at a moment. `restored`: the database was put back to this head, so what was written down of later
    entries is about a chain that is gone."""

    at: datetime
    brand: str
    number: int
    hash_hex: str = msgspec.field(name="hash")
    restored: bool = False

    @property
    def hash(self) -> bytes:
        return bytes.fromhex(self.hash_hex)


def read_anchors(known: Settings) -> list[Anchor]:
    """The anchors that count, oldest first; none if nothing was written down yet. Raises ConfigurationError."""
    kept: list[Anchor] = []
    for anchor in _read_all(known.audit_anchor):
        if anchor.restored:
            kept = [other for other in kept if other.brand != anchor.brand or other.number < anchor.number]
        kept.append(anchor)
    return kept


def write_anchors(known: Settings) -> int:
    """Write down every head that moved since it was last written down; gives how many did.

    On disk before this returns. Raises ConfigurationError if the file cannot be written.
    """
    with transaction(synchronous=False) as connection:
        heads = read_heads(connection)
    last = {anchor.brand: anchor.number for anchor in _read_all(known.audit_anchor)}
    moved = [head for head in heads.values() if head.number != last.get(head.brand)]
    _append(known.audit_anchor, moved, restored=False)
    return len(moved)


def write_daily(known: Settings) -> int:
    """`write_anchors`, once a day (UTC); gives how many heads were written down."""
    try:
        is_of_today = datetime.fromtimestamp(known.audit_anchor.stat().st_mtime, UTC).date() == datetime.now(UTC).date()
    except OSError:
        is_of_today = False
    return 0 if is_of_today else write_anchors(known)


def accept_restored(known: Settings, why: str) -> list[str]:
    """After the database was put back to an earlier state: say so in each chain that is shorter than what is written
    down, and go on from there. Gives the brands of these chains. Raises UsageError if none is shorter."""
    last = {anchor.brand: anchor for anchor in read_anchors(known)}
    with transaction() as connection:
        heads = read_heads(connection)
        shorter = [head for head in _with_lost(heads, last) if head.number < last[head.brand].number]
        if not shorter:
            raise UsageError("no chain is shorter than what is written down: nothing was put back")
        for head in shorter:
            lost = last[head.brand]
            _say_restored(connection, head, lost, why)
    _append(known.audit_anchor, shorter, restored=True)
    return [head.brand for head in shorter]


def _with_lost(heads: dict[str, Head], last: dict[str, Anchor]) -> list[Head]:
    """The heads of all chains that are written down; of one that is gone as a whole its beginning."""
    return [heads.get(brand, Head(brand, 0, bytes(32))) for brand in sorted(last)]


def _say_restored(connection: Connection, head: Head, lost: Anchor, why: str) -> None:
    """An entry that names both heads."""
    record_action(
        connection,
        "audit.restore",
        brand=head.brand,
        object_kind="head",
        object_id=f"{head.number}:{head.hash.hex()} after {lost.number}:{lost.hash_hex}",
        reason=why,
    )


def torn_lines(known: Settings) -> list[int]:
    """Numbers of lines that a crash or a full disk cut short while they were written: no heads, and no sign that
    somebody changed the file. Raises as `read_anchors`."""
    return _parse(known.audit_anchor, _read(known.audit_anchor))[1]


def _read_all(path: Path) -> list[Anchor]:
    return _parse(path, _read(path))[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _unusable(path, error) from error


def _parse(path: Path, content: bytes) -> tuple[list[Anchor], list[int]]:
    """The heads, and the numbers of lines that were cut short: each the beginning of a head and nothing else, as the
    next one that is written begins a line of its own."""
    anchors: list[Anchor] = []
    torn: list[int] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            anchors.append(_anchor(line))
        except (msgspec.DecodeError, ValueError) as error:
            if not (line.startswith(_BEGINNING[: len(line)]) and not line.endswith(b"}")):
                raise ConfigurationError(
                    f"{path} line {number}: no head of the audit log, and not the beginning of one that a crash cut"
                    " short: somebody changed the file, or it is another one. Put the file back from a copy; it is only"
                    " added to"
                ) from error
            torn.append(number)
    return anchors, torn


def _anchor(line: bytes) -> Anchor:
    anchor = msgspec.json.decode(line, type=Anchor)
    if anchor.at.tzinfo is None or len(anchor.hash) != _HASH_BYTES:
        raise ValueError
    return anchor


def _append(path: Path, heads: list[Head], *, restored: bool) -> None:
    now = datetime.now(UTC)
    anchors = [Anchor(now, head.brand, head.number, head.hash.hex(), restored) for head in heads]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # gone with the descriptor
            _write(descriptor, b"".join(msgspec.json.encode(anchor) + b"\n" for anchor in anchors))
            os.utime(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(path, error) from error


def _write(descriptor: int, content: bytes) -> None:
    """Behind what was cut short a line of its own is begun."""
    size = os.fstat(descriptor).st_size
    if content and size and os.pread(descriptor, 1, size - 1) != b"\n":
        content = b"\n" + content
    while content:
        content = content[os.write(descriptor, content) :]


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the heads of the audit log cannot be kept there ({type(error).__name__}): mend its rights or set"
        " audit.anchor"
    )
