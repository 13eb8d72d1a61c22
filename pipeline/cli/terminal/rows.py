"""Writes rows of any number as CSV or JSON lines, one at a time, to stdout or to a file.

CSV opened in a spreadsheet can run what a stranger typed into a form: a cell that begins with `=`, `@`, a tab or a
carriage return, or with `+` or `-` unless it is a phone number or a number, gets an apostrophe in front. Phones stay
E.164. JSON lines are always exact.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol, TextIO

import typer

from pipeline.cli.terminal.output import plain
from pipeline.errors import UsageError

_RISKY = ("=", "@", "+", "-", "\t", "\r")
# Control characters but line ends and tabs, and those that turn the direction of writing round.
_STEERS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
_HARMLESS_SIGNED = re.compile(r"[+-][\d .()]*\d")  # +493012345, -3.5: a spreadsheet makes a number of it at most


class RowFormat(StrEnum):
    """How exports are written."""

    csv = "csv"
    jsonl = "jsonl"


AsFormat = Annotated[RowFormat, typer.Option("--format", help="csv, or jsonl for one JSON object a line.")]
OutFile = Annotated[
    Path | None, typer.Option("--out", help="Write to this file, readable by you alone, instead of to stdout.")
]


class _Writable(Protocol):
    def write(self, text: str, /) -> int: ...


class _Shown:
    """stdout, which may be a terminal: what strangers wrote must not steer it. JSON says the same in escapes; in CSV
    such a character becomes a replacement, and stays as it came in a file of `--out`."""

    def __init__(self, file: TextIO, *, in_json: bool) -> None:
        self._file = file
        self._instead = _escape if in_json else _replace

    def write(self, text: str, /) -> int:
        return self._file.write(_STEERS.sub(self._instead, text))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _replace(_: re.Match[str]) -> str:
    return "\ufffd"


def write_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], row_format: RowFormat, out: Path | None
) -> int:
    """Write all rows; returns how many. A file appears under its name only when it is complete."""
    with _opened(out) as file:
        if row_format is RowFormat.jsonl:
            return _write_lines(rows, columns, file if out else _Shown(file, in_json=True))
        return _write_csv(rows, columns, file if out else _Shown(file, in_json=False))


def write_document(document: Any, out: Path | None) -> None:
    """One JSON document, to stdout or to a file; the file appears when it is complete."""
    with _opened(out) as file:
        (file if out else _Shown(file, in_json=True)).write(
            json.dumps(document, default=plain, ensure_ascii=False, indent=2) + "\n"
        )


def csv_cell(value: Any) -> Any:
    """A value as a CSV cell that no spreadsheet takes for a formula. Lists of texts are joined with `; `."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        text = "; ".join(value)
    elif isinstance(value, dict | list | tuple):
        text = json.dumps(value, default=plain, ensure_ascii=False) if value else ""
    else:
        text = value if isinstance(value, str) else str(plain(value))
    if text.startswith(_RISKY) and not all(_HARMLESS_SIGNED.fullmatch(part) for part in text.split("; ")):
        return "'" + text
    return text


def _write_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: _Writable) -> int:
    count = 0
    for row in rows:
        shown = {column: row.get(column) for column in columns}
        file.write(json.dumps(shown, default=plain, ensure_ascii=False, separators=(",", ":")) + "\n")
        count += 1
    return count


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: _Writable) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([csv_cell(row.get(column)) for column in columns])
        count += 1
    return count


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = out.with_name(out.name + ".part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
