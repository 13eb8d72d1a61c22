"""Which encoding a text file is in, decided over the whole file, so that no row is read one way and the next another.

A mark at the beginning, UTF-16 by its pattern of NULs, strict UTF-8, scripts that charset-normalizer tells apart well
(Cyrillic, Greek, Chinese, Japanese, Korean), then the Windows code page of the market, cp1252 where none is named.
The guess between cp1252, cp1250 and cp1254 cannot be made from short texts: `Muñoz` is a Polish word too. A file of an
older Mac or of DOS is told by signs between letters: its `Köln` reads `Kšln` or `K”ln` as cp1252.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from itertools import chain

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_SCRIPTS = ("cp1251", "koi8_r", "cp1253", "gb18030", "big5", "cp932", "euc_jp", "cp949")
_LATIN = ("cp1252", "cp1250", "cp850", "mac_roman")
_CENTRAL_EUROPE = ("PL", "CZ", "SK", "HU", "HR", "SI", "RO", "BA", "RS", "ME", "AL")
_PAGE_OF_REGION = {**dict.fromkeys(_CENTRAL_EUROPE, "cp1250"), "TR": "cp1254", "LT": "cp1257", "LV": "cp1257"}
_DEFAULT_PAGE = "cp1252"
_OLDER = {
    "cp1252": ("mac_roman", "cp850"),
    "cp1250": ("mac_latin2", "cp852"),
    "cp1254": ("mac_turkish", "cp857"),
    "cp1257": ("cp775",),
}
OLDER_PAGES = frozenset(page for pages in _OLDER.values() for page in pages)
_NEUTRAL = frozenset("’´`·ªº°®™€£\xa0\xad…»«“")  # may well stand at a word, or within one (O’Brien, col·legi)
_COMMON = frozenset("áàâãäåæçéèêëíîïñóôõöøœúùûüßąćęłńśżźčďěřšťůžőűșțăğışıāēģīķļņūėįųŠŽŁŚŻČİŞ")
_SAMPLE_BYTES = 65_536
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_CHARSET_WITHIN = 8_192  # bytes


def marked_encoding(head: bytes) -> str | None:
    """The encoding that the first bytes of a file prove: by a mark, or as UTF-16 without one; else None."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0:2000:2], head[1:2000:2]
    if len(odd) >= 8:
        if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
            return "utf-16-le"
        if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
            return "utf-16-be"
    return None


def declared_charset(head: bytes) -> str | None:
    """What an HTML page says of itself (`<meta charset=…>`), if there is such an encoding."""
    match = _CHARSET.search(head[:_CHARSET_WITHIN])
    if match is None:
        return None
    name = match[1].decode("ascii").lower()
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return None
    return "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii") else name  # as browsers do


class Utf8Check:
    """Fed a file's chunks, says whether all of it is UTF-8. Stops looking after the first error."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.is_valid = True

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        if not self.is_valid:
            return
        try:
            self._decoder.decode(chunk, is_last)
        except UnicodeDecodeError:
            self.is_valid = False


def legacy_encoding(lines: Iterable[bytes], region: str | None) -> str:
    """The encoding of a file that is not all UTF-8. `region` (alpha-2) is the market its leads come from.

    UTF-8 nevertheless, if most lines beyond ASCII are: then the others are damaged, and each is reported.
    """
    sample = bytearray()
    good = bad = 0
    for line in chain.from_iterable(line.split(b"\r") for line in lines):
        if line.isascii():
            continue
        if len(sample) < _SAMPLE_BYTES:
            sample += line[:2000]
        try:
            line.decode()
        except UnicodeDecodeError:
            bad += 1
        else:
            good += 1
    if good > bad:
        return "utf-8"
    page = _PAGE_OF_REGION.get(region or "", _DEFAULT_PAGE)
    return _other_script(bytes(sample)) or _older_page(bytes(sample), page) or page


def _older_page(sample: bytes, page: str) -> str | None:
    """The Mac's or DOS's page of the same letters, if it makes words where `page` puts signs between letters."""
    wrong, score = _fit(sample, page)
    if not wrong:
        return None
    fits = {older: _fit(sample, older)[1] for older in _OLDER.get(page, _OLDER[_DEFAULT_PAGE])}
    best = max(fits, key=lambda older: fits[older])
    is_damaged = "\ufffd" in sample.decode(page, "replace")  # perhaps a byte that no encoding meant
    return best if fits[best] > max(score, int(is_damaged)) else None


def _fit(sample: bytes, encoding: str) -> tuple[int, float]:
    """(places beyond ASCII that are in no word, how well all of them go into words) of the sample."""
    text = sample.decode(encoding, "replace")
    wrong, score = 0, 0.0
    for place, character in enumerate(text):
        if character < "\x80" or character in _NEUTRAL:
            continue
        before, after = text[place - 1 : place] if place else " ", text[place + 1 : place + 2] or " "
        if not character.isalpha():
            is_amiss = character == "\ufffd" or not character.isprintable() or before.isalpha() or after.islower()
        else:
            is_amiss = character.isupper() and (before.islower() or (before.isspace() and not after.isalpha()))
        wrong += is_amiss
        if is_amiss:
            score -= 1
        elif before.isalpha() or after.isalpha():
            score += 1 if character in _COMMON else 0.5 if character.isupper() else -0.5
    return wrong, score


def _other_script(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=[*_LATIN, *_OTHER_SCRIPTS]).best()
    return best.encoding if best is not None and best.encoding in _OTHER_SCRIPTS else None
