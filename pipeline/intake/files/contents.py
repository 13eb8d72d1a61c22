"""Opens a file for import and finds out what it is, by its content rather than by its name.

The whole file is read once before anything is stored: for its digest, its encoding, and to know that it is complete.
Reading it costs a second a gigabyte and makes the rest certain.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

from pipeline.intake.files.archives import only_member, workbook_size
from pipeline.intake.files.foreign import by_start, by_stream, is_mail
from pipeline.intake.files.text_encodings import Utf8Check, declared_charset, legacy_encoding, marked_encoding
from pipeline.intake.files.unreadable import UnreadableFileError

Kind = Literal["table", "json_lines", "spreadsheet", "html", "vcard", "mail"]

_CHUNK_BYTES = 1_048_576
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of .xls
_MARKUP = ("<!doctype html", "<html", "<table", "<?xml", "<meta", "<head", "<!--", "<style", "<body", "<div")
# A spreadsheet is read whole (the format allows nothing else at this speed): about 2 bytes of memory a byte of sheet.
MAX_SHEET_BYTES = 400 * 1_048_576
_MAX_SHARE_OF_CONTROLS = 0.02


@dataclass(frozen=True)
class FileContents:
    """A file that was read once. `digest` is the SHA-256 of its (unpacked) bytes; `size` their number."""

    kind: Kind
    digest: bytes
    size: int
    encoding: str
    _open: Callable[[], BinaryIO]

    def open_binary(self) -> BinaryIO:
        """The unpacked bytes, from the beginning."""
        return self._open()

    def open_text(self) -> io.TextIOWrapper:
        """The text, with line ends as they are. Bytes that are not of the encoding come as surrogates (U+DC80 on)."""
        errors = "replace" if self.encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        return io.TextIOWrapper(self._open(), self.encoding, errors, newline="")


def read_contents(
    path: Path, *, encoding: str | None = None, region: str | None = None, takes_mails: bool = False
) -> FileContents:
    """Inspect a file; `-` is standard input, kept in an unnamed temporary file meanwhile.

    `encoding` overrides what is found; `takes_mails`: a mail is read, and not refused. Raises UnreadableFileError.
    """
    if encoding is not None:
        _check_encoding(encoding)
    with _explained():
        opener = _opener(path)
    with _explained(), opener() as file:
        head = file.read(65_536)
        kind = _kind_of(head, path, file, takes_mails=takes_mails)
        digest, check, size = hashlib.sha256(head), Utf8Check(), len(head)
        check.feed(head)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            check.feed(chunk)
            size += len(chunk)
        check.feed(b"", is_last=True)
    known_encoding = encoding or marked_encoding(head) or (declared_charset(head) if kind == "html" else None)
    known_encoding = known_encoding or ("utf-8" if check.is_valid else None)
    if known_encoding is None and kind != "spreadsheet":
        with opener() as file:
            known_encoding = legacy_encoding(iter(lambda: file.readline(_CHUNK_BYTES), b""), region)
    return FileContents(kind, digest.digest(), size, known_encoding or "utf-8", opener)


def _opener(path: Path) -> Callable[[], BinaryIO]:
    if str(path) == "-":
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the contents; has no name on the disk
        shutil.copyfileobj(sys.stdin.buffer, kept, _CHUNK_BYTES)
        kept.flush()
        return lambda: _unpacked(cast("BinaryIO", io.BufferedReader(_Spooled(kept))), "")
    if not path.is_file():
        raise UnreadableFileError(f"{path}: there is no such file")
    return lambda: _unpacked(path.open("rb"), path.name)


class _Spooled(io.RawIOBase):
    """A reader of a temporary file with a place of its own: several may read it at once."""

    def __init__(self, kept: IO[bytes]) -> None:
        self._kept = kept  # held: the file is gone when it is closed
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io asks for any buffer, gives a memoryview
        chunk = os.pread(self._kept.fileno(), len(buffer), self._place)
        buffer[: len(chunk)] = chunk
        self._place += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: os.fstat(self._kept.fileno()).st_size}[whence]
        self._place = max(0, base + offset)
        return self._place


def _unpacked(file: BinaryIO, name: str) -> BinaryIO:
    """The file itself, what a gzip file holds, or the only file in a zip archive that is no workbook."""
    head = file.read(4)
    file.seek(0)
    if head[:2] == _GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if head == _ZIP:
        return only_member(file, name) or file
    return file


class _explained:  # noqa: N801 - reads as a word where it is used
    """Turns what reading a broken file raises into a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile | zipfile.BadZipFile):
            raise UnreadableFileError("the packed file is damaged or cut off; nothing of it was imported") from None
        if isinstance(error, OSError):
            raise UnreadableFileError(f"the file cannot be read: {error.strerror or type(error).__name__}") from None


