"""What a file is that is no table: one sentence, with the way out."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath

_PAGE = "an HTML page without a table, perhaps an error or a login page instead of the download"
_NUMBERS = "an Apple Numbers document; in Numbers choose File > Export To > CSV (or Excel)"
_PAGES = "an Apple Pages document; save its table as CSV or Excel"
_KEYNOTE = "an Apple Keynote presentation; save its table as CSV or Excel"
_WORD = "a Word document; copy its table into a spreadsheet and save that as CSV or Excel"
_SLIDES = "a PowerPoint presentation; copy its table into a spreadsheet and save that as CSV or Excel"
_WRITER = "an OpenDocument text; copy its table into a spreadsheet and save that as CSV"
_MESSAGE = "an e-mail message, not a list; save the file that is attached to it, and import that"
_LINK = "a shortcut to a file, not the file itself; open it, download the table as CSV or Excel, and import that"
_STARTS = {
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"%pdf": "a PDF; export the table as CSV or Excel from where the PDF was made",
    b"par1": "Parquet; export it as CSV or JSONL",
    b"sqlite format 3": "a SQLite database; export the table as CSV",
    b"{\\rtf": "an RTF document; save the table as CSV",
    b"<?xml": "XML; export it as CSV, Excel or JSONL",
    b"bzh": "packed with bzip2; unpack it, or use gzip",
    b"\xfd7zxz": "packed with xz; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or use gzip",
    b"7z\xbc\xaf\x27\x1c": "packed with 7-Zip; unpack it and import the folder",
    b"rar!": "packed with RAR; unpack it and import the folder",
    b"begin:vcalendar": "a calendar (.ics), which holds appointments; export the contacts as CSV or vCard",
    b"[internetshortcut]": _LINK,
    b'{"doc_id"': _LINK,
    b'{"url": "https://docs.google.com': _LINK,
    b"\x00\x01\x00\x00standard jet db": "an Access database; export the table as CSV or Excel",
    b"\x00\x01\x00\x00standard ace db": "an Access database; export the table as CSV or Excel",
    b"\x89png": "a picture; have the list itself exported as CSV or Excel",
    b"\xff\xd8\xff": "a picture; have the list itself exported as CSV or Excel",
    b"gif8": "a picture; have the list itself exported as CSV or Excel",
}
_BY_SUFFIX = {
    ".numbers": _NUMBERS,
    ".pages": _PAGES,
    ".key": _KEYNOTE,
    ".docx": _WORD,
    ".pptx": _SLIDES,
    ".odt": _WRITER,
}
_BY_MEMBER = (("word/", _WORD), ("ppt/", _SLIDES), ("Index/", _NUMBERS), ("Index.zip", _NUMBERS))
_OLE_STREAMS = (
    ("WordDocument".encode("utf-16-le"), _WORD),
    ("__substg1.0_".encode("utf-16-le"), _MESSAGE),
    ("PowerPoint Document".encode("utf-16-le"), _SLIDES),
)
_MAIL_HEADER = re.compile(
    r"^(?:received|return-path|delivered-to|from|to|cc|subject|date|message-id|mime-version|content-type|reply-to"
    r"|dkim-signature|x-[a-z0-9-]+) ?:",
    re.IGNORECASE,
)
_MAIL_LINES, _LEAST_MAIL_HEADERS = 60, 4


def by_start(head: bytes, text: str) -> str | None:
    """What the first bytes say a file is, if that is no table. `text` is their text without leading blanks."""
    begin = head[:64].lower()
    start = text[:64].lower().encode("latin-1", "replace")
    for magic, what in _STARTS.items():
        if begin.startswith(magic) or start.startswith(magic):
            return what
    return _MESSAGE if is_mail(text) else None


def by_stream(content: bytes) -> str | None:
    """What a file in the container of .xls is, if it is no workbook."""
    return next((what for name, what in _OLE_STREAMS if name in content), None)


def by_members(entries: Sequence[zipfile.ZipInfo], name: str) -> str | None:
    """What a zip archive is, if it is somebody's document and no workbook. `name` is the file's own."""
    names = [entry.filename for entry in entries]
    if what := _BY_SUFFIX.get(PurePosixPath(name).suffix.lower()):
        return what
    if any(member.startswith(("xl/", "content.xml")) for member in names) and not any(
        member.startswith("word/") for member in names
    ):
        return None
    return next((what for start, what in _BY_MEMBER if any(member.startswith(start) for member in names)), None)


def is_mail(text: str) -> bool:
    lines = text[:16_384].splitlines()[:_MAIL_LINES]
    if lines and lines[0].startswith("From "):  # a mailbox
        lines = lines[1:]
    if not lines or not _MAIL_HEADER.match(lines[0]):
        return False
    head = lines[: lines.index("")] if "" in lines else lines
    return sum(_MAIL_HEADER.match(line) is not None for line in head) >= _LEAST_MAIL_HEADERS
