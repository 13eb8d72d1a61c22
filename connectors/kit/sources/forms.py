"""Forms as browsers post them, urlencoded and multipart, as pairs of name and text.

One pass over the bytes, with limits on fields, on the headers of a part and on their length: strangers write these.
A text is read by the charset it is said to have, else as UTF-8, else as what an old page in Latin script means.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from connectors.kit.sources.content_types import codec_of, read_content_type, read_parameters

MAX_FIELDS = 1_000
_MAX_PART_HEADERS = 16
_MAX_PART_HEADER_BYTES = 8_192  # of one part, all its headers together
_WIDE = ("utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be")  # in which `=` and `&` are no bytes
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_BYTES = {b"%%%02x" % byte: bytes([byte]) for byte in range(256)}
_GUESSES = ("utf_8", "cp1252", "latin_1")  # the last one reads every byte

Pairs = list[tuple[str, str]]


class UnreadableForm(ValueError):  # noqa: N818 - it names the thing at fault, as UnreadableBody does
    """The bytes are no form, or a form beyond the limits. The text says which and holds nothing of it."""


class _Part(NamedTuple):
    name: str
    file_name: str | None
    codec: str | None
    content: bytes


def read_form(body: bytes, codec: str | None) -> Pairs:
    """The fields of an urlencoded form, in order; `codec` is that of its Content-Type. Raises UnreadableForm."""
    body = body.strip()
    if body.count(b"&") >= MAX_FIELDS:
        raise UnreadableForm(f"the form has more than {MAX_FIELDS} fields")
    raw = [(_unescaped(name), _unescaped(value)) for name, _, value in map(_halves, filter(None, body.split(b"&")))]
    told = next((codec_of(value.decode("latin_1")) for name, value in raw if name == b"_charset_"), None)
    for encoding in _encodings(*(given for given in (codec, told) if given not in _WIDE)):
        with suppress(UnicodeError):
            return [(name.decode(encoding), value.decode(encoding)) for name, value in raw]
    raise AssertionError("latin_1 reads every byte")


def _halves(field: bytes) -> tuple[bytes, bytes, bytes]:
    return field.partition(b"=")


def _unescaped(text: bytes) -> bytes:
    return _unquoted(text.replace(b"+", b" "))


def _unquoted(text: bytes) -> bytes:
    """Percent escapes turned into bytes; what is none stays. urllib takes ten times as long for signs that are none."""
    return _ESCAPES.sub(_bytes_of, text) if b"%" in text else text


def _bytes_of(escapes: re.Match[bytes]) -> bytes:
    run = escapes[0]
    return _BYTES[run.lower()] if len(run) == 3 else bytes.fromhex(run.replace(b"%", b"").decode())


def read_multipart(body: bytes, boundary: str | None, codec: str | None) -> Pairs:
    """The named parts of a multipart form, in order; a file is represented by its name. Raises UnreadableForm."""
    parts = [part for raw in _split(body, boundary) if (part := _read_part(raw)) is not None] if boundary else []
    if not parts:
        raise UnreadableForm("the multipart form has no named part, or its boundary is missing")
    told = next((part.content.decode("latin_1") for part in parts if part.name == "_charset_"), None)
    return [
        (part.name, part.file_name if part.file_name is not None else _text(part, codec_of(told), codec))
        for part in parts
    ]


def _split(body: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the lines of the boundary. A last one may be missing: what came is taken."""
    # `\n--boundary` with nothing but blanks after it; with `--` after it, it is the last one.
    line = re.compile(rb"\n--" + re.escape(boundary.encode("latin_1", "replace")) + rb"(?:(--)|[ \t]{0,80}\r?(?=\n))")
    body = b"\n" + body  # so that a boundary in the first line is found as the others are
    begin: int | None = None
    count = 0
    for delimiter in line.finditer(body):
        if begin is not None:
            count += 1
            if count > MAX_FIELDS:
                raise UnreadableForm(f"the form has more than {MAX_FIELDS} fields")
            yield body[begin : delimiter.start()].removesuffix(b"\r")
        if delimiter[1]:
            return
        begin = delimiter.end() + 1
    if begin is not None:
        yield body[begin:]


def _read_part(raw: bytes) -> _Part | None:
    headers, content = _head(raw)
    _, parameters = read_parameters(headers.get("content-disposition", ""))
    name = parameters.get("name")
    if name is None:
        return None
    return _Part(
        name,
        _file_name(parameters),
        read_content_type(headers.get("content-type")).codec,
        _unwrapped(content, headers.get("content-transfer-encoding", "").strip().lower()),
    )


def _head(raw: bytes) -> tuple[dict[str, str], bytes]:
    """Headers of a part, names in lower case, and its content. Raises UnreadableForm for a head beyond the limits."""
    headers: dict[str, str] = {}
    last = ""
    at = count = 0
    while at < len(raw):
        end = raw.find(b"\n", at, _MAX_PART_HEADER_BYTES)
        if end < 0:
            if len(raw) < _MAX_PART_HEADER_BYTES:
                return {}, raw  # no blank line: nothing here is a header
            raise UnreadableForm("a part of the multipart form has a longer head than parts have")
        line = raw[at:end].rstrip(b"\r")
        at = end + 1
        if not line:
            return headers, raw[at:]
        count += 1
        if count > _MAX_PART_HEADERS:
            raise UnreadableForm("a part of the multipart form has more headers than parts have")
        if line[:1] in b" \t" and last:
            headers[last] += " " + _header_text(line).strip()
            continue
        name, _, value = _header_text(line).partition(":")
        last = name.strip().lower()
        headers.setdefault(last, value.strip())
    return {}, raw


def _header_text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin_1")


def _file_name(parameters: dict[str, str]) -> str | None:
    extended = parameters.get("filename*")  # UTF-8''na%C3%AFve.pdf
    if extended is not None:
        charset, _, rest = extended.partition("'")
        encoded = rest.partition("'")[2]
        return _decoded(_unquoted(encoded.encode("latin_1", "replace")), codec_of(charset))
    return parameters.get("filename")


def _unwrapped(content: bytes, encoding: str) -> bytes:
    with suppress(binascii.Error):
        if encoding == "base64":
            return binascii.a2b_base64(content)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(content)
    return content


def _text(part: _Part, told: str | None, codec: str | None) -> str:
    return _decoded(part.content, part.codec, told, codec)


def _decoded(raw: bytes, *codecs: str | None) -> str:
    for encoding in _encodings(*codecs):
        with suppress(UnicodeError):
            return raw.decode(encoding)
    raise AssertionError("latin_1 reads every byte")


def _encodings(*codecs: str | None) -> list[str]:
    return list(dict.fromkeys((*filter(None, codecs), *_GUESSES)))
