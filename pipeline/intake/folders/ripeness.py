"""Which files of a drop folder are whole: uploads take their time, and half a file is no file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.intake.folders.places import DropPlace, Entry, UnreadableEntryError
from pipeline.store.keyring import blind_index

COMPANIONS = (".done", ".sha256")
_UNDER_WAY = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".upload", "~")
_CHUNK_BYTES = 1_048_576
_CHECKSUM = re.compile(rb"\A[\s\xef\xbb\xbf\\]*([0-9a-fA-F]{64})(?:\s|\Z)")
_CHECKSUM_FILE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Look:
    """One look into the folder. `ripe`: whole files, in order. `differing`: names of those whose checksum is another
    although they rest. `seen`: how each file looked, by digest of its name, and since when, as Unix seconds."""

    ripe: list[Entry] = field(default_factory=list)
    differing: frozenset[str] = frozenset()
    waiting: int = 0
    seen: dict[str, list[Any]] = field(default_factory=dict)


def look_for_ripe(
    place: DropPlace, entries: list[Entry], before: Mapping[str, Any], *, ready: str, settle_seconds: float, now: float
) -> Look:
    """`before`: `seen` of the look before."""
    by_name = {entry.name: entry for entry in entries}
    ripe, differing, waiting, seen = [], set(), 0, {}
    for entry in entries:
        if entry.name.lower().endswith(_UNDER_WAY):
            waiting += 1
            continue
        if entry.name.endswith(COMPANIONS):
            continue
        since = _resting_since(before.get(_key(entry)), entry, now)
        is_resting = now - since >= settle_seconds and since < now
        checksum = by_name.get(f"{entry.name}.sha256")
        if checksum is not None:
            fits = (is_resting or _is_newer(checksum, entry)) and checksum_fits(place, entry, checksum)
            is_ripe = fits or is_resting
            if is_ripe and not fits:
                differing.add(entry.name)
        elif ready == "renamed" or _is_newer(by_name.get(f"{entry.name}.done"), entry):
            is_ripe = True
        else:
            is_ripe = ready == "stable" and is_resting
        seen[_key(entry)] = [*entry.looks, since]  # of ripe ones too: the run may end before their turn
        if is_ripe:
            ripe.append(entry)
        else:
            waiting += 1
    return Look(ripe, frozenset(differing), waiting, seen)


def checksum_fits(place: DropPlace, entry: Entry, checksum: Entry) -> bool:
    """Whether a file has the SHA-256 that the file beside it says, as `sha256sum` writes it."""
    try:
        with place.open_file(checksum.name, "") as descriptor:
            said = _CHECKSUM.match(os.read(descriptor, _CHECKSUM_FILE_BYTES))
        with place.open_file(entry.name, "") as descriptor:
            return said is not None and said[1].decode().lower() == digest_of(descriptor).hex()
    except UnreadableEntryError:
        return False


def digest_of(descriptor: int) -> bytes:
    """SHA-256 of an opened file."""
    digest = hashlib.sha256()
    os.lseek(descriptor, 0, os.SEEK_SET)
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        digest.update(chunk)
    return digest.digest()


def _is_newer(companion: Entry | None, entry: Entry) -> bool:
    """A mark that is older than the file was meant for one of this name before it."""
    return companion is not None and companion.changed_ns >= entry.changed_ns


def _resting_since(before: Any, entry: Entry, now: float) -> float:
    if isinstance(before, list) and before[:3] == entry.looks:
        return min(float(before[3]), now)
    return now


def _key(entry: Entry) -> str:
    """Names may hold personal data, and this is stored."""
    return f"{blind_index().number('dropped ' + entry.name):x}"
