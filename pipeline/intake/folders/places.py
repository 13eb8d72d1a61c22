"""A drop folder on the disk, and its subfolders: what lies there, and moves that no link leads astray.

Others write there, so nothing is followed: subfolders are opened as folders and files as files, never through a link,
and every move names its folders by what was opened. File names may hold personal data: no error of here repeats one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.errors import ConfigurationError, TransientError
from pipeline.settings.loading import Settings

WORKING, ARCHIVE, REJECTED = "working", "archive", "rejected"
REASON = ".reason.txt"
_OURS = frozenset({WORKING, ARCHIVE, REJECTED})
_FULL = (errno.ENOSPC, errno.EDQUOT)
MOST_ENTRIES = 10_000  # looked at in one scan; the next one sees those that are left
_MOST_SAME_NAMES = 10_000
_LONGEST_NAME = 255  # bytes, on nearly every file system


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that lies in a folder, and what tells whether it is still being written to."""

    name: str
    size: int
    changed_ns: int
    inode: int

    @property
    def looks(self) -> list[int]:
        return [self.size, self.changed_ns, self.inode]


@dataclass(frozen=True, slots=True)
class Listing:
    """`skipped`: links, devices and the like, which are never read. `is_cut`: more lies there than is looked at."""

    entries: list[Entry]
    skipped: int
    is_cut: bool


