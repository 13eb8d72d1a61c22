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
from typing import Annotated, Any, TextIO, cast

import typer

from pipeline.cli.terminal.output import plain, printable
from pipeline.errors import UsageError

_RISKY = ("=", "@", "+", "-", "\t", "\r")
_HARMLESS_SIGNED = re.compile(r"[+-][\d .()]*\d")  # +493012345, -3.5: a spreadsheet makes a number of it at most


class RowFormat(StrEnum):
    """How exports are written."""

    csv = "csv"
    jsonl = "jsonl"


AsFormat = Annotated[RowFormat, typer.Option("--format", help="csv, or jsonl for one JSON object a line.")]
OutFile = Annotated[
    Path | None, typer.Option("--out", help="Write to this file, readable by you alone, instead of to stdout.")
]


def write_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], row_format: RowFormat, out: Path | None
) -> int:
    """Write all rows; returns how many. A file appears under its name only when it is complete."""
    with _opened(out) as file:
        if row_format is RowFormat.jsonl:
            return _write_lines(rows, columns, file)
        return _write_csv(rows, columns, file)


def write_document(document: Any, out: Path | None) -> None:
    """One JSON document, to stdout or to a file; the file appears when it is complete."""
    with _opened(out) as file:
        file.write(json.dumps(document, default=plain, ensure_ascii=False, indent=2) + "\n")


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


def _write_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: TextIO) -> int:
    count = 0
    for row in rows:
        shown = {column: row.get(column) for column in columns}
        file.write(json.dumps(shown, default=plain, ensure_ascii=False, separators=(",", ":")) + "\n")
        count += 1
    return count


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: TextIO) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([csv_cell(row.get(column)) for column in columns])
        count += 1
    return count


class _Terminal:
    """Standard output where somebody looks at it: what strangers wrote must not steer the terminal."""

    def write(self, text: str) -> int:
        return sys.stdout.write(printable(text))


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield cast("TextIO", _Terminal()) if sys.stdout.isatty() else sys.stdout
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
