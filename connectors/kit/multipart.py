"""multipart/mixed bodies whose parts are HTTP messages, as OData batches are: written, and read from strangers.

Reading looks at each byte a few times at most, whatever the body holds, and never nests by itself: a part that is
multipart again is read by another call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_CRLF = b"\r\n"
_MOST_HEADER_BYTES = 65_536  # of one line: OData allows addresses of 64 KB in a batch
_MOST_HEADER_LINES = 100
_READ_OF_CONTENT_TYPE = 1_000
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_STATUS_LINE = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})(?:\s|$)")


class MultipartError(ValueError):
    """A body is not what it says it is. The message holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `headers` have lower-case names; of a name that comes twice the last one counts."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """An HTTP request or answer inside a part."""

    start_line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def status(self) -> int | None:
        """Of an answer; None for anything else."""
        match = _STATUS_LINE.match(self.start_line)
        return int(match[1]) if match else None


def boundary_of(content_type: str) -> str | None:
    """The boundary that a Content-Type names; None where it is no multipart."""
    text = content_type[:_READ_OF_CONTENT_TYPE]
    if not text.strip().lower().startswith("multipart/"):
        return None
    match = _BOUNDARY.search(text)
    boundary = (match[1] or match[2]) if match else None
    return boundary if boundary and boundary.isascii() else None


def read_parts(body: bytes, boundary: str, *, most: int) -> list[Part]:
    """The parts that are whole: one that no delimiter follows was cut off, and is left out.

    Raises MultipartError where there are more than `most`, or where one has a head that nobody would send.
    """
    parts: list[Part] = []
    begin: int | None = None
    for start, end, is_last in _delimiters(body, b"--" + boundary.encode("ascii")):
        if begin is not None:
            if len(parts) == most:
                raise MultipartError(f"more than {most} parts")
            _, headers, content = _head_and_body(_without_newline(body[begin:start]), has_start_line=False)
            parts.append(Part(headers, content))
        if is_last:
            break
        begin = end
    return parts


def read_message(part: bytes) -> Message:
    """The HTTP message in a part. Raises MultipartError."""
    start_line, headers, body = _head_and_body(part.lstrip(b"\r\n"), has_start_line=True)
    return Message(start_line, headers, body)


def write_parts(parts: Iterable[Part], boundary: str) -> bytes:
    """The body, with a delimiter after its last part."""
    delimiter = b"--" + boundary.encode("ascii")
    pieces: list[bytes] = []
    for part in parts:
        pieces += (delimiter, _CRLF, _head(part.headers), _CRLF, part.body, _CRLF)
    return b"".join((*pieces, delimiter, b"--", _CRLF))


def write_message(start_line: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    return start_line.encode("latin-1") + _CRLF + _head(headers) + _CRLF + body


def _head(headers: Mapping[str, str]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())


def _delimiters(body: bytes, mark: bytes) -> Iterable[tuple[int, int, bool]]:
    """Begin and end of each delimiter line, and whether it is the last. A mark counts only where it has a line of its
    own, so a text that quotes it is no delimiter."""
    at = body.find(mark)
    while at >= 0:
        end = at + len(mark)
        if at == 0 or body[at - 1 : at] == b"\n":
            newline = body.find(b"\n", end)
            line_end = len(body) if newline < 0 else newline + 1
            rest = body[end:line_end].strip()
            if rest in (b"", b"--"):
                yield at, line_end, rest == b"--"
                end = line_end
        at = body.find(mark, end)


def _without_newline(content: bytes) -> bytes:
    """The newline before a delimiter belongs to the delimiter."""
    for newline in (_CRLF, b"\n"):
        if content.endswith(newline):
            return content[: -len(newline)]
    return content


def _head_and_body(content: bytes, *, has_start_line: bool) -> tuple[str, dict[str, str], bytes]:
    """Start line, headers and what follows the first empty line; all of it is head where there is none."""
    lines: list[str] = []
    at = 0
    while at < len(content):
        newline = content.find(b"\n", at, at + _MOST_HEADER_BYTES)
        if newline < 0 and len(content) - at > _MOST_HEADER_BYTES:
            raise MultipartError("a header line without an end")
        end = len(content) if newline < 0 else newline
        line = content[at:end].rstrip(b"\r")
        at = end + 1
        if not line:
            break
        if len(lines) == _MOST_HEADER_LINES:
            raise MultipartError(f"more than {_MOST_HEADER_LINES} header lines")
        lines.append(line.decode("latin-1"))
    start_line = lines.pop(0) if has_start_line and lines else ""
    fields = (line.partition(":") for line in lines)
    return start_line, {name.strip().lower(): value.strip() for name, _, value in fields}, content[at:]