class DropPlace:
    """The folder of one source, opened. Use it as a context; every method raises as `explained` says."""

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._opened: dict[str, int] = {}

    def __enter__(self) -> Self:
        with self.explained():
            self._opened[""] = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._opened.values():
            os.close(descriptor)
        self._opened.clear()

    def list_files(self, folder: str = "") -> Listing:
        """Files in the folder or a subfolder, the one that changed first before the others."""
        entries: list[Entry] = []
        skipped, is_cut = 0, False
        with self.explained(folder), os.scandir(self._folder(folder)) as found:
            for entry in found:
                if len(entries) + skipped >= MOST_ENTRIES:
                    is_cut = True
                    break
                if (not folder and entry.name in _OURS) or entry.name.startswith("."):
                    continue
                with suppress(FileNotFoundError):  # gone since
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        entries.append(Entry(entry.name, about.st_size, about.st_mtime_ns, about.st_ino))
                    else:
                        skipped += 1
        return Listing(sorted(entries, key=lambda entry: (entry.changed_ns, entry.name)), skipped, is_cut)

    @contextmanager
    def open_file(self, name: str, folder: str = WORKING) -> Iterator[int]:
        """A descriptor of a regular file. Raises UnreadableEntryError if this account may not read it."""
        with self.explained(folder):
            descriptor = self._open_file(name, folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def look(self, name: str, folder: str = WORKING) -> Entry | None:
        """The file as it is now, None if it is gone."""
        with self.explained(folder), suppress(FileNotFoundError):
            about = os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False)
            return Entry(name, about.st_size, about.st_mtime_ns, about.st_ino)
        return None

    def path_of(self, name: str) -> Path:
        """A path of a file in `working/`, for whoever reads by path: through the opened folder, where the system shows
        opened folders, so that nobody puts another folder in its place meanwhile."""
        through = Path(f"/proc/{os.getpid()}/fd/{self._folder(WORKING)}")  # not `self`: workbooks have a reader process
        return (through if through.is_dir() else self._path / WORKING) / name

    def move(self, name: str, *, into: str, out_of: str = "") -> str | None:
        """Move a file; where its name is taken, under that name with a number. Returns the name that it has there, None
        if somebody took it away before."""
        with self.explained(into):
            target = self._folder(into)
            free = self._free_name(target, name)
            try:
                os.rename(name, free, src_dir_fd=self._folder(out_of), dst_dir_fd=target)
            except FileNotFoundError:
                if self.look(name, out_of) is not None:
                    raise
                return None
            return free

    def write_reason(self, name: str, text: str) -> None:
        """Write down in `rejected/` why a file lies there."""
        with self.explained(REJECTED):
            descriptor = os.open(
                _shortened(name, REASON),
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o640,
                dir_fd=self._folder(REJECTED),
            )
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")

    @contextmanager
    def explained(self, folder: str = "") -> Iterator[None]:
        """Turns what the system says into TransientError (a full disk, a mount that is away) or ConfigurationError
        (rights, a link in the place of a folder)."""
        where = f"{folder}/ in the folder of {self._setting}" if folder else f"the folder of {self._setting}"
        try:
            yield
        except PermissionError as error:
            raise ConfigurationError(
                f"{where} cannot be used ({os.strerror(error.errno or errno.EACCES)}): give the account that runs"
                " Afluente the right to read, write and move files there"
            ) from None
        except OSError as error:
            raise _explanation(where, error) from None

    def _open_file(self, name: str, folder: str) -> int:
        try:
            return os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder(folder)
            )
        except PermissionError:
            raise UnreadableEntryError from None

    def _folder(self, name: str) -> int:
        """A subfolder, made where it is missing: `archive/2026-03-01`."""
        if name in self._opened:
            return self._opened[name]
        parent, _, last = name.rpartition("/")
        above = self._folder(parent)
        with suppress(FileExistsError):
            os.mkdir(last, 0o700 if name == WORKING else 0o750, dir_fd=above)
        descriptor = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        self._opened[name] = descriptor
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise ConfigurationError(
                f"{name}/ in the folder of {self._setting} belongs to another account than the one that runs Afluente:"
                " whoever owns it could swap files while they are read. Remove it, and it is made anew"
            )
        return descriptor

    @staticmethod
    def _free_name(folder: int, name: str) -> str:
        stem, dot, ending = name.partition(".")
        for number in range(1, _MOST_SAME_NAMES):
            free = name if number == 1 else _shortened(stem, f".{number}{dot}{ending}")
            try:
                os.stat(free, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return free
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


class UnreadableEntryError(Exception):
    """This account may move a file and not read it."""


def folder_of(known: Settings, slug: str) -> Path:
    """The folder of a source, its links resolved. Raises ConfigurationError outside the roots, and where another source
    has the same one."""
    path = _resolved(known, slug)
    roots = [root.resolve() for root in known.drop_roots]
    if not any(path.is_relative_to(root) and path != root for root in roots):
        raise ConfigurationError(
            f"sources.{slug}.folder lies outside of the folders that `drop_roots` of afluente.yaml allows"
            f" ({', '.join(map(str, known.drop_roots))}): put it into one of them, or add its parent there"
        )
    for other, entry in known.sources.items():
        if other != slug and entry.folder and entry.enabled:
            others = _resolved(known, other)
            if others.is_relative_to(path) or path.is_relative_to(others):
                raise ConfigurationError(
                    f"sources.{slug}.folder and sources.{other}.folder lie in each other: give each source its own"
                )
    if not path.is_dir():
        if path.is_relative_to((known.data / "drops").resolve()):
            path.mkdir(mode=0o750, parents=True, exist_ok=True)
        else:
            raise ConfigurationError(
                f"sources.{slug}.folder is no folder: make it, or mount what belongs there, and let the account that"
                " runs Afluente read and write in it"
            )
    return path


def _resolved(known: Settings, slug: str) -> Path:
    return Path(known.drop_roots[0], known.source(slug).folder or "").resolve()


def _shortened(stem: str, ending: str) -> str:
    """A name that a file system takes: the stem is cut where both are too long."""
    room = max(_LONGEST_NAME - len(os.fsencode(ending)), 1)
    return os.fsdecode(os.fsencode(stem)[:room]) + ending


def _explanation(where: str, error: OSError) -> ConfigurationError | TransientError:
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FULL:
        return TransientError(f"the disk of {where} is full: make room; it goes on by itself")
    if error.errno == errno.EROFS:
        return ConfigurationError(f"{where} cannot be used ({why}): let the account that runs Afluente write there")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ConfigurationError(f"{where} is a link or a file: remove it, a folder of that name is made")
    return TransientError(f"{where} cannot be read now ({why}): is it mounted? It is tried again by itself")
