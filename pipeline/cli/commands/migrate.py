"""`afluente migrate`: bring the database to the schema of this version."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN
from pipeline.cli.terminal.output import example, print_line, progress_bar
from pipeline.cli.terminal.people_bars import people_bars, people_lines
from pipeline.errors import TransientError

commands = typer.Typer()


@commands.command(epilog=example("afluente migrate", "afluente migrate --check"))
def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if the schema is not that of this version.")
    ] = False,
) -> None:
    """Bring the database up to date.

    Safe to run twice, from several machines at once, and while others work. After an update it may have to find out who
    is who among the people of before: leads that come in meanwhile are kept, and wait. After a backup was restored it
    does again what the ledger of erasures says. When interrupted, run it again.
    """
    from pipeline.audit.entries import record_action
    from pipeline.identity.matching.evidence import KEYS_VERSION
    from pipeline.privacy.replaying import replay_ledger
    from pipeline.recompute.people import finish_upgrade
    from pipeline.store import schema
    from pipeline.store.engine import engine, transaction
    from pipeline.store.identity.upgrades import is_finished

    if check:
        if not schema.is_current(engine()):
            print_line("the schema is not that of this version: run `afluente migrate`")
            raise typer.Exit(1)
        with transaction() as connection:
            if not is_finished(connection, KEYS_VERSION):
                print_line(
                    "the evidence of earlier leads is not filed as this version needs it: run `afluente migrate`"
                )
                raise typer.Exit(1)
        print_line("the schema is current")
        return
    is_new = not schema.is_current(engine())
    schema.migrate(engine())
    if is_new:
        with transaction() as connection:
            record_action(connection, "installation.migrate")
    print_line("the schema is current")
    with progress_bar() as progress:
        try:
            finish_upgrade(**(people_lines() if progress.disable else people_bars(progress)))
            if count := sum(replay_ledger().counts.values()):
                print_line(f"{count} entries of the ledger done again: the database is that of an older backup")
        except TransientError as error:
            raise TransientError(f"{error}. {RUN_AGAIN}") from error
