"""Zip archives: workbooks, and archives with a single file of rows in them."""

from __future__ import annotations

import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from pipeline.intake.unreadable import UnreadableFileError

_DAMAGED = "the spreadsheet (or zip file) is damaged or cut off"
_WORKBOOKS = ("xl/", "content.xml")  # Excel's; OpenDocument's
_SHOWN_NAMES = 5
_IS_ENCRYPTED = 0x1


def workbook_size(file: BinaryIO) -> int:
    """Bytes that a workbook unpacks to. `file` is left at its beginning. Raises UnreadableFileError."""
    return sum(entry.file_size for entry in _entries(file))


def only_member(file: BinaryIO) -> BinaryIO | None:
    """The only file in an archive, unpacked as it is read; None if the archive is a workbook.

    Raises UnreadableFileError if it holds several files, none, or one that needs a password.
    """
    entries = _entries(file)
    if any(entry.filename.startswith(_WORKBOOKS) for entry in entries):
        return None
    files = [entry for entry in entries if not entry.is_dir() and not _is_housekeeping(entry.filename)]
    if len(files) != 1:
        names = ", ".join(PurePosixPath(entry.filename).name for entry in files[:_SHOWN_NAMES]) or "nothing"
        raise UnreadableFileError(
            f"this is a zip file that holds {len(files)} files ({names}); unpack it and import the folder"
        )
    if files[0].flag_bits & _IS_ENCRYPTED:
        raise UnreadableFileError("the zip file is protected by a password; unpack it first")
    try:
        return cast("BinaryIO", zipfile.ZipFile(file).open(files[0]))
    except (zipfile.BadZipFile, NotImplementedError, OSError):
        raise UnreadableFileError(_DAMAGED) from None


def _entries(file: BinaryIO) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError):
        raise UnreadableFileError(_DAMAGED) from None
    finally:
        file.seek(0)


def _is_housekeeping(name: str) -> bool:
    """What a desktop leaves in an archive by itself."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith((".", "Thumbs.db"))
