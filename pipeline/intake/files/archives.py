"""Zip archives: workbooks, and archives with a single file of rows in them."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from pipeline.intake.files.foreign import by_members
from pipeline.intake.files.unreadable import UnreadableFileError

_DAMAGED = "the spreadsheet (or zip file) is damaged or cut off"
_WORKBOOKS = ("xl/", "content.xml")  # Excel's; OpenDocument's
_SHOWN_NAMES = 5
_IS_ENCRYPTED = 0x1
_CELL = re.compile(rb'\br="([A-Z]{1,14})(\d{1,14})"')
_CELL_BYTES = 40
_CHUNK_BYTES = 1_048_576
_MOST_CELLS = 50_000_000  # 32 bytes each while they are read


def workbook_size(file: BinaryIO) -> int:
    """Bytes that a workbook unpacks to. `file` is left at its beginning. Raises UnreadableFileError."""
    return sum(entry.file_size for entry in _entries(file))


def refuse_scattered_cells(file: BinaryIO) -> None:
    """Raise UnreadableFileError for a sheet whose cells lie so far apart that the table between them fits no memory.

    A sheet of two cells can name the corners of 17 billion; who reads it makes room for all of them. Looks at Excel's
    XML only: the cells of the older formats are bounded by the format. `file` is left at its beginning.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                    with archive.open(entry) as sheet:
                        _refuse_scattered(cast("BinaryIO", sheet))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        return  # damaged or locked: the reader says so
    finally:
        file.seek(0)


def _refuse_scattered(sheet: BinaryIO) -> None:
    columns = rows = 0
    tail = b""
    while chunk := sheet.read(_CHUNK_BYTES):
        text = tail + chunk
        for letters, digits in _CELL.findall(text):
            columns, rows = max(columns, _column_number(letters)), max(rows, int(digits))
        if columns * rows > _MOST_CELLS:
            raise UnreadableFileError(
                f"the sheet spans {rows} rows and {columns} columns, far beyond its data: delete the cells at its far"
                " end, or save it as CSV"
            )
        tail = text[-_CELL_BYTES:]


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def only_member(file: BinaryIO, name: str) -> BinaryIO | None:
    """The only file in an archive, unpacked as it is read; None if the archive is a workbook. `name` is the archive's.

    Raises UnreadableFileError if it is a document of a program whose format is not read, or holds several files, none,
    or one that needs a password.
    """
    entries = _entries(file)
    if what := by_members(entries, name):
        raise UnreadableFileError(f"this is {what}")
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
