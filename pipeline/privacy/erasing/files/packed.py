"""Texts in files that are not rewritten: workbooks, archives, mails, documents. Only whether somebody stands in them is
asked. The texts come piece by piece, so that a long file takes no more memory than a short one."""

from __future__ import annotations

import codecs
import gzip
import html
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

_CHUNK_BYTES = 1_048_576
_OVERLAP = 2_048  # characters that are read with the next piece too: an address may stand between two
_MOST_UNPACKED = 4 * 1_073_741_824
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_BETWEEN = re.compile(r"[\t\r\n<>\"{}|;,]+")
_ENCODED = re.compile(
    rb"content-transfer-encoding:\s*(base64|quoted-printable)|encoding=(quoted-printable|b\b|base64)", re.I
)
_NO_TEXT = ("xl/media/", "xl/printerSettings/")  # in a workbook: pictures, and how it is printed
_MOST_CONTROLS = 0.02


class UnknownContentError(Exception):
    """What stands in the file cannot be told: it is locked, damaged, or of a format that is not known here."""


def texts_in(file: BinaryIO) -> Iterator[list[str]]:
    """All texts of a file, some at a time. Raises UnknownContentError, at any of them."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    try:
        if head == _ZIP:
            yield from _of_archive(file)
        elif head[:2] == _GZIP:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield from _of_stream(unpacked)
        else:
            yield from _of_stream(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise UnknownContentError from error


def _of_archive(file: BinaryIO) -> Iterator[list[str]]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.flag_bits & 1 for member in members) or sum(m.file_size for m in members) > _MOST_UNPACKED:
            raise UnknownContentError
        for member in members:
            if not member.is_dir() and not member.filename.startswith(_NO_TEXT):
                with archive.open(member) as unpacked:
                    yield [member.filename]
                    yield from _of_stream(unpacked)


def _of_stream(stream: IO[bytes] | gzip.GzipFile) -> Iterator[list[str]]:
    chunk = stream.read(_CHUNK_BYTES)
    encoding = next((name for mark, name in _MARKS if chunk.startswith(mark)), None)
    if encoding is None and _is_no_text(chunk):
        raise UnknownContentError
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")("replace")
    carried, length, raw_end = "", 0, b""
    while chunk:
        length += len(chunk)
        if length > _MOST_UNPACKED or _ENCODED.search(raw_end + chunk):
            raise UnknownContentError  # without end, or a mail whose parts are encoded
        raw_end = chunk[-100:]
        text = carried + decoder.decode(chunk)
        yield _pieces(text)
        carried = text[-_OVERLAP:]
        chunk = stream.read(_CHUNK_BYTES)
    yield _pieces(carried + decoder.decode(b"", final=True))


def _pieces(text: str) -> list[str]:
    read = html.unescape(text) if "&" in text else text
    escaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), read) if "\\u" in read else read
    return [piece.encode("utf-8", "replace").decode() for piece in _BETWEEN.split(escaped) if piece]


def _is_no_text(head: bytes) -> bool:
    if not head:
        return False
    controls = len(head) - len(head.translate(None, bytes(code for code in range(32) if code not in b"\t\n\r\x0c\x1a")))
    return controls / len(head) > _MOST_CONTROLS or b"\0" in head
