"""Takes a mail apart: its texts, attachments and the mails in it, within bounds that no message can stretch.

The standard library's reader is careful about meaning and careless about cost: it goes down one frame a level, makes an
object of each part, and reads parameters of a header in time that grows with the square of its length. So what is out
of bounds is refused before it reads, by looking at the bytes once.
"""

from __future__ import annotations

import email
import email.header
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import Message

from connectors.kit.errors import RecordError

MAX_HEADER_BYTES = 65_536
_MAX_BOUNDARIES = 60
_MAX_INNER = 12
_MAX_PARTS = 300
_MAX_PART_HEADER = 4_000  # bytes of one Content-Type with its parameters
_MAX_TEXT = 500_000  # characters of a text part that are read
_MAX_VALUE = 2_000  # characters of a header
_MAX_DEPTH = 6  # of mails in mails
_BOUNDARY = re.compile(rb'boundary="?([^"\r\n;]{1,200})', re.IGNORECASE)
_ENCODED_MARK = "=?"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is no text to be read: `kind` as `text/csv`, `name` in small letters."""

    kind: str
    name: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, or one that was forwarded within another. `sender` is an address in small letters, and free text: whoever
    sends may write what he likes there. `marks`: what the headers say of its being sent by a machine."""

    sender: str
    subject: str
    message_id: str
    sent_at: datetime | None
    plain: str = field(repr=False)
    html: str = field(repr=False)
    attachments: tuple[Attachment, ...] = ()
    inner: tuple[Mail, ...] = ()
    marks: frozenset[str] = frozenset()


def read_message(body: bytes) -> Mail:
    """Raises RecordError: `mail_too_nested`, `mail_headers_too_long`, `unreadable_mail`."""
    check_bounds(body)
    try:
        return _mail(email.message_from_bytes(body, policy=policy.compat32), 0)
    except (RecursionError, LookupError, ValueError, AttributeError, TypeError, AssertionError) as error:
        raise RecordError(
            "unreadable_mail", message=f"the mail cannot be taken apart ({type(error).__name__})"
        ) from None


def check_bounds(body: bytes) -> None:
    """Raises RecordError for a message that would cost more than a lead is worth."""
    if end_of_headers(body) > MAX_HEADER_BYTES:
        raise RecordError("mail_headers_too_long", message=f"its headers have more than {MAX_HEADER_BYTES} bytes")
    lowered = body.lower()
    boundaries = [found[1] for _, found in zip(range(_MAX_BOUNDARIES + 1), _BOUNDARY.finditer(body), strict=False)]
    parts = 0
    if body.count(b"\n--") > _MAX_PARTS:
        parts = sum(body.count(b"\n--" + boundary) for boundary in set(boundaries))
    if len(boundaries) > _MAX_BOUNDARIES or parts > _MAX_PARTS or lowered.count(b"message/rfc822") > _MAX_INNER:
        raise RecordError("mail_too_nested", message="it has more parts, or parts in parts, than a mail of a lead has")
    if any(length > _MAX_PART_HEADER for length in _lengths_of_part_headers(b"\n" + body, b"\n" + lowered)):
        raise RecordError("mail_headers_too_long", message="a header of one of its parts is longer than any real one")


def end_of_headers(body: bytes) -> int:
    """Where the headers of a mail end."""
    return min((place for mark in (b"\n\n", b"\r\n\r\n") if (place := body.find(mark)) >= 0), default=len(body))


def header(message: Message, name: str) -> str:
    """A header as text, its words decoded; its beginning where it is longer than one is."""
    value = str(message.get(name, ""))[:_MAX_VALUE].replace("\r", " ").replace("\n", " ")
    if _ENCODED_MARK not in value:
        return _as_meant(value).strip()
    try:
        return _as_meant(str(email.header.make_header(email.header.decode_header(value)))).strip()
    except (email.errors.HeaderParseError, LookupError, UnicodeError, ValueError):
        return value.strip()


def address_of(text: str) -> str:
    """The address in `Ada <ada@example.org>`, in small letters; empty if there is none."""
    return email.utils.parseaddr(text[:_MAX_VALUE])[1].strip().lower()


