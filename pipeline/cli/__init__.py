"""`afluente …`: one module per group of commands. Start-up stays light: whatever is heavy is imported by the command.

Exit codes: 0 done, 1 found a problem, 2 wrong use (arguments or settings). Results go to stdout, all else to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pipeline.cli.commands import (
    attribution,
    balance,
    doctor,
    explain,
    exports,
    imports,
    init,
    leads_release,
    mapping,
    migrate,
    people,
    people_log,
    people_renew,
    quarantine,
    report,
    sandbox,
    source,
    status,
    up,
)
from pipeline.cli.terminal.output import CommandError, example, print_line, print_problem

__all__ = ["app", "main"]

app = typer.Typer(
    name="afluente",
    help="Leads from every channel into the CRM, exactly once.",
    epilog=example("afluente up", "afluente import leads.csv --source datablist --wait", "afluente balance"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    from importlib.metadata import version

    if wanted:
        print_line(f"afluente {version('afluente')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for group in (init, up, status, imports, balance):
    app.add_typer(group.commands)
exports.leads.add_typer(leads_release.commands)
exports.people.add_typer(people.commands)
exports.people.add_typer(people_log.commands)
exports.people.add_typer(people_renew.commands)
app.add_typer(exports.leads, name="leads")
app.add_typer(exports.people, name="people")
app.add_typer(exports.deliveries, name="deliveries")
app.add_typer(explain.commands)
app.add_typer(report.commands, name="report")
app.add_typer(attribution.commands, name="attribution")
app.add_typer(quarantine.commands, name="quarantine")
app.add_typer(source.commands, name="source")
app.add_typer(mapping.commands, name="mapping")
for group in (sandbox, doctor, migrate):
    app.add_typer(group.commands)


def main() -> None:
    """Run the command line. A user's mistake is one line on stderr; only a bug shows a traceback."""
    from pipeline.errors import AfluenteError, ConfigurationError

    try:
        app(prog_name="afluente")
    except CommandError as error:
        print_problem(str(error))
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        print_problem(str(error))
        sys.exit(2)
    except AfluenteError as error:
        print_problem(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
