"""What of a record counts when two deliveries of it are compared: what its mapping reads, keeps or has not decided on.

What the mapping ignores does not count, unless one of its rules reads it; nor do empty values, blanks at the ends, the
order of keys and columns, and the spellings of a title that the mapping takes for one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from unicodedata import is_normalized, normalize

import msgspec
import orjson

from connectors.kit.paths import compile_path
from connectors.kit.sources.parts import BESIDE
from pipeline.stages.mapping.decided_paths import DecidedPaths, Tree, select_entry
from pipeline.stages.mapping.language import ListRule, SourceDeclaration
from pipeline.stages.mapping.rules import canonical_names
from pipeline.stages.mapping.shapes import Headers, compile_list, rename
from pipeline.values.folding import fold

_READING_BYTES = 8
_CONTENT_BYTES = 16
_PLANS_KEPT = 256  # files come with few different headers
_PLAN_LIMIT = 32_768  # characters of all columns
_DEPTH_LIMIT = 64  # deeper, a part counts as it is written


class Reading(msgspec.Struct, frozen=True):
    """What of a mapping decides which contents are equal. Holds paths and titles, no value of a lead.

    `read`: paths that count although something above or below them is ignored.
    """

    ignored: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = {}
    lists: tuple[ListRule, ...] = ()
    beside: tuple[str, ...] = ()  # paths read of what stands beside a record: nothing else there counts

    @property
    def digest(self) -> bytes:
        """8 bytes that differ where two mappings take different contents for equal."""
        return hashlib.blake2b(self.text().encode(), digest_size=_READING_BYTES).digest()

    def text(self) -> str:
        """As it is stored, for `read_reading`."""
        return msgspec.json.encode(self, order="deterministic").decode()


EVERYTHING = Reading()  # of a source whose mapping cannot be read


def read_reading(text: str) -> Reading:
    return msgspec.json.decode(text, type=Reading)


def reading_of(declaration: SourceDeclaration) -> Reading:
    """What of a source's mapping decides which contents are equal."""
    ignored = DecidedPaths(declaration.ignored)
    read = declaration.read_paths()
    if declaration.canonical:
        names = canonical_names(declaration)
        read += [*names, *(f"{container}.{name}" for container in declaration.flatten for name in names)]
    touching = {path for path in read if ignored.meets(path)} if declaration.ignored else set()
    return Reading(
        tuple(sorted(set(declaration.ignored))),
        tuple(sorted(touching)),
        declaration.headers,
        declaration.lists,
        tuple(sorted({path for path in read if path.startswith(f"{BESIDE}.")})),
    )


