"""`afluente people log`: what became of who is who, across people: what the system did, and what humans said."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, known_brand
from pipeline.cli.terminal.moments import parse_moment
from pipeline.cli.terminal.output import example, print_line, print_table
from pipeline.cli.terminal.rows import RowFormat, streaming, write_rows

commands = typer.Typer()

_SHOWN = 50  # rows of a table, unless asked for more
_MOST = 1_000_000_000
_COLUMNS = ("at", "action", "person", "other", "event", "decided_by", "why")
_KEYS = ("id", "at", "brand", "action", "person_id", "other_id", "event_id", "decided_by", "why")


class Action(StrEnum):
    """What a line of the log is about: the kinds of a `pipeline.store.identity.notices.Notice`."""

    MERGED = "merged"
    SPLIT = "split"
    JOINED = "joined"
    PARTED = "parted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    REROUTED = "rerouted"


@commands.command(
    "log",
    epilog=example(
        "afluente people log --since 24h",
        "afluente people log --since 2026-03-01 --action merged --action split",
        "afluente people log --since 7d --brand default --json",
    ),
)
def log(
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="Not before: 90m, 24h, 7d, 2w, or 2026-03-01, 2026-03-01T22:00 (UTC)."
        ),
    ] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    action: Annotated[
        list[Action] | None, typer.Option("--action", help=f"Only these: {', '.join(Action)}. May be repeated.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=_MOST, help="Show at most this many. If not said: 50; with --json all."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line for programs instead of text for people.")
    ] = False,
) -> None:
    """Show what happened to people, newest first.

    Who became one with whom (merged) or came apart (split), what humans said (joined, parted, accepted, rejected) and
    why, and which known people came again (duplicate, rerouted). `explain` tells the whole story of one of them.
    """
    from pipeline.store.identity.identity_log import stream_log

    begin = parse_moment("--since", since, datetime.now(UTC)) if since is not None else None
    known_brand(brand)
    wanted = limit if as_json else (limit or _SHOWN) + 1
    with (
        database(timeout_seconds=0) as connection,
        streaming(
            stream_log(connection, since=begin, brand=brand, actions=[one.value for one in action or ()], limit=wanted)
        ) as found,
    ):
        if as_json:
            write_rows(found, _KEYS, RowFormat.jsonl, None)
            return
        rows = [[row[key] for key in _KEYS if key not in ("id", "brand")] for row in found]
    if not rows:
        print_line("Nothing happened.")
        return
    shown = limit or _SHOWN
    print_table(_COLUMNS, rows[:shown])
    if len(rows) > shown:
        print_line(f"There is more: see it with --limit {2 * shown}, or all of it with --json")
