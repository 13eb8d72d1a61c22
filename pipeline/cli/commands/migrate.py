"""`afluente migrate`: bring the database to the schema of this version."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.people import PeopleBars, people_bars
from pipeline.cli.terminal.output import CommandError, example, print_line, print_note, progress_bar

if TYPE_CHECKING:
    from pipeline.recompute.people import Recomputed

commands = typer.Typer()
_LINE_SECONDS = 10.0


@commands.command(epilog=example("afluente migrate", "afluente migrate --check"))
def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if the schema is not that of this version.")
    ] = False,
) -> None:
    """Bring the database up to date.

    Safe to run twice, from several machines at once, and while others work. After an update it may have to find out who
    is who among the people of before: leads that come in meanwhile are kept, and wait. When interrupted, run it again.
    """
    from pipeline.errors import TransientError
    from pipeline.identity.matching.evidence import KEYS_VERSION
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
    schema.migrate(engine())
    print_line("the schema is current")
    with progress_bar() as progress:
        try:
            finish_upgrade(**(_lines() if progress.disable else people_bars(progress)))
        except TransientError as error:
            raise CommandError(f"{error}. Run the same command again: what was done stays done") from error


def _lines() -> PeopleBars:
    """For a log: a line now and then."""
    last = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS or done == total:
            last = time.monotonic()
            print_note(f"{what}: {done} of {total}")

    def show_pieces(done: Recomputed, pieces: int) -> None:
        show("evidence weighed", done.pieces, pieces)

    return {
        "on_refiling": lambda done, pieces: show("evidence filed anew", done, pieces),
        "on_filing": lambda done, events: show("earlier leads filed", done, events),
        "on_progress": show_pieces,
    }
