"""Writes rows of any number as CSV, JSON lines or an Excel workbook, one at a time, to stdout or to a file.

CSV opened in a spreadsheet can run what a stranger typed into a form: a cell that begins with `=`, `@`, a tab or a line
end, or with `+` or `-` unless it is a phone number or a number, gets an apostrophe in front. Phones stay E.164. `Cells`
is the switch: phones too, or nothing for a program that reads the file. JSON lines are always exact.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol, TextIO

import typer

from pipeline.cli.terminal.output import STEERS, escaped, json_text, plain, print_json, print_note
from pipeline.errors import UsageError

_RISKY = ("=", "@", "+", "-", "\t", "\r", "\n", "＝", "＠", "＋", "－")  # wide ones count too where people type them
_DIGITS = re.compile(r"[+0][\d ()./;+-]{5,}\Z")  # of numbers that Excel would calculate with
_HARMLESS_SIGNED = re.compile(r"[+-][\d .()]*\d")  # +493012345, -3.5: a spreadsheet makes a number of it at most


class RowFormat(StrEnum):
    """How exports are written."""

    csv = "csv"
    jsonl = "jsonl"
    xlsx = "xlsx"


class Cells(StrEnum):
    """What becomes of a CSV cell that a spreadsheet would take for a formula."""

    readable = "readable"
    strict = "strict"
    raw = "raw"


AsFormat = Annotated[
    RowFormat, typer.Option("--format", help="csv, jsonl for one JSON object a line, or xlsx for Excel (with --out).")
]
ForExcel = Annotated[
    bool, typer.Option("--excel", help="CSV as Excel opens it with a double click: BOM, semicolons, phones as text.")
]
AsCells = Annotated[
    Cells,
    typer.Option(
        "--cells",
        help="CSV cells that a spreadsheet would run: an apostrophe in front but for phones (readable) or for phones"
        " too (strict); as they are, for a program (raw).",
    ),
]
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
        self._shown = escaped if in_json else _replaced

    def write(self, text: str, /) -> int:
        return self._file.write(self._shown(text))


def _replaced(text: str) -> str:
    return STEERS.sub("\ufffd", text)


def write_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    row_format: RowFormat,
    out: Path | None,
    *,
    excel: bool = False,
    cells: Cells = Cells.readable,
) -> int:
    """Write all rows; returns how many. A file appears under its name only when it is complete.

    `excel`: CSV for a double click in the countries of the decimal comma. Raises UsageError for a workbook without a
    file, and for `excel` with another format or with `cells`: it has its own way with phones.
    """
    if excel and row_format is not RowFormat.csv:
        raise UsageError(f"--excel is about csv: leave it out with --format {row_format}")
    if excel and cells is not Cells.readable:
        raise UsageError("--excel writes phones as text already: leave --cells out")
    if row_format is RowFormat.xlsx:
        return _write_xlsx(rows, columns, out)
    with _opened(out) as file:
        if row_format is RowFormat.jsonl:
            return _write_lines(rows, columns, file if out else _Shown(file, in_json=True))
        return _write_csv(
            rows, columns, file if out else _Shown(file, in_json=False), shown=excel_cell if excel else _SHOWN[cells]
        )


def write_document(document: Any, out: Path | None) -> None:
    """One JSON document, to stdout or to a file; the file appears when it is complete."""
    if out is None:
        print_json(document)
        return
    with _opened_file(out) as file:
        file.write(json_text(document))


def csv_cell(value: Any) -> Any:
    """A value as a CSV cell that no spreadsheet takes for a formula. Lists of texts are joined with `; `."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else _joined(value)
    if text.startswith(_RISKY) and not all(_HARMLESS_SIGNED.fullmatch(part) for part in text.split("; ")):
        return "'" + text
    return text


def excel_cell(value: Any) -> Any:
    """The same for Excel where a comma is the decimal sign: times that it knows as such, numbers of phones as text."""
    if isinstance(value, float):
        return repr(value).replace(".", ",")
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    cell = csv_cell(value)
    if isinstance(value, str | list) and isinstance(cell, str) and cell.startswith(("+", "0")) and _DIGITS.match(cell):
        return f'="{cell}"'  # what Excel itself writes: a constant text, not a number without its plus
    return cell


def _write_xlsx(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], out: Path | None) -> int:
    from pipeline.cli.terminal.workbook import write_workbook

    if out is None:
        raise UsageError("--format xlsx writes a file: add --out NAME.xlsx")
    with _opened_file(out, binary=True) as file:
        return write_workbook(rows, columns, file, as_text=lambda value: str(_joined(value)))


def _joined(value: Any) -> str:
    """A list or an object as one text. Lists of texts are joined with `; `."""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=plain, ensure_ascii=False) if value else ""
    return str(plain(value)) if not isinstance(value, int | float) else str(value)


def _write_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: _Writable) -> int:
    count = 0
    for row in rows:
        shown = {column: row.get(column) for column in columns}
        file.write(json.dumps(shown, default=plain, ensure_ascii=False, separators=(",", ":")) + "\n")
        count += 1
    return count


def strict_cell(value: Any) -> Any:
    """The same with an apostrophe before phone numbers too: nothing begins with a sign but numbers."""
    cell = csv_cell(value)
    return "'" + cell if isinstance(cell, str) and cell.startswith(_RISKY) else cell


def raw_cell(value: Any) -> Any:
    """A value as it is, for a program."""
    return value if isinstance(value, str) else csv_cell(value)


_SHOWN = {Cells.readable: csv_cell, Cells.strict: strict_cell, Cells.raw: raw_cell}


def _write_csv(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], file: _Writable, *, shown: Callable[[Any], Any]
) -> int:
    is_excel = shown is excel_cell
    writer = csv.writer(file, lineterminator="\n", delimiter=";" if is_excel else ",")
    if is_excel:
        file.write("\ufeff")
    writer.writerow([csv_cell(column) for column in columns])
    count = 0
    for row in rows:
        writer.writerow([shown(row.get(column)) for column in columns])
        count += 1
    return count


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with _opened_file(out) as file:
        yield file


@contextmanager
def _opened_file(out: Path, *, binary: bool = False) -> Iterator[Any]:
    """A file that appears under its name when it is complete."""
    partial = out.with_name(out.name + ".part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    try:
        with (
            os.fdopen(descriptor, "wb") if binary else os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        ) as file:
            yield file
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    print_note(f"wrote {out}")