def _kind_of(head: bytes, path: Path, file: BinaryIO, *, takes_mails: bool) -> Kind:
    mark = marked_encoding(head)
    text = head.decode(mark or "latin-1", "replace").removeprefix("\xef\xbb\xbf").lstrip("\ufeff \t\r\n\x0b\x0c")
    if not text:
        raise UnreadableFileError("the file is empty")
    if head.startswith(_OLE):
        if what := by_stream(head + file.read(_CHUNK_BYTES)):
            raise UnreadableFileError(f"this is {what}")
        file.seek(len(head))
        return "spreadsheet"
    if head.startswith(_ZIP):
        _check_workbook(file)
        return "spreadsheet"
    start = text[:32].lower()
    if start.startswith(_MARKUP) and "<table" in text.lower():
        return "html"
    if takes_mails and is_mail(text):
        return "mail"
    if what := by_start(head, text):
        raise UnreadableFileError(f"this is {what}")
    if mark is None and _share_of_controls(head) > _MAX_SHARE_OF_CONTROLS:
        raise UnreadableFileError("this is not text, nor a spreadsheet; import CSV, TSV, JSONL or Excel")
    return _kind_of_text(text, path)


def _kind_of_text(text: str, path: Path) -> Kind:
    if text[:16].lower().startswith("begin:vcard"):
        return "vcard"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_list = text.startswith("[") and (".json" in suffixes or text[1:].lstrip().startswith("{"))
    if is_list or text.startswith("{") or ".jsonl" in suffixes or ".ndjson" in suffixes:
        return "json_lines"
    return "table"


def unpacked_size(contents: FileContents) -> int:
    """Bytes of what a packed workbook holds; of another file, its own."""
    with contents.open_binary() as file:
        is_packed = file.read(len(_ZIP)) == _ZIP
        file.seek(0)
        return workbook_size(file) if is_packed else contents.size


def _check_workbook(file: BinaryIO) -> None:
    size = workbook_size(file)
    if size > MAX_SHEET_BYTES:
        raise UnreadableFileError(
            f"this workbook unpacks to {size // 1_048_576} MB; up to {MAX_SHEET_BYTES // 1_048_576} MB can be read:"
            " save it as CSV, which may be of any length"
        )


def _share_of_controls(head: bytes) -> float:
    allowed = b"\t\n\r\x0b\x0c\x1a\x1c\x1d\x1e\x1f"
    controls = len(head) - len(head.translate(None, bytes(code for code in range(32) if code not in allowed)))
    return controls / len(head)


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise UnreadableFileError(f"there is no encoding {encoding!r}; try utf-8, cp1252, utf-16 …") from None


class OverlongLine(str):
    """The beginning of a line that is longer than a row of leads can be; the rest of it was passed over."""

    __slots__ = ()


_KEPT_OF_OVERLONG = 4096  # characters: enough to see what it is


def text_lines(contents: FileContents, *, limit: int) -> Iterator[str]:
    """Lines with their ends, split at LF, CR LF or CR. Of one over `limit` characters, an OverlongLine."""
    with _explained(), contents.open_text() as file:
        while line := file.readline(limit):
            if len(line) < limit or line[-1] in "\r\n":
                yield line
                continue
            begin = line[:_KEPT_OF_OVERLONG]
            while line and line[-1] not in "\r\n":
                line = file.readline(limit)
            yield OverlongLine(begin)
