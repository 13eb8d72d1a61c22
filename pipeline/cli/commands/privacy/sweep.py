"""`afluente privacy sweep`: no byte of what was deleted is left."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note

SWEEP = example("afluente privacy sweep", "afluente privacy sweep --up-to 20", "afluente privacy sweep --json")


def sweep(
    *,
    up_to: Annotated[
        float, typer.Option("--up-to", min=0.0, metavar="GB", help="Rewrite tables of at most this size as a whole.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Remove what the files of the database and of Redis still hold of deleted rows.

    Tables and their indexes are written anew, the write-ahead log is written over, Redis writes its file anew. While a
    table is rewritten whoever wants it waits, so choose a quiet hour. Greater tables than --up-to
    are vacuumed and their indexes written anew beside the work; gaps in their pages may hold remains until they are
    used again. Exit 1 if something was left.
    """
    from pipeline.privacy.sweeping import sweep as run

    with installation(advice=RUN_AGAIN):
        done = run(
            most_bytes=int(up_to * 1e9),
            on_table=lambda table: None if as_json else print_note(f"{table.table}: {table.way}"),
        )
    if as_json:
        print_json({**{name: getattr(done, name) for name in done.__struct_fields__}, "is_whole": done.is_whole})
    else:
        rewritten = sum(table.way == "rewritten" for table in done.tables)
        print_line(f"{rewritten} of {len(done.tables)} tables rewritten in {done.seconds:.0f} s")
        if done.log_segments is not None:
            print_line(f"write-ahead log: written over, {done.log_segments} segments")
        print_line(f"Redis: {done.redis}")
        for place in done.elsewhere:
            print_line(f"not reached from here: {place}")
        for table in done.tables:
            if table.way == "vacuumed":
                print_line(f"{table.table} is too large to be rewritten: gaps in its pages may hold remains (--up-to)")
        for problem in done.problems:
            print_line(problem)
    if not done.is_whole:
        raise typer.Exit(1)
