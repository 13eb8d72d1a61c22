"""`afluente migrate`: bring the database to the schema of this version."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.output import example, print_line

commands = typer.Typer()


@commands.command(epilog=example("afluente migrate", "afluente migrate --check"))
def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if the schema is not that of this version.")
    ] = False,
) -> None:
    """Bring the database up to date.

    Safe to run twice, from several machines at once, and while others work.
    """
    from pipeline.store import schema
    from pipeline.store.engine import engine

    if check:
        if schema.is_current(engine()):
            print_line("the schema is current")
            return
        print_line("the schema is not that of this version: run `afluente migrate`")
        raise typer.Exit(1)
    schema.migrate(engine())
    print_line("the schema is current")
