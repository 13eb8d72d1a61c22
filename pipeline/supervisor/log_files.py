"""The programs' logs: `logs/NAME.log`, and one older part beside each, `logs/NAME.log.1`."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from pipeline.logs import get_logger

_LIMIT_BYTES = 10_000_000
_LOOK_SECONDS = 5.0
_TAIL_LINES = 15
_TAIL_BYTES = 8_192

_log = get_logger(__name__)


def open_log(data: Path, name: str) -> int:
    """Descriptor of `logs/NAME.log`, appending. Where there is no room for a file, what is logged is lost: a program
    that cannot log is better than none."""
    path = data / "logs" / f"{name}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    except OSError as error:
        _log.warning("log_not_opened", name=name, reason=error.strerror)
        return os.open(os.devnull, os.O_WRONLY)


def log_tail(data: Path, name: str) -> str:
    """The last lines a program logged, for an error that says why it did not start."""
    try:
        with (data / "logs" / f"{name}.log").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


class Logs:
    """Keeps the logs of a data folder from growing for ever while the programs go on writing."""

    def __init__(self, data: Path, *, keep_seconds: float | None = None) -> None:
        """`keep_seconds`: how old a line may get; None: as old as it takes to fill both parts."""
        self._folder = data / "logs"
        self._keep_seconds = keep_seconds
        self._look_at = 0.0

    def rotate_when_due(self) -> None:
        """Every few seconds, begin anew what has grown over 10 MB, or whose older part is half as old as lines may get:
        it goes then, and no line in the other one is older than that."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        with suppress(OSError):
            for path in self._folder.glob("*.log"):
                if path.stat().st_size > _LIMIT_BYTES or self._is_old(path):
                    rotate(path)

    def _is_old(self, path: Path) -> bool:
        if self._keep_seconds is None:
            return False
        older = path.with_name(f"{path.name}.1")
        return not older.exists() or time.time() - older.stat().st_mtime > self._keep_seconds / 2


def rotate(path: Path) -> None:
    """Copy it to `.1` and cut it to nothing: its writer has it open for appending, so it goes on at the beginning.

    What is written between copy and cut is lost. Without room for the copy, both parts go.
    """
    older = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, older)
    except OSError:
        with suppress(OSError):
            older.unlink()
    os.truncate(path, 0)
