"""Reads mails that were saved: one in an `.eml` file, many in an `.mbox`. Each is a row, kept as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.kit.mail.records import CONTENT_TYPE
from pipeline.intake.files.rows import FileRow
from pipeline.intake.mail.arrivals import mail_record

if TYPE_CHECKING:
    from pipeline.intake.files.contents import FileContents

_MAX_BYTES = 33_554_432
_LONGEST_LINE = 1_048_576


def read_mails(contents: FileContents, *, source: str = "") -> Iterator[FileRow]:
    """A row per mail, with the line that it begins on; one that is larger than any lead's comes with a code. `source`
    is for the log."""
    for line, body in _messages(contents):
        if len(body) > _MAX_BYTES:
            message = f"line {line}: a mail of more than {_MAX_BYTES} bytes; its beginning is kept"
            yield FileRow(line, None, body[:65_536], CONTENT_TYPE, "mail_too_large", message)
            continue
        yield FileRow(line, mail_record(body, source=source), body, CONTENT_TYPE)


def _messages(contents: FileContents) -> Iterator[tuple[int, bytes]]:
    """(line, mail): at `From ` after an empty line another begins, where the first line is one."""
    with contents.open_binary() as file:
        first = file.readline(_LONGEST_LINE)
        is_box = first.startswith(b"From ")
        held, size, begun, number = [] if is_box else [first], len(first), 1, 1
        was_empty = False
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if is_box and was_empty and line.startswith(b"From "):
                yield begun, b"".join(held)
                held, size, begun = [], 0, number
                continue
            was_empty = not line.strip()
            if is_box and line.startswith(b">") and line.lstrip(b">").startswith(b"From "):
                line = line[1:]
            size += len(line)
            if size <= _MAX_BYTES + _LONGEST_LINE:
                held.append(line)
        yield begun, b"".join(held)
