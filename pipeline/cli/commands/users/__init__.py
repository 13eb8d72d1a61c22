"""`afluente users …`: who signs in at the console."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.commands.users import local_admins
from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table
from pipeline.values.counting import counted

commands = typer.Typer(help="Who signs in at the console.", no_args_is_help=True)
commands.add_typer(local_admins.commands, name="local-admin")

User = Annotated[
    str, typer.Argument(metavar="USER", help="Its id, its subject at the provider, or a name it alone has.")
]


@commands.command("list", epilog=example("afluente users list", "afluente users list --json"))
def list_users(*, as_json: AsJson = False) -> None:
    """Show everybody who ever signed in, and every local administrator: roles by brand, last sign-in, open sessions."""
    from pipeline.login import users

    with installation():
        rows = users.list_users()
    if as_json:
        print_json(rows)
        return
    print_table(
        ("user_id", "name", "issuer", "roles", "signed in", "state", "sessions"),
        [
            (
                user.user_id,
                user.name or user.subject,
                user.issuer,
                [f"{brand}: {' '.join(roles)}" for brand, roles in user.roles.items()],
                user.signed_in_at,
                "on" if user.disabled_at is None else "off",
                user.sessions,
            )
            for user in rows
        ],
        numbers=("sessions",),
    )


@commands.command("sessions", epilog=example("afluente users sessions", "afluente users sessions ana --json"))
def show_sessions(
    *,
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Only this user's. If not said: everybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who is signed in now: since when, from which network, how, and with which roles."""
    from pipeline.login import users
    from pipeline.settings.loading import settings

    with installation():
        rows = users.sessions_of(user, settings().access.sign_in)
    if as_json:
        print_json(rows)
        return
    columns = ("session_id", "name", "auth", "network", "created_at", "seen_at", "ends_at")
    print_table(columns, [[getattr(row, column) for column in columns] for row in rows])


@commands.command("end-sessions", epilog=example("afluente users end-sessions ana"))
def end_sessions(*, user: User) -> None:
    """End all sessions of a user, who may sign in again."""
    from pipeline.login import users

    with installation():
        found, ended = users.end_sessions(user)
    print_line(f"{counted(ended, 'session')} of {found.user_id} ended")


@commands.command("disable", epilog=example("afluente users disable ana"))
def disable(*, user: User) -> None:
    """Switch a user off: all sessions end, and no new one begins until `users enable`."""
    from pipeline.login import users

    with installation():
        found, ended = users.set_disabled(user, is_disabled=True)
    print_line(f"{found.user_id} is off; {counted(ended, 'session')} ended")


@commands.command("enable", epilog=example("afluente users enable ana"))
def enable(*, user: User) -> None:
    """Let a user sign in again who was switched off."""
    from pipeline.login import users

    with installation():
        found, _ = users.set_disabled(user, is_disabled=False)
    print_line(f"{found.user_id} is on")
