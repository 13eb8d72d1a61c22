"""`afluente database …`: the roles of the database itself, for one's own server."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.output import example, print_line, print_text

commands = typer.Typer(help="The database itself.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """More than one command to come: so `roles` is one of a group."""


@commands.command("roles", epilog=example("afluente database roles > roles.sql", "afluente database roles --apply"))
def show_roles(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Run it in the database instead, as whoever AFLUENTE_DATABASE_URL names.")
    ] = False,
) -> None:
    """Print the SQL that gives each job in the database a role of its own.

    Roles for who owns the tables, migrates, works, reads and backs up; readers get views without sealed columns, each
    with the rows of its brands. Run it with psql as a superuser, or with --apply on embedded services.
    """
    from pipeline.store.engine import engine
    from pipeline.store.roles.setup import apply_roles, roles_sql

    if apply:
        with database():  # says how to start it where it is away
            pass
        apply_roles(engine())
        print_line("the roles are there; nobody uses them yet: docs/database-roles.md says how")
        return
    with database() as connection:
        print_text(roles_sql(connection))
