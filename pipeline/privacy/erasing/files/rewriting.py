"""A file written again without some of its bytes: whoever is killed at it leaves the old file or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from pipeline.privacy.erasing.files.folders import TEMPORARY

Span = tuple[int, int]
_CHUNK_BYTES = 1_048_576


def take_out(folder: int, name: str, opened: int, spans: Sequence[Span], about: os.stat_result) -> bool:
    """Write the file again without these spans of bytes, in order, and put it in the place of the old one. `about`:
    how it was when the spans were found. False, and nothing is changed, if it is another one since. Raises OSError."""
    temporary = f"{TEMPORARY}{about.st_ino}"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    try:
        try:
            for chunk in _chunks(opened, spans, about.st_size):
                _write(descriptor, chunk)
            _make_like(descriptor, about)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_same(os.stat(name, dir_fd=folder, follow_symlinks=False), about):
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            return True
    except FileNotFoundError:  # somebody took it away
        pass
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
    return False


def is_same(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether it is the same file, which nobody has written to."""
    names = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_nlink")
    return all(getattr(now, name) == getattr(before, name) for name in names)


def _chunks(opened: int, spans: Sequence[Span], size: int) -> Iterator[bytes]:
    """What stands between the spans."""
    begin = 0
    for span_begin, span_end in (*spans, (size, size)):
        while begin < span_begin:
            chunk = os.pread(opened, min(_CHUNK_BYTES, span_begin - begin), begin)
            if not chunk:
                return  # it was cut off meanwhile, and is no longer the same file
            yield chunk
            begin += len(chunk)
        begin = span_end


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_like(descriptor: int, about: os.stat_result) -> None:
    """Owner, mode and time of the old file. Where the system lets only an administrator give a file to its owner, it
    becomes ours; where not even the group can be kept, the group may not read it."""
    mode = about.st_mode & 0o777
    try:
        os.fchown(descriptor, about.st_uid, about.st_gid)
    except PermissionError:
        try:
            os.fchown(descriptor, -1, about.st_gid)
        except PermissionError:
            mode &= ~0o070
    os.fchmod(descriptor, mode)
    os.utime(descriptor, ns=(about.st_atime_ns, about.st_mtime_ns))
