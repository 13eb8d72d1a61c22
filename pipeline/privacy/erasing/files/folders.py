"""What lies in `archive/` and `rejected/` of a drop folder, by when it changed last.

Others write into the folder above, so nothing is followed: each subfolder is opened by itself, never through a link.
File names may hold personal data: a file is named to people by its folder and its inode alone.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from pipeline.settings.loading import Settings

TEMPORARY = ".afluente-erasing-"  # begins a name that only a rewriting uses, which a kill may leave
Place = tuple[int, int]  # when a file changed, in nanoseconds, and its inode
_KEPT = ("archive", "rejected")
_OUR_NAMES = re.compile(r"(archive(/\d{4}-\d\d-\d\d)?|rejected)\Z")
_DEEPEST = 4
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class KeptFile(NamedTuple):
    """A file that was put away. `changed`: its place in the order in which files are looked through."""

    changed: Place
    folder: str
    name: str

    def __repr__(self) -> str:
        return f"<KeptFile {self.shown}>"

    @property
    def shown(self) -> str:
        """Its folder and inode: `find FOLDER -inum NUMBER` finds it. A folder that a human named is not told."""
        known = _OUR_NAMES.match(self.folder)
        folder = self.folder if known else f"below {self.folder.partition('/')[0]}"
        return f"{folder}, inode {self.changed[1]}"


class KeptFolder:
    """The folder of one source, opened. Use it as a context; every method raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = -1

    def __enter__(self) -> Self:
        self._root = os.open(self._path, _FOLDER)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def next_files(self, after: Place, limit: int) -> list[KeptFile]:
        """The files that come after a place, the earliest changed first."""
        kept = (file for top in _KEPT for file in self._files_in(top, 1) if file.changed > after)
        return heapq.nsmallest(limit, kept)

    @contextmanager
    def opened(self, folder: str) -> Iterator[int]:
        """A descriptor of a subfolder."""
        descriptor = os.dup(self._root)
        try:
            for part in folder.split("/"):
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def _files_in(self, folder: str, depth: int) -> Iterator[KeptFile]:
        below = []
        with suppress(FileNotFoundError), self.opened(folder) as descriptor:
            if depth == 1 and os.fstat(descriptor).st_uid != os.geteuid():
                raise PermissionError  # whoever owns it could swap files while they are rewritten
            with os.scandir(descriptor) as found:
                for entry in found:
                    if entry.name.startswith(TEMPORARY):
                        os.unlink(entry.name, dir_fd=descriptor)  # of one that was killed: nobody else is at it
                    elif not entry.name.startswith("."):
                        with suppress(FileNotFoundError):  # gone since
                            about = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(about.st_mode):
                                yield KeptFile((about.st_ctime_ns, about.st_ino), folder, entry.name)
                            elif stat.S_ISDIR(about.st_mode) and depth < _DEEPEST:
                                below.append(entry.name)
        for name in below:
            yield from self._files_in(f"{folder}/{name}", depth + 1)


def declared_folders(known: Settings) -> list[str]:
    """Sources that have a folder, in use or not."""
    return sorted(slug for slug, entry in known.sources.items() if entry.folder)


def path_of(known: Settings, slug: str) -> Path | None:
    """The folder of a source, its links resolved; None where it lies outside of the folders that may be used."""
    path = Path(known.drop_roots[0], known.source(slug).folder or "").resolve()
    roots = [root.resolve() for root in known.drop_roots]
    return path if any(path.is_relative_to(root) and path != root for root in roots) else None
