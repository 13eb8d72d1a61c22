"""Records of a text file as they stand there, byte for byte: rows of CSV and its relatives, lines of JSON.

Only what is certain to be a record by itself is one. A file of which that is not certain is nobody's to rewrite.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import orjson

from connectors.kit.paths import leaves

_LONGEST_LINE = 8 * 1_048_576
_LONGEST_RECORD = 8 * 1_048_576
_SAMPLE_LINES = 200
_DELIMITERS = (",", ";", "\t", "|")
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_UTF_8_MARK = b"\xef\xbb\xbf"
# Texts whose lines belong together: a card, markup, a mail, a list of names and values.
_NO_TABLE = re.compile(rb"begin:vcard|<|%pdf|---|from |[a-z][a-z0-9 _-]{0,60}:[ \t\r\n]", re.IGNORECASE)
_ONE_VALUE = re.compile(r"[^\s:]*\Z")  # a line of a list of addresses


class Record(NamedTuple):
    """A record, from a byte of the file to another, and the texts in it."""

    begin: int
    end: int
    texts: list[str]

    def __repr__(self) -> str:
        return f"<Record at {self.begin}>"


class NoRecordsError(Exception):
    """The file is none whose records can be taken out one by one."""


def read_records(file: BinaryIO) -> Iterator[Record]:
    """The records of a file from its beginning. Raises NoRecordsError, at any of them."""
    sample = list(islice(_lines(file), _SAMPLE_LINES))
    head = b"".join(sample).removeprefix(_UTF_8_MARK).lstrip()
    if head.startswith(_MARKS) or _NO_TABLE.match(head):
        raise NoRecordsError
    file.seek(0)
    return _json_lines(file) if head.startswith((b"{", b"[")) else _rows(file, sample)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        # A NUL is of no text in one byte a character; a lone CR may end a line or not.
        if len(line) == _LONGEST_LINE or b"\0" in line or b"\r" in line.rstrip(b"\r\n"):
            raise NoRecordsError
        yield line


def _json_lines(file: BinaryIO) -> Iterator[Record]:
    begin = 0
    for line in _lines(file):
        end = begin + len(line)
        if text := line.removeprefix(_UTF_8_MARK if not begin else b"").strip():
            try:
                document = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise NoRecordsError from None
            if not isinstance(document, dict) or _holds_a_list_of_objects(document):
                raise NoRecordsError  # it may be of several people
            yield Record(begin, end, [str(value) for value in leaves(document) if value is not None])
        begin = end


def _holds_a_list_of_objects(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_a_list_of_objects, value.values()))
    return isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value)


def _rows(file: BinaryIO, sample: list[bytes]) -> Iterator[Record]:
    delimiter, width = _layout([_text(line) for line in sample])
    taken: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in _lines(file):
            taken.append(line)
            if sum(map(len, taken)) > _LONGEST_RECORD:
                raise NoRecordsError
            yield _text(line)

    begin = 0
    try:
        # Strict: a quote that never closed would else end at the next one, and two rows would pass for one.
        for cells in csv.reader(lines(), delimiter=delimiter, strict=True):
            if len(taken) > 1 and len(cells) != width:
                raise NoRecordsError
            end = begin + sum(map(len, taken))
            taken.clear()
            yield Record(begin, end, cells)
            begin = end
    except csv.Error:
        raise NoRecordsError from None


def _layout(sample: list[str]) -> tuple[str, int]:
    """(delimiter, cells of a row) by which most rows have one and the same number of cells."""
    best, best_score = (",", 1), (0.0, 0)
    for delimiter in _DELIMITERS:
        if sample and sample[0].strip("\ufeff\"' \r\n").lower().startswith("sep="):
            sample = sample[1:]
        try:
            widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        except csv.Error:  # the sample may end within a cell
            continue
        width, count = max(widths.items(), key=lambda counted: (counted[1], counted[0]), default=(0, 0))
        if width > 1 and (score := (round(count / sum(widths.values()), 1), width)) > best_score:
            best, best_score = (delimiter, width), score
    if best[1] == 1 and not all(_ONE_VALUE.match(line.strip().strip('"')) for line in sample):
        raise NoRecordsError  # prose: who else a line is about stands in the next one
    return best


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
