"""What a Content-Type says: the kind, the charset and the boundary of a body, read in one pass over few characters.

Strangers write these headers. So only the first characters are looked at, a charset is one of a list, and nothing is
remembered between two requests.
"""

from __future__ import annotations

from encodings.aliases import aliases
from typing import NamedTuple

MAX_LENGTH = 256  # of a Content-Type; the longest that means something has a boundary of 70 characters
_MAX_PARAMETERS = 32
_BLANKS = " \t\r\n"

# Codecs that take as long as their text is long. Python knows others that do not (punycode), or that are no charsets.
_CODECS = frozenset(
    ["ascii", "utf_8", "utf_8_sig", "latin_1", "koi8_r", "koi8_u", "mac_roman", "tis_620"]
    + [f"utf_{width}{order}" for width in (16, 32) for order in ("", "_le", "_be")]
    + [f"iso8859_{part}" for part in range(1, 17) if part != 12]
    + [f"cp{page}" for page in (437, 850, 852, 855, 858, 866, 874, 932, 949, 950, *range(1250, 1259))]
    + ["gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "euc_jp", "euc_kr", "iso2022_jp"]
)
_CHARSETS = (
    {codec: codec for codec in _CODECS}
    | {alias: codec for alias, codec in aliases.items() if codec in _CODECS}
    | {"utf8mb4": "utf_8", "x_sjis": "shift_jis", "x_gbk": "gbk", "ansi": "cp1252", "iso_8859_8_i": "iso8859_8"}
)


class ContentType(NamedTuple):
    """`kind` in lower case, "" where none is named. `charset` is the declared name, `codec` Python's if it is known."""

    kind: str
    charset: str | None
    codec: str | None
    boundary: str | None


def read_content_type(header: str | None) -> ContentType:
    """What the first `MAX_LENGTH` characters of a header say. Raises nothing: what makes no sense says nothing."""
    kind, parameters = read_parameters((header or "")[:MAX_LENGTH])
    charset = parameters.get("charset") or None
    return ContentType(kind.lower(), charset, codec_of(charset), parameters.get("boundary") or None)


def codec_of(charset: str | None) -> str | None:
    """Python's name of a charset; None for one that is not understood here."""
    if charset is None or len(charset) > 40:
        return None
    return _CHARSETS.get(charset.strip(_BLANKS).lower().replace("-", "_").replace(" ", "_"))


def read_parameters(header: str) -> tuple[str, dict[str, str]]:
    """A header's value and its parameters, names in lower case, the first of each: `form-data; name="a"`.

    Takes as long as the header is long.
    """
    value, at = _until(header, 0)
    parameters: dict[str, str] = {}
    while at < len(header) and len(parameters) < _MAX_PARAMETERS:
        name_end = _index_of("=;", header, at + 1)
        name = header[at + 1 : name_end].strip(_BLANKS).lower()
        if name_end == len(header) or header[name_end] == ";":
            at = name_end
            continue
        given, at = _value(header, name_end + 1)
        if name:
            parameters.setdefault(name, given)
    return value.strip(_BLANKS), parameters


def _value(header: str, at: int) -> tuple[str, int]:
    """A parameter's value, quoted or not, and where the next `;` is."""
    while at < len(header) and header[at] in _BLANKS:
        at += 1
    if header[at : at + 1] != '"':
        value, end = _until(header, at)
        return value.strip(_BLANKS), end
    text: list[str] = []
    at += 1
    while at < len(header) and header[at] != '"':
        if header[at] == "\\" and header[at + 1 : at + 2] in ('"', "\\"):
            at += 1
        text.append(header[at])
        at += 1
    return "".join(text), _until(header, at)[1]


def _until(header: str, at: int) -> tuple[str, int]:
    end = header.find(";", at)
    return (header[at:], len(header)) if end < 0 else (header[at:end], end)


def _index_of(characters: str, text: str, at: int) -> int:
    while at < len(text) and text[at] not in characters:
        at += 1
    return at