def _mail(message: Message, depth: int) -> Mail:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    inner: list[Mail] = []
    for part in _parts(message):
        kind, name = part.get_content_type(), _file_name(part)
        if kind == "message/rfc822":
            held = part.get_payload()
            if depth < _MAX_DEPTH and isinstance(held, list) and isinstance(held[0], Message):
                inner.append(_mail(held[0], depth + 1))
            continue
        payload = part.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else b""
        if kind in texts and not name and part.get_content_disposition() != "attachment":
            texts[kind].append(_decoded(body, part.get_content_charset())[:_MAX_TEXT])
        else:
            attachments.append(Attachment(kind, name, body))
    return Mail(
        sender=address_of(header(message, "from")),
        subject=header(message, "subject"),
        message_id=header(message, "message-id"),
        sent_at=_moment(header(message, "date")),
        plain="\n".join(texts["text/plain"])[:_MAX_TEXT],
        html="\n".join(texts["text/html"])[:_MAX_TEXT],
        attachments=tuple(attachments),
        inner=tuple(inner),
        marks=frozenset(_marks(message)),
    )


def _parts(message: Message) -> Iterator[Message]:
    """Leaves in their order; a mail within is one leaf."""
    rest = [message]
    while rest:
        part = rest.pop()
        held = part.get_payload() if part.is_multipart() else None
        if isinstance(held, list) and part.get_content_type() != "message/rfc822":
            rest.extend(entry for entry in reversed(held) if isinstance(entry, Message))
        else:
            yield part


def _marks(message: Message) -> Iterator[str]:
    """Signs of machines, of which `bounce` and `auto_reply` are certain, and `automatic` is written on leads too."""
    kind = message.get_content_type()
    submitted = header(message, "auto-submitted").lower()
    precedence = header(message, "precedence").lower()
    sender = address_of(header(message, "from")).partition("@")[0]
    if kind == "multipart/report" or sender in ("mailer-daemon", "postmaster"):
        yield "bounce"
    if "return-path" in message and header(message, "return-path").replace(" ", "") in ("<>", ""):
        yield "bounce"
    if submitted.startswith(("auto-replied", "auto-notified")) or precedence == "auto_reply":
        yield "auto_reply"
    if any(name in message for name in ("x-autoreply", "x-autorespond", "x-auto-response-suppress-reply")):
        yield "auto_reply"
    if submitted not in ("", "no") or precedence in ("bulk", "junk", "list"):
        yield "automatic"


def _file_name(part: Message) -> str:
    name = part.get_filename() or ""
    return " ".join(str(name)[:_MAX_VALUE].split()).lower()


def _decoded(body: bytes, charset: str | None) -> str:
    """A text in the charset that it is in, rather than the one that it says: ASCII and Latin that are UTF-8 are so."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if charset in (None, "us-ascii", "utf-8", "utf8", "iso-8859-1", "iso-8859-15", "windows-1252"):
            return text
        if not body.isascii():
            return text
    for name in (charset, "cp1252"):
        try:
            return body.decode(name or "cp1252")
        except (LookupError, UnicodeError, ValueError):
            continue
    return body.decode("latin-1")


def _as_meant(text: str) -> str:
    """Raw bytes in a header come as surrogates: they are UTF-8, else Latin."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogateescape") if all(ord(c) < 0xD800 or ord(c) >= 0xDC80 for c in text) else b""
        return _decoded(raw, None)
    return text


def _moment(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _lengths_of_part_headers(body: bytes, lowered: bytes) -> Iterator[int]:
    """How long each header of a part is, folded lines included; counted up to the limit."""
    for name in (b"\ncontent-type:", b"\ncontent-disposition:"):
        place = lowered.find(name)
        while place >= 0:
            end = place + 1
            while True:
                end = body.find(b"\n", end, place + _MAX_PART_HEADER + 2)
                if end < 0:
                    at = body[place + 1 : place + _MAX_PART_HEADER + 2]
                    yield len(at)
                    break
                if body[end + 1 : end + 2] not in (b" ", b"\t"):
                    yield end - place
                    break
                end += 1
            place = lowered.find(name, place + 1)
