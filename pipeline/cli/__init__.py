"""`afluente …`: parses and prints, nothing else.

One module per group of commands. Start-up stays light: whatever is heavy is imported by the command,
and a group is built when it is asked for.

Exit codes: 0 done, 1 found a problem, 2 wrong use (arguments or settings). Results go to stdout, all else to stderr.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.commands import (
    attribution,
    audit,
    balance,
    consent,
    console,
    database,
    deliveries,
    destination,
    doctor,
    explain,
    imports,
    init,
    keys,
    leads,
    mapping,
    migrate,
    people,
    privacy,
    quarantine,
    report,
    retention,
    sandbox,
    source,
    status,
    up,
    users,
    webhook,
)
from pipeline.cli.guard import guard
from pipeline.cli.on_demand import CommandsOnDemand
from pipeline.cli.terminal.output import example, print_line, print_problem
from pipeline.errors import AfluenteError, ConfigurationError, RecordError, UsageError

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """All commands, each behind the check of who may type it. What is wrong with an option is told without the word of
    the library that found it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = _known_commands()

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


_groups = typer.Typer()  # what the root looks its commands up in


@cache
def _known_commands() -> CommandsOnDemand:
    """What was built serves whoever runs another command in the same process."""
    return CommandsOnDemand(_groups.registered_groups, guard)


app = typer.Typer(
    name="afluente",
    cls=_Commands,
    help="Leads from every channel into the CRM, exactly once.",
    epilog=example("afluente up", "afluente import leads.csv --source datablist --wait", "afluente balance"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    from pipeline.health.version import installed_version

    if wanted:
        print_line(f"afluente {installed_version()}")
        raise typer.Exit


def _set_data(context: typer.Context, folder: Path | None) -> None:
    """Before anything reads the settings: every command asks the environment for its installation. What it said before
    is kept for `up`, which tells how to find the installation again."""
    context.obj = os.environ.get("AFLUENTE_DATA")
    if folder is not None:
        os.environ["AFLUENTE_DATA"] = str(folder)


@app.callback()
def _options(
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", callback=_set_data, help="The installation's data folder. Default: AFLUENTE_DATA."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for group in (init, up, console, status, imports, balance):
    _groups.add_typer(group.commands)
_groups.add_typer(leads.commands, name="leads")
_groups.add_typer(people.commands, name="people")
_groups.add_typer(consent.commands, name="consent")
_groups.add_typer(deliveries.commands, name="deliveries")
_groups.add_typer(destination.commands, name="destination")
_groups.add_typer(webhook.commands, name="webhook")
_groups.add_typer(explain.commands)
_groups.add_typer(report.commands, name="report")
_groups.add_typer(attribution.commands, name="attribution")
_groups.add_typer(quarantine.commands, name="quarantine")
_groups.add_typer(source.commands, name="source")
_groups.add_typer(mapping.commands, name="mapping")
_groups.add_typer(privacy.commands, name="privacy")
_groups.add_typer(keys.commands, name="keys")
_groups.add_typer(audit.commands, name="audit")
_groups.add_typer(users.commands, name="users")
_groups.add_typer(retention.commands, name="retention")
for group in (sandbox, doctor, migrate):
    _groups.add_typer(group.commands)
_groups.add_typer(database.commands, name="database")


def main() -> None:
    """Run the command line. A user's mistake is one line on stderr; only a bug shows a traceback."""
    try:
        app(prog_name="afluente")
    except AfluenteError as error:
        print_problem(_problem(error))
        sys.exit(_exit_code(error))
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _exit_code(error: AfluenteError) -> int:
    """2 for what no other state of the installation would make right: wrong arguments or settings. Else 1."""
    return 2 if isinstance(error, UsageError | ConfigurationError) else 1


def _problem(error: AfluenteError) -> str:
    """The error's text, with the argument that is wrong named as an option of the command, and no code of a record."""
    if isinstance(error, UsageError) and error.argument:
        return f"--{error.argument.replace('_', '-')} {error.message}"
    return (isinstance(error, RecordError) and error.message) or str(error)
