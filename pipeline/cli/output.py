"""What people see: tables and JSON on stdout, progress and problems on stderr, and the shape of help texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress

_PIPE_COLUMNS = 4_000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


class CommandError(Exception):
    """A command cannot do what was asked. The message says what, where and what to do; `exit_code` is 1 or 2."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def example(*lines: str) -> str:
    """A help text's closing example. The backspace keeps the lines as they are, so that they can be copied."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def plain(value: Any) -> Any:
    """A value as JSON knows it: UUIDs as text, times as ISO 8601, bytes and structs not at all."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_line(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Something to know that is not the result: stderr, so that stdout can be piped."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_problem(message: str) -> None:
    print_note(f"afluente: {message}")


def console() -> Console:
    """Where tables go. A pipe gets each row on one line instead of squeezed to 80 columns."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PIPE_COLUMNS)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Iterable[str] = ()) -> None:
    """A plain table; `numbers` names the columns to align right."""
    from rich import box
    from rich.table import Table

    right = set(numbers)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def print_facts(facts: Mapping[str, Any], *, indent: int = 2) -> None:
    """Names and values below each other; absent values are left out."""
    shown = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print_line(f"{' ' * indent}{name.ljust(width)}  {as_text(value)}")


def as_text(value: Any) -> str:
    """A value for people: lists joined, times without microseconds, everything else as JSON would have it.

    Strangers write some of these values: characters that could steer a terminal are replaced.
    """
    if isinstance(value, str):
        return printable(value)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return printable(", ".join(str(item) for item in value))
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=plain, ensure_ascii=False)
    return str(value)


def printable(text: str) -> str:
    """Text without control characters, line ends and tabs excepted."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _cell(value: Any) -> str:
    from rich.markup import escape

    return escape(as_text(value))


@contextmanager
def progress_bar(*, is_shown: bool = True) -> Iterator[Progress]:
    """A bar on stderr that vanishes when done; off a terminal it draws nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    error_console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=error_console,
        transient=True,
        disable=not (is_shown and error_console.is_terminal),
    ) as progress:
        yield progress
