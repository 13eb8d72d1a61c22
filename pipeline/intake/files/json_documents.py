"""JSON that is not a line an object: a list of objects, objects over several lines, a list within an object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.unreadable import UnreadableFileError

MAX_JSON_BYTES = 100 * 1_048_576
_HEAD = 1_048_576  # characters
_BLANKS = " \t\r\n\ufeff"
_MOST_BROKEN = 100  # documents that cannot be read; what follows is one piece
_DEEPEST_WRAPPER = 3
CountFound = Callable[[dict[str, Any]], int]  # record -> how much of it somebody can read


class Piece(NamedTuple):
    """A record's text. `line` is that at which it begins, or its number in a list within an object."""

    line: int
    body: bytes


def read_documents(contents: FileContents, count_found: CountFound) -> Iterator[Piece] | None:
    """The records of such a file; None if it is a record a line. Raises UnreadableFileError.

    `count_found` tells a wrapper from a record that holds a list: a wrapper has nothing of a lead beside its list.
    """
    with contents.open_text() as file:
        head = file.read(_HEAD).lstrip(_BLANKS)
    is_list = head.startswith("[")
    first, _, rest = head.partition("\n")
    record = _parsed(first)
    if not is_list and isinstance(record, dict) and rest.strip(_BLANKS):
        return None
    if contents.size > MAX_JSON_BYTES:
        if not is_list:
            return None
        raise UnreadableFileError(
            f"this is one JSON list of {contents.size // 1_048_576} MB; up to {MAX_JSON_BYTES // 1_048_576} MB can be"
            " read: make JSON lines of it, one object a line (`jq -c '.[]' FILE`)"
        )
    with contents.open_text() as file:
        text = file.read().encode(errors="replace").decode()
    return _pieces(text, is_list=is_list, count_found=count_found)


def _pieces(text: str, *, is_list: bool, count_found: CountFound) -> Iterator[Piece] | None:
    place = len(text) - len(text.lstrip(_BLANKS))
    value, end = _decoded(text, place + is_list)
    if end is None:
        if not is_list:
            return None  # a line that cannot be read: each says so for itself
        if text[place + 1 :].strip(_BLANKS) in ("]", ""):
            raise UnreadableFileError("this is a JSON list without an entry")
        raise UnreadableFileError("this begins as a JSON list and cannot be read as one: export it anew, or as CSV")
    if is_list and not isinstance(value, dict):
        raise UnreadableFileError(
            "this is a JSON list of values, not of objects with names; export it as CSV, or as one object a lead"
        )
    if not is_list and isinstance(value, dict) and not text[end:].strip(_BLANKS):
        wrapped = _wrapped(value, count_found)
        if wrapped is not None:
            return (Piece(number, _dumped(entry)) for number, entry in enumerate(wrapped, start=1))
    return _each(text, place + is_list)


def _each(text: str, place: int) -> Iterator[Piece]:
    """One value after the other, from `place` on, whatever commas and brackets stand between them."""
    line, counted, broken = 1, 0, 0
    while True:
        while place < len(text) and text[place] in " \t\r\n,]\ufeff":
            place += 1
        if place >= len(text):
            return
        line += text.count("\n", counted, place)
        counted = place
        _, end = _decoded(text, place)
        if end is None:
            broken += 1
            following = text.find("\n{", place + 1) if broken < _MOST_BROKEN else -1
            end = len(text) if following < 0 else following + 1
        yield Piece(line, text[place:end].strip().encode())
        place = end


def _wrapped(document: dict[str, Any], count_found: CountFound) -> list[Any] | None:
    """The list of leads within an object, `{"results": [{…}], "total": 3}`; None if the object itself is one."""
    beside = count_found(document)
    if any(isinstance(value, str) and "@" in value for value in document.values()):
        return None
    lists = [entries for entries in _lists_in(document, 1) if entries and isinstance(entries[0], dict)]
    best = max(lists, key=lambda entries: (count_found(entries[0]) > 0, len(entries)), default=None)
    return best if best is not None and count_found(best[0]) > beside else None


def _lists_in(value: dict[str, Any], depth: int) -> Iterator[list[Any]]:
    for entry in value.values():
        if isinstance(entry, list):
            yield entry
        elif isinstance(entry, dict) and depth < _DEEPEST_WRAPPER:
            yield from _lists_in(entry, depth + 1)


_DECODER = json.JSONDecoder()


def _decoded(text: str, place: int) -> tuple[Any, int | None]:
    """(value, place behind it) of what stands at `place` or after blanks; no place if it cannot be read."""
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    try:
        return _DECODER.raw_decode(text, place)
    except (ValueError, RecursionError):
        return None, None


def _parsed(line: str) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return None


def _dumped(entry: Any) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode(errors="replace")
