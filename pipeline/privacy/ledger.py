"""The ledger: what was erased, held, restricted and withdrawn, in a file outside the database and its backups.

Each entry is a line, written through to the disk before anything is destroyed. A line names ids and keyed digests,
never a value, and the hash of the line before: a line that was changed, taken out or put in is found. After a restore,
`replay` does again what the restored database does not know. docs/backup-and-restore.md tells where to keep it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.records.base import Fact
from pipeline.settings.installation import unusable
from pipeline.settings.loading import Settings, settings
from pipeline.store.holds import ledger_entries

ERASE, HOLD, RELEASE = "erase", "hold", "release"
WITHDRAW, SUPPRESS, UNSUPPRESS = "withdraw", "suppress", "unsuppress"
KINDS = (ERASE, HOLD, RELEASE, WITHDRAW, SUPPRESS, UNSUPPRESS)
_FIRST = "0" * 64  # what the first line names as the one before it
_END = b'"}'  # of a line that was written to its end: the last of its names, `request`, is a text


class LedgerEntry(Fact, frozen=True):
    """`digests`: keyed, of every form of every address, as suppressions have them (16 bytes); of what is withdrawn
    their first 8. `details`: names and ids that say how it was (the kind of a hold, its reason); no value of a person.
    """

    kind: str
    request_id: UUID
    brand: str
    person_ids: tuple[UUID, ...] = ()
    digests: tuple[bytes, ...] = ()
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    details: dict[str, str] = msgspec.field(default_factory=dict)


class LedgerLine(Fact, frozen=True):
    """An entry as it stands in the file, in line `number`. `hash`: 32 bytes, of this line and all before it."""

    number: int
    hash: bytes
    entry: LedgerEntry


class Ledger(Fact, frozen=True):
    """What was read. `torn`: numbers of lines that a power cut or a full disk cut short: what they were about was not
    begun, as an entry is whole on the disk first."""

    lines: tuple[LedgerLine, ...] = ()
    torn: tuple[int, ...] = ()

    @property
    def head(self) -> str:
        """The last line's hash in hexadecimal."""
        return self.lines[-1].hash.hex() if self.lines else _FIRST


def ledger_path(known: Settings | None = None) -> Path:
    """Where this installation keeps it: `privacy.ledger`, else in its folder of records."""
    known = known or settings()
    named = known.privacy.ledger
    return Path(named).absolute() if named else known.records / "privacy" / "ledger.jsonl"


def append(connection: Connection, entry: LedgerEntry, *, path: Path | None = None) -> LedgerLine:
    """Put an entry on the disk before this returns; whatever it announces may be destroyed from then on.

    With the caller's commit the database knows of it. If that never comes (a kill, a rollback, a backup of yesterday
    restored), `unknown_lines` gives the entry, and `replay` does what it says. Raises ConfigurationError if the file
    cannot be written or was changed by somebody: then nothing must be destroyed.
    """
    place = path or ledger_path()
    try:
        line = _append(place, entry)
    except OSError as error:
        raise ConfigurationError(
            f"the ledger {unusable(place, error)}. Nothing was erased: privacy.ledger in afluente.yaml names it"
        ) from error
    ledger_entries.note_entry(connection, line.hash, request_id=entry.request_id, kind=entry.kind, at=entry.at)
    return line


