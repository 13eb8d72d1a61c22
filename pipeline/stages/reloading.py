"""Compiled mappings by name, read again when their file changes: a process that runs for weeks goes by today's file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.errors import ConfigurationError
from pipeline.values.yaml_files import shown

Compiled = TypeVar("Compiled")
Stamp = tuple[int, int, int] | None  # time of change in ns, bytes, inode; None: there is no such file


class Reloading(Generic[Compiled]):
    """The files `<name>.yaml` of a folder, compiled once per version of the file. Safe among threads.

    Only `refresh` looks at files that were read before, so whoever calls it between batches has one version throughout
    a batch. A file that became wrong changes nothing: the version read before stays.
    """

    def __init__(self, folder: Path, compile_file: Callable[[Path], Compiled], *, missing: str) -> None:
        """`missing` is the beginning of the message for a name without a file, e.g. "no mapping for the source"."""
        self._folder = folder
        self._compile = compile_file
        self._missing = missing
        self._lock = threading.RLock()
        self._stamps: dict[str, Stamp] = {}  # of the file as it was last looked at, right or wrong
        self._compiled: dict[str, Compiled] = {}
        self._wrong: dict[str, str] = {}

    def get(self, name: str) -> Compiled:
        """The version in force. Raises ConfigurationError if there never was a readable one."""
        compiled = self._compiled.get(name)
        if compiled is not None:
            return compiled
        with self._lock:
            if name not in self._compiled:
                self._read(name)
            if name not in self._compiled:
                raise ConfigurationError(self._wrong[name])
            return self._compiled[name]

    def refresh(self, names: Iterable[str]) -> dict[str, str]:
        """Read what changed since it was read. Gives what has become wrong, once per change: {name: why}.

        Costs the look at one file's date per name.
        """
        told = {}
        with self._lock:
            for name in names:
                if name not in self._stamps or self._stamps[name] != self._stamp(name):
                    self._read(name)
                    if name in self._wrong:
                        told[name] = self._wrong[name]
        return told

    def trouble(self, name: str) -> str | None:
        """What is wrong with the file as it is now, whatever version is in force. None: nothing."""
        with self._lock:
            self.refresh([name])
            return self._wrong.get(name)

    def _read(self, name: str) -> None:
        # The date first: a change between the two reads is seen the next time, never missed.
        self._stamps[name] = stamp = self._stamp(name)
        self._wrong.pop(name, None)
        path = self._folder / f"{name}.yaml"
        if stamp is None:
            known = ", ".join(sorted(file.stem for file in self._folder.glob("*.yaml")))
            self._wrong[name] = f"{self._missing} {name!r}: {shown(path)} does not exist; there are {known}"
            return
        try:
            self._compiled[name] = self._compile(path)
        except ConfigurationError as error:
            self._wrong[name] = str(error)

    def _stamp(self, name: str) -> Stamp:
        if not name.isidentifier():
            return None
        try:
            status = (self._folder / f"{name}.yaml").stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
