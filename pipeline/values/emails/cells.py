"""The addresses of a cell that holds several, whatever stands between them: `jane@… ::: jim@…`, `E: jane@… P: jim@…`.

Each @ is looked at once, with what can belong to it on both sides; no address is made of the parts of two. What such an
address is worth is decided in `emails`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from pipeline.values.vocabularies import vocabulary

_LOCAL_LIMIT = 64  # characters before the @ (RFC 5321)
_LOCAL = re.compile(r"[\w.+%'&!#$?^`{}~\u2019-]*\Z")
_NO_BEGIN = ".+%'&!#$?^`{}~\u2019-"  # what no address of several in a cell begins with: signs that part it from another
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,63})(?!\.?[^\W_]|@)", re.I)
_RUN = re.compile(r"[\w.-]+")
_WORD_BEFORE = re.compile(r"[\w-]{1,40}\s\Z")
_TORN_END = re.compile(r"\s([^\W\d_]{1,2})(?![\w:.)=])")  # ada@example.co m
_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MARKED = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,2}[:.)=]|\([^()]{0,80}\)|<|>")  # E: jane@…, (old)


class CellAddresses(NamedTuple):
    """Texts of one address each, in order; whether an @ belongs to none of them; whether other words stood there."""

    texts: list[str]
    has_unread: bool
    has_words: bool


def addresses_in(text: str) -> CellAddresses:
    """The addresses around each @ of a line. Costs the same for each of its characters."""
    texts: list[str] = []
    has_unread = False
    beside: list[str] = []
    end = 0  # of what has been read
    at = text.find("@")
    while at >= 0:
        begin = _begin_of(text, end, at)
        domain = _DOMAIN.match(text, at + 1)
        if domain is None:
            run = _RUN.match(text, at + 1)
            stop = run.end() if run else at + 1
            if text[stop : stop + 1] == "@":  # `jane@a.orgjim@b.org`: where one ends is a guess
                stop += 1
                rest = _RUN.match(text, stop)
                stop = rest.end() if rest else stop
            has_unread, end = True, stop
        else:
            if begin == at or _is_torn(text, end, begin, domain.end()):
                has_unread = True
            else:
                texts.append(text[begin : domain.end()])
            beside.append(text[end:begin])
            end = domain.end()
        at = text.find("@", end)
    beside.append(text[end:])
    return CellAddresses(texts, has_unread, _has_words(" ".join(beside)))


def is_label(word: str) -> bool:
    """Whether a word stands beside addresses and numbers and says no more than which of them it is."""
    joining, labels = cell_words()
    return word.lower() in labels or word.lower() in joining


def _begin_of(text: str, end: int, at: int) -> int:
    start = max(end, at - _LOCAL_LIMIT - 1)
    local = _LOCAL.search(text[start:at])
    begin = start + (local.start() if local else at - start)
    signs = _NO_BEGIN + "_" if begin == end and end else _NO_BEGIN
    while begin < at and text[begin] in signs:
        begin += 1
    return begin if at - begin <= _LOCAL_LIMIT else at


def _is_torn(text: str, end: int, begin: int, stop: int) -> bool:
    """`john smith@…`: one name before the @, torn; the same at the end of a domain."""
    torn = _TORN_END.match(text, stop)
    if torn and not is_label(torn[1]):
        return True
    before = _WORD_BEFORE.search(text[max(end, begin - 41) : begin])
    if before is None:
        return False
    word = before[0].strip()
    is_name = word[:1].isupper() and not text[begin].isupper()  # `Doe jane@…`: somebody's name beside the address
    return not (is_label(word) or is_name or word.isdecimal() or not any(map(str.isalpha, word)))


def _has_words(beside: str) -> bool:
    return any(not is_label(word) for word in _WORDS.findall(_MARKED.sub(" ", beside)))


@cache
def cell_words() -> tuple[frozenset[str], frozenset[str]]:
    """The words between addresses and numbers, and those before them, in small letters."""
    entries = vocabulary("cell_words")
    return (
        frozenset(str(word).lower() for word in entries["joining"]),
        frozenset(str(word).lower() for word in entries["labels"]),
    )
