"""Compiled mappings by name, read again when their file changes: a process that runs for weeks goes by today's file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.errors import ConfigurationError
from pipeline.values.yaml_files import mapping_file, mapping_files, shown

Compiled = TypeVar("Compiled")
Stamp = tuple[Path, int, int, int] | None  # file, time of change in ns, bytes, inode; None: there is no such file


class Reloading(Generic[Compiled]):
    """The files `<name>.yaml` of a folder of mappings, compiled once per version of the file. Safe among threads.

    A file that the company puts in place of a shipped one, or takes away again, is a change like any other.
    Only `refresh` looks at files that were read before, so whoever calls it between batches has one version throughout
    a batch. A file that became wrong changes nothing: the version read before stays.
    """

    def __init__(self, folder: str, compile_file: Callable[[Path], Compiled], *, missing: str) -> None:
        """`folder` lies in `mappings/`. `missing` begins the message for a name without a file, e.g. "no mapping for
        the source"."""
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
        if stamp is None:
            known = ", ".join(file.stem for file in mapping_files(self._folder))
            path = shown(self._file(name))
            self._wrong[name] = f"{self._missing} {name!r}: {path} does not exist; there are {known}"
            return
        try:
            self._compiled[name] = self._compile(stamp[0])
        except ConfigurationError as error:
            self._wrong[name] = str(error)

    def _stamp(self, name: str) -> Stamp:
        if not name.isidentifier():
            return None
        file = self._file(name)
        try:
            state = file.stat()
        except OSError:
            return None
        return file, state.st_mtime_ns, state.st_size, state.st_ino

    def _file(self, name: str) -> Path:
        return mapping_file(f"{self._folder}/{name}.yaml")