class Contents:
    """Digests of records as one reading sees them."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.prefix = reading.digest
        self._headers = Headers(reading.headers) if reading.headers else None
        self._lists = [compile_list(rule) for rule in reading.lists]
        ignored, read = DecidedPaths(reading.ignored), DecidedPaths(reading.read)
        self._ignored, self._read = ignored.tree, read.tree
        self._plan = lru_cache(maxsize=_PLANS_KEPT)(self._plan_anew)
        self._beside = [(path, compile_path(path)) for path in reading.beside]
        # Keys that may hold dots themselves; an object that a rule reads below is not ignored whole.
        self._literal = frozenset(path for path in reading.ignored if not _is_read(path, reading.read))

    def digest(self, record: dict[str, Any], *, is_row: bool = False) -> bytes:
        """24 bytes: 8 of the reading, 16 of the content. Contents of other readings cannot be compared by it.

        `is_row`: of a table, whose titles are compared without case and punctuation.
        """
        return self.prefix + hashlib.blake2b(self.text(record, is_row=is_row), digest_size=_CONTENT_BYTES).digest()

    def text(self, record: dict[str, Any], *, is_row: bool = False) -> bytes:
        """What counts of a record, in one spelling."""
        shaped = record
        if BESIDE in record:
            shaped = {key: value for key, value in record.items() if key != BESIDE}
            shaped |= {path: value for path, get in self._beside if (value := get(record)) is not None}
        if self._headers is not None:
            shaped = rename(shaped, self._headers.renames(shaped))
        for flatten in self._lists:
            shaped = flatten(shaped)
        row = self._row(shaped, is_row=is_row)
        if row is not None:
            return row
        counted = self._part(shaped, self._ignored or None, self._read or None, "", 0)
        if is_row and isinstance(counted, dict):
            names = _folded(tuple(counted))
            counted = {names.get(key, key): value for key, value in counted.items()}
        return _written(counted)

    def _row(self, record: dict[str, Any], *, is_row: bool) -> bytes | None:
        """The short way for a row of texts, which most records are. None: this is none."""
        columns = tuple(record)
        names = self._plan(columns, is_row) if sum(map(len, columns)) <= _PLAN_LIMIT else None
        if names is None:
            return None
        try:
            kept = {name: text for name, column in names if (text := record[column].strip())}
            written = orjson.dumps(kept)
        except (AttributeError, TypeError):  # a cell that is no text
            return None
        return written if kept and (written.isascii() or is_normalized("NFC", written.decode())) else None

    def _plan_anew(self, columns: tuple[str, ...], is_row: bool) -> list[tuple[str, str]] | None:  # noqa: FBT001 - of a cache
        """(name, column) of the columns that count, in the order in which names are written; None if a title has
        another spelling than its own."""
        if any(_title(column) != column for column in columns):
            return None
        counting = tuple(
            column
            for column in columns
            if column not in self._literal and (self._ignored.get(column) != {} or column in self._read)
        )
        folded = _folded(counting) if is_row else {}
        return sorted((folded.get(column, column), column) for column in counting)

    def _part(self, value: Any, ignored: Tree | None, read: Tree | None, path: str, depth: int) -> Any:
        """What counts of a part: nothing is ignored of it (None), all ({}), or some."""
        if ignored is None or (read is not None and not read):
            return _clean(value, depth)
        if not ignored:
            return None if read is None else _only(value, read)
        if isinstance(value, dict):
            kept: dict[str, Any] = {}
            prefix = f"{path}." if path else ""
            for key, item in value.items():
                place = f"{prefix}{key}"
                if place not in self._literal:
                    _put(kept, key, self._part(item, ignored.get(key), (read or {}).get(key), place, depth + 1))
            return kept or None
        if isinstance(value, list):
            size = len(value)
            parts = [
                self._part(
                    entry,
                    select_entry(entry, index, size, ignored),
                    select_entry(entry, index, size, read) if read else None,
                    f"{path}[{index}]",
                    depth + 1,
                )
                for index, entry in enumerate(value)
            ]
            return _without_end(parts)
        return _clean(value, depth)


def _is_read(path: str, read: Sequence[str]) -> bool:
    return any(known == path or known.startswith((f"{path}.", f"{path}[")) for known in read)


def _folded(columns: tuple[str, ...]) -> dict[str, str]:
    """Titles without case and punctuation, of those that are still told apart."""
    spellings = Counter(map(fold, columns))
    return {column: name for column in columns if (name := fold(column)) and spellings[name] == 1}


def _only(value: Any, read: Tree) -> Any:
    """Of something ignored, what rules read all the same."""
    if not read:
        return _clean(value, 0)
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for key in read:
            if isinstance(key, str) and key in value:
                _put(kept, key, _only(value[key], read[key]))
        return kept or None
    return _clean(value, 0)


def _put(kept: dict[str, Any], key: Any, item: Any) -> None:
    if item is None:
        return
    name = _title(key) if type(key) is str else str(key)
    kept[key if name in kept else name] = item


def _title(key: str) -> str:
    title = key.strip()
    return title if title.isascii() or is_normalized("NFC", title) else normalize("NFC", title)


def _clean(value: Any, depth: int) -> Any:
    """A value without what says nothing; None: nothing is left of it."""
    kind = type(value)
    if kind is str:
        return _title(value) or None
    if kind is dict:
        if depth > _DEPTH_LIMIT:
            return value or None
        kept: dict[str, Any] = {}
        for key, item in value.items():
            _put(kept, key, _clean(item, depth + 1))
        return kept or None
    if kind is list:
        return value or None if depth > _DEPTH_LIMIT else _without_end([_clean(entry, depth + 1) for entry in value])
    return value


def _without_end(entries: list[Any]) -> list[Any] | None:
    while entries and entries[-1] is None:
        entries.pop()
    return entries or None


def _written(kept: Any) -> bytes:
    try:
        return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an integer of more than 64 bits, half a character, or nested beyond what orjson writes
        return repr(kept).encode(errors="surrogatepass")
