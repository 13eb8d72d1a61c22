"""What people see: tables and JSON on stdout, progress and problems on stderr, and the shape of help texts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress

_PIPE_COLUMNS = 4_000
_GAP = "   "  # between two columns of a table
_LONG = 44  # a text wider than this may be folded; an id is not
_MOST_PIPED = 200  # characters of a line in a pipe before long texts are cut
_LONG_PIPED = 60  # a text in such a line
_LEAST_SHARE = 16  # of a folded column
# Control characters but line ends and tabs, and those that turn the direction of writing round.
STEERS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def example(*lines: str) -> str:
    """A help text's closing example. The backspace keeps the lines as they are, so that they can be copied."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def plain(value: Any) -> Any:
    """A value as JSON knows it: UUIDs as text, times as ISO 8601, structs by their fields, bytes not at all."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    if _field_names(value) is not None:
        return as_object(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _field_names(value: Any) -> tuple[str, ...] | None:
    """Of a struct's or a dataclass's fields, in their order; None of what is neither."""
    names: tuple[str, ...] | None = getattr(value, "__struct_fields__", None)
    if names is None and is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return names


def as_object(struct: Any) -> dict[str, Any]:
    """A struct as the JSON object of its fields, to be put together with other keys. What is in them stays."""
    return {name: getattr(struct, name) for name in _field_names(struct) or ()}


def print_json(value: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    print_text(json_text(value))
    sys.stdout.flush()


def json_text(value: Any) -> str:
    """A JSON document as people and programs read it."""
    return json.dumps(value, default=plain, ensure_ascii=False, indent=2) + "\n"


def print_overridden(paths: Iterable[str]) -> None:
    """Say of each path at which a company's and a shipped file stand which of the two counts."""
    from connectors.kit.folders import company_folder

    for path in paths:
        print_line(f"{path}: the one in {company_folder()} counts, in place of the shipped one")


def print_line(text: str = "") -> None:
    sys.stdout.write(printable(text) + "\n")


def print_text(text: str) -> None:
    """Text that ends where it ends: pieces of a JSON document."""
    sys.stdout.write(escaped(text))


def print_note(text: str) -> None:
    """Something to know that is not the result: stderr, so that stdout can be piped."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def _writable(text: str) -> str:
    """File names may be any bytes: what of them is no text becomes a replacement character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def escaped(text: str) -> str:
    """JSON for a terminal too: those characters that steer one and that JSON leaves as they are stand as escapes."""
    if text.isascii() and "\x7f" not in text:
        return text
    return STEERS.sub(lambda match: f"\\u{ord(match[0]):04x}", _writable(text))


def print_problem(message: str) -> None:
    print_note(f"afluente: {message}")


def console() -> Console:
    """Where tables go. A pipe gets each row on one line instead of squeezed to 80 columns."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PIPE_COLUMNS)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Iterable[str] = (),
    expendable: Sequence[str] = (),
    whole: Iterable[str] = (),
) -> None:
    """A plain table; `numbers` names the columns to align right. What stands in a `whole` one is folded, never cut: it
    says what to do.

    Where the terminal is too narrow, columns without any value are left out; then long texts are folded, but no id and
    nothing to a few letters a line. If that is not enough, each row becomes a block of lines. With `expendable` each
    row stays one line instead: these columns are left out, the first first, and then long texts are cut. A pipe gets
    long texts cut too where a line would have hundreds of characters; `--json` has them whole.
    """
    cells = [[as_text(value) for value in row] for row in rows]
    out, uncut = console(), set(whole)
    if out.width == _PIPE_COLUMNS and _width(columns, cells) > _MOST_PIPED:
        cells = [
            [cell if name in uncut else _cut(cell, _LONG_PIPED) for name, cell in zip(columns, row, strict=True)]
            for row in cells
        ]
    if cells and expendable and _width(columns, cells) > out.width:
        columns, cells = _without(columns, cells, expendable, out.width)
    if cells and _width(columns, cells) > out.width:
        filled = [place for place in range(len(columns)) if any(row[place] for row in cells)]
        columns = [columns[place] for place in filled]
        cells = [[row[place] for place in filled] for row in cells]
    widths = _widths(columns, cells)
    long = [place for place, width in enumerate(widths) if width > _LONG]
    excess = _width(columns, cells) - out.width
    share = (sum(widths[place] for place in long) - excess) // (len(long) or 1)
    if cells and excess > 0 and share < _LEAST_SHARE:
        _print_blocks(columns, cells)
    else:
        folded = {columns[place]: share for place in long} if excess > 0 else {}
        _draw(out, columns, cells, set(numbers), folded)


def _without(
    columns: Sequence[str], cells: list[list[str]], expendable: Sequence[str], width: int
) -> tuple[Sequence[str], list[list[str]]]:
    """A line a row: without the expendable columns that do not fit, and with the longest column cut."""
    cells = [[" ".join(cell.split("\n")) for cell in row] for row in cells]
    for name in expendable:
        if _width(columns, cells) > width and name in columns:
            place = list(columns).index(name)
            columns = [*columns[:place], *columns[place + 1 :]]
            cells = [[*row[:place], *row[place + 1 :]] for row in cells]
    widths = _widths(columns, cells)
    longest = widths.index(max(widths))
    room = max(_LEAST_SHARE, widths[longest] - (_width(columns, cells) - width))
    return columns, [
        [_cut(cell, room) if place == longest else cell for place, cell in enumerate(row)] for row in cells
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [
        max(cell_len(line) for cell in (name, *(row[place] for row in rows)) for line in cell.split("\n"))
        for place, name in enumerate(columns)
    ]


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How many characters wide the table is if no cell is folded."""
    return sum(_widths(columns, rows)) + len(_GAP) * (len(columns) - 1)


def _draw(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], right: set[str], folded: Mapping[str, int]
) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(escape(printable(column)), justify=justify, overflow="fold", max_width=folded.get(column))
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows):
        if number:
            print_line()
        print_facts(dict(zip(columns, row, strict=True)))


def print_facts(facts: Mapping[str, Any], *, indent: int = 2) -> None:
    """Names and values below each other; absent values are left out."""
    shown = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print_line(f"{' ' * indent}{name.ljust(width)}  {as_text(value)}")


def as_text(value: Any) -> str:
    """A value for people: lists and flat objects joined, times without microseconds, the rest as JSON would have it.

    Strangers write some of these values: characters that could steer a terminal are replaced.
    """
    if isinstance(value, str):
        return printable(value)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, dict | list | tuple):
        return _joined(value)
    return str(value)


def _joined(value: dict[str, Any] | Sequence[Any]) -> str:
    items = value.values() if isinstance(value, dict) else value
    if not all(isinstance(item, str | int | float) for item in items):
        return json.dumps(value, default=plain, ensure_ascii=False)
    words = [f"{name} {item}" for name, item in value.items()] if isinstance(value, dict) else map(str, value)
    return printable(", ".join(words))


def printable(text: str) -> str:
    """Text without control characters, line ends and tabs excepted: names of files and columns may hold some that steer
    a terminal. Everything that is printed for people goes through here."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else "\ufffd" for char in text)


_HARMLESS = frozenset("\n\t\u00a0\u2007\u202f\u3000")  # blanks of other widths are no control characters


@contextmanager
def progress_bar(*, is_shown: bool = True) -> Iterator[Progress]:
    """A bar on stderr that vanishes when done; off a terminal it draws nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    error_console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=error_console,
        transient=True,
        disable=not (is_shown and error_console.is_terminal),
    ) as progress:
        yield progress
