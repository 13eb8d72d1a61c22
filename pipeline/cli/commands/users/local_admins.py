"""`afluente users local-admin …`: who signs in where the provider is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.guard import who_types
from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import AsJson, example, print_facts, print_json, print_line, print_note

if TYPE_CHECKING:
    from pipeline.login.local_admins import NewLocalAdmin

commands = typer.Typer(help="Local administrators, for when the sign-in provider is away.", no_args_is_help=True)


@commands.command(
    "create",
    epilog=example("afluente users local-admin create rescue", "afluente users local-admin create rescue --replace"),
)
def create_local_admin(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of your choice: letters, digits, - and _.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Give new secrets to one that there is; its sessions end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an administrator who signs in without the provider, by a password and a one-time code.

    Password, secret of the codes and recovery codes are shown once and kept nowhere: store them where you find them on
    a bad day, away from this machine. Each code counts once.
    """
    from pipeline.login.local_admins import create_local_admin

    with installation():
        made = create_local_admin(name, by=who_types(), is_replaced=replace)
    if as_json:
        print_json(made)
    else:
        _show_new(made)


def _show_new(made: NewLocalAdmin) -> None:
    print_facts(
        {
            "name": made.name,
            "password": made.password,
            "secret of the codes": made.secret,
            "for an app": made.address,
        },
        indent=0,
    )
    print_line("recovery codes, each in place of one one-time code:")
    for code in made.recovery_codes:
        print_line(f"  {code}")
    print_note("shown once: none of it can be shown again")