def read_ledger(path: Path | None = None) -> Ledger:
    """All of it, checked; empty if there is none yet. Raises ConfigurationError, which names the line, if somebody
    changed it, took a line out or put one in."""
    place = path or ledger_path()
    try:
        return _parsed(place, place.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise ConfigurationError(f"the ledger {unusable(place, error)}") from error


def unknown_lines(connection: Connection, *, path: Path | None = None) -> list[LedgerLine]:
    """Entries that the database does not know, oldest first: it is that of a backup, or a kill came between."""
    lines = read_ledger(path).lines
    unknown = ledger_entries.unknown_entries(connection, [line.hash for line in lines])
    return [line for line in lines if line.hash in unknown]


def count_missing(connection: Connection, *, path: Path | None = None) -> int:
    """How many entries the database knows that the file lacks: it was cut, or is that of a backup itself."""
    known = [line.hash for line in read_ledger(path).lines]
    return ledger_entries.count_others(connection, known)


def note_known(connection: Connection, lines: Iterable[LedgerLine]) -> None:
    """Say that the database has what these entries are about."""
    for line in lines:
        entry = line.entry
        ledger_entries.note_entry(connection, line.hash, request_id=entry.request_id, kind=entry.kind, at=entry.at)


class _Head(NamedTuple):
    """Where a ledger ends: the number of its last line, and the hash of that in hexadecimal."""

    number: int
    hash: str


def _append(path: Path, entry: LedgerEntry) -> LedgerLine:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _held(path) as file:
        size = os.fstat(file).st_size
        head = _kept_head(path, file) or _found_head(path, os.pread(file, size, 0))
        body = _body(entry, head.hash)
        digest = _hash_of(body)
        # What was cut short ends here, so that this entry has a line of its own.
        begin = b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
        line = canonical({**body, "hash": digest}) + b"\n"
        _write(file, begin + line)
        os.fsync(file)
        number = head.number + len(begin) + 1
        _keep_head(path, file, _Head(number, digest), len(line))
    _sync_folder(path.parent)
    return LedgerLine(number, bytes.fromhex(digest), entry)


def _found_head(path: Path, content: bytes) -> _Head:
    """By all of it, checked. `number` counts lines that are whole, so what was cut short is not among them yet."""
    return _Head(content.count(b"\n"), _parsed(path, content).head)


def _kept_head(path: Path, file: int) -> _Head | None:
    """As it was kept beside the file, so that an entry costs the same however many there are. None where anything was
    done to the file since, or its last line is not what was written: all of it is to be read then."""
    try:
        kept = json.loads(_head_path(path).read_bytes())
        length = int(kept["length"])
        if kept["file"] != _identity(file):
            return None
        line = os.pread(file, length, max(0, os.fstat(file).st_size - length))
        found = json.loads(line)
        digest = str(found.pop("hash"))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    if not line.endswith(b"\n") or digest != _hash_of(found) or digest != kept["hash"]:
        return None
    return _Head(int(kept["number"]), digest)


def _keep_head(path: Path, file: int, head: _Head, length: int) -> None:
    """Needs no writing through: one that is lost, or older than its file, is not believed."""
    kept = {"file": _identity(file), "number": head.number, "hash": head.hash, "length": length}
    place = _head_path(path)
    temporary = place.with_suffix(".new")
    with suppress(OSError):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, canonical(kept))
        finally:
            os.close(descriptor)
        temporary.replace(place)


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _identity(file: int) -> list[int]:
    """What is other once somebody else wrote into a file, or put another in its place."""
    state = os.fstat(file)
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns]


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """The file, open for appending and held against other processes."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # and so the lock


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_folder(folder: Path) -> None:
    """Of a file that was just made its name is to survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _body(entry: LedgerEntry, previous: str) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "request": str(entry.request_id),
        "brand": entry.brand,
        "people": [str(person_id) for person_id in entry.person_ids],
        "digests": [digest.hex() for digest in entry.digests],
        "at": entry.at.isoformat(),
        "details": entry.details,
        "previous": previous,
    }


def canonical(content: Mapping[str, Any]) -> bytes:
    """As it is hashed and signed: JSON with sorted names and no blanks, ASCII alone."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _hash_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(body)).hexdigest()


def _parsed(path: Path, content: bytes) -> Ledger:
    """A line that is no JSON was cut short, as long as the chain goes on after it without a gap, or it is the last and
    does not end as entries do: what ends so was written to its end, and is another by now."""
    lines: list[LedgerLine] = []
    torn: list[int] = []
    previous = _FIRST
    texts = content.split(b"\n")
    for number, text in enumerate(texts, start=1):
        if not text:
            continue
        try:
            found = json.loads(text)
            digest = str(found.pop("hash"))
        except (ValueError, AttributeError, KeyError, TypeError):
            if text.endswith(_END) and not any(texts[number:]):
                raise _changed(path, number) from None
            torn.append(number)
            continue
        if digest != _hash_of(found) or found.get("previous") != previous:
            raise _changed(path, number)
        lines.append(LedgerLine(number, bytes.fromhex(digest), _entry(found)))
        previous = digest
    return Ledger(tuple(lines), tuple(torn))


def _changed(path: Path, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"{path} line {number}: this line, or the one before it, is not what was written: restore the ledger"
        " from the copy that you keep of it (docs/backup-and-restore.md)"
    )


def _entry(found: dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        found["kind"],
        UUID(found["request"]),
        found["brand"],
        tuple(UUID(text) for text in found["people"]),
        tuple(bytes.fromhex(text) for text in found["digests"]),
        datetime.fromisoformat(found["at"]),
        found["details"],
    )
